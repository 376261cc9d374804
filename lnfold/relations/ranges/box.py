"""A box of values: a lowest and a highest number for each input, either may be infinite."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lnfold.errors import UsageError

Array = np.ndarray


@dataclass(frozen=True, slots=True, eq=False)
class Box:
    """low ≤ x ≤ high; both [width], float64.

    Raises:
        UsageError: two vectors of different lengths, NaN, or low > high; it says where.
    """

    low: Array
    high: Array

    def __post_init__(self) -> None:
        if self.low.shape != self.high.shape or self.low.ndim != 1:
            raise UsageError(
                f"a box needs as many lowest as highest values, "
                f"these have shapes {self.low.shape} and {self.high.shape}"
            )
        wrong = np.flatnonzero(~(self.low <= self.high))
        if wrong.size:
            one = int(wrong[0])
            raise UsageError(
                f"the box is empty: input {one} goes from {self.low[one]:g} to {self.high[one]:g}",
                remedy="Give the lowest value first.",
            )

    @property
    def width(self) -> int:
        return int(self.low.size)

    @property
    def bounded(self) -> bool:
        """Whether no side is infinite."""
        return bool(np.isfinite(self.low).all() and np.isfinite(self.high).all())

    @property
    def everything(self) -> bool:
        """Whether no side is finite."""
        return not (np.isfinite(self.low).any() or np.isfinite(self.high).any())

    @staticmethod
    def of_everything(width: int) -> Box:
        """All inputs there are."""
        return Box(np.full(width, -np.inf), np.full(width, np.inf))

    def middle(self) -> Array:
        """A point inside: the centre, or the nearest to 0 where a side is infinite."""
        with np.errstate(invalid="ignore"):
            centre = (self.low + self.high) / 2
        middle: Array = np.where(np.isfinite(centre), centre, np.clip(0.0, self.low, self.high))
        return middle

    def nearest(self, points: Array) -> Array:
        """The points of the box that are nearest to points [rows, width]."""
        nearest: Array = np.clip(points, self.low, self.high)
        return nearest

    def directions(self, points: Array) -> Array:
        """What is left of directions [rows, width] when the box must never be left."""
        low = np.where(np.isfinite(self.low), 0.0, -np.inf)
        high = np.where(np.isfinite(self.high), 0.0, np.inf)
        left: Array = np.clip(points, low, high)
        return left

    def affine_maximum(self, kernel: Array, bias: Array) -> Array:
        """The maximum of x·kernel + bias [units] over the box; infinite where it has none."""
        # 0·∞ is 0 here: an input with no weight moves nothing
        with np.errstate(invalid="ignore"):
            best = np.where(kernel > 0, kernel * self.high[:, None], kernel * self.low[:, None])
        highest: Array = np.where(kernel == 0, 0.0, best).sum(axis=0) + bias
        return highest

    def largest(self, kernel: Array, bias: Array) -> Array:
        """The largest |x·kernel + bias| [units] over the box."""
        rising, falling = self.affine_maximum(kernel, bias), self.affine_maximum(-kernel, -bias)
        largest: Array = np.maximum(rising, falling)
        return largest

    def cone(self) -> Array:
        """The box as G·w ≤ 0 for w = t·(x, 1), t ≥ 0: G [finite sides + 1, width + 1]."""
        identity = np.eye(self.width)
        above, below = np.isfinite(self.high), np.isfinite(self.low)
        last = np.zeros((1, self.width + 1))
        last[0, -1] = -1.0
        return np.vstack(
            [
                np.hstack([identity[above], -self.high[above, None]]),
                np.hstack([-identity[below], self.low[below, None]]),
                last,
            ]
        )

    @property
    def extended(self) -> int:
        """How many inputs are more than a single number."""
        return int((self.low < self.high).sum())

    def pinned(self, which: Array) -> Box:
        """The box with some inputs [width] held at one number inside."""
        middle = self.middle()
        return Box(np.where(which, middle, self.low), np.where(which, middle, self.high))
