"""Crafted bundles whose index is sound and whose values, or where they should be, are not."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest

from lnfold.checkpoint import open_checkpoint
from lnfold.checkpoint.verify import verify
from lnfold.errors import CheckpointNotFoundError, DamagedError, UnsupportedError
from tests.checkpoint import crafting
from tests.checkpoint.crafting import FLOAT, STRING, entry_message, field, header_message, varint

DATA = bytes(24)
A = entry_message(FLOAT, [2, 3], DATA)
TEXT, TEXT_CRC = crafting.strings([b"ab", b"c"])

STRINGS = {
    "lengths past the file": b"\xff\xff\xff\xff\x07" * 2 + bytes(12),
    "lengths of 6 GiB": varint(6 << 30) + varint(1) + bytes(20),
    "lengths of 2^63": varint(1 << 63) + varint(1) + bytes(16),
    "checksum of lengths wrong": TEXT[:2] + bytes(4) + TEXT[6:],
    "endless length": b"\x80" * 24,
    "strings too short": TEXT[:-1] + b"",
}


@pytest.mark.parametrize("case", STRINGS)
def test_impossible_strings_are_refused(tmp_path: Path, case: str):
    """Lengths are checked against the bytes that are there before they are believed."""
    raw = STRINGS[case]
    prefix = crafting.bundle(tmp_path / "x", {"a": entry_message(STRING, [2], raw)}, raw)
    checkpoint = open_checkpoint(prefix)

    with pytest.raises(DamagedError) as caught:
        checkpoint["a"].read()
    assert caught.value.variable == "a"
    assert "a" in verify(prefix).damaged


def test_an_offset_past_the_end_is_named(tmp_path: Path):
    """The sound variable is read; the other is refused with its range and the file's size."""
    entries = {"a": A, "b": entry_message(FLOAT, [2, 3], DATA, 1 << 40)}
    checkpoint = open_checkpoint(crafting.bundle(tmp_path / "x", entries, DATA))

    assert checkpoint["a"].read().shape == (2, 3)
    with pytest.raises(DamagedError, match=r"variable 'b'.*past the end.*has 24 bytes"):
        checkpoint["b"].read()
    assert any("shorter than its index says" in note for note in checkpoint.notes)


def test_overlapping_tensors_are_noted(tmp_path: Path):
    """TensorFlow reads them without a word; verify says that they share bytes."""
    entries = {"a": A, "b": entry_message(FLOAT, [5], DATA[:20], 4)}
    found = verify(crafting.bundle(tmp_path / "x", entries, DATA))

    assert found.passed
    assert any("'b' shares bytes" in note for note in found.notes)


def test_tensors_on_one_another_are_refused(tmp_path: Path):
    """A thousand names for the same bytes would be a thousand times the reading."""
    entries = {f"w{n}": A for n in range(1000)}

    with pytest.raises(DamagedError, match="lie on one another"):
        open_checkpoint(crafting.bundle(tmp_path / "x", entries, DATA))


def test_gaps_are_noted(tmp_path: Path):
    """Bytes that belong to no tensor are counted."""
    entries = {"a": entry_message(FLOAT, [], bytes(4), 20)}

    assert any(
        "20 bytes lie between" in n
        for n in verify(crafting.bundle(tmp_path / "x", entries, DATA)).notes
    )


def test_a_giant_tensor_costs_nothing(tmp_path: Path):
    """A shape of 2^30 numbers over a file of 24 bytes is refused without its memory."""
    raw = entry_message(FLOAT, [1 << 30], DATA, size=4 << 30)
    checkpoint = open_checkpoint(crafting.bundle(tmp_path / "x", {"a": raw}, DATA))
    tracemalloc.start()
    with pytest.raises(DamagedError, match="past the end"):
        checkpoint["a"].read()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak < 1 << 20


def test_a_missing_shard_is_named(tmp_path: Path):
    """An index without its data is found out when it is opened, with the missing file's name."""
    prefix = crafting.bundle(tmp_path / "x", {"a": A}, DATA)
    Path(f"{prefix}.data-00000-of-00001").unlink()

    with pytest.raises(
        CheckpointNotFoundError, match=r"needs the data file x\.data-00000-of-00001"
    ):
        open_checkpoint(prefix)


def test_keys_cannot_be_blown_up(tmp_path: Path):
    """Each key is written as 100 bytes more than the one before: megabytes for gigabytes."""
    items = [(b"", header_message())]
    items += [(b"x" * (100 * n), entry_message(FLOAT, [], bytes(4))) for n in range(1, 2000)]
    prefix = crafting.write(tmp_path / "x", items, bytes(4), restart_interval=1 << 30)
    assert Path(f"{prefix}.index").stat().st_size < 500_000

    with pytest.raises(DamagedError, match="keys up to here are longer"):
        open_checkpoint(prefix)


def test_millions_of_shards_are_not_looked_for(tmp_path: Path):
    """A header can announce 2^31 shards; only those that hold something are opened."""
    items = [(b"", header_message(shards=(1 << 31) - 1)), (b"a", A)]

    assert open_checkpoint(crafting.write(tmp_path / "x", items, DATA))["a"].read().size == 6


def test_a_damaged_object_graph_is_refused_but_verified(tmp_path: Path):
    """Without its graph the names are unknown, so opening fails; verify uses the keys."""
    raw, crc = crafting.strings([b"\xff\xff"])
    entries = {
        "_CHECKPOINTABLE_OBJECT_GRAPH": entry_message(STRING, [], raw, crc=crc),
        "v/.ATTRIBUTES/VARIABLE_VALUE": entry_message(FLOAT, [], bytes(4), len(raw)),
    }
    prefix = crafting.bundle(tmp_path / "x", entries, raw + bytes(4))

    with pytest.raises(DamagedError, match="graph of objects"):
        open_checkpoint(prefix)
    assert verify(prefix).variables == 2


def test_cycles_and_strangers_in_the_object_graph(tmp_path: Path):
    """Children may form cycles; numbers of objects that do not exist are damage."""

    def graph(children: bytes) -> str:
        node = children + field(2, field(1, b"VARIABLE_VALUE") + field(3, b"v"))
        raw, crc = crafting.strings([field(1, node)])
        entries = {
            "_CHECKPOINTABLE_OBJECT_GRAPH": entry_message(STRING, [], raw, crc=crc),
            "v": entry_message(FLOAT, [], bytes(4), len(raw)),
        }
        return crafting.bundle(tmp_path / "x", entries, raw + bytes(4))

    loop = field(1, field(2, b"self"))
    cyclic = open_checkpoint(graph(loop)).object_graph
    assert cyclic is not None
    assert cyclic.paths() == {0: ()}
    stranger = open_checkpoint(graph(field(1, field(1, 7) + field(2, b"x"))))
    with pytest.raises(DamagedError, match="object 0 refers to"):
        _ = stranger.object_graph


def test_a_variant_is_listed_and_refused(tmp_path: Path):
    """A variant is no array; its bytes are not looked at."""
    prefix = crafting.bundle(tmp_path / "x", {"a": entry_message(crafting.VARIANT, [], DATA)}, DATA)

    assert open_checkpoint(prefix)["a"].dtype == "variant"
    with pytest.raises(UnsupportedError, match="variant values, which are not an array"):
        open_checkpoint(prefix)["a"].read()
