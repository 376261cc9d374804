"""What the layers of the carry and the side-channel form round off, and how they carry errors."""

from __future__ import annotations

from typing import Final

import numpy as np

from lnfold.network.records.deferred import Carried, Deviation, Divided, TriangleDeviation
from lnfold.network.records.layers import Array, Layer
from lnfold.network.rounding.arithmetic import Arithmetic
from lnfold.network.rounding.products import product
from lnfold.network.rounding.seen import Row, Seen, Step
from lnfold.network.rounding.slopes import After, Kernel, Pair, Slope, UnitByUnit, same


class Length(Slope):
    """The slope of s = sqrt(‖y‖²/share + what is left): ŝ − s = Σ Δ·(ŷ + y)/((ŝ + s)·share).

    Attributes:
        mean, spread: centre and radius of (ŷ + y)/((ŝ + s)·share), [rows, units].
    """

    def __init__(self, y: Seen, s: Array, least: Array, share: int) -> None:
        away = np.sqrt(np.square(y.box).sum(axis=1, keepdims=True) / share)
        self.mean = y.exact / (s * share)
        self.spread = (y.box + np.abs(y.exact) / s * away) / ((s + least) * share)

    def push(self, errors: Array, arithmetic: Arithmetic) -> Array:
        return arithmetic.over_units((np.abs(self.mean) + self.spread) * errors)

    def carry(self, change: Array) -> Array:
        return np.asarray((self.mean * change).sum(axis=1, keepdims=True))

    def pull(self, centre: Array, radius: Array) -> Pair:
        around = radius * (np.abs(self.mean) + self.spread) + np.abs(centre) * self.spread
        return centre * self.mean, around


def _root(
    y: Seen, s: Array, rest: Array, rest_off: Array, share: int, arithmetic: Arithmetic
) -> tuple[Slope, Array, Array]:
    """The slope by y of s = sqrt(Σ y²/share + rest), its least value, and its own rounding."""
    u = arithmetic.roundoff
    away = np.sqrt(np.square(y.box).sum(axis=1, keepdims=True) / share)
    least = np.maximum(s - away - rest_off, np.sqrt(np.maximum(rest - rest_off, 0)))
    squares = np.square(y.most).sum(axis=1, keepdims=True) / share
    off = arithmetic.rounding(y.width, 3) * squares + 3 * u * (rest + rest_off) + rest_off
    off = off + 2 * arithmetic.tiny
    # √(s² + δ) − s = δ/(√(s² + δ) + s) ≤ δ/s, and no more than √δ
    unit = np.fmin(off / least, np.sqrt(off)) + 2 * u * (s + away)
    return Length(y, s, least, share), least, unit


def _deviation(
    layer: Deviation, arithmetic: Arithmetic, out: Array, y: Seen, carried: Seen | None = None
) -> Step:
    assert layer.epsilon.value is not None  # a network without gaps has every epsilon
    epsilon = float(layer.epsilon.value)
    off = float(arithmetic.rounded(np.asarray(epsilon)))
    if carried is None:
        slope, _, unit = _root(
            y, out, np.full((1, 1), epsilon), np.full((1, 1), off), y.width, arithmetic
        )
        return Step((slope,), unit, highest=y.width * np.square(y.most).max(1, keepdims=True))
    rest = epsilon * np.square(carried.exact)
    wide = (epsilon + off) * np.square(carried.most) - rest
    slope, least, unit = _root(y, out, rest, wide, y.width, arithmetic)
    # epsilon·(ĉ² − c²)/(ŝ + s), in which (ĉ + c) and (ŝ + s) lie in their boxes
    most = epsilon * (np.abs(carried.exact) + carried.most) / (least + out)
    centre = epsilon * carried.exact / out
    by_carried = UnitByUnit(centre, np.maximum(most - np.abs(centre), 0) + np.abs(centre), 1)
    highest = y.width * np.square(y.most).max(1, keepdims=True)
    return Step((slope, by_carried), unit, highest=np.maximum(highest, np.square(carried.most)))


def _triangle(layer: TriangleDeviation, arithmetic: Arithmetic, out: Array, x: Seen) -> Step:
    triangle = layer.triangle.array.astype(np.float64)
    kernel, last = triangle[:-1], triangle[-1]
    local, highest = product(x, kernel, last, arithmetic)
    projected = x.exact @ kernel + last
    errors = arithmetic.together(arithmetic.through(x.errors, np.abs(kernel)), local)
    y = Seen(projected, errors, arithmetic.box(errors))
    zero = np.zeros((1, 1))
    slope, _, unit = _root(y, out, zero, zero, 1, arithmetic)
    unit = arithmetic.together(unit, slope.push(local, arithmetic))
    squares = np.square(highest).sum(axis=1, keepdims=True)
    return Step((After(Kernel(kernel), slope),), unit, highest=squares)


def _carried(layer: Carried, arithmetic: Arithmetic, out: Array, y: Seen, s: Seen) -> Step:
    vector, off = arithmetic.vector(layer.vector, 0.0)
    sizes = y.most + 2 * s.most * np.abs(vector)
    unit = arithmetic.roundoff * sizes + off * s.most + arithmetic.tiny
    return Step((same(y.width), UnitByUnit(vector[None], np.zeros((1, 1)), 1)), unit)


def _divided(layer: Divided, arithmetic: Arithmetic, out: Array, y: Seen, s: Seen) -> Step:
    """ŷ/ŝ − y/s = (ŷ − y)/ŝ − (y/s)·(ŝ − s)/ŝ."""
    shift, off = arithmetic.vector(layer.shift, 0.0)
    u = arithmetic.roundoff
    least = np.maximum(s.exact - s.box, 0)
    inverse = (1 / least + 1 / s.most) / 2
    spread = (1 / least - 1 / s.most) / 2
    quotient = np.abs(y.exact) / s.exact
    by_s = -y.exact / s.exact * inverse
    unit = 3 * u * (y.most / least) + u * np.abs(shift) + off + arithmetic.tiny
    slopes = (UnitByUnit(inverse, spread, y.width), UnitByUnit(by_s, quotient * spread, 1))
    return Step(slopes, unit)


DEFERRED_ROUNDING: Final[dict[type[Layer], Row]] = {
    Deviation: _deviation,
    TriangleDeviation: _triangle,
    Carried: _carried,
    Divided: _divided,
}
