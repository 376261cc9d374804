"""Two runs side by side: how large their differences are, where, and which tolerance they need.

Absolute and relative differences of all numbers of all outputs; the relative one is
|a − b| / max(|a|, |b|). The largest absolute difference is the smallest tolerance that would
have passed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from lnfold.errors import UsageError

Array = np.ndarray

QUANTILES: Final = (0.5, 0.9, 0.99)
# decades of the absolute difference: below 1e-12, then one each up to 1 and above
EDGES: Final = tuple(10.0**power for power in range(-12, 1))


@dataclass(frozen=True, slots=True)
class Place:
    """Where the largest difference is: the output, its row and unit, and both numbers."""

    output: str
    row: int
    unit: int
    left: float
    right: float


@dataclass(frozen=True, slots=True)
class Spread:
    """A kind of difference over all numbers: largest, mean, and the quantiles of QUANTILES."""

    largest: float
    mean: float
    quantiles: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two runs compared.

    Attributes:
        count: how many pairs of numbers.
        absolute, relative: the differences; NaN or infinite on one side only is infinite.
        place: where the largest absolute difference is, None where nothing was compared.
        histogram: how many absolute differences are below each of EDGES and not below the one
            before; the last count is of those at or above the last edge.
        tolerance: what the verdict allows.
    """

    count: int
    absolute: Spread
    relative: Spread
    place: Place | None
    histogram: tuple[int, ...]
    tolerance: float

    @property
    def passed(self) -> bool:
        return self.absolute.largest <= self.tolerance

    @property
    def smallest_tolerance(self) -> float:
        """The smallest tolerance that would have passed."""
        return self.absolute.largest


def compare(left: Mapping[str, Array], right: Mapping[str, Array], tolerance: float) -> Comparison:
    """The outputs of two runs, by name, [rows, units] each.

    Raises:
        UsageError: an output is missing on the right, or has another number of entries.
    """
    absolute, relative = [], []
    place: Place | None = None
    worst = -1.0
    for name, one in left.items():
        other = _matching(name, one, right)
        a, b = np.asarray(one, np.float64), np.asarray(other, np.float64)
        difference = _difference(a, b)
        size = np.maximum(np.abs(a), np.abs(b))
        with np.errstate(invalid="ignore", divide="ignore"):
            share = np.where(difference > 0, difference / size, 0.0)
        absolute.append(difference.ravel())
        relative.append(np.nan_to_num(share, nan=np.inf, posinf=np.inf).ravel())
        if difference.size and float(difference.max()) > worst:
            worst = float(difference.max())
            row, unit = np.unravel_index(int(difference.argmax()), difference.shape)
            place = Place(name, int(row), int(unit), float(a[row, unit]), float(b[row, unit]))
    everything: Array = np.concatenate(absolute) if absolute else np.zeros(0)
    shares: Array = np.concatenate(relative) if relative else np.zeros(0)
    bins = np.searchsorted(EDGES, everything, side="right")
    counts = np.bincount(bins, minlength=len(EDGES) + 1)
    return Comparison(
        everything.size,
        _spread(everything),
        _spread(shares),
        place,
        tuple(int(count) for count in counts),
        tolerance,
    )


def _matching(name: str, one: Array, right: Mapping[str, Array]) -> Array:
    key = name if name in right else "outputs"
    if key not in right:
        raise UsageError(
            f"there is nothing to compare output '{name}' with; there are: "
            f"{', '.join(sorted(right)) or 'none'}",
            remedy="Name the array as the output, or 'outputs' for the only one.",
        )
    other = np.asarray(right[key])
    if other.dtype.kind not in "fiub" or other.size != one.size:
        raise UsageError(f"array '{key}' has shape {other.shape}, output '{name}' has {one.shape}")
    return other.reshape(one.shape)


def _difference(a: Array, b: Array) -> Array:
    """|a − b|; 0 where both are NaN or the same infinity, infinite where only one is."""
    with np.errstate(invalid="ignore"):
        same = (a == b) | (np.isnan(a) & np.isnan(b))
        difference = np.where(same, 0.0, np.abs(a - b))
    return np.nan_to_num(difference, nan=np.inf, posinf=np.inf)


def _spread(values: Array) -> Spread:
    if not values.size:
        return Spread(0.0, 0.0, (0.0,) * len(QUANTILES))
    # the lower of two neighbours: between a number and infinity there is no middle
    quantiles = np.quantile(values, QUANTILES, method="lower")
    return Spread(float(values.max()), float(values.mean()), tuple(float(one) for one in quantiles))
