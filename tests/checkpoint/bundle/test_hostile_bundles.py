"""Crafted bundles whose checksums are right and whose contents are not.

Each is refused with one of our own errors, before anything is allocated. None of them is ever
shown to TensorFlow, which several of them abort.
"""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from lnfold.checkpoint import open_checkpoint
from lnfold.errors import DamagedError
from tests.checkpoint import crafting
from tests.checkpoint.crafting import (
    DOUBLE,
    FLOAT,
    STRING,
    entry_message,
    extent,
    field,
    fixed32,
    header_message,
    shape_message,
    slice_key,
    varint,
)

DATA = bytes(24)
A = entry_message(FLOAT, [2, 3], DATA)
TEXT, TEXT_CRC = crafting.strings([b"ab", b"c"])
# Bytes that look like lengths beyond the end.
ENDLESS = b"\xff\xff\xff\xff\x7f"


def of_shape(message: bytes) -> bytes:
    """An entry of float32 with this raw shape."""
    return field(1, FLOAT) + field(2, message) + field(5, 24) + fixed32(6, crafting.masked(DATA))


def sliced(slices: bytes, dims: tuple[int, ...] = (4,)) -> bytes:
    return entry_message(FLOAT, dims, crc=0, extra=slices)


def tile(start: int, length: int | None) -> bytes:
    return field(7, extent(start, length))


def part(start: int, length: int, count: int | None = None, dtype: int = FLOAT) -> crafting.Item:
    size = (4 if dtype == FLOAT else 8) * (length if count is None else count)
    return (
        slice_key("m", [(start, length)]),
        entry_message(dtype, [length if count is None else count], bytes(size)),
    )


# Name → (the single entry "a", or items without the header; what the error says).
ENTRIES: dict[str, tuple[bytes, str]] = {
    "negative dimension": (of_shape(field(2, field(1, -1))), "length -1"),
    "product overflows int64": (of_shape(shape_message([1 << 40, 1 << 40])), "can be counted"),
    "rank 300": (of_shape(shape_message([1] * 300)), "300 dimensions"),
    "unknown rank": (of_shape(field(3, 1)), "rank is unknown"),
    "shape cut": (field(1, FLOAT) + b"\x12\x7f\x12", "longer|announced"),
    "two shapes": (A + field(2, shape_message([2, 3])), "two shapes"),
    "no message": (b"\xff\xff\xff", "."),
    "text as entry": (b"hello, world", "."),
    "empty entry": (b"", "element type 0"),
    "type 0": (entry_message(0, [2, 3], DATA), "element type 0"),
    "reference type": (entry_message(101, [2, 3], DATA), "element type 101"),
    "type 200": (entry_message(200, [2, 3], DATA), "element type 200"),
    "huge type": (entry_message(1 << 40, [2, 3], DATA), "too large"),
    "negative type": (entry_message(-1, [2, 3], DATA), "too large"),
    "size too small": (entry_message(FLOAT, [2, 3], DATA, size=20), "24 bytes, its entry says 20"),
    "size too large": (entry_message(FLOAT, [2, 3], DATA, size=28), "24 bytes, its entry says 28"),
    "shape of 2^40": (entry_message(FLOAT, [1 << 40], DATA), "its entry says 24"),
    "negative size": (entry_message(FLOAT, [2, 3], DATA, size=-24), "negative"),
    "negative offset": (entry_message(FLOAT, [2, 3], DATA, -1), "negative"),
    "shard beyond": (entry_message(FLOAT, [2, 3], DATA, shard=7), "shard 7, of 1"),
    "negative shard": (entry_message(FLOAT, [2, 3], DATA, shard=-1), "negative|too large"),
    "type as bytes": (field(1, b"x") + field(2, shape_message([2, 3])), "wire type 2"),
    "shape as number": (field(1, FLOAT) + field(2, 5), "wire type 0"),
    "checksum as number": (
        field(1, FLOAT) + field(2, b"") + field(5, 4) + field(6, 5),
        "wire type 0",
    ),
    "dimension as bytes": (of_shape(field(2, field(1, b"x"))), "wire type 2"),
    "slice as number": (A + field(7, 1), "wire type 0"),
    "2^28 strings in 24 bytes": (entry_message(STRING, [1 << 28], DATA), "cannot hold"),
}

TABLES: dict[str, tuple[list[crafting.Item], str]] = {
    "no header": ([(b"a", A)], "does not begin with the header"),
    "nothing at all": ([], "does not begin with the header"),
    "header is no message": ([(b"", b"\xff"), (b"a", A)], "."),
    "header as V1": ([(b"", field(1, b"")), (b"a", A)], "wire type 2"),
    "newer reader asked for": (
        [(b"", header_message(version=field(1, 9) + field(2, 2))), (b"a", A)],
        "newer reader",
    ),
    "this reader forbidden": (
        [(b"", header_message(version=field(1, 9) + field(3, 1))), (b"a", A)],
        "newer reader",
    ),
    "unknown byte order": ([(b"", header_message(endianness=2)), (b"a", A)], "byte order 2"),
    "negative shards": ([(b"", header_message(shards=-1)), (b"a", A)], "-1 shards"),
    "duplicate key": ([(b"", header_message()), (b"a", A), (b"a", A)], "increasing order"),
    "keys not sorted": ([(b"", header_message()), (b"b", A), (b"a", A)], "increasing order"),
    "slice missing": ([(b"", header_message()), (b"m", sliced(tile(0, 4)))], "lacks its slice"),
    "gap between slices": (
        [(b"", header_message()), part(0, 2), (b"m", sliced(tile(0, 2)))],
        "leave a gap: 2 elements for 4",
    ),
    "slices overlap": (
        [(b"", header_message()), part(0, 3), part(2, 2), (b"m", sliced(tile(0, 3) + tile(2, 2)))],
        "overlap: 5 elements for 4",
    ),
    "slices overlap and leave a gap": (
        [
            (b"", header_message()),
            part(0, 2),
            part(1, 2),
            (b"m", sliced(tile(0, 2) + tile(1, 2))),
        ],
        "overlap: 4 elements for 4",
    ),
    "the same slice twice": (
        [(b"", header_message()), part(0, 2), (b"m", sliced(tile(0, 2) + tile(0, 2)))],
        "overlap",
    ),
    "slice out of shape": (
        [(b"", header_message()), part(3, 2), (b"m", sliced(tile(3, 2)))],
        "outside",
    ),
    "negative slice": (
        [(b"", header_message()), part(-1, 2), (b"m", sliced(tile(-1, 2)))],
        "outside",
    ),
    "slice of other rank": (
        [
            (b"", header_message()),
            (slice_key("m", [(0, -1), (0, -1)]), entry_message(FLOAT, [4], bytes(16))),
            (b"m", sliced(field(7, extent(0, None) * 2))),
        ],
        "2 dimensions, its tensor 1",
    ),
    "slice of other type": (
        [(b"", header_message()), part(0, 4, dtype=DOUBLE), (b"m", sliced(tile(0, 4)))],
        "another element type",
    ),
    "slice of other shape": (
        [(b"", header_message()), part(0, 4, count=3), (b"m", sliced(tile(0, 4)))],
        "stored with the shape",
    ),
    "slices in slices": (
        [
            (b"", header_message()),
            (slice_key("m", [(0, 4)]), sliced(tile(0, 4))),
            (b"m", sliced(tile(0, 4))),
        ],
        "slices of its own",
    ),
}


@pytest.mark.parametrize("case", ENTRIES)
def test_an_impossible_entry_is_refused(tmp_path: Path, case: str):
    """The error names the index and the variable, and says what is impossible."""
    raw, reason = ENTRIES[case]
    prefix = crafting.bundle(tmp_path / "x", {"a": raw}, DATA)

    with pytest.raises(DamagedError, match=reason) as caught:
        open_checkpoint(prefix)
    assert caught.value.file == f"{prefix}.index"
    assert caught.value.variable == "a"


@pytest.mark.parametrize("case", TABLES)
def test_an_impossible_table_is_refused(tmp_path: Path, case: str):
    """Header, order of keys, and slices that do not tile their tensor."""
    items, reason = TABLES[case]

    with pytest.raises(DamagedError, match=reason):
        open_checkpoint(crafting.write(tmp_path / "x", items, DATA))


def test_there_are_many_cases():
    """So that none of the tests above passes on an empty list."""
    assert len(ENTRIES) > 25
    assert len(TABLES) > 20


BLOCKS = {
    "block past the end": varint(1 << 30) + varint(100),
    "block of 2^40 bytes": varint(0) + varint(1 << 40),
    "block of 2^64 - 1 bytes": varint(0) + varint(-1),
    "handle cut": varint(5),
    "handle endless": b"\xff" * 12,
    "handle empty": b"",
    "block shifted": varint(1) + varint(20),
}


@pytest.mark.parametrize("case", BLOCKS)
def test_an_impossible_handle_is_refused(tmp_path: Path, case: str):
    """Where the index block points to is checked before anything is read."""
    items = [(b"", header_message()), (b"a", A)]
    prefix = crafting.write(tmp_path / "x", items, DATA, handles=[(b"a", BLOCKS[case])])

    with pytest.raises(DamagedError):
        open_checkpoint(prefix)


def test_a_block_listed_twice_is_refused(tmp_path: Path):
    """A handle that repeats a block would repeat its keys."""
    items = [(b"", header_message()), (b"a", A)]
    size = len(crafting.block(items))
    handle = varint(0) + varint(size)
    prefix = crafting.write(tmp_path / "x", items, DATA, handles=[(b"a", handle), (b"b", handle)])

    with pytest.raises(DamagedError, match="increasing order"):
        open_checkpoint(prefix)


def test_a_separator_below_its_block_is_refused(tmp_path: Path):
    """TensorFlow would not find the keys above the separator."""
    items = [(b"", header_message()), (b"a", A), (b"c", A)]
    size = len(crafting.block(items))
    handles = [(b"b", varint(0) + varint(size))]

    with pytest.raises(DamagedError, match="above its separator"):
        open_checkpoint(crafting.write(tmp_path / "x", items, DATA, handles=handles))


def raw_table(tmp_path: Path, content: bytes, compression: int = 0) -> str:
    """A table with one block of these bytes, its checksum right."""
    block = crafting.trailer(content, compression)
    meta = crafting.trailer(crafting.block([]))
    index = crafting.block([(b"z", varint(0) + varint(len(content)))], 1)
    footer = varint(len(block)) + varint(8) + varint(len(block) + len(meta)) + varint(len(index))
    raw = block + meta + crafting.trailer(index) + footer.ljust(40, b"\0")
    (tmp_path / "x.index").write_bytes(raw + struct.pack("<Q", crafting.MAGIC))
    return str(tmp_path / "x")


RAW_BLOCKS = {
    "empty": b"",
    "three bytes": b"\0\0\0",
    "restarts beyond": struct.pack("<I", 1 << 30),
    "all ones": b"\xff" * 40,
    "entry longer than the block": b"\x00\x7f\x7f" + struct.pack("<II", 0, 1),
    "key shorter than shared": b"\x05\x01\x01ab" + struct.pack("<II", 0, 1),
    "lengths endless": ENDLESS * 3 + struct.pack("<II", 0, 1),
    "entry cut": b"\x00" + struct.pack("<II", 0, 1),
}


@pytest.mark.parametrize("case", RAW_BLOCKS)
def test_an_impossible_block_is_refused(tmp_path: Path, case: str):
    """Bytes that are no entries, under a checksum that is theirs."""
    with pytest.raises(DamagedError):
        open_checkpoint(raw_table(tmp_path, RAW_BLOCKS[case]))


COMPRESSED = {
    "announces 2^40 bytes": varint(1 << 40) + b"\0a",
    "announces more than it holds": varint(100) + b"\0a",
    "holds more than it announces": varint(1) + bytes([60 << 2, 10]) + b"elevenbytes",
    "copies from before the beginning": varint(10) + b"\0a" + bytes([1, 5]),
    "copies from nowhere": varint(10) + b"\0a" + bytes([1, 0]),
    "literal cut": varint(10) + bytes([9 << 2]) + b"abc",
    "copy cut": varint(10) + b"\0a" + bytes([2]),
    "empty": b"",
    "bomb": varint(64 << 20) + b"\0a" + bytes([63 << 2 | 2, 1, 0]) * 1000,
}


@pytest.mark.parametrize("case", COMPRESSED)
def test_an_impossible_compressed_block_is_refused(tmp_path: Path, case: str):
    """Snappy data that lies about its length or reaches outside."""
    with pytest.raises(DamagedError):
        open_checkpoint(raw_table(tmp_path, COMPRESSED[case], compression=1))


def test_an_unknown_compression_is_refused(tmp_path: Path):
    """Only none and Snappy exist."""
    with pytest.raises(DamagedError, match="unknown way 7"):
        open_checkpoint(raw_table(tmp_path, crafting.block([(b"", b"")]), compression=7))
