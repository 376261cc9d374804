"""Entries of an index: the quick way and the general one read the same."""

from __future__ import annotations

import math
import random

from hypothesis import given, settings
from hypothesis import strategies as st

from lnfold.checkpoint.bundle.entry import (
    decode_entry,
    decode_header,
    decode_usual_entry,
    encode_entry,
    encode_header,
)
from lnfold.checkpoint.bytes.dtypes import ITEM_BYTES, NAMES
from tests.checkpoint import crafting

sizes = st.integers(0, 1 << 30)


@given(
    st.integers(1, 33),
    st.lists(st.integers(0, 500), max_size=5),
    st.integers(0, 300),
    st.integers(0, 1 << 62),
    st.integers(0, 1 << 62),
    st.integers(0, (1 << 32) - 1),
    st.randoms(use_true_random=False),
)
def test_the_order_of_fields_does_not_matter(
    dtype: int, shape: list[int], shard: int, offset: int, size: int, crc: int, rng: random.Random
):
    """Written in the usual order, in any other, and with unknown fields between."""
    parts = [crafting.field(1, dtype), crafting.field(2, crafting.shape_message(shape))]
    parts += [crafting.field(3, shard)] if shard else []
    parts += [crafting.field(4, offset)] if offset else []
    parts += [crafting.field(5, size)] if size else []
    parts += [crafting.fixed32(6, crc)]
    usual = b"".join(parts)
    parts += [crafting.field(60, b"?"), crafting.field(61, 7)]
    rng.shuffle(parts)
    elements = 1
    for length in shape:
        elements *= length
    expected = (dtype, tuple(shape), elements, shard, offset, size, crc, ())

    assert decode_entry(usual) == expected
    assert decode_entry(b"".join(parts)) == expected
    assert decode_entry(b"?" + usual + b"?", 1, 1 + len(usual)) == expected


@given(
    st.sampled_from(["float32", "int8", "complex128", "bfloat16"]),
    st.lists(st.integers(0, 200), max_size=3),
    st.integers(0, 127),
    sizes,
    st.integers(0, 0xFFFFFFFF),
    st.binary(max_size=12),
)
def test_the_quick_way_says_what_the_general_one_says(
    dtype: str, shape: list[int], shard: int, offset: int, crc: int, behind: bytes
):
    """An entry of numbers as TensorFlow writes it, wherever in its block it stands."""
    number = next(number for number, name in NAMES.items() if name == dtype)
    size = math.prod(shape) * ITEM_BYTES[dtype]
    raw = crafting.entry_message(number, shape, b"", offset, shard=shard, size=size, crc=crc)
    block, start, stop = behind + raw + behind, len(behind), len(behind) + len(raw)
    heads: dict[bytes, tuple[int, tuple[int, ...], int, int, bytes]] = {}

    for _ in "first met", "met again":
        assert decode_usual_entry(block, start, stop, heads) == decode_entry(raw)


@settings(max_examples=1000)
@given(st.data())
def test_the_quick_way_never_says_anything_else(data: st.DataObject):
    """Whatever bytes it is given: what it accepts is what the general way finds in them."""
    raw = crafting.entry_message(1, [3], b"", data.draw(sizes), size=12, crc=7)
    at = data.draw(st.integers(0, len(raw)))
    mutant = raw[:at] + data.draw(st.binary(max_size=12)) + raw[at + data.draw(st.integers(0, 4)) :]
    stop = data.draw(st.integers(0, len(mutant)))

    quick = decode_usual_entry(mutant, 0, stop, {})
    assert quick is None or quick == decode_entry(mutant, 0, stop)


@given(st.integers(1, 33), st.lists(st.integers(0, 9), max_size=4), sizes, sizes, sizes)
def test_what_is_encoded_is_decoded(dtype: int, shape: list[int], offset: int, size: int, crc: int):
    """Our own entries are those of the crafted writer, and come back."""
    raw = encode_entry(dtype, tuple(shape), offset, size, crc)

    assert raw == crafting.entry_message(dtype, shape, b"", offset, size=size, crc=crc)
    assert decode_entry(raw)[4:7] == (offset, size, crc)


def test_the_header():
    """One shard, little-endian, version 1: the bytes that TensorFlow writes."""
    assert encode_header(1) == bytes.fromhex("08011a020801")
    assert decode_header(encode_header(3)) == (3, False)
