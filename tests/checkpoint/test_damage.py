"""Real checkpoints with a byte changed or the end missing: noticed, always, everywhere."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from lnfold.checkpoint import open_checkpoint
from lnfold.checkpoint.verify import verify
from lnfold.errors import DamagedError, InputError
from tests.checkpoint import crafting
from tests.checkpoint.crafting import FLOAT, INT64, STRING, entry_message

HERE = Path(__file__).parent
V1 = HERE / "fixtures" / "v1_sharded"


def small_bundle(prefix: Path) -> str:
    """Three variables of different kinds, in two blocks of the index."""
    text, crc = crafting.strings([b"one", b"", b"three"])
    numbers = np.linspace(-1, 1, 12, dtype="<f4").tobytes()
    step = (500).to_bytes(8, "little")
    entries = {
        "net/dense/kernel": entry_message(FLOAT, [4, 3], numbers),
        "net/names": entry_message(STRING, [3], text, len(numbers), crc=crc),
        "step": entry_message(INT64, [], step, len(numbers) + len(text)),
    }
    return crafting.bundle(prefix, entries, numbers + text + step, per_block=2)


def contents(path: str | Path) -> dict[str, object]:
    """Every name with its shape and values."""
    with open_checkpoint(path) as checkpoint:
        return {name: (v.shape, v.dtype, v.read().tolist()) for name, v in checkpoint.items()}


def flips(raw: bytes) -> Iterator[tuple[int, bytes]]:
    """``raw`` with one bit changed, for every bit."""
    for position in range(len(raw)):
        for bit in range(8):
            changed = bytearray(raw)
            changed[position] ^= 1 << bit
            yield position, bytes(changed)


def counted(
    path: Path, variants: Iterator[bytes], act: Callable[[], object], expected: object
) -> tuple[int, int]:
    """How many variants of a file are refused, and how many change nothing; others fail."""
    refused = harmless = 0
    for variant in variants:
        path.write_bytes(variant)
        try:
            found = act()
        except InputError:
            refused += 1
        else:
            assert found == expected
            harmless += 1
    return refused, harmless


def test_every_truncation_of_an_index_is_refused(tmp_path: Path):
    """Whatever part of an index is there, it is not taken for a whole one."""
    prefix = small_bundle(tmp_path / "x")
    index = Path(f"{prefix}.index")
    raw = index.read_bytes()
    cuts = (raw[:length] for length in range(len(raw)))

    assert counted(index, cuts, lambda: contents(prefix), None) == (len(raw), 0)


def test_every_bit_of_an_index_counts(tmp_path: Path):
    """A changed bit is refused, or lies in what no reader needs and changes nothing."""
    prefix = small_bundle(tmp_path / "x")
    index = Path(f"{prefix}.index")
    raw = index.read_bytes()
    expected = contents(prefix)
    changed = (variant for _, variant in flips(raw))
    refused, harmless = counted(index, changed, lambda: contents(prefix), expected)

    # The empty metaindex block and its handle, and the padding of the footer, are 8 bits a byte.
    assert refused + harmless == 8 * len(raw)
    assert harmless <= 8 * 50


def test_every_bit_of_a_real_index_counts(real: Path, tmp_path: Path):
    """The same on a checkpoint of TensorFlow 1.15, one bit a byte."""
    shutil.copytree(real / "question_actor", tmp_path / "x")
    index = tmp_path / "x" / "actor.ckpt-500.index"
    index.chmod(0o644)
    raw = index.read_bytes()
    expected = set(open_checkpoint(tmp_path / "x"))
    variants = (raw[:n] + bytes([raw[n] ^ 1 << n % 8]) + raw[n + 1 :] for n in range(len(raw)))
    refused, harmless = counted(
        index, variants, lambda: set(open_checkpoint(tmp_path / "x")), expected
    )

    assert (refused, harmless) == (981, 49)


def test_every_bit_of_the_data_counts(tmp_path: Path):
    """Exactly the variable whose byte was changed is damaged, and the error names it."""
    prefix = small_bundle(tmp_path / "x")
    data = Path(f"{prefix}.data-00000-of-00001")
    raw = data.read_bytes()
    with open_checkpoint(prefix) as checkpoint:
        ranges = [(v.storage.position(v)[1], v.nbytes, name) for name, v in checkpoint.items()]
    for position, variant in flips(raw):
        data.write_bytes(variant)
        (owner,) = (name for start, size, name in ranges if start <= position < start + size)
        found = verify(prefix)

        assert set(found.damaged) == {owner}
        assert found.damaged[owner].variable == owner
        assert found.damaged[owner].file == str(data)
        with open_checkpoint(prefix) as checkpoint, pytest.raises(DamagedError):
            checkpoint[owner].read()


def test_every_truncation_of_the_data_is_noticed(tmp_path: Path):
    """What lies before the cut is read, what lies behind it is damaged."""
    prefix = small_bundle(tmp_path / "x")
    data = Path(f"{prefix}.data-00000-of-00001")
    raw = data.read_bytes()
    with open_checkpoint(prefix) as checkpoint:
        ends = {name: v.storage.position(v)[1] + v.nbytes for name, v in checkpoint.items()}
    for length in range(len(raw)):
        data.write_bytes(raw[:length])
        found = verify(prefix)

        assert set(found.damaged) == {name for name, end in ends.items() if end > length}
        assert any("shorter than its index says" in note for note in found.notes)


def test_data_of_another_step_is_noticed(tmp_path: Path):
    """Values of the same sizes under an old index: every variable is damaged."""
    prefix = small_bundle(tmp_path / "x")
    data = Path(f"{prefix}.data-00000-of-00001")
    data.write_bytes(bytes(len(data.read_bytes())))

    assert len(verify(prefix).damaged) == 3


def test_every_change_of_a_v1_file_is_noticed(tmp_path: Path):
    """A V1 file has no checksum but those of its blocks; they cover everything that counts."""
    shutil.copytree(V1, tmp_path / "x")
    path = tmp_path / "x" / "model.ckpt-20-00001-of-00003"
    raw = path.read_bytes()
    expected = contents(tmp_path / "x")
    variants = [raw[:length] for length in range(len(raw))]
    variants += [raw[:n] + bytes([raw[n] ^ 1 << n % 8]) + raw[n + 1 :] for n in range(len(raw))]
    refused, harmless = counted(path, iter(variants), lambda: contents(tmp_path / "x"), expected)

    assert refused + harmless == 2 * len(raw)
    assert harmless <= 50


def test_a_file_of_zeros_is_refused(tmp_path: Path):
    """A copy that reserved its space and never came is no index."""
    prefix = small_bundle(tmp_path / "x")
    index = Path(f"{prefix}.index")
    index.write_bytes(bytes(index.stat().st_size))

    with pytest.raises(DamagedError, match="magic number"):
        open_checkpoint(prefix)


def test_an_empty_index_is_refused(tmp_path: Path):
    """The index that a sharded save has made but not yet filled."""
    prefix = small_bundle(tmp_path / "x")
    Path(f"{prefix}.index").write_bytes(b"")

    with pytest.raises(DamagedError, match="the file is cut: it has 0 bytes"):
        open_checkpoint(prefix)
