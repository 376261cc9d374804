"""Writes bundles, sound and hostile, with valid checksums; shares no code with the reader.

``bundle(tmp_path / "x", [entry("a", ...), ...])`` writes ``x.index`` and ``x.data-…``. Every
part can be replaced by bytes of the test's own.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from pathlib import Path

import google_crc32c

MAGIC = 0xDB4775248B80FB57
FLOAT, DOUBLE, INT32, INT8, STRING, INT64, BOOL, BFLOAT16, VARIANT = 1, 2, 3, 6, 7, 9, 10, 14, 21

Item = tuple[bytes, bytes]


def masked(data: bytes) -> int:
    crc = google_crc32c.value(bytes(data))
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def field(number: int, value: int | bytes) -> bytes:
    """A varint field for a number, a length-delimited one for bytes."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def fixed32(number: int, value: int) -> bytes:
    return varint(number << 3 | 5) + struct.pack("<I", value)


def shape_message(dims: Iterable[int]) -> bytes:
    return b"".join(field(2, field(1, dim) if dim else b"") for dim in dims)


def entry_message(
    dtype: int,
    dims: Iterable[int],
    data: bytes = b"",
    offset: int = 0,
    *,
    shard: int = 0,
    size: int | None = None,
    crc: int | None = None,
    extra: bytes = b"",
) -> bytes:
    """A BundleEntryProto; ``data`` gives size and checksum unless they are given."""
    size = len(data) if size is None else size
    out = field(1, dtype) + field(2, shape_message(dims))
    out += (field(3, shard) if shard else b"") + (field(4, offset) if offset else b"")
    out += field(5, size) if size else b""
    return out + fixed32(6, masked(data) if crc is None else crc) + extra


def header_message(shards: int = 1, endianness: int = 0, version: bytes = b"\x08\x01") -> bytes:
    return field(1, shards) + (field(2, endianness) if endianness else b"") + field(3, version)


def extent(start: int, length: int | None) -> bytes:
    """One dimension of a slice; no length is the whole dimension."""
    return field(
        1, (field(1, start) if start else b"") + (b"" if length is None else field(2, length))
    )


def signed_code(value: int) -> bytes:
    """The ordered code of a number below 64 in size."""
    assert -64 <= value < 64
    return bytes([0x80 ^ (value & 0xFF) if value >= 0 else value & 0x7F])


def slice_key(name: str, extents: Sequence[tuple[int, int]]) -> bytes:
    """The key of a slice whose numbers are below 64; length -1 is the whole dimension."""
    code = b"\x00" + name.encode() + b"\x00\x01" + b"\x01" + bytes([len(extents)])
    return code + b"".join(signed_code(start) + signed_code(length) for start, length in extents)


def block(
    items: Sequence[Item], restart_interval: int = 16, restarts: Sequence[int] | None = None
) -> bytes:
    """The contents of a table's block."""
    out = bytearray()
    found = []
    previous = b""
    for number, (key, value) in enumerate(items):
        shared = 0
        if restart_interval and number % restart_interval:
            shared = len(previous) if key.startswith(previous) else 0
            while shared < min(len(key), len(previous)) and key[shared] == previous[shared]:
                shared += 1
        else:
            found.append(len(out))
        out += varint(shared) + varint(len(key) - shared) + varint(len(value))
        out += key[shared:] + value
        previous = key
    found = list(restarts) if restarts is not None else found or [0]
    return bytes(out) + b"".join(struct.pack("<I", n) for n in [*found, len(found)])


def trailer(content: bytes, compression: int = 0) -> bytes:
    return (
        content + bytes([compression]) + struct.pack("<I", masked(content + bytes([compression])))
    )


def snappy_literal(content: bytes) -> bytes:
    """Snappy's format with nothing but literals in it."""
    out = varint(len(content))
    for start in range(0, len(content), 1 << 16):
        piece = content[start : start + (1 << 16)]
        out += bytes([61 << 2]) + struct.pack("<H", len(piece) - 1) + piece
    return out


def table(
    items: Sequence[Item],
    *,
    per_block: int | None = None,
    restart_interval: int = 16,
    compressed: bool = False,
    handles: Sequence[Item] | None = None,
) -> bytes:
    """A whole table file; ``handles`` replaces the entries of its index block."""
    out = bytearray()
    found: list[Item] = []
    step = per_block or max(1, len(items))
    for start in range(0, len(items), step):
        part = items[start : start + step]
        content = block(part, restart_interval)
        content = snappy_literal(content) if compressed else content
        found.append((part[-1][0], varint(len(out)) + varint(len(content))))
        out += trailer(content, int(compressed))
    meta_handle = varint(len(out)) + varint(8)
    out += trailer(block([]))
    content = block(list(handles) if handles is not None else found, 1)
    index_handle = varint(len(out)) + varint(len(content))
    out += trailer(content)
    return bytes(out) + (meta_handle + index_handle).ljust(40, b"\0") + struct.pack("<Q", MAGIC)


def write(
    prefix: Path, items: Sequence[Item], data: bytes | Sequence[bytes] = b"", **options: object
) -> str:
    """Write an index of these raw items, header included, and its shards; the prefix."""
    prefix.parent.mkdir(parents=True, exist_ok=True)
    Path(f"{prefix}.index").write_bytes(table(items, **options))  # type: ignore[arg-type]
    shards = [data] if isinstance(data, bytes) else data
    for number, shard in enumerate(shards):
        Path(f"{prefix}.data-{number:05d}-of-{len(shards):05d}").write_bytes(shard)
    return str(prefix)


def bundle(prefix: Path, entries: dict[str, bytes], data: bytes = b"", **options: object) -> str:
    """Write a bundle of one shard with these entries; the prefix."""
    items = [(b"", header_message()), *((name.encode(), raw) for name, raw in entries.items())]
    return write(prefix, sorted(items), data, **options)


def strings(texts: Sequence[bytes]) -> tuple[bytes, int]:
    """The stored bytes of a tensor of strings, and the checksum of its entry."""
    lengths = b"".join(struct.pack("<I", len(text)) for text in texts)
    check = struct.pack("<I", masked(lengths))
    stored = b"".join(varint(len(text)) for text in texts) + check + b"".join(texts)
    return stored, masked(lengths + check + b"".join(texts))
