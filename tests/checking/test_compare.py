"""Two runs compared: how many numbers have which verdict, and where they are furthest apart."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lnfold.checking.compare import compare
from lnfold.checking.comparison import EDGES, Against, Comparison, Place, overall
from lnfold.checking.planted import Noticed
from lnfold.checking.sentences import counted, phrase, seen, told
from lnfold.checking.verdict import Allowance, Mark, Verdict
from lnfold.errors import UsageError

Arrays = dict[str, np.ndarray]


def compared(exact: Arrays, other: Arrays, estimate: float, proved: float) -> Comparison:
    """With the same allowance for every number."""
    allowed = Allowance(
        {name: np.full(one.shape, estimate) for name, one in exact.items()},
        {name: np.full(one.shape, proved) for name, one in exact.items()},
    )
    return compare(exact, other, allowed, Against.EXPECTED, "rows of a test")


def test_every_number_is_counted_once_and_the_largest_difference_is_where_it_is_said() -> None:
    """The counts add up, the place holds both numbers, and the verdict follows the counts."""
    verdicts: Counter[Verdict] = Counter()
    # far below the estimate, between it and the proved bound, far beyond
    powers = st.floats(-9, -6) | st.floats(-5, -4) | st.floats(-2, 1)

    @settings(max_examples=150)
    @given(st.integers(0, 2**16), st.integers(40, 60), st.integers(1, 5), powers)
    def check(seed: int, rows: int, units: int, power: float) -> None:
        random = np.random.default_rng(seed)
        a = {"y": random.standard_normal((rows, units)), "z": random.standard_normal((rows, 1))}
        b = {name: one + 10**power * random.standard_normal(one.shape) for name, one in a.items()}
        found = compared(a, b, 1e-5, 1e-3)
        assert sum(found.histogram) == found.count == rows * (units + 1)
        assert found.agreeing + found.differing + found.untold == found.count
        largest = max(float(np.abs(a[name] - b[name]).max()) for name in a)
        assert found.differing == sum(int((np.abs(a[n] - b[n]) > 1e-3).sum()) for n in a)
        assert found.agreeing == sum(int((np.abs(a[n] - b[n]) <= 1e-5).sum()) for n in a)
        place = found.largest_at
        assert place is not None
        assert a[place.output][place.row, place.unit] == place.left
        assert b[place.output][place.row, place.unit] == place.right
        assert abs(place.left - place.right) == largest == found.absolute.largest
        wanted = Verdict.AGREES if largest <= 1e-5 else Verdict.CANNOT_TELL
        assert found.verdict is (Verdict.DIFFERS if largest > 1e-3 else wanted)
        verdicts[found.verdict] += 1

    check()

    assert min(verdicts[verdict] for verdict in Verdict) >= 10
    assert EDGES[0] == 1e-12


def test_nothing_compared_is_no_agreement() -> None:
    """No output, or no row."""
    assert compared({}, {}, 1.0, 1.0).verdict is Verdict.CANNOT_TELL
    empty = {"y": np.zeros((0, 2))}
    assert compared(empty, empty, 1.0, 1.0).verdict is Verdict.CANNOT_TELL
    assert overall([]) is Verdict.CANNOT_TELL


def test_what_is_said_names_the_place_and_both_figures() -> None:
    """A reader sees the row, the numbers, what rounding does and what it cannot pass."""
    exact = {"y": np.linspace(0, 1, 100).reshape(50, 2)}
    other = {"y": exact["y"].copy()}
    assert told(compared(exact, other, 1e-6, 1e-4)) == "at most 0 of what rounding does"
    other["y"][7, 1] += 1e-5
    between = compared(exact, other, 1e-6, 1e-4)
    assert phrase(between) == "cannot tell"
    assert counted(between) == "1 of 100 numbers cannot be told"
    assert "y, row 7, unit 1: 0.151515152 and 0.151525152" in told(between)
    assert "rounding does 1e-06, at most 0.0001" in told(between).replace("1.0e-0", "1e-0")
    other["y"][8, 0] += 1
    differing = compared(exact, other, 1e-6, 1e-4)
    assert (phrase(differing), counted(differing)) == ("DIFFERS", "1 of 100 numbers differ")
    assert "y, row 8, unit 0" in told(differing)
    other["y"][9, 0] = np.nan
    exact["y"][9, 0] = np.nan
    assert compared(exact, other, 1e-6, 1e-4).untold == 2


def test_an_array_that_does_not_fit_is_named() -> None:
    """A missing output, and one of another size."""
    with pytest.raises(UsageError, match="nothing to compare output 'y' with"):
        compared({"y": np.zeros((2, 1))}, {"z": np.zeros((2, 1))}, 0.0, 0.0)
    with pytest.raises(UsageError, match=r"shape \(3, 1\), output 'y' has \(2, 1\)"):
        compared({"y": np.zeros((2, 1))}, {"outputs": np.zeros((3, 1))}, 0.0, 0.0)


@pytest.mark.parametrize(
    ("noticed", "sentence"),
    [
        (None, ""),
        (Noticed(3e-5, "k", (), True), "a kernel off by 3e-05 would have been seen"),
        (
            Noticed(0.1, "k", ("a", "b"), True),
            "a kernel off by 0.1 would have been seen, but none of a and b",
        ),
        (Noticed(None, "", ("k",), False), "no change of a kernel would have been seen"),
        (Noticed(None, "", ("k",), True), "no change of a kernel would have been seen for certain"),
    ],
)
def test_what_would_have_been_seen_is_said_as_far_as_it_is_known(
    noticed: Noticed | None, sentence: str
) -> None:
    """The smallest change that was; kernels of which none was; and what was only doubted."""
    array = {"y": np.linspace(0, 1, 100).reshape(50, 2)}

    assert seen(replace(compared(array, array, 1e-6, 1e-4), noticed=noticed)) == sentence


@pytest.mark.parametrize(
    ("left", "allowed", "multiple"), [(1.5, 0.25, 2), (1, 0, 0), (2, 0, np.inf)]
)
def test_a_place_says_how_many_times_its_allowance_it_is_off(left, allowed, multiple) -> None:
    """Nothing is off by no times whatever is allowed, and something by infinitely many of none."""
    place = Place("y", 0, 0, left, 1.0, allowed, 9.0, Mark.AGREES)

    assert place.multiple == multiple
