"""Names in the order in which a person counts."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lnfold.checkpoint.bytes.natural_order import natural_order


def test_numbers_count_and_scopes_stay_together():
    """The bare name comes first, 2 before 10, and a scope before a longer one."""
    names = [
        "dense_10/bias",
        "dense/kernel",
        "dense_2/bias",
        "dense/bias",
        "dense-x/a",
        "a",
        "dense",
    ]

    assert natural_order(names) == [
        "a",
        "dense",
        "dense/bias",
        "dense/kernel",
        "dense-x/a",
        "dense_2/bias",
        "dense_10/bias",
    ]


@given(st.lists(st.text(max_size=12), unique=True))
def test_the_order_keeps_every_name(names: list[str]):
    """Sorting loses and invents nothing, whatever the names are made of."""
    assert sorted(natural_order(names)) == sorted(names)


@given(st.lists(st.integers(0, 10**12), unique=True))
def test_numbers_sort_by_size(numbers: list[int]):
    """Numbers of any length sort as numbers."""
    assert natural_order(f"layer_{n}/w" for n in numbers) == [
        f"layer_{n}/w" for n in sorted(numbers)
    ]
