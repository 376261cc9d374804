"""How the compiled run computes the layers of the carry and the side-channel form."""

from __future__ import annotations

import math

import numpy as np

from lnfold.folding.deferred import Carried, Deviation, Divided, TriangleDeviation
from lnfold.network.compiled_layers import EMITTERS, gain_and_shift
from lnfold.network.layers import Array
from lnfold.network.program import Program


def _deviation(layer: Deviation, program: Program) -> None:
    y, s = program.value(layer.inputs[0]), program.new(layer.name)
    carried = program.value(layer.inputs[1]) if len(layer.inputs) > 1 else None
    mean_square = program.mean_square(y)
    assert layer.epsilon.value is not None  # a network without gaps has every epsilon
    epsilon = program.dtype(layer.epsilon.value)
    if program.rows == 1:

        def measure_one() -> None:
            share = epsilon if carried is None else epsilon * carried[0] * carried[0]
            s[0] = math.sqrt(mean_square() + share)

        program.actions.append(measure_one)
        return

    def measure() -> None:
        square = mean_square()
        square += epsilon if carried is None else epsilon * carried[0] * carried[0]
        np.sqrt(square, s[0])

    program.actions.append(measure)


def _triangle(layer: TriangleDeviation, program: Program) -> None:
    rows: Array = layer.triangle.array.astype(program.dtype)
    columns = np.ascontiguousarray(rows.T)
    x, s = program.with_ones(layer.inputs[0]), program.new(layer.name)
    projected: Array = np.empty(program.shape(rows.shape[1]), program.dtype)
    if program.rows == 1:

        def measure_one() -> None:
            np.dot(x, rows, projected)
            s[0] = math.sqrt(projected.dot(projected))

        program.actions.append(measure_one)
        return
    ones: Array = np.ones(rows.shape[1], program.dtype)

    def measure() -> None:
        np.dot(columns, x, projected)
        np.multiply(projected, projected, projected)
        np.dot(ones, projected, s[0])
        np.sqrt(s, s)

    program.actions.append(measure)


def _carried(layer: Carried, program: Program) -> None:
    y, v = program.over(layer)
    s = program.value(layer.inputs[1])
    numbers = program.spread(layer.vector, y.shape[0])
    product = np.empty_like(y)

    def shift() -> None:
        np.multiply(numbers, s, product)
        np.add(y, product, v)

    program.actions.append(shift)


def _divided(layer: Divided, program: Program) -> None:
    y, z = program.over(layer)
    s = program.value(layer.inputs[1])
    inverse = np.empty_like(s)

    def divide() -> None:
        np.reciprocal(s, inverse)
        np.multiply(y, inverse, z)

    program.actions.append(divide)
    gain_and_shift(program, z, None, layer.shift)


EMITTERS[Deviation] = _deviation
EMITTERS[TriangleDeviation] = _triangle
EMITTERS[Carried] = _carried
EMITTERS[Divided] = _divided
