"""Entries of an index: the quick way and the general one read the same."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from lnfold.checkpoint.bundle_entry import (
    decode_entry,
    decode_header,
    encode_entry,
    encode_header,
)
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
    heads: dict[bytes, tuple[int, tuple[int, ...], int, int, bytes]] = {}

    assert decode_entry(usual, heads) == expected
    assert decode_entry(usual, heads) == expected
    assert decode_entry(b"".join(parts), heads) == expected


@given(st.integers(1, 33), st.lists(st.integers(0, 9), max_size=4), sizes, sizes, sizes)
def test_what_is_encoded_is_decoded(dtype: int, shape: list[int], offset: int, size: int, crc: int):
    """Our own entries are those of the crafted writer, and come back."""
    raw = encode_entry(dtype, tuple(shape), offset, size, crc)

    assert raw == crafting.entry_message(dtype, shape, b"", offset, size=size, crc=crc)
    assert decode_entry(raw, {})[4:7] == (offset, size, crc)


def test_the_header():
    """One shard, little-endian, version 1: the bytes that TensorFlow writes."""
    assert encode_header(1) == bytes.fromhex("08011a020801")
    assert decode_header(encode_header(3)) == (3, False)
