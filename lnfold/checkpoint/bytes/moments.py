"""Counts, extremes, mean and deviation of numbers that come in pieces.

Two pieces with counts n, means m and sums of squared deviations q are joined by

    m = m1 + d n2 / n,   q = q1 + q2 + d² n1 n2 / n,   d = m2 - m1,   n = n1 + n2

(Chan, Golub, LeVeque 1979). Sums of float32 numbers are taken in float32 over rows of 8192 and
joined in float64: the relative error of the deviation stays below 1e-6.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite, sqrt

import numpy as np

# Float32 sums of longer rows lose digits, of shorter ones time.
_ROW = 8192
# So many numbers of other types are converted to float64 at a time.
_RUN = 1 << 16
# Sums of squares between these can be trusted in float32.
_SMALLEST, _LARGEST = 1e-30, 1e36


@dataclass(frozen=True, slots=True)
class Statistics:
    """What the elements of one variable are like.

    Attributes:
        count: how many elements there are.
        minimum, mean, maximum, deviation: of the finite ones; the deviation is the root of the
            mean squared distance from the mean. None if there are none, or if float64 overflows.
        zeros, nans, infinities: how many there are.
    """

    count: int
    minimum: float | None
    mean: float | None
    maximum: float | None
    deviation: float | None
    zeros: int
    nans: int
    infinities: int


class Moments:
    """What is known of all pieces so far."""

    __slots__ = ("count", "finite", "high", "infinities", "low", "mean", "nans", "square", "zeros")

    def __init__(self) -> None:
        self.count = self.finite = self.zeros = self.nans = self.infinities = 0
        self.low: float | None = None
        self.high: float | None = None
        self.mean = self.square = 0.0

    def add(self, piece: np.ndarray) -> None:
        """Take in the elements of a one-dimensional piece of any type of numbers."""
        self.count += piece.size
        # What overflows here is noticed where it matters.
        with np.errstate(over="ignore", invalid="ignore"):
            if piece.dtype != np.float32 or not self._add_float32(piece):
                for start in range(0, piece.size, _RUN):
                    self._add_run(piece[start : start + _RUN])

    def result(self) -> Statistics:
        """The statistics of everything taken in."""
        deviation = sqrt(max(0.0, self.square / self.finite)) if self.finite else None
        return Statistics(
            count=self.count,
            minimum=self.low,
            mean=self.mean if self.finite and isfinite(self.mean) else None,
            maximum=self.high,
            deviation=deviation if deviation is None or isfinite(deviation) else None,
            zeros=self.zeros,
            nans=self.nans,
            infinities=self.infinities,
        )

    def _add_float32(self, piece: np.ndarray) -> bool:
        """The fast way, if all numbers are finite and of a common size."""
        count = piece.size
        if not count:
            return True
        low, high = float(np.minimum.reduce(piece)), float(np.maximum.reduce(piece))
        if not (isfinite(low) and isfinite(high)):
            return False
        if low == high:
            self.zeros += count if low == 0 else 0
            self._join(count, low, 0.0)
        else:
            total, squares = _sums(piece)
            if not _SMALLEST < squares < _LARGEST:
                return False
            mean, square = total / count, squares - total * total / count
            if square < 0.25 * squares:
                # The difference of two large numbers has lost digits: shift by the mean first.
                shift = np.float32(mean)
                rest, squares = _sums(piece - shift)
                mean, square = float(shift) + rest / count, squares - rest * rest / count
            if low <= 0 <= high:
                self.zeros += int(np.count_nonzero(piece == 0))
            self._join(count, mean, square)
        self._extremes(low, high)
        return True

    def _add_run(self, run: np.ndarray) -> None:
        """The general way, through float64."""
        wide = run.astype(np.float64)
        finite = np.isfinite(wide)
        self.zeros += int(np.count_nonzero(wide == 0))
        if not finite.all():
            self.nans += int(np.count_nonzero(np.isnan(wide)))
            self.infinities += int(np.count_nonzero(np.isinf(wide)))
            wide = wide[finite]
        if not wide.size:
            return
        if run.dtype.kind in "iu":
            # float64 does not hold every int64.
            self._extremes(int(run.min()), int(run.max()))
        else:
            self._extremes(float(wide.min()), float(wide.max()))
        mean = float(np.add.reduce(wide)) / wide.size
        if not isfinite(mean):
            mean = float(np.add.reduce(wide / wide.size))
        wide -= mean
        self._join(wide.size, mean, float(np.dot(wide, wide)))

    def _extremes(self, low: float, high: float) -> None:
        self.low = low if self.low is None else min(self.low, low)
        self.high = high if self.high is None else max(self.high, high)

    def _join(self, count: int, mean: float, square: float) -> None:
        before, self.finite = self.finite, self.finite + count
        difference = mean - self.mean
        self.mean += difference * (count / self.finite)
        self.square += square + difference * difference * (before * count / self.finite)


def _sums(numbers: np.ndarray) -> tuple[float, float]:
    """The sum of float32 numbers and that of their squares.

    Each row is summed by itself: a product of the whole matrix would wake the threads of BLAS,
    which then spin. What the rows give is added by Python, in float64.
    """
    rows = numbers.size // _ROW
    total = squares = 0.0
    if rows:
        table = numbers[: rows * _ROW].reshape(rows, _ROW)
        total = sum(np.einsum("ij->i", table).tolist())
        squares = sum(np.matmul(table[:, None, :], table[:, :, None]).reshape(-1).tolist())
    tail = numbers[rows * _ROW :]
    if tail.size:
        total += float(np.add.reduce(tail))
        squares += float(np.dot(tail, tail))
    return total, squares
