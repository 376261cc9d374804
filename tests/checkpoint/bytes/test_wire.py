"""Protobuf's wire format: what is written can be read, and nothing else gets through."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lnfold.checkpoint.bytes.wire import (
    FIXED32,
    FIXED64,
    INT,
    LENGTH,
    TEXT,
    VARINT,
    WireError,
    encode_varint,
    fields,
    message,
    signed,
    varint,
)
from tests.checkpoint import crafting

numbers = st.integers(0, (1 << 64) - 1)


@given(numbers)
def test_a_varint_comes_back(value: int):
    """Every unsigned 64-bit number is read as it was written, and nothing behind it."""
    encoded = encode_varint(value)

    assert encoded == crafting.varint(value)
    assert varint(encoded + b"\xff", 0, len(encoded)) == (value, len(encoded))


@given(st.integers(-(1 << 63), (1 << 63) - 1))
def test_a_signed_number_comes_back(value: int):
    """Negative numbers are ten bytes of two's complement."""
    assert signed(varint(crafting.varint(value), 0, 10)[0]) == value


@given(
    st.lists(
        st.tuples(st.integers(1, 1 << 20), st.one_of(numbers, st.binary(max_size=300))),
        max_size=20,
    )
)
def test_fields_come_back_in_order(items: list[tuple[int, int | bytes]]):
    """A message of varints and bytes yields its fields in the order of the file."""
    encoded = b"".join(crafting.field(number, value) for number, value in items)
    found = [
        (number, encoded[slice(*value)] if kind == LENGTH else value)
        for number, kind, value in fields(encoded)
    ]

    assert items == found
    assert items == [
        (number, bytes(memoryview(encoded)[slice(*value)]) if kind == LENGTH else value)
        for number, kind, value in fields(memoryview(encoded))
    ]


def test_fixed_numbers_are_little_endian():
    """Wire types 1 and 5 take 8 and 4 bytes, least significant first."""
    encoded = b"\x09" + bytes(range(8)) + b"\x15" + bytes(range(4))

    assert list(fields(encoded)) == [
        (1, FIXED64, 0x0706050403020100),
        (2, FIXED32, 0x03020100),
    ]


@given(st.binary(max_size=200))
def test_any_bytes_are_fields_or_an_error(raw: bytes):
    """No input makes anything but WireError, and no span leaves the buffer."""
    with contextlib.suppress(WireError):
        for number, kind, value in fields(raw):
            assert number > 0
            assert kind in (VARINT, FIXED64, LENGTH, FIXED32)
            assert kind != LENGTH or 0 <= value[0] <= value[1] <= len(raw)


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"\x00\x01", "number 0"),
        (b"\x02\x00", "number 0"),
        (b"\x0b", "wire type 3"),
        (b"\x0f", "wire type 7"),
        (b"\x08", "ends inside"),
        (b"\x08\x80", "does not end"),
        (b"\x08" + b"\xff" * 11, "does not end"),
        (b"\x0a\x05abc", "5 bytes announced, 3 left"),
        (b"\x0d\x01\x02", "longer than its message"),
        (b"\x0a" + b"\xff" * 9 + b"\x01", "announced"),
    ],
)
def test_what_is_no_message_is_refused(raw: bytes, reason: str):
    """Each way in which bytes can fail to be a message has its own words."""
    with pytest.raises(WireError, match=reason):
        list(fields(raw))


def test_a_span_ends_the_message():
    """What lies behind the end that was asked for is not read, not even by a last number."""
    raw = crafting.field(1, 7) + crafting.field(2, 300)

    assert list(fields(raw, 0, 2)) == [(1, VARINT, 7)]
    with pytest.raises(WireError):
        list(fields(raw, 0, 4))


def test_a_table_names_what_is_read():
    """Absent fields are 0 or empty, repeated ones lists, packed or not, unknown ones skipped."""
    table = {
        1: ("size", INT),
        2: ("dims", [{1: ("length", INT), 2: ("name", TEXT)}]),
        3: ("bad", [INT]),
        4: ("inner", {1: ("x", INT)}),
    }
    raw = (
        crafting.field(1, -5)
        + crafting.field(2, crafting.field(2, b"rows"))
        + crafting.field(3, 1)
        + crafting.field(3, crafting.varint(2) + crafting.varint(-1))
        + crafting.field(9, b"unknown")
    )

    assert message(raw, table) == {
        "size": -5,
        "dims": [{"length": 0, "name": "rows"}],
        "bad": [1, 2, -1],
        "inner": None,
    }
    with pytest.raises(WireError, match="'size' has wire type 2"):
        message(crafting.field(1, b"text"), table)
