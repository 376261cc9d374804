"""Protobuf's wire format, read in place and only where somebody asks.

A message is a run of fields, each ``tag = number << 3 | wire type`` followed by a value:

    wire type 0   varint    7 bits a byte, least significant first, at most 10 bytes
    wire type 1   fixed64   8 bytes, little-endian
    wire type 2   length    varint length, then that many bytes (text, bytes, message, packed)
    wire type 5   fixed32   4 bytes, little-endian

Nothing is copied on the way: a length-delimited value comes as its ``(start, end)`` in the
buffer, so that a message inside a message is skipped in one step or walked by another call of
:func:`fields`. The protobuf runtime is not used: it costs more at start-up than it saves below
30,000 messages, and its pool of names collides with TensorFlow's own.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    Buffer = bytes | memoryview
    Span = tuple[int, int]

VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5

_SIXTY_FOUR_BITS = (1 << 64) - 1


class WireError(ValueError):
    """Bytes that are no message; ``offset`` counts from the start of the buffer.

    It never reaches a user: whoever knows the file turns it into an error of ``lnfold.errors``.
    """

    def __init__(self, message: str, offset: int) -> None:
        super().__init__(message)
        self.offset = offset


def varint(buffer: Buffer, position: int, end: int) -> tuple[int, int]:
    """The unsigned 64-bit number at ``position``, and the position behind it."""
    value = shift = 0
    start = position
    while position < end and shift < 70:
        byte = buffer[position]
        position += 1
        if byte < 0x80:
            return (value | byte << shift) & _SIXTY_FOUR_BITS, position
        value |= (byte & 0x7F) << shift
        shift += 7
    raise WireError("a number does not end where its message ends", start)


def signed(value: int) -> int:
    """An unsigned 64-bit number as the int64 that it stands for."""
    return value - (1 << 64) if value >> 63 else value


def fields(
    buffer: Buffer, start: int = 0, end: int | None = None
) -> Iterator[tuple[int, int, Any]]:
    """Every field of the message in ``buffer[start:end]``, in the file's order.

    Yields:
        ``(number, wire type, value)``. The value is an unsigned int for wire types 0, 1 and 5,
        and the span ``(start, end)`` of the bytes in ``buffer`` for wire type 2.

    Raises:
        WireError: on anything that is no message. Groups (wire types 3 and 4) count as that:
            no message of TensorFlow has them.
    """
    if end is None:
        end = len(buffer)
    position = start
    try:
        while position < end:
            at = position
            tag = buffer[position]
            position += 1
            if tag >= 0x80:
                tag, position = varint(buffer, at, end)
            kind = tag & 7
            if kind == LENGTH:
                length = buffer[position]
                position += 1
                if length >= 0x80:
                    length, position = varint(buffer, position - 1, end)
                stop = position + length
                if stop > end:
                    raise WireError(f"{length} bytes announced, {end - position} left", at)
                if tag < 8:
                    raise WireError("a field has the number 0", at)
                yield tag >> 3, LENGTH, (position, stop)
                position = stop
                continue
            if kind == VARINT:
                value = buffer[position]
                position += 1
                if value >= 0x80:
                    value, position = varint(buffer, position - 1, end)
            elif kind == FIXED32:
                value = int.from_bytes(buffer[position : position + 4], "little")
                position += 4
            elif kind == FIXED64:
                value = int.from_bytes(buffer[position : position + 8], "little")
                position += 8
            else:
                raise WireError(f"wire type {kind} is not in use", at)
            if position > end:
                raise WireError("a field is longer than its message", at)
            if tag < 8:
                raise WireError("a field has the number 0", at)
            yield tag >> 3, kind, value
    except IndexError:
        raise WireError("the message ends inside a field", position) from None


# Kinds of field in the tables that `message` reads. A dict stands for a message inside the
# message, a list of one kind for a repeated field.
INT, UINT, FIXED, BYTES, TEXT, SPAN = "int", "uint", "fixed", "bytes", "text", "span"

_WIRE_TYPE = {INT: VARINT, UINT: VARINT, FIXED: FIXED32, BYTES: LENGTH, TEXT: LENGTH, SPAN: LENGTH}


def message(
    buffer: Buffer, table: Mapping[int, tuple[str, Any]], start: int = 0, end: int | None = None
) -> dict[str, Any]:
    """The fields of one message that ``table`` names, as a dict; all others are skipped.

    Args:
        table: field number → (name, kind), for example
            ``{1: ("size", INT), 2: ("dim", [{1: ("length", INT)}])}``.

    Returns:
        Every name of the table. As in proto3, what is absent is 0, empty or None (a message),
        and the last of several values of a field that is not repeated counts.

    Raises:
        WireError: also where a field has another wire type than its kind.
    """
    found: dict[str, Any] = {name: _absent(kind) for name, kind in table.values()}
    for number, wire_type, value in fields(buffer, start, end):
        if number not in table:
            continue
        name, kind = table[number]
        repeated = isinstance(kind, list)
        if repeated:
            kind = kind[0]
        if isinstance(kind, dict):
            _expect(LENGTH, wire_type, name, value)
            item = message(buffer, kind, *value)
        elif repeated and wire_type == LENGTH and _WIRE_TYPE[kind] == VARINT:
            found[name].extend(_packed(buffer, kind, *value))
            continue
        else:
            _expect(_WIRE_TYPE[kind], wire_type, name, value)
            item = _scalar(buffer, kind, value)
        if repeated:
            found[name].append(item)
        else:
            found[name] = item
    return found


def text(raw: bytes) -> str:
    """UTF-8 as Python holds names of files: what is not UTF-8 survives a round trip."""
    return raw.decode("utf-8", "surrogateescape")


def _absent(kind: Any) -> Any:
    if isinstance(kind, list):
        return []
    if isinstance(kind, dict) or kind == SPAN:
        return None
    return {INT: 0, UINT: 0, FIXED: 0, BYTES: b"", TEXT: ""}[kind]


def _expect(expected: int, found: int, name: str, value: Any) -> None:
    if expected != found:
        at = value[0] if isinstance(value, tuple) else 0
        raise WireError(f"field '{name}' has wire type {found} instead of {expected}", at)


def _scalar(buffer: Buffer, kind: str, value: Any) -> Any:
    if kind == INT:
        return signed(value)
    if kind == BYTES:
        return bytes(buffer[value[0] : value[1]])
    if kind == TEXT:
        return text(bytes(buffer[value[0] : value[1]]))
    return value


def _packed(buffer: Buffer, kind: str, start: int, end: int) -> Iterator[int]:
    while start < end:
        value, start = varint(buffer, start, end)
        yield signed(value) if kind == INT else value


def encode_varint(value: int) -> bytes:
    """A number, from 0 to 2^64 - 1, as it is written."""
    encoded = bytearray()
    while value >= 0x80:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
