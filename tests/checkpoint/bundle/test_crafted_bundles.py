"""Bundles that no released TensorFlow writes but that are sound, and are read."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from lnfold.checkpoint import open_checkpoint
from lnfold.errors import UnsupportedError
from tests.checkpoint import crafting
from tests.checkpoint.crafting import BOOL, DOUBLE, FLOAT, INT32, STRING

VALUES = np.arange(6, dtype="<f4").reshape(2, 3)


def some_entries(count: int) -> tuple[dict[str, bytes], bytes]:
    """Float vectors of two numbers with names that share beginnings."""
    data = b"".join(struct.pack("<2f", number, -number) for number in range(count))
    entries = {
        f"scope_{n // 7}/layer/w{n}": crafting.entry_message(
            FLOAT, [2], data[8 * n : 8 * n + 8], 8 * n
        )
        for n in range(count)
    }
    return entries, data


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"per_block": 1},
        {"per_block": 5},
        {"restart_interval": 0},
        {"restart_interval": 1},
        {"compressed": True},
        {"compressed": True, "per_block": 3},
    ],
    ids=str,
)
def test_any_layout_of_the_index_is_read(tmp_path: Path, options: dict[str, object]):
    """One block or many, with and without restarts, plain or compressed: the same variables."""
    entries, data = some_entries(40)
    checkpoint = open_checkpoint(crafting.bundle(tmp_path / "x", entries, data, **options))

    assert set(entries) == set(checkpoint)
    for number in range(40):
        array = checkpoint[f"scope_{number // 7}/layer/w{number}"].read()
        assert array.tolist() == [number, -number]


def test_big_endian_numbers_become_native(tmp_path: Path):
    """A bundle from a big-endian machine gives the same values in this machine's order."""
    parts = {
        "complex": (8, np.array([1 + 2j, -3j], ">c8")),
        "double": (DOUBLE, np.array([1.5, -2.0], ">f8")),
        "flag": (BOOL, np.array([True, False])),
        "half": (19, np.array([0.5, 2], ">f2")),
        "int": (INT32, np.array([[1], [-7]], ">i4")),
    }
    data, entries = b"", {}
    for name, (dtype, array) in parts.items():
        raw = array.tobytes()
        entries[name] = crafting.entry_message(dtype, array.shape, raw, len(data))
        data += raw
    bits = struct.pack(">2H", 0x3F80, 0xC000)
    entries["brain"] = crafting.entry_message(crafting.BFLOAT16, [2], bits, len(data))
    data += bits
    lengths = struct.pack(">2I", 1, 300)
    check = struct.pack(">I", crafting.masked(lengths))
    stored = crafting.varint(1) + crafting.varint(300) + check + b"a" + b"b" * 300
    crc = crafting.masked(lengths + check + b"a" + b"b" * 300)
    entries["text"] = crafting.entry_message(STRING, [2], stored, len(data), crc=crc)
    data += stored
    items = [(b"", crafting.header_message(endianness=1))]
    items += sorted((name.encode(), raw) for name, raw in entries.items())
    checkpoint = open_checkpoint(crafting.write(tmp_path / "x", items, data))

    for name, (_, array) in parts.items():
        found = checkpoint[name].read()
        assert found.dtype.isnative
        assert found.tolist() == array.tolist()
    assert checkpoint["brain"].read().astype(np.float32).tolist() == [1.0, -2.0]
    assert checkpoint["text"].read().tolist() == [b"a", b"b" * 300]


def test_the_order_of_fields_does_not_matter(tmp_path: Path):
    """Fields in any order, unknown ones among them, mean the same."""
    raw = VALUES.tobytes()
    parts = [
        crafting.fixed32(6, crafting.masked(raw)),
        crafting.field(99, b"of the future"),
        crafting.field(5, len(raw)),
        crafting.field(2, crafting.shape_message([2, 3])),
        crafting.varint(77 << 3 | 1) + bytes(8),
        crafting.varint(78 << 3 | 5) + bytes(4),
        crafting.field(79, 5),
        crafting.field(1, FLOAT),
    ]
    checkpoint = open_checkpoint(crafting.bundle(tmp_path / "x", {"a": b"".join(parts)}, raw))

    assert checkpoint["a"].read().tolist() == VALUES.tolist()


def test_gaps_and_odd_offsets_are_read_aligned(tmp_path: Path):
    """Numbers that begin at any byte come aligned, in C order, native and read-only."""
    raw = VALUES.tobytes()
    data = b"?" + raw + b"gap" + raw
    entries = {
        "a": crafting.entry_message(FLOAT, [2, 3], raw, 1),
        "b": crafting.entry_message(FLOAT, [3, 2], raw, 4 + len(raw)),
    }
    checkpoint = open_checkpoint(crafting.bundle(tmp_path / "x", entries, data))

    for variable in checkpoint.values():
        array = variable.read()
        flags = array.flags
        assert flags.aligned
        assert flags.c_contiguous
        assert not flags.writeable
        assert array.ravel().tolist() == VALUES.ravel().tolist()


def test_a_missing_version_is_fine(tmp_path: Path):
    """The oldest bundles have no version in their header."""
    items = [(b"", crafting.field(1, 1)), (b"a", crafting.entry_message(FLOAT, [], bytes(4)))]

    assert open_checkpoint(crafting.write(tmp_path / "x", items, bytes(4)))["a"].read() == 0


def test_empty_shapes_may_be_huge(tmp_path: Path):
    """No element takes no byte, however long the other dimension is."""
    prefix = crafting.bundle(
        tmp_path / "x", {"a": crafting.entry_message(FLOAT, [0, 1 << 40], b"")}, b""
    )

    assert open_checkpoint(prefix)["a"].read().shape == (0, 1 << 40)


def test_bytes_behind_the_last_tensor_are_mentioned(tmp_path: Path):
    """Extra bytes are no error, but a user should know."""
    entries, data = some_entries(2)
    checkpoint = open_checkpoint(crafting.bundle(tmp_path / "x", entries, data + b"extra"))

    assert any("5 bytes behind its last tensor" in note for note in checkpoint.notes)


def test_types_of_the_future_are_listed(tmp_path: Path):
    """A type number without a meaning yet does not hide the other variables."""
    entries = {
        "a": crafting.entry_message(40, [2], bytes(3)),
        "b": crafting.entry_message(FLOAT, [], bytes(4), 3),
    }
    checkpoint = open_checkpoint(crafting.bundle(tmp_path / "x", entries, bytes(7)))

    assert checkpoint["a"].dtype == "type 40"
    assert checkpoint["b"].read() == 0
    with pytest.raises(UnsupportedError, match=r"variable 'a'.*type 40"):
        checkpoint["a"].read()


def test_more_dimensions_than_numpy_has_are_listed(tmp_path: Path):
    """TensorFlow allows 254 dimensions, NumPy 64: the variable is listed and refused."""
    prefix = crafting.bundle(
        tmp_path / "x", {"a": crafting.entry_message(FLOAT, [1] * 100, bytes(4))}, bytes(4)
    )
    variable = open_checkpoint(prefix)["a"]

    assert variable.shape == (1,) * 100
    with pytest.raises(UnsupportedError, match="NumPy has no array"):
        variable.read()


def test_slices_of_three_shards_make_one_array(tmp_path: Path):
    """Irregular tiles, each in a shard of its own, become the array they were cut from."""
    whole = np.arange(20, dtype="<f4").reshape(4, 5)
    tiles = [((0, 2), (0, -1)), ((2, 2), (0, 2)), ((2, 2), (2, 3))]
    items = [(b"", crafting.header_message(shards=3))]
    slices, shards = b"", []
    for number, ((row, rows), (column, columns)) in enumerate(tiles):
        part = whole[row : row + rows, column : None if columns == -1 else column + columns]
        shards.append(part.tobytes())
        key = crafting.slice_key("m", tiles[number])
        items.append((key, crafting.entry_message(FLOAT, part.shape, shards[-1], shard=number)))
        length = None if columns == -1 else columns
        slices += crafting.field(7, crafting.extent(row, rows) + crafting.extent(column, length))
    items.append((b"m", crafting.entry_message(FLOAT, [4, 5], crc=0, extra=slices)))
    checkpoint = open_checkpoint(crafting.write(tmp_path / "x", sorted(items), shards))

    assert list(checkpoint) == ["m"]
    assert checkpoint["m"].read().tolist() == whole.tolist()
    assert checkpoint["m"].nbytes == 80


def test_files_may_count_fewer_shards_than_the_header(tmp_path: Path):
    """A merge with an empty part announces a shard that nobody wrote; the data is all there."""
    items = [
        (b"", crafting.header_message(shards=2)),
        (b"a", crafting.entry_message(FLOAT, [], bytes(4))),
    ]

    assert open_checkpoint(crafting.write(tmp_path / "x", items, bytes(4)))["a"].read() == 0


def test_names_are_any_bytes(tmp_path: Path):
    """Names of 16,000 characters, with control characters, or not UTF-8 at all, are kept."""
    names = [
        b"x" * 16_000,
        b"\x1b[31mred",
        b"a\nb\tc\x00d",
        b"\xff\xfe",
        "ä中".encode(),
        b"../up",
        b"/abs",
    ]
    items = [(name, crafting.entry_message(FLOAT, [], bytes(4))) for name in names]
    items = [(b"", crafting.header_message()), *sorted(items)]
    checkpoint = open_checkpoint(crafting.write(tmp_path / "x", items, bytes(4)))

    assert {name.decode("utf-8", "surrogateescape") for name in names} == set(checkpoint)
    assert all(variable.read() == 0 for variable in checkpoint.values())
