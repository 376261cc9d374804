"""Crafted bundles whose checksums are right and whose contents are not.

Each is refused with one of our own errors, before anything is allocated. None of them is ever
shown to TensorFlow, which several of them abort.
"""

from __future__ import annotations

import struct
import tracemalloc
from pathlib import Path

import pytest

from lnfold.checkpoint import open_checkpoint
from lnfold.checkpoint.verify import verify
from lnfold.errors import CheckpointNotFoundError, DamagedError, InputError, UnsupportedError
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


def reading(prefix: str) -> None:
    """Open and read everything."""
    with open_checkpoint(prefix) as checkpoint:
        for variable in checkpoint.values():
            variable.read()


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


def test_every_case_is_an_input_error(tmp_path: Path):
    """All of the crafted entries together: nothing but our own errors, and none passes."""
    seen = 0
    for number, (raw, _) in enumerate(ENTRIES.values()):
        with pytest.raises(InputError):
            reading(crafting.bundle(tmp_path / str(number), {"a": raw}, DATA))
        seen += 1

    assert seen == len(ENTRIES) > 25
