"""The least and the greatest value that each normalised unit can take, over a box of inputs.

With T, R and x̃ of ``lifted``, unit i is z_i = T_i·x̃/‖R·x̃‖, a quotient of an affine function
and a length. For a box low ≤ x ≤ high (either side may be infinite) its supremum is

    where T_i·x̃ ≥ 0 somewhere in the box:     min over mu ≥ 0 of ‖R⁻ᵀ(T_i − Gᵀ·mu)‖
    where T_i·x̃ < 0 all over the box:         the greatest value at a corner

G·w ≤ 0 being the box written as a cone in w = t·(x, 1). The first line is the projection
theorem for cones: w ↦ T_i·w is linear on {‖R·w‖ ≤ 1}. Without bounds only t ≥ 0 is left, and
the formula is the root of unit i's leverage, √(T_iᵀ·Q⁻¹·T_i) with Q = RᵀR. In the second line
``corners`` says why corners suffice; beyond its ``CORNERS`` inputs the sound bound is
−min|T_i·x̃| / max‖R·x̃‖.

Neither line is taken as computed: where R is singular, or as good as, R⁻ᵀ is mostly rounding.
The searches deliver a vector v, and what is said is what ``certified`` proves with it, rounding
counted. A bound is called exact where the maximising input was found and its own z_i, computed
directly, is that bound to ``CLOSE``; Σ z_i = 0 and Σ z_i² ≤ n hold besides, so |z_i| never
passes √(n − 1), or √n for RMSNorm. All of this is about the stored numbers in exact arithmetic.
O(inputs²·units), and 2^inputs·(inputs + units) for corners.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from lnfold.relations.ranges.box import Box
from lnfold.relations.ranges.certified import Proof
from lnfold.relations.ranges.cone_search import ConeSearch
from lnfold.relations.ranges.corners import CORNERS, Watch, corner_maxima
from lnfold.relations.ranges.homogeneous import Lifted
from lnfold.relations.ranges.min_std import least_deviation

Array = np.ndarray

CLOSE: Final = 1e-9
_EPS: Final = float(np.finfo(np.float64).eps)
# what is added to R's squares where it is nearly singular, as a length relative to the largest
_ADDED: Final = (1e-14, 1e-11, 1e-9, 1e-7, 1e-5, 1e-3)
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
        share: at most Σ|x_j|·(the largest number of row j) + (that of the bias), over s(x): by
            which the rounding of a dense layer is multiplied. Infinite where nothing is known.
    """

    values: Array
    exact: Array
    attained: Array
    inputs: Array
    share: float = np.inf


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
    proof = _proof(lifted, box)
    below, above = (_Found(lifted, proof, sign).tightened(watch) for sign in (-1.0, 1.0))
    return replace(below, values=-below.values), above


def _proof(lifted: Lifted, box: Box) -> Proof:
    largest = box.largest(lifted.rows[:-1], lifted.rows[-1])
    most = float(np.sqrt(np.square(largest).mean() + lifted.epsilon)) * (1 + CLOSE)
    rounding = np.zeros(lifted.inputs + 1) if lifted.rounding is None else lifted.rounding
    return Proof(lifted.root(), box, rounding, least_deviation(lifted, box).bound, most)


class _Found:
    """Upper bounds of sign·z_i being tightened, and the inputs that show them to be tight."""

    def __init__(self, lifted: Lifted, proof: Proof, sign: float) -> None:
        units, inputs = lifted.units, lifted.inputs
        self.lifted, self.proof, self.box, self.sign = lifted, proof, proof.box, sign
        self.rows = sign * lifted.rows
        self.values = np.full(units, np.sqrt(lifted.dimensions))
        self.exact, self.attained = np.zeros(units, bool), np.zeros(units, bool)
        self.inputs = np.full((units, inputs), np.nan)

    def tightened(self, watch: Watch | None) -> Bound:
        units, inputs = self.lifted.units, self.lifted.inputs
        constant = np.asarray(~self.rows.any(axis=0))
        self.settle(constant, np.zeros((units, inputs)) + self.box.middle())
        highest = self.box.affine_maximum(self.rows[:-1], self.rows[-1])
        falling = (highest + self._moved(np.abs(self.rows)) < 0) & ~constant
        rising = ~falling & ~constant
        if self.box.extended == 0:
            self._at_a_point()
            falling, rising = falling & ~self.exact, rising & ~self.exact
        if falling.any():
            self.certify(np.flatnonzero(falling), np.zeros((units + 1, int(falling.sum()))))
            if self.box.bounded and self.box.extended <= CORNERS:
                self._by_corners(falling, highest, watch)
        if rising.any() and not (units > _WIDE and inputs >= units - 1):
            self._by_cone(rising)
        sizes = self.lifted.sizes
        share = self.proof.share(np.abs(self.rows).max(axis=1) if sizes is None else sizes)
        return Bound(self.values, self.exact, self.attained, self.inputs, share)

    def _at_a_point(self) -> None:
        """Where no input moves anything, every bound is the value itself, to ``CLOSE``."""
        point = self.box.low
        z = self.sign * self.lifted.normalised(point[None])[0]
        values = self.values
        self.values = np.minimum(z, values)
        self.settle(np.full(z.size, True), np.tile(point, (z.size, 1)))
        self.values = np.where(self.exact, self.values, values)

    def certify(self, units: Array, vectors: Array) -> None:
        """Lowers bounds of some units to what vectors [units + 1, wanted] prove."""
        proved = self.proof.bounds(self.rows[:, units], vectors)
        self.values[units] = np.minimum(self.values[units], proved)

    def settle(self, which: Array, inputs: Array, *, limit: bool = False) -> None:
        """Compares the bounds of some units with what their inputs [units, inputs] deliver.

        For a limit, inputs are directions u, and z_i tends to T_i·u/‖R·u‖ without the bias.
        """
        last = 0.0 if limit else 1.0
        for unit in np.flatnonzero(which & np.isfinite(inputs).all(axis=1)):
            place = np.append(inputs[unit], last)
            y = place @ self.rows
            s = np.sqrt(np.square(y).mean() + last * self.lifted.epsilon)
            if s == 0 and (limit or self.rows[:, unit].any()):
                continue
            value = y[unit] / s if s > 0 else 0.0
            off = (len(place) + 4) * _EPS * np.abs(self.rows).max(axis=1) + self.proof.rounding
            known = s == 0 or 2 * np.sqrt(y.size) * float(off @ np.abs(place)) <= CLOSE * s
            if known and value >= self.values[unit] - CLOSE * (1 + abs(value)):
                self.values[unit] = max(value, self.values[unit])
                self.exact[unit], self.attained[unit] = True, not limit
                self.inputs[unit] = inputs[unit]

    def _moved(self, sizes: Array) -> Array:
        """What rounding may move Σ sizes·|x̃| by, at most, over the box [columns]."""
        far = np.append(np.maximum(np.abs(self.box.low), np.abs(self.box.high)), 1.0)
        off = (len(sizes) + 8) * _EPS * sizes + self.proof.rounding[:, None]
        with np.errstate(invalid="ignore"):
            return np.asarray(np.where(off == 0, 0.0, off * far[:, None]).sum(axis=0))

    def _by_corners(self, which: Array, highest: Array, watch: Watch | None) -> None:
        units = np.flatnonzero(which)
        values, corners = corner_maxima(self.lifted, self.rows, self.box, units, watch)
        # the table's sums are rounded; s is no less than the unit's own share of it
        least = np.maximum(self.proof.least, -highest[units] / np.sqrt(2 * self.lifted.units))
        lengths = self.lifted.units * np.linalg.norm(self.proof.root, axis=0)
        moved = self._moved(np.abs(self.rows[:, units])) + np.abs(values) * self._moved(
            lengths[:, None]
        )
        self.values[units] = np.minimum(self.values[units], np.minimum(values + moved / least, 0.0))
        inputs = np.full((self.lifted.units, self.lifted.inputs), np.nan)
        inputs[units] = corners
        self.settle(which, inputs)

    def _by_cone(self, which: Array) -> None:
        """Projects on the polar cone, R made less singular step by step where that is needed."""
        search = ConeSearch(self.proof.root, self.box)
        for added in _ADDED:
            units = np.flatnonzero(which & ~self.exact)
            if not units.size:
                break
            vectors, points = search(units, self.sign, added)
            self.certify(units, vectors)
            places, limits = search.places(points)
            self.certify(units, self._along(units, places, limits))
            inputs = np.full(self.inputs.shape, np.nan)
            inputs[units] = places
            directions = np.isin(np.arange(len(inputs)), units[limits])
            self.settle(~directions, inputs)
            self.settle(directions, inputs, limit=True)

    def _along(self, units: Array, places: Array, limits: Array) -> Array:
        """z·R·x̃/‖R·x̃‖ [units + 1, wanted]: it proves z's own value where x̃ is the maximum."""
        lifted = np.column_stack([places, ~limits]) @ self.proof.root.T
        length = np.linalg.norm(lifted, axis=1)
        heights = self.sign * np.sqrt(self.lifted.units) * lifted[np.arange(len(units)), units]
        squares = np.square(length)
        share = np.divide(heights, squares, out=np.zeros_like(length), where=squares > 0)
        return np.asarray((np.maximum(share, 0.0)[:, None] * lifted).T)
