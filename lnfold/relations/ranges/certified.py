"""What a vector proves about z = T·x̃/‖R·x̃‖ over a box, with the proof's own rounding counted.

For any vector v, whoever found it and however well, x̃ = (x, 1) and ‖R·x̃‖ = s(x),

    T·x̃ = v·(R·x̃) + h·x̃ ≤ ‖v‖·s(x) + h·x̃            h = T − Rᵀ·v
    z ≤ ‖v‖ + max(h·x̃)/min s                          over max s where max(h·x̃) < 0

over the box (weak duality; Boyd and Vandenberghe, Convex Optimization, section 5.1.3). h is
computed here, so an ill-conditioned R makes a bound wide and never wrong. Where x_j has no end
on the side that h_j drives it to, h_j·x_j is measured by s(x) itself: with r = h/c on those
inputs, c the lengths of R's columns,

    |Σ h_j·x_j| ≤ ‖r‖·‖(c_j·x_j)‖ ≤ ‖r‖·s(x)/σ

σ being the least singular value of those columns of R/c with all others projected away. No
bound without σ > 0. Each sum of k products is off by (k + 4)·eps·Σ|a·b| at most (Higham,
Accuracy and Stability of Numerical Algorithms, section 3.1; twice what is needed).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from lnfold.relations.ranges.box import Box

Array = np.ndarray

_EPS: Final = float(np.finfo(np.float64).eps)
_BLOCK: Final = 256  # units at a time, for memory's sake
_SMALL: Final = 1e-7  # of a column's length: what may be measured by s(x), not by the box


@dataclass(frozen=True, slots=True, eq=False)
class Proof:
    """What bounds are proved with.

    Attributes:
        root: R [rows, inputs + 1].
        box: of x.
        rounding: [inputs + 1], how far each number of T, and √rows times R's, may be off in
            that row or column.
        least, most: a lower and an upper bound of s(x) over the box; 0 and infinity where
            nothing is known.
    """

    root: Array
    box: Box
    rounding: Array
    least: float
    most: float

    def bounds(self, wanted: Array, vectors: Array) -> Array:
        """Upper bounds of z over the box [units], infinite where nothing is proved.

        Args:
            wanted: T, one a column [inputs + 1, units].
            vectors: v, one a column [rows, units].
        """
        ended = np.isfinite(self._low) & np.isfinite(self._high)
        sigmas = self._sigma(~ended), self._sigma(np.ones(len(ended), bool))
        starts = range(0, wanted.shape[1], _BLOCK)
        blocks = [slice(start, start + _BLOCK) for start in starts]
        parts = [self._bounds(wanted[:, some], vectors[:, some], sigmas) for some in blocks]
        return np.concatenate(parts) if parts else np.zeros(0)

    def share(self, sizes: Array) -> float:
        """An upper bound of Σ sizes·|x̃|/s over the box, sizes [inputs + 1] ≥ 0."""
        nothing, off = np.zeros((len(sizes), 1)), np.asarray(sizes, np.float64)[:, None]
        ended = np.isfinite(self._low) & np.isfinite(self._high)
        by_box = self._by_box(nothing, off, self._sigma(~ended))
        by_length = self._by_length(nothing, off, np.zeros(1), self._sigma(ended | True))
        return float(np.minimum(by_box, by_length)[0])

    def _bounds(self, wanted: Array, vectors: Array, sigmas: tuple[float, float]) -> Array:
        lengths = np.linalg.norm(vectors, axis=0) * (1 + 4 * _EPS * len(self.root))
        h = wanted - self.root.T @ vectors
        sizes = np.abs(wanted) + np.abs(self.root.T) @ np.abs(vectors)
        off = (len(self.root) + 4) * _EPS * sizes + self.rounding[:, None] * (1 + lengths)
        by_box = self._by_box(h, off, sigmas[0])
        proved = np.minimum(by_box, self._by_length(h, off, lengths, sigmas[1]))
        return np.asarray(np.nan_to_num(lengths + proved, nan=np.inf, posinf=np.inf))

    def _by_box(self, h: Array, off: Array, sigma: float) -> Array:
        """max(h·x̃)/s, all of it by the box but what an endless side leaves to s itself."""
        endless = self._endless(h, off)
        left = np.where(endless, np.abs(h) + off, 0.0)
        rest = self._over_s(np.where(endless, 0.0, h), np.where(endless, 0.0, off))
        return np.asarray(rest + _over(self._seen(left), sigma))

    def _by_length(self, h: Array, off: Array, lengths: Array, sigma: float) -> Array:
        """The same with everything small measured by s, which suits huge boxes."""
        small = np.abs(h) <= _SMALL * self._scale[:, None] * (1 + lengths)
        small[-1] = False
        endless = self._endless(h, off) | small
        left = np.where(endless, np.abs(h), 0.0) + off
        # the last coordinate is 1: what is left there is measured with the box, or as the others
        rest = self._over_s(np.where(endless, 0.0, h), np.zeros_like(off))
        return np.asarray(rest + _over(self._seen(left), sigma))

    def _over_s(self, h: Array, off: Array) -> Array:
        """An upper bound of h·x̃/s over the box, h known to ``off``; no endless ends."""
        low, high = self._low[:, None], self._high[:, None]
        with np.errstate(invalid="ignore"):
            ends = np.where(h == 0, 0.0, np.where(h > 0, h * high, h * low))
            loose = np.where(off == 0, 0.0, off * self._far[:, None])
        rounding = (len(h) + 4) * _EPS * np.abs(ends).sum(axis=0)
        most = ends.sum(axis=0) + loose.sum(axis=0) + rounding
        return np.where(most > 0, _over(most, self.least), _over(most, self.most))

    def _endless(self, h: Array, off: Array) -> Array:
        """Where h may drive an input to a side that has no end [inputs + 1, units]."""
        up, down = np.isposinf(self._high)[:, None], np.isneginf(self._low)[:, None]
        moved = (h != 0) | (off != 0)
        return np.asarray(moved & ((up & (h + off > 0)) | (down & (h - off < 0))))

    def _seen(self, left: Array) -> Array:
        """The length of h/c [units]; infinite where c is 0 and h is not."""
        scale = self._scale[:, None]
        parts = np.divide(left, scale, out=np.where(left > 0, np.inf, 0.0), where=scale > 0)
        return np.asarray(np.linalg.norm(parts, axis=0))

    def _sigma(self, which: Array) -> float:
        """A lower bound of σ for some columns of R/c; 0 where R does not tell them apart."""
        used = self._scale > 0
        last, first = used & which, used & ~which
        if not last.any() or len(self.root) < used.sum():
            return 0.0
        order = np.concatenate([np.flatnonzero(first), np.flatnonzero(last)])
        columns = (self.root / np.where(used, self._scale, 1.0))[:, order]
        triangle: Array = np.linalg.qr(columns)[1]
        corner = triangle[first.sum() :, first.sum() :]
        off: float = _EPS * 8 * columns.shape[0] * columns.shape[1]
        off += float(np.linalg.norm(self.rounding[used] / self._scale[used]))
        return max(float(np.linalg.svd(corner, compute_uv=False)[-1]) - off, 0.0)

    @property
    def _scale(self) -> Array:
        scale: Array = np.linalg.norm(self.root, axis=0)
        return scale

    @property
    def _low(self) -> Array:
        return np.append(self.box.low, 1.0)

    @property
    def _high(self) -> Array:
        return np.append(self.box.high, 1.0)

    @property
    def _far(self) -> Array:
        """The largest finite end of every input; what has no end is not measured by it."""
        ends = np.abs(np.stack([self._low, self._high]))
        return np.asarray(np.where(np.isfinite(ends), ends, 0.0).max(axis=0))


def _over(above: Array, below: float) -> Array:
    """above/below, 0 where above is 0, and infinite where below is 0."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        quotient = above / below
    return np.where(above == 0, 0.0, quotient)
