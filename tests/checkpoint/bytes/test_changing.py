"""Checkpoints that somebody writes while they are read: never a mixture, never a riddle."""

from __future__ import annotations

import os
import struct
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from lnfold.checkpoint import open_checkpoint
from lnfold.errors import ChangedWhileReadError, DamagedError
from tests.checkpoint import crafting
from tests.checkpoint.crafting import FLOAT, entry_message

VARIABLES = 6


def files(step: int) -> tuple[bytes, bytes]:
    """Index and data of a checkpoint in which every number is the step."""
    raw = struct.pack("<f", step) * 500
    entries = [
        (f"v{n}".encode(), entry_message(FLOAT, [500], raw, n * len(raw))) for n in range(VARIABLES)
    ]
    return crafting.table([(b"", crafting.header_message()), *entries]), raw * VARIABLES


def put(prefix: str, step: int, in_place: bool = False) -> None:
    """Write as TensorFlow does: data renamed first, then the index; or over what is there."""
    index, data = files(step)
    for path, content in ((f"{prefix}.data-00000-of-00001", data), (f"{prefix}.index", index)):
        target = path if in_place else path + ".tempstate"
        Path(target).write_bytes(content)
        if not in_place:
            os.replace(target, path)


@pytest.mark.parametrize("in_place", [False, True])
def test_no_mixture_is_ever_read(tmp_path: Path, patience: None, in_place: bool):
    """A writer in a loop: all values of one step, or the error that says that it is there."""
    prefix = str(tmp_path / "x")
    put(prefix, 0)
    stop = threading.Event()

    def writer() -> None:
        step = 1
        while not stop.is_set():
            put(prefix, step, in_place)
            step += 1
            time.sleep(0.001)

    thread = threading.Thread(target=writer)
    thread.start()
    complete = failed = 0
    end = time.monotonic() + 1.5
    try:
        while time.monotonic() < end:
            try:
                with open_checkpoint(prefix) as checkpoint:
                    values = np.stack([variable.read() for variable in checkpoint.values()])
            except ChangedWhileReadError:
                failed += 1
            else:
                assert len(values) == VARIABLES
                assert np.unique(values).size == 1
                complete += 1
    finally:
        stop.set()
        thread.join()
    print(f"{complete} complete, {failed} errors")

    assert complete + failed > 10
    assert complete > (0 if in_place else failed)


def test_an_interrupted_save_is_suspected(tmp_path: Path):
    """Data that is younger than its index, and nobody who writes the other half."""
    prefix = str(tmp_path / "x")
    put(prefix, 1)
    os.utime(f"{prefix}.index", (1e9, 1e9))
    Path(f"{prefix}.data-00000-of-00001").write_bytes(files(2)[1])

    with pytest.raises(DamagedError, match="save may have been interrupted"):
        open_checkpoint(prefix)["v0"].read()


def test_a_replaced_checkpoint_is_still_the_one_that_was_opened(tmp_path: Path):
    """Open files outlive a rename, so values belong to the names that were listed."""
    prefix = str(tmp_path / "x")
    put(prefix, 1)
    with open_checkpoint(prefix) as checkpoint:
        put(prefix, 2)
        assert {variable.read()[0] for variable in checkpoint.values()} == {1.0}


@pytest.mark.skipif(os.name == "nt", reason="Windows does not let open files be overwritten")
def test_a_change_in_place_is_called_that(tmp_path: Path):
    """A wrong checksum in a file that was written since is no damage."""
    prefix = str(tmp_path / "x")
    put(prefix, 1)
    with open_checkpoint(prefix) as checkpoint:
        put(prefix, 2, in_place=True)
        with pytest.raises(ChangedWhileReadError, match=r"changed while.*read it again"):
            checkpoint["v0"].read()


@pytest.mark.skipif(os.name == "nt", reason="Windows does not let open files be cut")
def test_a_file_that_is_cut_while_it_is_open(tmp_path: Path):
    """The read comes back short; the process lives on."""
    prefix = str(tmp_path / "x")
    put(prefix, 1)
    with open_checkpoint(prefix) as checkpoint:
        Path(f"{prefix}.data-00000-of-00001").write_bytes(b"")
        with pytest.raises(ChangedWhileReadError):
            checkpoint["v5"].read()


def test_data_of_another_moment_is_called_a_change(tmp_path: Path):
    """The index is replaced between its reading and the first value."""
    prefix = str(tmp_path / "x")
    put(prefix, 1)
    Path(f"{prefix}.data-00000-of-00001").write_bytes(files(2)[1])
    with open_checkpoint(prefix) as checkpoint:
        Path(f"{prefix}.index").write_bytes(files(2)[0])
        with pytest.raises(ChangedWhileReadError):
            checkpoint["v0"].read()


def test_many_shards_do_not_use_up_the_files(tmp_path: Path):
    """Beyond 64 shards files are opened again, and one that was replaced is noticed."""
    raw = [struct.pack("<f", n) for n in range(100)]
    items = [(b"", crafting.header_message(shards=100))]
    items += [(f"v{n:02}".encode(), entry_message(FLOAT, [], raw[n], shard=n)) for n in range(100)]
    prefix = crafting.write(tmp_path / "x", items, raw)
    with open_checkpoint(prefix) as checkpoint:
        assert [float(v.read()) for v in checkpoint.values()] == list(range(100))
        path = f"{prefix}.data-00000-of-00100"
        os.replace(f"{prefix}.data-00001-of-00100", path)
        with pytest.raises(ChangedWhileReadError):
            checkpoint["v00"].read()


def test_a_closed_checkpoint_is_closed(tmp_path: Path):
    """Reading afterwards is a bug of the caller, and says so."""
    put(str(tmp_path / "x"), 1)
    with open_checkpoint(tmp_path / "x") as checkpoint:
        variable = checkpoint["v0"]

    with pytest.raises(ValueError, match="is closed"):
        variable.read()
