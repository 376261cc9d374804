"""The messages inside an index: its header, and one entry for every tensor or slice.

    BundleHeaderProto   1 num_shards · 2 endianness (0 little, 1 big) · 3 VersionDef
    VersionDef          1 producer · 2 min_consumer · 3 repeated bad_consumers
    BundleEntryProto    1 dtype · 2 TensorShapeProto · 3 shard_id · 4 offset · 5 size
                        6 crc32c (fixed32, masked) · 7 repeated TensorSliceProto
    TensorShapeProto    2 repeated Dim {1 size · 2 name} · 3 unknown_rank
    TensorSliceProto    1 repeated Extent {1 start · 2 length, absent = the whole dimension}

As in proto3, what is absent is 0, fields come in any order, and unknown ones are skipped.
"""

from __future__ import annotations

from struct import Struct

from lnfold.checkpoint.bytes.dtypes import ITEM_BYTES, NAMES
from lnfold.checkpoint.bytes.wire import (
    FIXED32,
    INT,
    LENGTH,
    VARINT,
    WireError,
    encode_varint,
    fields,
    message,
    signed,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from lnfold.checkpoint.bytes.wire import Buffer

    Shape = tuple[int, ...]
    # One (start, length) for every dimension; length -1 is the whole dimension.
    Extents = tuple[tuple[int, int], ...]
    # dtype number, shape, elements, the size they should take, and the field that says so
    Head = tuple[int, Shape, int, int, bytes]
    # dtype number, shape, elements, shard, offset, size, masked checksum, slices
    Entry = tuple[int, Shape, int, int, int, int, int, tuple[Extents, ...]]

WHOLE = -1

_uint32 = Struct("<I").unpack_from

# TensorFlow's kTensorBundleVersion, and the largest rank that its shapes can have.
FORMAT_VERSION = 1
LARGEST_RANK = 254

VERSION = {1: ("producer", INT), 2: ("min_consumer", INT), 3: ("bad_consumers", [INT])}
_HEADER = {1: ("num_shards", INT), 2: ("endianness", INT), 3: ("version", VERSION)}
_SHAPE = {2: ("dims", [{1: ("size", INT)}]), 3: ("unknown_rank", INT)}


def decode_header(value: bytes) -> tuple[int, bool]:
    """The number of shards, and whether the numbers in them are big-endian.

    Raises:
        WireError: also when the writer forbids readers of this generation.
    """
    header = message(value, _HEADER)
    check_version(header["version"])
    if header["endianness"] not in (0, 1):
        raise WireError(f"the header names the unknown byte order {header['endianness']}", 0)
    if header["num_shards"] < 0:
        raise WireError(f"the header announces {header['num_shards']} shards", 0)
    return header["num_shards"], header["endianness"] == 1


def check_version(version: dict[str, Any] | None) -> None:
    """Refuse what its writer forbids readers of this generation to read."""
    if version is not None and (
        version["min_consumer"] > FORMAT_VERSION or FORMAT_VERSION in version["bad_consumers"]
    ):
        raise WireError(f"the header asks for a newer reader than version {FORMAT_VERSION}", 0)


def decode_shape(buffer: Buffer, start: int = 0, end: int | None = None) -> tuple[Shape, int]:
    """The shape and its number of elements."""
    decoded = message(buffer, _SHAPE, start, end)
    if decoded["unknown_rank"]:
        raise WireError("the rank is unknown", start)
    shape = tuple(dim["size"] for dim in decoded["dims"])
    if len(shape) > LARGEST_RANK:
        raise WireError(f"{len(shape)} dimensions, more than {LARGEST_RANK}", start)
    elements = 1
    for length in shape:
        if length < 0:
            raise WireError(f"a dimension has the length {length}", start)
        elements *= length
    if elements >> 63:
        raise WireError(f"the shape {list(shape)} has more elements than can be counted", start)
    return shape, elements


def decode_slice(buffer: Buffer, start: int = 0, end: int | None = None) -> Extents:
    """Where a slice lies in its tensor."""
    extents = []
    for number, kind, value in fields(buffer, start, end):
        if number != 1:
            continue
        if kind != LENGTH:
            raise WireError("the extent of a slice is no message", start)
        first, length = 0, WHOLE
        for inner, inner_kind, inner_value in fields(buffer, *value):
            if inner in (1, 2) and inner_kind != VARINT:
                raise WireError("the extent of a slice is no number", value[0])
            if inner == 1:
                first = signed(inner_value)
            elif inner == 2:
                length = signed(inner_value)
        extents.append((first, length))
    return tuple(extents)


def decode_usual_entry(
    block: bytes, start: int, stop: int, heads: dict[bytes, Head]
) -> Entry | None:
    """The entry of numbers in ``block[start:stop]``, if it is written as TensorFlow writes it.

    Then it is a head (dtype and shape, the same in many entries), the place, the size that
    follows from the head, and the checksum as its last five bytes. That is read without a loop
    over fields: a checkpoint can have 70,000 entries.

    Args:
        heads: what is known of the heads already met, by their bytes.

    Returns:
        None for every other entry, sound or not: :func:`decode_entry` knows what it is.
    """
    try:
        position = start + 4 + block[start + 3]
        known = block[start:position]
        head = heads.get(known)
        if head is None:
            head = _head(known)
            if head is None:
                return None
            heads[known] = head
        dtype, shape, elements, size, size_field = head
        shard = offset = 0
        tag = block[position]
        if tag == 0x18:
            shard = block[position + 1]
            if shard >= 0x80:
                return None
            position += 2
            tag = block[position]
        if tag == 0x20:
            offset = block[position + 1]
            position += 2
            shift = 7
            while offset >> shift and shift < 63:
                # The highest bit so far only says that there is another byte.
                offset += (block[position] - 1) << shift
                position += 1
                shift += 7
        end = stop - 5
        behind_offset = end - len(size_field)
        if position != behind_offset or offset >> 63 or block[end] != 0x35:
            return None
        if block[position:end] != size_field:
            return None
        return dtype, shape, elements, shard, offset, size, _uint32(block, end + 1)[0], ()
    except (IndexError, WireError):
        return None


def _head(known: bytes) -> Head | None:
    """What the first bytes of an entry say, and the size that should follow from it."""
    if known[0] != 0x08 or known[1] >= 0x80 or known[2] != 0x12 or known[3] >= 0x80:
        return None
    dtype = known[1]
    name = NAMES.get(dtype, "")
    if name not in ITEM_BYTES:
        return None
    shape, elements = decode_shape(known, 4)
    size = elements * ITEM_BYTES[name]
    return dtype, shape, elements, size, b"\x28" + encode_varint(size) if size else b""


def decode_entry(buffer: bytes, start: int = 0, stop: int | None = None) -> Entry:
    """Any entry: fields in any order, slices, text, unknown fields.

    Raises:
        WireError: it contradicts itself.
    """
    numbers = {1: 0, 3: 0, 4: 0, 5: 0, 6: 0}
    shape: tuple[Shape, int] | None = None
    slices: list[Extents] = []
    for number, kind, content in fields(buffer, start, stop):
        if number in numbers:
            if kind != (FIXED32 if number == 6 else VARINT):
                raise WireError(f"field {number} of an entry has wire type {kind}", 0)
            numbers[number] = content
        elif number in (2, 7):
            if kind != LENGTH:
                raise WireError(f"field {number} of an entry has wire type {kind}", 0)
            if number == 7:
                slices.append(decode_slice(buffer, *content))
            elif shape is not None:
                raise WireError("an entry has two shapes", 0)
            else:
                shape = decode_shape(buffer, *content)
    dtype, shard, offset, size, crc = numbers.values()
    if dtype >> 31 or shard >> 31 or offset >> 63 or size >> 63:
        raise WireError("a number of an entry is negative or too large", 0)
    # A shape without dimensions may be left out.
    dims, elements = shape or ((), 1)
    return dtype, dims, elements, shard, offset, size, crc, tuple(slices)


def encode_header(num_shards: int) -> bytes:
    """The header of a little-endian bundle."""
    version = b"\x08" + encode_varint(FORMAT_VERSION)
    return b"\x08" + encode_varint(num_shards) + b"\x1a" + _delimited(version)


def encode_entry(dtype: int, shape: Shape, offset: int, size: int, checksum: int) -> bytes:
    """The entry of a tensor in the first shard."""
    dims = b"".join(
        b"\x12" + _delimited(b"\x08" + encode_varint(length) if length else b"") for length in shape
    )
    entry = b"\x08" + encode_varint(dtype) + b"\x12" + _delimited(dims)
    if offset:
        entry += b"\x20" + encode_varint(offset)
    if size:
        entry += b"\x28" + encode_varint(size)
    return entry + b"\x35" + checksum.to_bytes(4, "little")


def _delimited(content: bytes) -> bytes:
    return encode_varint(len(content)) + content
