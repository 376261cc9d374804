"""Every number is judged by its own rounding, and some cannot be judged."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lnfold.checking.verdict import Mark, marked, scales


def mark(found: float, exact: float, estimate: float, proved: float) -> Mark:
    """The mark of one number of an output that varies by 1."""
    rows = np.linspace(0, 1, 101)[:, None]
    marks = marked(
        np.vstack([rows, [[found]]]),
        np.vstack([rows, [[exact]]]),
        np.vstack([np.full_like(rows, 1e-7), [[estimate]]]),
        np.vstack([np.full_like(rows, 1e-5), [[proved]]]),
    )
    assert (marks[:-1] == Mark.AGREES).all()
    return Mark(int(marks[-1, 0]))


def test_within_the_estimate_agrees_beyond_the_proved_differs_between_cannot_be_told() -> None:
    """The three verdicts, on either side of both figures, whatever their sizes."""
    seen: Counter[Mark] = Counter()

    @settings(max_examples=200)
    @given(st.floats(-9, -2.1), st.floats(0.1, 3), st.floats(-12, 0), st.booleans())
    def check(power: float, apart: float, off: float, above: bool) -> None:
        estimate, proved, error = 10**power, 10 ** (power + apart), 10**off
        found = mark(0.5 + (error if above else -error), 0.5, estimate, proved)
        error = abs(0.5 + (error if above else -error) - 0.5)
        wanted = Mark.BETWEEN
        if error <= estimate:
            wanted = Mark.AGREES
        elif error > proved:
            wanted = Mark.DIFFERS
        assert found == wanted
        seen[found] += 1

    check()

    assert all(seen[one] >= 10 for one in (Mark.AGREES, Mark.BETWEEN, Mark.DIFFERS))


@pytest.mark.parametrize(
    ("found", "exact", "finite_bound", "infinite_bound"),
    [
        (np.nan, np.nan, Mark.UNDEFINED, Mark.UNDEFINED),
        (np.inf, np.inf, Mark.UNDEFINED, Mark.UNDEFINED),
        (-np.inf, np.inf, Mark.DIFFERS, Mark.UNDEFINED),
        (np.nan, 0.5, Mark.DIFFERS, Mark.UNDEFINED),
        (0.5, np.nan, Mark.DIFFERS, Mark.UNDEFINED),
        (np.inf, 0.5, Mark.DIFFERS, Mark.UNDEFINED),
    ],
)
def test_what_is_not_finite_never_agrees(
    found: float, exact: float, finite_bound: Mark, infinite_bound: Mark
) -> None:
    """On both sides nobody can tell; on one side it differs, unless nothing bounds it."""
    assert mark(found, exact, 1e-6, 1e-4) == finite_bound
    assert mark(found, exact, 1e-6, np.inf) == infinite_bound
    assert mark(found, exact, np.nan, np.nan) == Mark.UNDEFINED


@pytest.mark.parametrize("estimate", [0.0101, 1.0, np.inf, np.nan])
def test_an_allowance_above_a_hundredth_of_the_scale_allows_nothing(estimate: float) -> None:
    """Not even equal numbers agree; what lies beyond a finite proved bound differs all the same."""
    assert mark(0.5, 0.5, estimate, np.inf) == Mark.WIDE
    assert mark(0.5, 0.5, 0.008, np.inf) == Mark.AGREES
    assert mark(1.5, 0.5, estimate, 0.9) == Mark.DIFFERS


def test_the_scale_of_an_output_is_its_spread_and_its_size_where_it_does_not_vary() -> None:
    """A row far out has a scale of its own and lends none to the others."""
    steady = np.full((64, 1), 7.0)
    varied = np.linspace(100, 101, 64)[:, None]
    far = varied.copy()
    far[3] = 1e9

    assert scales(steady) == pytest.approx(7)
    assert scales(varied) == pytest.approx(1, rel=0.2)
    assert scales(far)[3] == pytest.approx(1e9, rel=1e-3)
    assert np.delete(scales(far), 3) == pytest.approx(1, rel=0.2)
    with np.errstate(invalid="raise"):
        assert np.isfinite(scales(np.full((4, 2), np.nan))).all()


@pytest.mark.parametrize("rows", [4, 11, 30, 51, 64, 1024])
def test_the_spread_is_that_of_all_rows_but_one_at_either_end(rows: int) -> None:
    """One row far out on either side lends the others no scale; a second one is no exception."""
    array = np.linspace(0, 1, rows)[:, None]
    for far in (array, np.vstack([[[-1e6]], array[1:-1], [[1e6]]])):
        assert scales(far)[1:-1].max() == pytest.approx(1 - 2 / (rows - 1))
    array[-2:] = 1e6
    assert scales(array)[1:-2].min() > 9e5


def test_outputs_and_rows_are_judged_alone() -> None:
    """The allowance of a loud output or of one bad row lets nothing pass in the others."""
    exact = np.random.default_rng(0).standard_normal((64, 2)) * [1e8, 1.0]
    estimate = np.abs(exact) * 1e-6
    estimate[5] = 0.5
    found = exact.copy()
    found[:, 1] *= -1

    marks = marked(found, exact, estimate, 10 * estimate)
    assert (np.delete(marks[:, 0], 5) == Mark.AGREES).all()
    assert (np.delete(marks[:, 1], 5) == Mark.DIFFERS).all()
