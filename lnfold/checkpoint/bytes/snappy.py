"""Decompression of Snappy's raw format, which old writers of index tables could use.

A varint tells the length of the result; then come elements, told apart by their low two bits:

    00  literal   length - 1 in the upper six bits, or in 1 to 4 bytes behind it (60 to 63)
    01  copy      length - 4 in bits 2..4, distance in bits 5..7 and one more byte
    10  copy      length - 1 in the upper six bits, distance in two bytes
    11  copy      the same, distance in four bytes
"""

from __future__ import annotations

from lnfold.checkpoint.bytes.wire import WireError, varint


def decompress(data: bytes, largest: int) -> bytes:
    """The bytes that ``data`` stands for.

    Raises:
        WireError: on damage, or when the result would be longer than ``largest``; nothing is
            allocated before that is known.
    """
    length, position = varint(data, 0, len(data))
    if length > largest:
        raise WireError(f"a compressed block announces {length} bytes, more than {largest}", 0)
    result = bytearray()
    end = len(data)
    try:
        while position < end:
            tag = data[position]
            position += 1
            if tag & 3 == 0:
                size = (tag >> 2) + 1
                if size > 60:
                    width = size - 60
                    size = int.from_bytes(data[position : position + width], "little") + 1
                    position += width
                if position + size > end:
                    raise WireError("a literal is longer than its block", position)
                result += data[position : position + size]
                position += size
            else:
                if tag & 3 == 1:
                    size = ((tag >> 2) & 7) + 4
                    distance = (tag >> 5) << 8 | data[position]
                    position += 1
                else:
                    size = (tag >> 2) + 1
                    width = 2 if tag & 3 == 2 else 4
                    distance = int.from_bytes(data[position : position + width], "little")
                    position += width
                if not 0 < distance <= len(result):
                    raise WireError("a copy reaches before the beginning", position)
                _repeat(result, distance, size)
            if len(result) > length:
                break
    except IndexError:
        raise WireError("a compressed block ends inside an element", position) from None
    if len(result) != length:
        raise WireError(f"a compressed block holds {len(result)} bytes instead of {length}", 0)
    return bytes(result)


def _repeat(result: bytearray, distance: int, size: int) -> None:
    """Append ``size`` bytes that begin ``distance`` before the end; they may overlap themselves."""
    pattern = result[-distance:]
    copies = -(-size // distance)
    result += (pattern * copies)[:size]
