"""How each kind of layer becomes calls of a Program: one function a kind."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

import numpy as np

from lnfold.network.operations.activations import FUNCTIONS
from lnfold.network.records.layers import (
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
    RMSNorm,
    Standardize,
)
from lnfold.network.running.compiled_deferred import DEFERRED_EMITTERS
from lnfold.network.running.program import Emitter, Program
from lnfold.network.running.run import step_of


def _dense(layer: Dense, program: Program) -> None:
    kernel: Array = layer.kernel.array.astype(program.dtype)
    bias = np.zeros(layer.units) if layer.bias is None else layer.bias.array.reshape(-1)
    rows = np.vstack([kernel, bias.astype(program.dtype)])
    # BLAS takes one observation best by columns, many by rows
    columns = np.ascontiguousarray(rows.T)
    x, y = program.with_ones(layer.input), program.new(layer.name)
    if program.rows == 1:
        program.then(x.dot, rows, y)
    else:
        program.then(columns.dot, x, y)


def _layer_norm(layer: LayerNorm, program: Program) -> None:
    y, z = program.over(layer)
    weights: Array = np.full(y.shape[0], 1 / y.shape[0], program.dtype)
    mean: Array = np.empty(program.shape(1)[1:], program.dtype)
    program.then(weights.dot, y, mean)
    program.then(np.subtract, y, mean, z)
    _divide_by_deviation(layer, program, z, z)


def _rms_norm(layer: RMSNorm, program: Program) -> None:
    _divide_by_deviation(layer, program, *program.over(layer))


def _divide_by_deviation(layer: Norm, program: Program, y: Array, z: Array) -> None:
    """z = gamma·y/sqrt(mean(y²) + epsilon) + beta."""
    assert layer.epsilon.value is not None  # a network without gaps has every epsilon
    epsilon = program.dtype(layer.epsilon.value)
    scale: Array = np.empty(program.shape(1)[1:], program.dtype)
    if program.rows == 1:
        program.then(_divide_one(y, z, scale, float(epsilon)))
    else:
        mean_square = program.mean_square(y)

        def measure() -> None:
            np.add(mean_square(), epsilon, scale)
            np.sqrt(scale, scale)
            np.reciprocal(scale, scale)

        program.then(measure)
        program.then(np.multiply, y, scale, z)
    program.gain_and_shift(z, layer.gamma, layer.beta)


def _divide_one(y: Array, z: Array, scale: Array, epsilon: float) -> Callable[[], None]:
    """z = y/sqrt(mean(y²) + epsilon) of one observation.

    Python's floats between the vectors: a NumPy scalar takes longer for each operation than
    the layer.
    """
    total = np.empty_like(scale)
    dot, number, root, multiply = y.dot, total.item, math.sqrt, np.multiply
    numerator, added = root(y.size), y.size * epsilon

    def divide() -> None:
        dot(y, total)
        squares = number() + added
        scale[()] = numerator / root(squares) if squares else math.nan
        multiply(y, scale, z)

    return divide


def _batch_norm(layer: BatchNorm, program: Program) -> None:
    variance = layer.moving_variance.array.astype(np.float64).reshape(-1)
    gain = 1 / np.sqrt(variance + (layer.epsilon.value or 0.0))
    if layer.gamma is not None:
        gain = gain * layer.gamma.array.reshape(-1)
    y, z = program.over(layer)
    mean = program.spread(layer.moving_mean, y.shape[0])
    program.then(np.subtract, y, mean, z)
    program.gain_and_shift(z, gain, layer.beta)


def _standardize(layer: Standardize, program: Program) -> None:
    x, z = program.over(layer)
    mean = program.spread(layer.mean, x.shape[0])
    program.then(np.subtract, x, mean, z)
    program.gain_and_shift(z, 1 / layer.deviation.array.astype(np.float64), None)


def _affine(layer: Affine, program: Program) -> None:
    x, z = program.over(layer)
    if z is not x:
        program.then(np.copyto, z, x)
    program.gain_and_shift(z, layer.scale, layer.shift)


def _clip(layer: Clip, program: Program) -> None:
    x, z = program.over(layer)
    source = x
    for operation, bound in ((np.maximum, layer.low), (np.minimum, layer.high)):
        if bound is not None:
            # their third argument has to be named
            program.then(operation, source, program.spread(bound, x.shape[0]), out=z)
            source = z
    if source is x and z is not x:
        program.then(np.copyto, z, x)


def _activation(layer: Activation, program: Program) -> None:
    function = FUNCTIONS[str(layer.function.value)]
    if function.rowwise:
        _any_layer(layer, program)
        return
    x, z = program.over(layer)
    if function.name == "relu":
        zeros = program.spread(np.zeros(1), x.shape[0])
        program.then(np.maximum, x, zeros, out=z)
    elif function.name == "tanh":
        program.then(*([_one_tanh(x, z)] if x.size == 1 else [np.tanh, x, z]))
    else:
        alpha = function.alpha if layer.alpha is None else layer.alpha
        program.then(lambda: np.copyto(z, function.apply(x, alpha)))


def _one_tanh(x: Array, z: Array) -> Callable[[], None]:
    """Of a single number, for which np.tanh takes longer than for two."""
    number, tanh = x.item, math.tanh

    def act() -> None:
        z[0] = tanh(number())

    return act


def _concat(layer: Concat, program: Program) -> None:
    whole, start = program.new(layer.name), 0
    for name in layer.inputs:
        part = program.value(name)
        place = whole[start : start + part.shape[0]]
        program.then(np.copyto, place, part)
        start += part.shape[0]


def _any_layer(layer: Layer, program: Program) -> None:
    """A layer of any other kind, as ``run`` computes it."""
    step = step_of(layer, program.dtype)
    read = [program.value(name).reshape(-1, program.rows).T for name in layer.inputs]
    written = program.new(layer.name)
    shape = written.shape
    program.then(lambda: np.copyto(written, step(*read).T.reshape(shape)))


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
    **DEFERRED_EMITTERS,
}


def emit(layer: Layer, program: Program) -> None:
    """Adds the calls of one layer to a program; of an unknown kind those that ``run`` takes."""
    EMITTERS.get(type(layer), _any_layer)(layer, program)
