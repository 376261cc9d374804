"""How fast a network's outputs can change with its inputs: a bound for all of a box.

Lipschitz constants multiply along a chain and add where values are added. For each layer, with
spectral norms and the boxes of ``reach``,

    dense ‖W‖ · dense and norm max|gamma|·‖W_c‖/s_min · BatchNorm max|gamma/σ|
    activation its steepest slope · concat √Σ L² · add Σ L · product Σ L_i·Π max|other values|

(Szegedy et al. 2014, arXiv:1312.6199, section 4.3; the norm's line is ``lipschitz``'s.) The
inputs of the network count as one vector. Beside the bound stands the steepest gradient of an
output unit that was found: a lower estimate.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from lnfold.network.operations.activations import FUNCTIONS, SELU_ALPHA, SELU_SCALE
from lnfold.network.records.deferred import Carried, Deviation, Divided, TriangleDeviation
from lnfold.network.records.layers import (
    LSTM,
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
from lnfold.network.records.not_known import NotKnown
from lnfold.relations.ranges.homogeneous import vector
from lnfold.relations.ranges.reach import Reach
from lnfold.relations.sensitivity.lipschitz import Steepness, spectral_norm

Array = np.ndarray

# the steepest slope of an activation, rounded up; a softmax's is a spectral norm of its Jacobian
_STEEPEST: Final = {
    "identity": 1.0, "relu": 1.0, "relu6": 1.0, "abs": 1.0, "elu": 1.0, "tanh": 1.0,
    "sigmoid": 0.25, "softplus": 1.0, "softsign": 1.0, "selu": SELU_SCALE * SELU_ALPHA,
    "swish": 1.1, "gelu": 1.13, "gelu_tanh": 1.13, "mish": 1.09, "hard_sigmoid": 1 / 6,
    "hard_swish": 1.5, "softmax": 0.5,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class NetworkSlope:
    """The Lipschitz constant of a whole network.

    Attributes:
        bound: None where a layer has no bound.
        found: the longest gradient of one output unit on any row; None where none is known.
        steepest: the scope of the layer whose own factor is the largest, and that factor.
    """

    bound: float | None
    found: float | None
    steepest: tuple[str, float] | None


def network_slope(
    network: Network,
    reached: Mapping[str, Reach],
    pairs: Mapping[str, Steepness],
    gradients: list[dict[str, Array]] | None,
) -> NetworkSlope:
    """The slope of a complete network's outputs, all taken as one vector.

    Args:
        reached: the box of every value.
        pairs: by the name of each norm that reads a dense layer, the steepness of both.
        gradients: of output units by every value, or None.
    """
    slopes = {one.name: 1.0 for one in network.inputs}
    steepest: tuple[str, float] | None = None
    for layer in network.layers:
        before = network.producer(layer.inputs[0])
        if layer.name in pairs and isinstance(before, Dense):
            bound = pairs[layer.name].bound
            factor = np.inf if bound is None else bound
            slopes[layer.name] = factor * slopes[before.input]
        elif isinstance(layer, Dense):
            # where norms alone read it, their own factors have the kernel in them
            taken = layer.name not in network.outputs and _normalised(network, layer, pairs)
            factor = 0.0 if taken else spectral_norm(layer.kernel.array)
            slopes[layer.name] = np.inf if taken else factor * slopes[layer.input]
        else:
            factor = 0.0
            reads = [slopes[name] for name in layer.inputs]
            slopes[layer.name] = _slope(layer, reads, [reached[name] for name in layer.inputs])
        if factor > (steepest[1] if steepest else 0.0):
            steepest = (layer.scope, float(factor))
    total = float(np.sqrt(sum(slopes[name] ** 2 for name in network.outputs)))
    found = None
    if gradients:
        lengths = [
            np.sqrt(sum(np.square(one[each.name]).sum(axis=1) for each in network.inputs))
            for one in gradients
        ]
        found = float(np.max(lengths, initial=0.0))
    bounded = np.isfinite(total)
    return NetworkSlope(total if bounded else None, found, steepest if bounded else None)


def _normalised(network: Network, dense: Dense, pairs: Mapping[str, Steepness]) -> bool:
    readers = network.consumers(dense.name)
    return bool(readers) and all(reader.name in pairs for reader in readers)


def _slope(layer: Layer, reads: list[float], boxes: list[Reach]) -> float:
    """The constant of a layer's value from those of what it reads; infinite if not known."""
    rule = FACTORS.get(type(layer))
    found = None if rule is None else rule(layer, reads, boxes)
    return float(np.inf if found is None else found)


def _row_norm(layer: LayerNorm | RMSNorm, reads: list[float], boxes: list[Reach]) -> float:
    """s is never below √epsilon."""
    gamma = _largest(vector(layer.gamma, boxes[0].box.width, 1.0))
    return gamma * _inverse(np.sqrt(layer.epsilon.value or 0.0)) * reads[0]


def _batch_norm(layer: BatchNorm, reads: list[float], boxes: list[Reach]) -> float:
    width = boxes[0].box.width
    variance = vector(layer.moving_variance, width, 1.0) + (layer.epsilon.value or 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return _largest(vector(layer.gamma, width, 1.0) / np.sqrt(variance)) * reads[0]


def _standardize(layer: Standardize, reads: list[float], boxes: list[Reach]) -> float:
    deviation = vector(layer.deviation, boxes[0].box.width, 1.0)
    return _inverse(float(np.abs(deviation).min())) * reads[0]


def _affine(layer: Affine, reads: list[float], boxes: list[Reach]) -> float:
    return _largest(vector(layer.scale, boxes[0].box.width, 1.0)) * reads[0]


def _same(layer: Layer, reads: list[float], boxes: list[Reach]) -> float:
    return reads[0]


def _prelu(layer: PRelu, reads: list[float], boxes: list[Reach]) -> float:
    return max(1.0, _largest(layer.slopes.array.astype(np.float64))) * reads[0]


def _concat(layer: Concat, reads: list[float], boxes: list[Reach]) -> float:
    return float(np.sqrt(np.sum(np.square(reads))))


def _spread_over(boxes: list[Reach]) -> list[float]:
    """A single unit that is spread over all of them counts once for each."""
    widest = max(one.box.width for one in boxes)
    return [float(np.sqrt(widest / one.box.width)) for one in boxes]


def _add(layer: Add, reads: list[float], boxes: list[Reach]) -> float:
    return float(np.sum(np.multiply(_spread_over(boxes), reads)))


def _multiply(layer: Multiply, reads: list[float], boxes: list[Reach]) -> float:
    spread = _spread_over(boxes)
    largest = [max(_largest(one.box.low), _largest(one.box.high)) for one in boxes]
    return float(
        sum(
            spread[i] * reads[i] * np.prod([one for j, one in enumerate(largest) if j != i])
            for i in range(len(reads))
        )
    )


def _activation(layer: Activation, reads: list[float], boxes: list[Reach]) -> float:
    name = layer.function.value
    if name is None:
        return float(np.inf)
    if name == "leaky_relu":
        alpha = FUNCTIONS[name].alpha if layer.alpha is None else layer.alpha
        return max(1.0, abs(alpha)) * reads[0]
    return _STEEPEST.get(name, float(np.inf)) * reads[0]


def _largest(array: Array) -> float:
    largest = float(np.abs(array).max(initial=0.0))
    return largest if np.isfinite(largest) else float(np.inf)


def _inverse(value: float) -> float:
    return 1 / value if value > 0 else float(np.inf)


FACTORS: Final[dict[type[Layer], Callable[..., float | None]]] = {
    LayerNorm: _row_norm,
    RMSNorm: _row_norm,
    BatchNorm: _batch_norm,
    Standardize: _standardize,
    Affine: _affine,
    Clip: _same,
    Slice: _same,
    Centre: _same,
    Activation: _activation,
    PRelu: _prelu,
    Concat: _concat,
    Add: _add,
    Multiply: _multiply,
    Rearrange: NotKnown("rows that are joined or cut move several values at a time"),
    LSTM: NotKnown("how fast a state can change over any number of steps"),
    Deviation: NotKnown("the deviation as a value of its own"),
    TriangleDeviation: NotKnown("the deviation as a value of its own"),
    Carried: NotKnown("a value that is carried by its deviation"),
    Divided: NotKnown("a value that is carried by its deviation"),
}
