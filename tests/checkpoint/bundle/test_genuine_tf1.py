"""Checkpoints that TensorFlow 1.15 wrote, against what its session held."""

from __future__ import annotations

import struct
import time
from pathlib import Path

import numpy as np
import pytest

from lnfold.checkpoint import open_checkpoint
from lnfold.checkpoint.verify import verify
from lnfold.errors import DamagedError
from tests.checkpoint import crafting

FIXTURES = Path(__file__).parents[1] / "fixtures"
FOLDERS = sorted(path.parent.name for path in FIXTURES.glob("*/expected.npz"))


def test_the_fixtures_are_there():
    """V2 and V1, whole, sharded and partitioned."""
    assert {"dtypes", "partitioned", "sharded", "v1", "v1_partitioned", "v1_sharded"} <= set(
        FOLDERS
    )


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_value_comes_back(folder: str):
    """Names, shapes, types and bits are those of the session; partitions are whole again."""
    with np.load(FIXTURES / folder / "expected.npz") as expected:
        checkpoint = open_checkpoint(FIXTURES / folder)

        assert set(expected.files) == set(checkpoint)
        for name, variable in checkpoint.items():
            found, wanted = variable.read(), expected[name]
            assert found.shape == wanted.shape == variable.shape
            if variable.dtype == "string":
                assert found.tolist() == wanted.astype(object).tolist()
            elif variable.dtype == "bfloat16":
                # The session gave it as float32, which holds it exactly.
                assert found.astype(np.float32).tolist() == wanted.tolist()
            else:
                assert found.dtype == wanted.dtype == np.dtype(variable.dtype)
                assert found.tobytes() == wanted.tobytes()


@pytest.mark.parametrize("folder", FOLDERS)
def test_pieces_make_the_whole(folder: str):
    """What statistics read piece by piece is what read() gives at once."""
    for variable in open_checkpoint(FIXTURES / folder).values():
        pieces = [np.array(piece) for piece in variable.storage.pieces(variable)]
        whole = variable.read()
        assert sum(piece.size for piece in pieces) == whole.size
        if "partitioned" not in folder and whole.size:
            assert np.concatenate(pieces).tolist() == whole.reshape(-1).tolist()


@pytest.mark.parametrize("folder", FOLDERS)
def test_they_are_sound(folder: str):
    """Verification reads them all and finds nothing."""
    found = verify(FIXTURES / folder)

    assert found.passed
    assert found.variables > 0
    assert found.notes == ()


def test_the_kinds_are_told_apart():
    """V1, sharded V1 and V2 are called what they are."""
    formats = {folder: open_checkpoint(FIXTURES / folder).format for folder in FOLDERS}

    assert formats["v1"] == "V1"
    assert formats["v1_sharded"] == "V1, sharded"
    assert formats["partitioned"] == "TensorBundle V2"
    assert formats["saved_model"] == "SavedModel"


def test_a_colon_zero_is_dropped():
    """A Saver that was given a dict of names with outputs writes keys that end in :0."""
    checkpoint = open_checkpoint(FIXTURES / "name_with_output")

    assert list(checkpoint) == ["dense/kernel"]
    assert checkpoint["dense/kernel"].key == "dense/kernel:0"
    assert checkpoint.by_key("dense/kernel:0").read().tolist() == [[1, 1, 1], [1, 1, 1]]


def test_many_variables_of_a_v1_file_are_read_in_no_time(tmp_path: Path):
    """Thousands of small ones share a block, which is decoded once and not for each."""
    meta = b"".join(
        crafting.field(
            1,
            crafting.field(1, f"w{n:05}".encode())
            + crafting.field(2, crafting.shape_message([1]))
            + crafting.field(3, crafting.FLOAT)
            + crafting.field(4, crafting.extent(0, None)),
        )
        for n in range(5000)
    )
    items = [(b"", crafting.field(1, meta))]
    items += [
        (
            crafting.slice_key(f"w{n:05}", [(0, -1)]),
            crafting.field(2, crafting.field(3, crafting.field(5, struct.pack("<f", n)))),
        )
        for n in range(5000)
    ]
    (tmp_path / "model").write_bytes(crafting.table(items))
    start = time.process_time()
    values = [float(v.read()[0]) for v in open_checkpoint(tmp_path / "model").values()]

    assert values == list(range(5000))
    assert time.process_time() - start < 3


def test_strangers_in_a_v1_file_are_noted(tmp_path: Path):
    """Values that no list mentions cannot be read, but verify sees them."""
    items = [
        (b"", crafting.field(1, b"")),
        (crafting.slice_key("lost", [(0, -1)]), crafting.field(2, b"")),
    ]
    (tmp_path / "model").write_bytes(crafting.table(items))

    assert any("1 slices that belong to no variable" in n for n in verify(tmp_path / "model").notes)


def test_a_v1_tensor_without_slices_is_damage(tmp_path: Path):
    """A tensor that is listed and of which no part is."""
    tensor = crafting.field(1, b"a") + crafting.field(3, crafting.FLOAT)
    items = [(b"", crafting.field(1, crafting.field(1, tensor)))]
    (tmp_path / "model").write_bytes(crafting.table(items))

    with pytest.raises(DamagedError, match="0 slices leave a gap"):
        open_checkpoint(tmp_path / "model")
