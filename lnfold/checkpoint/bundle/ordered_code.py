"""The keys of slices: numbers and names written so that their bytes sort as they do.

    key      0, name, rank, then start and length of every dimension
    number   (not negative) one byte that counts the bytes behind it, big-endian, no leading zero
    name     its bytes, 00 as 00 FF and FF as FF 00, closed by 00 01
    signed   n bytes hold -2^(7n-1) … 2^(7n-1) - 1: n bits that repeat the sign, inverted for
             what is not negative, then one bit of the other kind, then two's complement

A dimension that a slice covers wholly is written start 0, length -1.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lnfold.checkpoint.bundle.entry import Extents


def slice_key(name: bytes, extents: Extents) -> bytes:
    """The key under which a table keeps one slice of ``name``."""
    parts = [_number(0), _name(name), _number(len(extents))]
    for start, length in extents:
        parts += (_signed(start), _signed(length))
    return b"".join(parts)


def _number(value: int) -> bytes:
    width = (value.bit_length() + 7) // 8
    return bytes([width]) + value.to_bytes(width, "big")


def _name(name: bytes) -> bytes:
    # Both replacements at once: each puts in what the other would replace.
    parts = [part.replace(b"\x00", b"\x00\xff") for part in name.split(b"\xff")]
    return b"\xff\x00".join(parts) + b"\x00\x01"


def _signed(value: int) -> bytes:
    width = 1
    while not -(1 << 7 * width - 1) <= value < 1 << 7 * width - 1:
        width += 1
    bits = 8 * width
    # n times the inverted sign, then the sign itself as the first bit of the payload.
    header = ((1 << width) - 1) << bits - width
    word = value & ((1 << bits) - 1)
    return ((word ^ header) & ((1 << bits) - 1)).to_bytes(width, "big")
