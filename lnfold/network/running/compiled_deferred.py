"""How the compiled run computes the layers of the carry and the side-channel form."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

import numpy as np

from lnfold.network.records.deferred import Carried, Deviation, Divided, TriangleDeviation
from lnfold.network.records.layers import Array, Layer
from lnfold.network.running.program import Emitter, Program


def _deviation(layer: Deviation, program: Program) -> None:
    y, s = program.value(layer.inputs[0]), program.new(layer.name)
    carried = program.value(layer.inputs[1]) if len(layer.inputs) > 1 else None
    assert layer.epsilon.value is not None  # a network without gaps has every epsilon
    epsilon = program.dtype(layer.epsilon.value)
    if program.rows == 1:
        program.then(_measure_one(y, s, carried, float(epsilon)))
        return
    mean_square = program.mean_square(y)

    def measure() -> None:
        square = mean_square()
        square += epsilon if carried is None else epsilon * carried[0] * carried[0]
        np.sqrt(square, s[0])

    program.then(measure)


def _measure_one(
    y: Array, s: Array, carried: Array | None, epsilon: float, units: int = 0
) -> Callable[[], None]:
    """s = sqrt(Σ y²/units + epsilon·carried²) of one observation, in Python's floats."""
    total: Array = np.empty((), y.dtype)
    dot, number, root, share = y.dot, total.item, math.sqrt, 1 / (units or y.size)
    before = (lambda: 1.0) if carried is None else carried.item

    def measure() -> None:
        dot(y, total)
        carrying = before()
        s[0] = root(number() * share + epsilon * carrying * carrying)

    return measure


def _triangle(layer: TriangleDeviation, program: Program) -> None:
    rows: Array = layer.triangle.array.astype(program.dtype)
    columns = np.ascontiguousarray(rows.T)
    x, s = program.with_ones(layer.inputs[0]), program.new(layer.name)
    projected: Array = np.empty(program.shape(rows.shape[1]), program.dtype)
    if program.rows == 1:
        program.then(x.dot, rows, projected)
        # s² is a sum and not a mean: the triangle has the division inside
        program.then(_measure_one(projected, s, None, 0.0, units=1))
        return
    ones: Array = np.ones(rows.shape[1], program.dtype)

    def measure() -> None:
        np.dot(columns, x, projected)
        np.multiply(projected, projected, projected)
        np.dot(ones, projected, s[0])
        np.sqrt(s, s)

    program.then(measure)


def _carried(layer: Carried, program: Program) -> None:
    y, v = program.over(layer)
    s = _same_for_all(program.value(layer.inputs[1]))
    numbers = program.spread(layer.vector, y.shape[0])
    product = np.empty_like(y)
    program.then(np.multiply, numbers, s, product)
    program.then(np.add, y, product, v)


def _divided(layer: Divided, program: Program) -> None:
    y, z = program.over(layer)
    s = _same_for_all(program.value(layer.inputs[1]))
    if program.rows == 1:
        program.then(np.divide, y, s, z)
    else:
        inverse = np.empty_like(s)
        program.then(np.reciprocal, s, inverse)
        program.then(np.multiply, y, inverse, z)
    program.gain_and_shift(z, None, layer.shift)


def _same_for_all(s: Array) -> Array:
    """A deviation [1] or [1, rows] as a number or [rows], which NumPy broadcasts faster."""
    return s.reshape(s.shape[1:])


DEFERRED_EMITTERS: Final[dict[type[Layer], Emitter]] = {
    Deviation: _deviation,
    TriangleDeviation: _triangle,
    Carried: _carried,
    Divided: _divided,
}
