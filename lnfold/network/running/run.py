"""The NumPy re-run: a network's outputs for given inputs, without TensorFlow.

In float32 it does what the original does, up to the order of the sums; in float64 it is the
reference that rounding errors are measured against. Rows are taken in blocks that stay in
the processor's cache.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable, Mapping

import numpy as np
from numpy.typing import ArrayLike

from lnfold.network.operations.activations import FUNCTIONS
from lnfold.network.records.layers import (
    LSTM,
    Activation,
    Add,
    Affine,
    Array,
    BatchNorm,
    Centre,
    Clip,
    Concat,
    Dense,
    Layer,
    LayerNorm,
    Multiply,
    Network,
    Norm,
    Parameter,
    PRelu,
    Rearrange,
    RMSNorm,
    Slice,
    Standardize,
)
from lnfold.network.records.settled import expect_complete
from lnfold.network.running.deferred_steps import DEFERRED_STEPS
from lnfold.network.running.lstm_steps import lstm_step
from lnfold.network.running.rearrange_step import rearrange_step
from lnfold.network.running.run_inputs import as_rows, joins_rows, matched_inputs

Step = Callable[..., Array]

BLOCK_ROWS = 512  # 512 rows of 64 float32 units are 128 KiB: the layers of a block stay in L2


def run(
    network: Network,
    inputs: ArrayLike | Mapping[str, ArrayLike],
    dtype: type = np.float32,
    *,
    trace: bool = False,
    shuffle: np.random.Generator | None = None,
) -> dict[str, Array]:
    """Every output of ``network`` for every observation of ``inputs``.

    >>> import lnfold
    >>> checkpoint = lnfold.open_checkpoint("sample_checkpoints/cartpole_actor")
    >>> actor = lnfold.recover(checkpoint).named("actor")
    >>> run(actor, [[0.0, 0.0, 0.0, 1.0, 0.0]])[actor.outputs[0]].shape
    (1, 1)

    Args:
        network: a complete network.
        inputs: an array of the input's shape where the network has one, otherwise a mapping
            from the inputs' names to arrays; rows of an observation may follow each other.
        dtype: np.float32 or np.float64: parameters, inputs and arithmetic.
        trace: return the values of all layers, not only of the outputs.
        shuffle: sum in a random order, which changes nothing but the rounding.

    Returns:
        A mapping from value names to arrays of ``dtype``, the batch first.

    Raises:
        IncompleteNetworkError: a fact or a layer of the network is missing.
        UsageError: inputs of another name, shape or number than the network's.
    """
    expect_complete(network, "run")
    values = matched_inputs(network, inputs, dtype)
    steps = [(layer, _STEPS[type(layer)](layer, dtype, shuffle)) for layer in network.layers]
    wanted = (
        [*values, *(layer.name for layer in network.layers)] if trace else list(network.outputs)
    )
    rows = next(iter(values.values())).shape[0]
    size = max(rows, 1) if joins_rows(network) else _block(values.values())
    blocks: dict[str, list[Array]] = {name: [] for name in wanted}
    # Overflow and invalid operations show in the values; they are reported, not warned of.
    with np.errstate(all="ignore"):
        for start in range(0, max(rows, 1), size):
            block = {name: array[start : start + size] for name, array in values.items()}
            for layer, step in steps:
                # NumPy widens bfloat16 in some operations; the original rounds after each
                block[layer.name] = np.asarray(step(*(block[name] for name in layer.inputs)), dtype)
            for name in wanted:
                blocks[name].append(block[name])
    return {name: np.concatenate(parts) for name, parts in blocks.items()}


def _block(values: Iterable[Array]) -> int:
    """How many observations hold BLOCK_ROWS rows or so."""
    long = max(math.prod(one.shape[1:-1]) if one.ndim > 2 else 1 for one in values)
    return max(1, BLOCK_ROWS // max(long, 1))


def run_rows(
    network: Network,
    inputs: Array | Mapping[str, Array],
    dtype: type = np.float32,
    *,
    trace: bool = False,
    shuffle: np.random.Generator | None = None,
) -> dict[str, Array]:
    """As ``run``, every value as a matrix [rows, units]: all axes but the last are rows."""
    values = run(network, inputs, dtype, trace=trace, shuffle=shuffle)
    return {name: as_rows(value) for name, value in values.items()}


Shuffle = np.random.Generator | None


def _array(parameter: Parameter, dtype: type) -> Array:
    return np.ascontiguousarray(parameter.array, dtype)


def _vector(parameter: Parameter, dtype: type) -> Array:
    """A parameter that is broadcast over rows, whatever unit dimensions it was stored with."""
    array = _array(parameter, dtype)
    return array.reshape(-1) if array.ndim else array


def _dense(layer: Dense, dtype: type, shuffle: Shuffle) -> Step:
    kernel = _array(layer.kernel, dtype)
    bias = None if layer.bias is None else _vector(layer.bias, dtype)
    order = None if shuffle is None else shuffle.permutation(kernel.shape[0])
    if order is not None:
        kernel = np.ascontiguousarray(kernel[order])

    def step(x: Array) -> Array:
        y: Array = (x if order is None else x[..., order]) @ kernel
        if bias is not None:
            y += bias
        return y

    return step


def _gain_and_shift(layer: Norm, dtype: type) -> Callable[[Array], Array]:
    gamma = None if layer.gamma is None else _vector(layer.gamma, dtype)
    beta = None if layer.beta is None else _vector(layer.beta, dtype)

    def apply(z: Array) -> Array:
        if gamma is not None:
            z *= gamma
        if beta is not None:
            z += beta
        return z

    return apply


def _epsilon(layer: Norm, dtype: type) -> Array:
    assert layer.epsilon.value is not None  # a network without gaps has every epsilon
    return np.asarray(layer.epsilon.value, dtype)


def _layer_norm(layer: LayerNorm, dtype: type, shuffle: Shuffle) -> Step:
    epsilon, affine = _epsilon(layer, dtype), _gain_and_shift(layer, dtype)

    def step(y: Array) -> Array:
        order = slice(None) if shuffle is None else shuffle.permutation(y.shape[-1])
        centred = y - y[..., order].mean(axis=-1, keepdims=True)
        variance = np.square(centred[..., order]).mean(axis=-1, keepdims=True)
        centred /= np.sqrt(variance + epsilon)
        return affine(centred)

    return step


def _rms_norm(layer: RMSNorm, dtype: type, shuffle: Shuffle) -> Step:
    epsilon, affine = _epsilon(layer, dtype), _gain_and_shift(layer, dtype)

    def step(y: Array) -> Array:
        order = slice(None) if shuffle is None else shuffle.permutation(y.shape[-1])
        square = np.square(y[..., order]).mean(axis=-1, keepdims=True)
        return affine(y / np.sqrt(square + epsilon))

    return step


def _batch_norm(layer: BatchNorm, dtype: type, shuffle: Shuffle) -> Step:
    mean = _vector(layer.moving_mean, dtype)
    with np.errstate(invalid="ignore"):  # a negative variance shows in the values, as NaN
        deviation = np.sqrt(_vector(layer.moving_variance, dtype) + _epsilon(layer, dtype))
    affine = _gain_and_shift(layer, dtype)
    return lambda y: affine((y - mean) / deviation)


def _activation(layer: Activation, dtype: type, shuffle: Shuffle) -> Step:
    assert layer.function.value is not None  # a network without gaps has every activation
    function = FUNCTIONS[layer.function.value]
    alpha = function.alpha if layer.alpha is None else layer.alpha
    return lambda x: function.apply(x, alpha)


def _prelu(layer: PRelu, dtype: type, shuffle: Shuffle) -> Step:
    slopes = _vector(layer.slopes, dtype)
    return lambda x: np.asarray(np.where(x > 0, x, slopes * x))


def _concat(layer: Concat, dtype: type, shuffle: Shuffle) -> Step:
    return lambda *parts: np.concatenate(parts, axis=-1)


def _add(layer: Add, dtype: type, shuffle: Shuffle) -> Step:
    return lambda first, *rest: sum(rest, start=first)


def _multiply(layer: Multiply, dtype: type, shuffle: Shuffle) -> Step:
    return lambda first, *rest: functools.reduce(np.multiply, rest, first)


def _slice(layer: Slice, dtype: type, shuffle: Shuffle) -> Step:
    return lambda x: x[..., layer.start : layer.stop]


def _centre(layer: Centre, dtype: type, shuffle: Shuffle) -> Step:
    def step(x: Array) -> Array:
        order = slice(None) if shuffle is None else shuffle.permutation(x.shape[-1])
        return np.asarray(x - x[..., order].mean(axis=-1, keepdims=True))

    return step


def _standardize(layer: Standardize, dtype: type, shuffle: Shuffle) -> Step:
    mean, deviation = _vector(layer.mean, dtype), _vector(layer.deviation, dtype)
    return lambda x: (x - mean) / deviation


def _affine(layer: Affine, dtype: type, shuffle: Shuffle) -> Step:
    scale = dtype(1) if layer.scale is None else _vector(layer.scale, dtype)
    shift = dtype(0) if layer.shift is None else _vector(layer.shift, dtype)
    return lambda x: x * scale + shift


def _clip(layer: Clip, dtype: type, shuffle: Shuffle) -> Step:
    low = None if layer.low is None else _vector(layer.low, dtype)
    high = None if layer.high is None else _vector(layer.high, dtype)
    return lambda x: x if low is None and high is None else np.clip(x, low, high)


_STEPS: dict[type[Layer], Callable[..., Step]] = {
    Dense: _dense,
    LayerNorm: _layer_norm,
    RMSNorm: _rms_norm,
    BatchNorm: _batch_norm,
    Activation: _activation,
    PRelu: _prelu,
    Concat: _concat,
    Add: _add,
    Multiply: _multiply,
    Slice: _slice,
    Centre: _centre,
    Standardize: _standardize,
    Affine: _affine,
    Clip: _clip,
    LSTM: lstm_step,
    Rearrange: rearrange_step,
    **DEFERRED_STEPS,
}


def step_of(layer: Layer, dtype: type) -> Step:
    """What ``run`` computes for one layer: a function of the values that the layer reads."""
    step: Step = _STEPS[type(layer)](layer, dtype, None)
    return step
