"""The least and the greatest value that each normalised unit can take, over a box of inputs.

With T, R and x̃ of ``lifted``, unit i is z_i = T_i·x̃/‖R·x̃‖, a quotient of an affine function
and a length. For a box low ≤ x ≤ high (either side may be infinite) its supremum is

    where T_i·x̃ ≥ 0 somewhere in the box:     min over mu ≥ 0 of ‖R⁻ᵀ(T_i − Gᵀ·mu)‖
    where T_i·x̃ < 0 all over the box:         the greatest value at a corner

G·w ≤ 0 being the box written as a cone in w = t·(x, 1). The first line is the projection
theorem for cones: w ↦ T_i·w is linear on {‖R·w‖ ≤ 1}. Without bounds only t ≥ 0 is left, and
the formula is the root of unit i's leverage, √(T_iᵀ·Q⁻¹·T_i) with Q = RᵀR. Any mu ≥ 0 gives a
sound bound. In the second line ``corners`` says why corners suffice; beyond its ``CORNERS``
inputs the sound bound is −min|T_i·x̃| / max‖R·x̃‖.

A bound is called exact where the maximising input was found and its own z_i, computed
directly, is that bound to ``CLOSE``; Σ z_i = 0 and Σ z_i² ≤ n hold besides, so |z_i| never
passes √(n − 1), or √n for RMSNorm. O(inputs²·units), and 2^inputs·(inputs + units) for corners.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from lnfold.relations.box import Box
from lnfold.relations.cone import polar_projections
from lnfold.relations.corners import CORNERS, Watch, corner_maxima
from lnfold.relations.lifted import Lifted

Array = np.ndarray

CLOSE: Final = 1e-9
_WIDE: Final = 512  # with more units than this and no fewer inputs, √(n − 1) is all that is said


@dataclass(frozen=True, slots=True, eq=False)
class Bound:
    """One side of the range of every unit.

    Attributes:
        values: [units].
        exact: [units], whether nothing tighter holds; otherwise the bound is sound only.
        attained: [units], whether an input was found that reaches it; an exact bound that is
            not attained is a limit for inputs that grow without end.
        inputs: [units, inputs], where it is attained, or the direction of the limit.
    """

    values: Array
    exact: Array
    attained: Array
    inputs: Array


def normalised_ranges(lifted: Lifted, box: Box, watch: Watch | None = None) -> tuple[Bound, Bound]:
    """Infimum and supremum of every z_i over a box of the dense layer's inputs.

    Args:
        watch: told now and then how many of how many corners were tried, where many are.

    Raises:
        ValueError: the box has another width than the layer, or a parameter is not finite.
    """
    if box.width != lifted.inputs:
        raise ValueError(f"a box of {box.width} for {lifted.inputs} inputs")
    if not lifted.finite:
        raise ValueError("a parameter is NaN or infinite")
    # an input that no unit reads is as good as fixed
    box = box.pinned(np.asarray(~lifted.rows[:-1].any(axis=1)))
    below = _suprema(lifted, box, -1.0, watch)
    return (
        Bound(-below.values, below.exact, below.attained, below.inputs),
        _suprema(lifted, box, 1.0, watch),
    )


def _suprema(lifted: Lifted, box: Box, sign: float, watch: Watch | None) -> Bound:
    """The suprema of sign·z_i."""
    units, inputs = lifted.units, lifted.inputs
    rows = sign * lifted.rows
    found = _Found(lifted, rows, np.full(units, np.sqrt(lifted.dimensions)))
    highest = box.affine_maximum(rows[:-1], rows[-1])
    constant = np.asarray(~rows.any(axis=0))
    found.settle(constant, np.zeros((units, inputs)) + box.middle())
    rising = (highest >= 0) & ~constant
    if rising.any() and not (units > _WIDE and inputs >= units - 1):
        _by_cone(found, box, rising)
    falling = (highest < 0) & ~constant
    if falling.any():
        found.values[falling] = np.minimum(found.values[falling], 0.0)
        if box.extended <= CORNERS and box.bounded:
            _by_corners(found, box, falling, watch)
        elif box.bounded:
            farthest = np.sqrt(
                np.square(box.largest(lifted.rows[:-1], lifted.rows[-1])).mean() + lifted.epsilon
            )
            found.values[falling] = np.minimum(found.values[falling], highest[falling] / farthest)
    return Bound(found.values, found.exact, found.attained, found.inputs)


class _Found:
    """Bounds being tightened, and the inputs that show them to be tight."""

    def __init__(self, lifted: Lifted, rows: Array, values: Array) -> None:
        units = lifted.units
        self.lifted, self.rows, self.values = lifted, rows, values
        self.exact = np.zeros(units, bool)
        self.attained = np.zeros(units, bool)
        self.inputs = np.full((units, lifted.inputs), np.nan)

    def settle(self, which: Array, inputs: Array, *, limit: bool = False) -> None:
        """Compares the bounds of some units with what their inputs [units, inputs] deliver.

        For a limit, inputs are directions u, and z_i tends to T_i·u/‖R·u‖ without the bias.
        """
        bias = 0.0 if limit else 1.0
        for unit in np.flatnonzero(which):
            y = inputs[unit] @ self.rows[:-1] + bias * self.rows[-1]
            s = np.sqrt(np.square(y).mean() + bias * self.lifted.epsilon)
            value = y[unit] / s if s > 0 else 0.0
            if value >= self.values[unit] - CLOSE * (1 + abs(value)):
                self.values[unit] = max(value, self.values[unit])
                self.exact[unit], self.attained[unit] = True, not limit
                self.inputs[unit] = inputs[unit]


def _by_cone(found: _Found, box: Box, which: Array) -> None:
    lifted = found.lifted
    # inputs of different sizes are measured in units of their own columns; empty ones go
    root = lifted.root()
    scale = np.linalg.norm(root, axis=0)
    used = scale > 0
    scale[~used] = 1.0
    left, singular, right = np.linalg.svd((root / scale)[:, used], full_matrices=False)
    rank = int((singular > singular[0] * 1e-13 * max(root.shape)).sum()) if singular.size else 0
    left, singular, right = left[:, :rank], singular[:rank], right[:rank]
    sides = box.cone() / scale
    seen = sides[:, used] @ right.T
    # a side that leaves what R can see bounds nothing: other inputs with the same units do
    lengths = np.linalg.norm(sides, axis=1)
    inside = np.linalg.norm(seen, axis=1) >= (1 - 1e-9) * lengths
    spanning = (seen[inside & (lengths > 0)] / singular).T
    sign = 1.0 if np.array_equal(found.rows, lifted.rows) else -1.0
    wanted = sign * np.sqrt(lifted.units) * left[:-1].T[:, which]
    projected = polar_projections(spanning, wanted)
    found.values[which] = np.minimum(found.values[which], np.linalg.norm(projected, axis=0))

    points = np.zeros((int(which.sum()), lifted.inputs + 1))
    points[:, used] = (right.T @ (projected / singular[:, None])).T / scale[used]
    inputs = np.full((lifted.units, lifted.inputs), np.nan)
    heights = points[:, -1]
    sizes = np.abs(points[:, :-1] * scale[:-1]).max(axis=1, initial=0.0)
    # the last coordinate in the units of the others tells a point from a direction
    finite = heights * max(scale[-1], 1e-300) > 1e-12 * sizes
    limits = np.zeros(lifted.units, bool)
    limits[np.flatnonzero(which)[~finite]] = True
    with np.errstate(all="ignore"):
        inputs[which] = np.where(
            finite[:, None],
            box.nearest(points[:, :-1] / np.where(finite, heights, 1.0)[:, None]),
            box.directions(points[:, :-1]),
        )
    found.settle(which & ~limits, inputs)
    found.settle(limits, inputs, limit=True)


def _by_corners(found: _Found, box: Box, which: Array, watch: Watch | None) -> None:
    units = np.flatnonzero(which)
    values, corners = corner_maxima(found.lifted, found.rows, box, units, watch)
    inputs = np.full((found.lifted.units, found.lifted.inputs), np.nan)
    inputs[units] = corners
    found.values[units] = np.minimum(found.values[units], values)
    found.settle(which, inputs)
