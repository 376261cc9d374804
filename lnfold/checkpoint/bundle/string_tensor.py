"""How a bundle stores a tensor of strings.

    varint64 length of every element
    4 bytes    masked CRC-32C of the lengths written as uint32 (uint64 from 2^32 on)
    all strings, one behind the other

The checksum of the entry covers the lengths in that fixed width, those 4 bytes, the strings.
"""

from __future__ import annotations

from lnfold.checkpoint.bytes.checksum import crc32c, mask
from lnfold.checkpoint.bytes.wire import WireError, encode_varint, varint

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal


def decode_strings(data: bytes, count: int, checksum: int, big_endian: bool) -> list[bytes]:
    """The ``count`` strings in ``data``, verified.

    Raises:
        WireError: on any contradiction; nothing is allocated for lengths that cannot be.
    """
    if count == 0 and not data:
        return []
    if count + 4 > len(data):
        raise WireError(f"{len(data)} bytes cannot hold {count} strings", 0)
    order: Literal["big", "little"] = "big" if big_endian else "little"
    lengths = []
    position, end = 0, len(data)
    for _ in range(count):
        length = data[position] if position < end else 0x80
        if length < 0x80:
            position += 1
        else:
            length, position = varint(data, position, end)
        lengths.append(length)
    if position + 4 + sum(lengths) != end:
        raise WireError(
            f"lengths and strings take {position + 4 + sum(lengths)} bytes instead of {end}", 0
        )
    fixed = b"".join([length.to_bytes(8 if length >> 32 else 4, order) for length in lengths])
    crc = crc32c(fixed)
    stored = data[position : position + 4]
    if int.from_bytes(stored, order) != mask(crc):
        raise WireError("the checksum of the lengths of the strings is wrong", position)
    position += 4
    crc = crc32c(data[position:], crc32c(stored, crc))
    if mask(crc) != checksum:
        raise WireError(
            f"the checksum is wrong ({checksum:#010x} stored, {mask(crc):#010x} computed)", 0
        )
    strings = []
    for length in lengths:
        strings.append(data[position : position + length])
        position += length
    return strings


def encode_strings(strings: list[bytes]) -> tuple[bytes, int]:
    """The stored bytes, and the masked checksum for their entry."""
    lengths = b"".join([encode_varint(len(string)) for string in strings])
    fixed = b"".join([len(s).to_bytes(8 if len(s) >> 32 else 4, "little") for s in strings])
    crc = crc32c(fixed)
    stored = mask(crc).to_bytes(4, "little")
    body = b"".join(strings)
    return lengths + stored + body, mask(crc32c(body, crc32c(stored, crc)))
