"""A vector of parameters in a few numbers and a small histogram."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

Array = np.ndarray

BINS = 12
_TINY = 1e-6  # of the largest entry: below it a gain leaves nothing a float32 sum would notice


@dataclass(frozen=True, slots=True)
class Distribution:
    """What a vector looks like; statistics are over its finite entries.

    Attributes:
        count, nonfinite: entries, and how many of them are NaN or infinite.
        minimum, mean, maximum: None where no entry is finite.
        norm: the Euclidean norm.
        negative, zero, tiny: how many entries are < 0, exactly 0, and not 0 but smaller than
            1e-6 of the largest.
        histogram: counts in ``BINS`` equal bins between minimum and maximum.
    """

    count: int
    nonfinite: int
    minimum: float | None
    mean: float | None
    maximum: float | None
    norm: float
    negative: int
    zero: int
    tiny: int
    histogram: tuple[int, ...]


def distribution(vector: Array) -> Distribution:
    """Describes a vector of any float dtype; computed in float64."""
    values = np.asarray(vector, np.float64).ravel()
    finite = values[np.isfinite(values)]
    if not finite.size:
        return Distribution(values.size, values.size, None, None, None, 0.0, 0, 0, 0, (0,) * BINS)
    size = np.abs(finite)
    low, high = float(finite.min()), float(finite.max())
    with np.errstate(over="ignore"):
        length = float(np.linalg.norm(finite))
    return Distribution(
        count=values.size,
        nonfinite=values.size - finite.size,
        minimum=low,
        mean=float(finite.mean()),
        maximum=high,
        norm=length,
        negative=int((finite < 0).sum()),
        zero=int((finite == 0).sum()),
        tiny=int(((size > 0) & (size < _TINY * size.max())).sum()),
        histogram=histogram(finite, BINS),
    )


def histogram(finite: Array, count: int) -> tuple[int, ...]:
    """Counts in ``count`` equal bins from the least to the largest; equal numbers fill the middle.

    numpy.histogram refuses ranges of a few ulps, and overflows on the widest ones.
    """
    low, high = finite.min(), finite.max()
    if low == high:
        bins = np.full(finite.size, count // 2)
    else:
        # times a power of two, which is exact, so that no difference over- or underflows
        _, exponent = np.frexp(max(abs(low), abs(high)))
        low, high, scaled = (np.ldexp(one, -exponent) for one in (low, high, finite))
        bins = np.minimum((scaled - low) / (high - low) * count, count - 1).astype(np.intp)
    return tuple(np.bincount(bins, minlength=count).tolist())
