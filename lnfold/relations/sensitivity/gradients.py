"""How a network's outputs move when a value inside it moves: reverse accumulation, in float64.

For each row and one output unit, ∂output/∂value for every value of the network, from the last
layer to the first (Linnainmaa 1970; Griewank and Walther, Evaluating Derivatives, chapter 3).
Activations with a kink take the derivative of the side they are on.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Final

import numpy as np

from lnfold.network.operations.activations import FUNCTIONS, SELU_ALPHA, SELU_SCALE
from lnfold.network.records.layers import (
    Activation,
    Add,
    Affine,
    BatchNorm,
    Centre,
    Clip,
    Concat,
    Dense,
    Layer,
    LayerNorm,
    Multiply,
    Network,
    PRelu,
    Rearrange,
    RMSNorm,
    Slice,
    Standardize,
)
from lnfold.relations.ranges.homogeneous import vector

Array = np.ndarray
Values = Mapping[str, Array]


class NotDifferentiableError(Exception):
    """A layer of a kind whose derivative is not written down here."""


def gradients(network: Network, values: Values, output: str, unit: int) -> dict[str, Array]:
    """∂(one unit of an output)/∂(each value) [rows, units of the value].

    Args:
        values: float64 values of all layers, as ``run(…, np.float64, trace=True)`` gives them.

    Raises:
        NotDifferentiableError: a layer on the way has no rule.
    """
    found = {name: np.zeros_like(array, np.float64) for name, array in values.items()}
    found[output][:, unit] = 1.0
    for layer in reversed(network.layers):
        after = found[layer.name]
        if not after.any():
            continue
        rule = _RULES.get(type(layer))
        if rule is None:
            raise NotDifferentiableError(layer.kind)
        for name, moved in zip(layer.inputs, rule(layer, values, after), strict=True):
            found[name] = found[name] + moved
    return found


def through_norm(z: Array, s: Array, after: Array, *, centred: bool) -> Array:
    """What a movement after the division by s was before it.

    ∂z/∂y = (I − 11ᵀ/n − z·zᵀ/n)/s, without 11ᵀ/n for RMSNorm: the two directions that
    LayerNorm removes are the constant one and, but for epsilon, z itself.

    Args:
        z, after: [rows, units].
        s: [rows].
    """
    before = after - z * (z * after).mean(axis=1, keepdims=True)
    if centred:
        before = before - after.mean(axis=1, keepdims=True)
    # s = 0 needs epsilon = 0 and a constant row, where nothing is differentiable
    scaled: Array = np.divide(before, s[:, None], out=np.zeros_like(before), where=s[:, None] > 0)
    return scaled


def normalised(layer: LayerNorm | RMSNorm, y: Array) -> tuple[Array, Array]:
    """z [rows, units] and s [rows] of what a norm reads."""
    if isinstance(layer, LayerNorm):
        y = y - y.mean(axis=1, keepdims=True)
    s = np.sqrt(np.square(y).mean(axis=1) + (layer.epsilon.value or 0.0))
    return np.divide(y, s[:, None], out=np.zeros_like(y), where=s[:, None] > 0), s


def _dense(layer: Dense, values: Values, after: Array) -> tuple[Array, ...]:
    return (after @ layer.kernel.array.astype(np.float64).T,)


def _norm(layer: LayerNorm | RMSNorm, values: Values, after: Array) -> tuple[Array, ...]:
    z, s = normalised(layer, values[layer.input])
    gained = after * vector(layer.gamma, z.shape[1], 1.0)
    return (through_norm(z, s, gained, centred=isinstance(layer, LayerNorm)),)


def _batch_norm(layer: BatchNorm, values: Values, after: Array) -> tuple[Array, ...]:
    units = after.shape[1]
    variance = vector(layer.moving_variance, units, 1.0) + (layer.epsilon.value or 0.0)
    return (after * vector(layer.gamma, units, 1.0) / np.sqrt(variance),)


def _activation(layer: Activation, values: Values, after: Array) -> tuple[Array, ...]:
    name = layer.function.value
    if name not in _SLOPES:
        raise NotDifferentiableError(f"{layer.kind} {name}")
    alpha = FUNCTIONS[str(name)].alpha if layer.alpha is None else layer.alpha
    x, f = values[layer.input], values[layer.name]
    if name == "softmax":
        return (f * (after - (f * after).sum(axis=1, keepdims=True)),)
    if name == "log_softmax":
        return (after - np.exp(f) * after.sum(axis=1, keepdims=True),)
    return (after * _SLOPES[name](x, f, alpha),)


def _prelu(layer: PRelu, values: Values, after: Array) -> tuple[Array, ...]:
    x = values[layer.input]
    return (after * np.where(x > 0, 1.0, vector(layer.slopes, x.shape[1], 1.0)),)


def _concat(layer: Concat, values: Values, after: Array) -> tuple[Array, ...]:
    ends = np.cumsum([values[name].shape[1] for name in layer.inputs])[:-1]
    return tuple(np.split(after, ends, axis=1))


def _gathered(moved: Array, units: int) -> Array:
    """A movement [rows, units]; a single unit that was added to all gathers theirs."""
    return moved if moved.shape[1] == units else moved.sum(axis=1, keepdims=True)


def _add(layer: Add, values: Values, after: Array) -> tuple[Array, ...]:
    return tuple(_gathered(after, values[name].shape[1]) for name in layer.inputs)


def _multiply(layer: Multiply, values: Values, after: Array) -> tuple[Array, ...]:
    moved = []
    for index, name in enumerate(layer.inputs):
        others = (values[one] for i, one in enumerate(layer.inputs) if i != index)
        product = functools.reduce(np.multiply, others, after)
        moved.append(_gathered(product, values[name].shape[1]))
    return tuple(moved)


def _slice(layer: Slice, values: Values, after: Array) -> tuple[Array, ...]:
    whole = np.zeros(values[layer.input].shape)
    whole[:, layer.start : layer.stop] = after
    return (whole,)


def _centre(layer: Centre, values: Values, after: Array) -> tuple[Array, ...]:
    return (after - after.mean(axis=1, keepdims=True),)


def _standardize(layer: Standardize, values: Values, after: Array) -> tuple[Array, ...]:
    return (after / vector(layer.deviation, after.shape[1], 1.0),)


def _affine(layer: Affine, values: Values, after: Array) -> tuple[Array, ...]:
    return (after * vector(layer.scale, after.shape[1], 1.0),)


def _clip(layer: Clip, values: Values, after: Array) -> tuple[Array, ...]:
    return (np.where(values[layer.input] == values[layer.name], after, 0.0),)


Slope = Callable[[Array, Array, float], Array]


def _sigmoid(x: Array) -> Array:
    gate: Array = FUNCTIONS["sigmoid"].apply(x, 1.0)
    return gate


def _swish(x: Array, f: Array, alpha: float) -> Array:
    gate = _sigmoid(alpha * x)
    slope: Array = gate + alpha * x * gate * (1 - gate)
    return slope


def _gelu(x: Array, f: Array, alpha: float) -> Array:
    # Φ(x) + x·φ(x), Φ from the value itself where x is not 0
    below = np.divide(f, x, out=np.full_like(x, 0.5), where=np.abs(x) > 1e-12)
    slope: Array = below + x * np.exp(-np.square(x) / 2) / np.sqrt(2 * np.pi)
    return slope


def _gelu_tanh(x: Array, f: Array, alpha: float) -> Array:
    root = np.sqrt(2 / np.pi)
    bent = np.tanh(root * (x + 0.044715 * x**3))
    slope: Array = (1 + bent) / 2 + x * (1 - bent**2) * root * (1 + 0.134145 * x**2) / 2
    return slope


def _mish(x: Array, f: Array, alpha: float) -> Array:
    bent = np.tanh(np.logaddexp(x, 0.0))
    slope: Array = bent + x * (1 - bent**2) * _sigmoid(x)
    return slope


def _inner(x: Array) -> Array:
    """1 where the hard sigmoid rises, 0 where it is flat."""
    return ((x > -3) & (x < 3)).astype(np.float64)


# the derivative from x, f(x) and alpha; a softmax mixes units and has its own line above
_SLOPES: Final[dict[str | None, Slope]] = {
    "identity": lambda x, f, alpha: np.ones_like(x),
    "relu": lambda x, f, alpha: (x > 0).astype(np.float64),
    "relu6": lambda x, f, alpha: ((x > 0) & (x < 6)).astype(np.float64),
    "leaky_relu": lambda x, f, alpha: np.where(x > 0, 1.0, alpha),
    "abs": lambda x, f, alpha: np.sign(x),
    "elu": lambda x, f, alpha: np.where(x > 0, 1.0, f + 1),
    "selu": lambda x, f, alpha: np.where(x > 0, SELU_SCALE, f + SELU_SCALE * SELU_ALPHA),
    "tanh": lambda x, f, alpha: 1 - np.square(f),
    "sigmoid": lambda x, f, alpha: f * (1 - f),
    "softplus": lambda x, f, alpha: _sigmoid(x),
    "softsign": lambda x, f, alpha: np.square(1 - np.abs(f)),
    "swish": _swish,
    "gelu": _gelu,
    "gelu_tanh": _gelu_tanh,
    "mish": _mish,
    "hard_sigmoid": lambda x, f, alpha: _inner(x) / 6,
    "hard_swish": lambda x, f, alpha: np.clip(x + 3, 0, 6) / 6 + x * _inner(x) / 6,
    "exp": lambda x, f, alpha: f,
    "softmax": lambda x, f, alpha: f,
    "log_softmax": lambda x, f, alpha: f,
}


def _rearrange(layer: Rearrange, values: Values, after: Array) -> tuple[Array, ...]:
    before = values[layer.input]
    if len(before) != len(after):
        # a parameter's movement would have to be gathered over the rows of one observation
        raise NotDifferentiableError("rearrange into another number of rows")
    if layer.order is None:
        return (after.reshape(before.shape),)
    axes = [layer.taken[axis] for axis in layer.order]
    back = [0, *(1 + axis for axis in np.argsort(layer.order))]
    return (after.reshape(-1, *axes).transpose(back).reshape(before.shape),)


_RULES: Final[dict[type[Layer], Callable[..., tuple[Array, ...]]]] = {
    Dense: _dense,
    LayerNorm: _norm,
    RMSNorm: _norm,
    BatchNorm: _batch_norm,
    Activation: _activation,
    Concat: _concat,
    Add: _add,
    Multiply: _multiply,
    Slice: _slice,
    Centre: _centre,
    Standardize: _standardize,
    Affine: _affine,
    Clip: _clip,
    PRelu: _prelu,
    Rearrange: _rearrange,
}
