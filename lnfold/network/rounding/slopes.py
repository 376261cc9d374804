"""How far a layer carries an error: out(x̂) − out(x) = slope·(x̂ − x), for every x̂ near x.

A slope is known as an interval, centre ± radius, over all x̂ in the box x ± E. ``push`` takes
errors of what a layer reads to errors of what it delivers, ``carry`` a change of the one to that
of the other by the centre alone; ``pull`` takes derivatives by what it delivers to derivatives
by what it reads, both as centre and radius [rows, units].
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from lnfold.network.records.layers import Array
from lnfold.network.rounding.arithmetic import Arithmetic

Pair = tuple[Array, Array]  # centre and radius of an interval


class Slope(Protocol):
    """The slope of a layer by one of the values that it reads."""

    def push(self, errors: Array, arithmetic: Arithmetic) -> Array:
        """Errors [rows, inputs] of what is read as errors [rows, units] of what is delivered."""

    def carry(self, change: Array) -> Array:
        """A change [rows, inputs] of what is read as one [rows, units] of what is delivered."""

    def pull(self, centre: Array, radius: Array) -> Pair:
        """Derivatives [rows, units] by what is delivered as such by what is read."""


def times(centre: Array, radius: Array, by: Array, by_radius: Array) -> Pair:
    """The product of two intervals."""
    return centre * by, radius * (np.abs(by) + by_radius) + np.abs(centre) * by_radius


@dataclass(frozen=True, slots=True, eq=False)
class Kernel:
    """x·kernel."""

    kernel: Array

    def push(self, errors: Array, arithmetic: Arithmetic) -> Array:
        return arithmetic.through(errors, np.abs(self.kernel))

    def carry(self, change: Array) -> Array:
        return np.asarray(change @ self.kernel)

    def pull(self, centre: Array, radius: Array) -> Pair:
        used = centre.any(axis=0) | radius.any(axis=0)
        if used.all():
            return centre @ self.kernel.T, radius @ np.abs(self.kernel).T
        # units that do not matter are left out: their columns may hold NaN, and cost time
        kernel = self.kernel[:, used].T
        return centre[:, used] @ kernel, radius[:, used] @ np.abs(kernel)


@dataclass(frozen=True, slots=True, eq=False)
class UnitByUnit:
    """A slope of its own for each unit; a value of one unit may be read by all units.

    Attributes:
        centre, radius: [rows or 1, units or 1].
        width: the units of what is read.
    """

    centre: Array
    radius: Array
    width: int

    def push(self, errors: Array, arithmetic: Arithmetic) -> Array:
        return np.asarray((np.abs(self.centre) + self.radius) * errors)

    def carry(self, change: Array) -> Array:
        return np.asarray(self.centre * change)

    def pull(self, centre: Array, radius: Array) -> Pair:
        by, around = self.centre, self.radius
        if not (np.isfinite(by).all() and np.isfinite(around).all()):
            idle = (centre == 0) & (radius == 0)
            by, around = np.where(idle, 0.0, by), np.where(idle, 0.0, around)
        pulled = times(centre, radius, by, around)
        if self.width == 1 < centre.shape[1]:
            return pulled[0].sum(axis=1, keepdims=True), pulled[1].sum(axis=1, keepdims=True)
        return pulled


def same(width: int) -> UnitByUnit:
    """The slope 1."""
    return UnitByUnit(np.ones((1, 1)), np.zeros((1, 1)), width)


@dataclass(frozen=True, slots=True, eq=False)
class Placed:
    """Units start:stop of a wider value: where they are put, or taken from (``taken``)."""

    start: int
    stop: int
    width: int
    taken: bool

    def push(self, errors: Array, arithmetic: Arithmetic) -> Array:
        return self.carry(errors)

    def carry(self, change: Array) -> Array:
        return self._take(change) if self.taken else self._put(change)

    def pull(self, centre: Array, radius: Array) -> Pair:
        move = self._put if self.taken else self._take
        return move(centre), move(radius)

    def _take(self, wide: Array) -> Array:
        return wide[:, self.start : self.stop]

    def _put(self, narrow: Array) -> Array:
        wide: Array = np.zeros((len(narrow), self.width))
        wide[:, self.start : self.stop] = narrow
        return wide


@dataclass(frozen=True, slots=True, eq=False)
class After:
    """One slope after another."""

    first: Slope
    second: Slope

    def push(self, errors: Array, arithmetic: Arithmetic) -> Array:
        return self.second.push(self.first.push(errors, arithmetic), arithmetic)

    def carry(self, change: Array) -> Array:
        return self.second.carry(self.first.carry(change))

    def pull(self, centre: Array, radius: Array) -> Pair:
        return self.first.pull(*self.second.pull(centre, radius))


@dataclass(frozen=True, slots=True, eq=False)
class Normalised:
    """The slope of z = a/s, a = x − mean(x) or x, s = sqrt(mean(a²) + epsilon).

        ẑ − z = (Δ − z·mean(Δ·w))/ŝ,  Δ = â − a,  w = (â + a)/(ŝ + s),

    which is no approximation: 1/ŝ − 1/s = −(ŝ² − s²)/(s·ŝ·(ŝ + s)), ŝ² − s² = mean(Δ·(â + a)).

    Attributes:
        z: [rows, units].
        spread: how far w may be from z, [rows, units].
        inverse, inverse_spread: centre and radius of 1/ŝ, [rows, 1].
        centred: whether the mean is taken away.
        reach: the most that |ẑ − z| can be, [rows, units].
    """

    z: Array
    spread: Array
    inverse: Array
    inverse_spread: Array
    centred: bool
    reach: Array

    def push(self, errors: Array, arithmetic: Arithmetic) -> Array:
        units = self.z.shape[1]
        parts = [errors]
        if self.centred:
            parts.append(arithmetic.over_units(errors) / units)
        weighted = arithmetic.over_units(errors * (np.abs(self.z) + self.spread)) / units
        parts.append(np.abs(self.z) * weighted)
        moved = arithmetic.together(*parts) * (self.inverse + self.inverse_spread)
        return np.asarray(np.fmin(moved, self.reach))

    def carry(self, change: Array) -> Array:
        if self.centred:
            change = change - change.mean(axis=1, keepdims=True)
        along = (change * self.z).mean(axis=1, keepdims=True)
        return np.asarray((change - self.z * along) * self.inverse)

    def pull(self, centre: Array, radius: Array) -> Pair:
        along = (centre * self.z).mean(axis=1, keepdims=True)
        along_radius = (radius * np.abs(self.z)).mean(axis=1, keepdims=True)
        moved = centre - self.z * along
        around = radius + np.abs(self.z) * along_radius
        around += self.spread * (np.abs(along) + along_radius)
        if self.centred:
            moved -= centre.mean(axis=1, keepdims=True)
            around += radius.mean(axis=1, keepdims=True)
        return times(moved, around, self.inverse, self.inverse_spread)


@dataclass(frozen=True, slots=True, eq=False)
class Centred:
    """The slope of x − mean(x)."""

    def push(self, errors: Array, arithmetic: Arithmetic) -> Array:
        return arithmetic.together(errors, arithmetic.over_units(errors) / errors.shape[1])

    def carry(self, change: Array) -> Array:
        return np.asarray(change - change.mean(axis=1, keepdims=True))

    def pull(self, centre: Array, radius: Array) -> Pair:
        return (
            centre - centre.mean(axis=1, keepdims=True),
            radius + radius.mean(axis=1, keepdims=True),
        )


@dataclass(frozen=True, slots=True, eq=False)
class Shares:
    """The slope p∘(I − 1·pᵀ) of a softmax p, or I − 1·pᵀ of its logarithm.

    Attributes:
        p, spread: the softmax over the box as centre and radius, [rows, units].
        logarithm: whether the slope is the logarithm's.
    """

    p: Array
    spread: Array
    logarithm: bool

    def push(self, errors: Array, arithmetic: Arithmetic) -> Array:
        most = np.minimum(self.p + self.spread, 1.0)
        moved = arithmetic.together(errors, arithmetic.over_units(most * errors))
        return moved if self.logarithm else np.minimum(most * moved, 1.0)

    def carry(self, change: Array) -> Array:
        moved = change - (self.p * change).sum(axis=1, keepdims=True)
        return np.asarray(moved if self.logarithm else self.p * moved)

    def pull(self, centre: Array, radius: Array) -> Pair:
        if self.logarithm:
            total = centre.sum(axis=1, keepdims=True), radius.sum(axis=1, keepdims=True)
            taken = times(*total, self.p, self.spread)
            return centre - taken[0], radius + taken[1]
        weighted = times(centre, radius, self.p, self.spread)
        moved = centre - weighted[0].sum(axis=1, keepdims=True)
        around = radius + weighted[1].sum(axis=1, keepdims=True)
        return times(moved, around, self.p, self.spread)


@dataclass(frozen=True, slots=True, eq=False)
class Moved:
    """Numbers in other places, and maybe in other rows: nothing is pulled back through it."""

    move: Callable[[Array], Array]

    def push(self, errors: Array, arithmetic: Arithmetic) -> Array:
        return self.move(errors)

    def carry(self, change: Array) -> Array:
        return self.move(change)

    def pull(self, centre: Array, radius: Array) -> Pair:
        raise NotImplementedError("rows join here")
