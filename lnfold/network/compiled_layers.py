"""How each kind of layer becomes actions of a Program: one function a kind."""

from __future__ import annotations

import math
from functools import partial
from typing import Final

import numpy as np

from lnfold.network.activations import FUNCTIONS
from lnfold.network.layers import (
    Activation,
    Affine,
    Array,
    BatchNorm,
    Clip,
    Concat,
    Dense,
    Layer,
    LayerNorm,
    Norm,
    Parameter,
    RMSNorm,
    Standardize,
)
from lnfold.network.program import Emitter, Program
from lnfold.network.run import step_of


def _dense(layer: Dense, program: Program) -> None:
    kernel: Array = layer.kernel.array.astype(program.dtype)
    bias = np.zeros(layer.units) if layer.bias is None else layer.bias.array.reshape(-1)
    rows = np.vstack([kernel, bias.astype(program.dtype)])
    # BLAS takes one observation best by columns, many by rows
    columns = np.ascontiguousarray(rows.T)
    x, y = program.with_ones(layer.input), program.new(layer.name)
    if program.rows == 1:
        program.actions.append(partial(x.dot, rows, y))
    else:
        program.actions.append(partial(columns.dot, x, y))


def _layer_norm(layer: LayerNorm, program: Program) -> None:
    y, z = program.over(layer)
    weights: Array = np.full(y.shape[0], 1 / y.shape[0], program.dtype)
    mean: Array = np.empty(program.shape(1)[1:], program.dtype)
    program.actions.append(partial(weights.dot, y, mean))
    program.actions.append(partial(np.subtract, y, mean, z))
    _divide_by_deviation(layer, program, z, z)


def _rms_norm(layer: RMSNorm, program: Program) -> None:
    _divide_by_deviation(layer, program, *program.over(layer))


def _divide_by_deviation(layer: Norm, program: Program, y: Array, z: Array) -> None:
    """z = gamma·y/sqrt(mean(y²) + epsilon) + beta."""
    assert layer.epsilon.value is not None  # a network without gaps has every epsilon
    epsilon = program.dtype(layer.epsilon.value)
    scale: Array = np.empty(program.shape(1)[1:], program.dtype)
    if program.rows == 1:
        squares, units, root = partial(y.dot, y), y.shape[0], math.sqrt
        numerator, added = root(units), units * float(epsilon)

        def measure_one() -> None:
            # Python's floats: a NumPy scalar takes longer for each of these than the layer
            total = squares().item() + added
            scale[()] = numerator / root(total) if total else math.nan

        program.actions.append(measure_one)
    else:
        mean_square = program.mean_square(y)

        def measure() -> None:
            np.add(mean_square(), epsilon, scale)
            np.sqrt(scale, scale)
            np.reciprocal(scale, scale)

        program.actions.append(measure)
    program.actions.append(partial(np.multiply, y, scale, z))
    gain_and_shift(program, z, layer.gamma, layer.beta)


def gain_and_shift(
    program: Program, z: Array, gain: Parameter | Array | None, shift: Parameter | Array | None
) -> None:
    """z·gain + shift in place, each where it is there."""
    for operation, vector in ((np.multiply, gain), (np.add, shift)):
        if vector is not None:
            numbers = program.spread(vector, z.shape[0])
            program.actions.append(partial(operation, z, numbers, z))


def _batch_norm(layer: BatchNorm, program: Program) -> None:
    variance = layer.moving_variance.array.astype(np.float64).reshape(-1)
    gain = 1 / np.sqrt(variance + (layer.epsilon.value or 0.0))
    if layer.gamma is not None:
        gain = gain * layer.gamma.array.reshape(-1)
    y, z = program.over(layer)
    mean = program.spread(layer.moving_mean, y.shape[0])
    program.actions.append(partial(np.subtract, y, mean, z))
    gain_and_shift(program, z, gain, layer.beta)


def _standardize(layer: Standardize, program: Program) -> None:
    x, z = program.over(layer)
    mean = program.spread(layer.mean, x.shape[0])
    program.actions.append(partial(np.subtract, x, mean, z))
    gain_and_shift(program, z, 1 / layer.deviation.array.astype(np.float64), None)


def _affine(layer: Affine, program: Program) -> None:
    x, z = program.over(layer)
    if z is not x:
        program.actions.append(partial(np.copyto, z, x))
    gain_and_shift(program, z, layer.scale, layer.shift)


def _clip(layer: Clip, program: Program) -> None:
    x, z = program.over(layer)
    steps = ((np.maximum, layer.low), (np.minimum, layer.high))
    source = x
    for operation, bound in steps:
        if bound is not None:
            numbers = program.spread(bound, x.shape[0])
            program.actions.append(partial(operation, source, numbers, out=z))
            source = z
    if source is x and z is not x:
        program.actions.append(partial(np.copyto, z, x))


def _activation(layer: Activation, program: Program) -> None:
    function = FUNCTIONS[str(layer.function.value)]
    if function.rowwise:
        _any_layer(layer, program)
        return
    x, z = program.over(layer)
    if function.name == "relu":
        zeros = program.spread(np.zeros(1), x.shape[0])
        program.actions.append(partial(np.maximum, x, zeros, out=z))
    elif function.name == "tanh":
        program.actions.append(partial(np.tanh, x, z))
    else:
        alpha = function.alpha if layer.alpha is None else layer.alpha
        program.actions.append(lambda: np.copyto(z, function.apply(x, alpha)))


def _concat(layer: Concat, program: Program) -> None:
    whole, start = program.new(layer.name), 0
    for name in layer.inputs:
        part = program.value(name)
        place = whole[start : start + part.shape[0]]
        program.actions.append(partial(np.copyto, place, part))
        start += part.shape[0]


def _any_layer(layer: Layer, program: Program) -> None:
    """A layer of any other kind, as ``run`` computes it."""
    step = step_of(layer, program.dtype)
    read = [program.value(name).reshape(-1, program.rows).T for name in layer.inputs]
    written = program.new(layer.name)
    shape = written.shape
    program.actions.append(lambda: np.copyto(written, step(*read).T.reshape(shape)))


EMITTERS: Final[dict[type[Layer], Emitter]] = {
    Dense: _dense,
    LayerNorm: _layer_norm,
    RMSNorm: _rms_norm,
    BatchNorm: _batch_norm,
    Standardize: _standardize,
    Affine: _affine,
    Clip: _clip,
    Activation: _activation,
    Concat: _concat,
}


def emit(layer: Layer, program: Program) -> None:
    """Adds the actions of one layer to a program; of an unknown kind those that ``run`` takes."""
    EMITTERS.get(type(layer), _any_layer)(layer, program)
