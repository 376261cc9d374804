"""The search for the input that takes a unit of a norm highest, over a box written as a cone.

With w = t·(x, 1) and G·w ≤ 0, z = T·w/‖R·w‖ is greatest at w = R⁻¹·p, where p is what is left
of R⁻ᵀ·T when its nearest point in the cone of R⁻ᵀ·Gᵀ is taken away (``cone``). Where R is nearly
singular those are mostly rounding; the search then puts

    ‖R·w‖² + λ²·‖c·w‖²        c the lengths of R's columns; of the last, at least the box's own

in the place of ‖R·w‖², which is never singular (Tikhonov and Arsenin 1977). Nothing that comes
out is taken for granted: ``certified`` says what it proves.
"""

from __future__ import annotations

import numpy as np

from lnfold.relations.ranges.box import Box
from lnfold.relations.ranges.cone import polar_projections

Array = np.ndarray


class ConeSearch:
    """The search over one box for one R [units + 1, inputs + 1], the units' rows first."""

    def __init__(self, root: Array, box: Box) -> None:
        self._box = box
        scale = np.linalg.norm(root, axis=0)
        used = np.append(scale[:-1] > 0, True)
        ends = np.abs(np.stack([box.low, box.high]))
        far = np.where(np.isfinite(ends), ends, 0.0).max(axis=0)
        scale[-1] = max(scale[-1], float(np.linalg.norm(scale[:-1] * far)))
        scale[scale == 0] = 1.0
        self._scale, self._used = scale, used
        held = (root / scale)[:, used]
        # rows of zeros change nothing and let the singular vectors be complete
        missing = max(held.shape[1] - held.shape[0], 0)
        left, singular, right = np.linalg.svd(
            np.vstack([held, np.zeros((missing, held.shape[1]))]), full_matrices=False
        )
        self._left, self._singular, self._right = left[: len(root)], singular, right
        sides = box.cone()
        # the sides of an input that nothing reads hold nothing else
        sides = sides[~sides[:, ~used].any(axis=1)][:, used] / scale[used]
        self._sides = sides @ right.T

    def __call__(self, units: Array, sign: float, added: float) -> tuple[Array, Array]:
        """What the projection leaves for sign·z of some units.

        Args:
            units: their indices.
            added: λ, relative to the largest singular value of R/c.

        Returns:
            v [units + 1, wanted], R's share of p, and w [wanted, inputs + 1].
        """
        largest = float(self._singular.max(initial=0.0)) or 1.0
        lengths = np.hypot(self._singular, added * largest)
        share = self._singular / lengths
        count = len(self._left) - 1
        wanted = sign * np.sqrt(count) * (self._left[units] * share).T
        projected = polar_projections((self._sides / lengths).T, wanted)
        vectors = self._left @ (share[:, None] * projected)
        points = np.zeros((len(units), self._scale.size))
        points[:, self._used] = (self._right.T @ (projected / lengths[:, None])).T
        return vectors, points / self._scale

    def places(self, points: Array) -> tuple[Array, Array]:
        """The inputs of the box [wanted, inputs] that w stands for, or directions, and which."""
        heights = points[:, -1]
        sizes = np.abs(points[:, :-1] * self._scale[:-1]).max(axis=1, initial=0.0)
        # the last coordinate in the units of the others tells a point from a direction
        limits = ~(heights * self._scale[-1] > 1e-12 * sizes)
        inputs = np.where(
            limits[:, None],
            self._box.directions(points[:, :-1]),
            self._box.nearest(points[:, :-1] / np.where(limits, 1.0, heights)[:, None]),
        )
        return inputs, limits
