"""How far outputs are apart, where a number that is none agrees with nothing but its like."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from lnfold.network.records.layers import Array


def largest_difference(left: Mapping[str, Array], right: Mapping[str, Array]) -> float:
    """The largest |left − right| over all outputs; NaN on one side only counts as infinite."""
    found = [float(difference(left[name], right[name]).max(initial=0.0)) for name in left]
    return max(found, default=0.0)


def difference(left: Array, right: Array) -> Array:
    """|left − right| in float64: 0 where both are NaN or the same infinity."""
    a, b = np.asarray(left, np.float64), np.asarray(right, np.float64)
    with np.errstate(invalid="ignore"):
        found = np.where((a == b) | (np.isnan(a) & np.isnan(b)), 0.0, np.abs(a - b))
    return np.nan_to_num(found, nan=np.inf)
