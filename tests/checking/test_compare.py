"""Two runs compared: the largest difference, where it is, and the tolerance it needs."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lnfold.checking.compare import EDGES, compare
from lnfold.errors import UsageError


def test_the_smallest_tolerance_is_the_one_that_just_passes() -> None:
    """With it the comparison passes, with anything less it fails; the place is the largest's."""
    seen: Counter[bool] = Counter()

    @settings(max_examples=100, deadline=None, derandomize=True)
    @given(st.integers(0, 2**16), st.integers(1, 20), st.integers(1, 5), st.floats(-14, 1))
    def check(seed: int, rows: int, units: int, power: float) -> None:
        random = np.random.default_rng(seed)
        a = {"y": random.standard_normal((rows, units)), "z": random.standard_normal((rows, 1))}
        b = {name: one + 10**power * random.standard_normal(one.shape) for name, one in a.items()}
        found = compare(a, b, 0.0)
        needed = found.smallest_tolerance
        assert compare(a, b, needed).passed
        assert not compare(a, b, np.nextafter(needed, 0)).passed
        place = found.place
        assert place is not None
        assert a[place.output][place.row, place.unit] == place.left
        assert abs(place.left - place.right) == needed
        assert sum(found.histogram) == found.count == rows * (units + 1)
        seen[needed < EDGES[0]] += 1

    check()

    assert min(seen.values()) >= 5


def test_nan_agrees_with_nan_only() -> None:
    """NaN or infinity on one side alone is infinitely far."""
    both = {"y": np.array([[np.nan, np.inf, 1.0]])}

    assert compare(both, both, 0.0).passed
    for other in ([[0.0, np.inf, 1.0]], [[np.nan, -np.inf, 1.0]], [[np.nan, np.inf, np.nan]]):
        found = compare(both, {"y": np.array(other)}, 1e300)
        assert not found.passed
        assert found.absolute.largest == np.inf


def test_an_array_that_does_not_fit_is_named() -> None:
    """A missing output, and one of another size."""
    with pytest.raises(UsageError, match="nothing to compare output 'y' with"):
        compare({"y": np.zeros((2, 1))}, {"z": np.zeros((2, 1))}, 0.0)
    with pytest.raises(UsageError, match=r"shape \(3, 1\), output 'y' has \(2, 1\)"):
        compare({"y": np.zeros((2, 1))}, {"outputs": np.zeros((3, 1))}, 0.0)
