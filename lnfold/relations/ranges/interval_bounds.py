"""What every value of a network can be at most and at least, for all inputs or a box of them.

Each value gets a box that holds everything the network can put there. A box is *free* where
each of its points can be reached: the inputs themselves, and what acts on each unit alone
after them (an observation normaliser, its clip, an activation). Bounds about a layer that
reads a free box can be exact; about the others they are sound.

Interval arithmetic, after Moore, Interval Analysis (1966); norms by ``unit_ranges``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from lnfold.network.operations.activations import FUNCTIONS
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
    Norm,
    Parameter,
    RMSNorm,
    Slice,
    Standardize,
)
from lnfold.relations.ranges.box import Box
from lnfold.relations.ranges.corners import Watch
from lnfold.relations.ranges.homogeneous import lift, vector
from lnfold.relations.ranges.unit_ranges import Bound, normalised_ranges

Array = np.ndarray

# fmt: off
_RISING: Final = frozenset([
    "identity", "relu", "relu6", "leaky_relu", "elu", "selu", "tanh", "sigmoid", "softplus",
    "softsign", "exp", "hard_sigmoid",
])
# fmt: on
# activations that fall up to a place and rise after it: both numbers rounded down
_LEAST: Final = {
    "abs": 0.0,
    "swish": -0.2785,
    "gelu": -0.17,
    "gelu_tanh": -0.1701,
    "mish": -0.3089,
    "hard_swish": -0.375,
}  # fmt: skip
_TURNED: Final = {
    "abs": 0.0, "swish": -1.2785, "gelu": -0.752, "gelu_tanh": -0.7525, "mish": -1.1925,
    "hard_swish": -1.5,
}  # fmt: skip

_SEARCHED: Final = 16  # units up to which a box that is not free is searched


@dataclass(frozen=True, slots=True, eq=False)
class Reach:
    """A box that holds all that a value can be.

    Attributes:
        box: the bounds of each unit.
        sources: the inputs of the network that it depends on; empty unless the box is free.
        normalised: for a norm that reads a dense layer, infimum and supremum of z, before
            gamma and beta.
    """

    box: Box
    sources: frozenset[str] = frozenset()
    normalised: tuple[Bound, Bound] | None = None

    @property
    def free(self) -> bool:
        return bool(self.sources)


def reaches(
    network: Network, boxes: Mapping[str, Box] | None = None, watch: Watch | None = None
) -> dict[str, Reach]:
    """A box for every value of a complete network.

    Args:
        boxes: what is known of the inputs, by name; everything where nothing is.
        watch: told how far a long search of a box's corners is.
    """
    boxes = boxes or {}
    found = {
        one.name: Reach(boxes.get(one.name, Box.of_everything(one.width)), frozenset([one.name]))
        for one in network.inputs
    }
    widths = network.widths()
    for layer in network.layers:
        # infinities can meet (∞ − ∞), and layers be unknown; then nothing is known
        reach = _reach(network, layer, found, watch)
        found[layer.name] = reach or Reach(Box.of_everything(widths[layer.name]))
    return found


def _reach(
    network: Network, layer: Layer, found: Mapping[str, Reach], watch: Watch | None
) -> Reach | None:
    reads = [found[name] for name in layer.inputs]
    first = reads[0]
    if isinstance(layer, Dense):
        kernel = layer.kernel.array.astype(np.float64)
        bias = vector(layer.bias, layer.units, 0.0)
        low = -first.box.affine_maximum(-kernel, -bias)
        return _boxed(low, first.box.affine_maximum(kernel, bias))
    if isinstance(layer, LayerNorm | RMSNorm):
        return _normalised(network, layer, found, watch)
    if isinstance(layer, BatchNorm):
        return _batch_normalised(layer, first)
    if isinstance(layer, Standardize):
        mean, scale = _spread(layer.mean, first), 1 / _spread(layer.deviation, first)
        return _scaled(first, scale, -mean * scale)
    if isinstance(layer, Affine):
        width = first.box.width
        return _scaled(first, vector(layer.scale, width, 1.0), vector(layer.shift, width, 0.0))
    if isinstance(layer, Clip):
        width = first.box.width
        low, high = vector(layer.low, width, -np.inf), vector(layer.high, width, np.inf)
        ends = [np.minimum(np.maximum(end, low), high) for end in (first.box.low, first.box.high)]
        return _boxed(ends[0], ends[1], first.sources)
    if isinstance(layer, Activation):
        return _activated(layer, first)
    if isinstance(layer, Concat):
        return _joined(reads)
    if isinstance(layer, Add):
        low = np.sum(np.broadcast_arrays(*(one.box.low for one in reads)), axis=0)
        return _boxed(low, np.sum(np.broadcast_arrays(*(one.box.high for one in reads)), axis=0))
    if isinstance(layer, Slice):
        part = slice(layer.start, layer.stop)
        return _boxed(first.box.low[part], first.box.high[part], first.sources)
    if isinstance(layer, Centre):
        # the mean holds the unit itself: of unit i's own range 1 − 1/n is left
        kernel = np.eye(first.box.width) - 1 / first.box.width
        nothing = np.zeros(first.box.width)
        low = -first.box.affine_maximum(-kernel, nothing)
        return _boxed(low, first.box.affine_maximum(kernel, nothing))
    if isinstance(layer, Multiply):
        return _multiplied(reads)
    return None


def _boxed(low: Array, high: Array, sources: frozenset[str] = frozenset()) -> Reach | None:
    if np.isnan(low).any() or np.isnan(high).any():
        return None
    return Reach(Box(low, high), sources)


def _spread(parameter: Parameter, reach: Reach) -> Array:
    return vector(parameter, reach.box.width, 0.0)


def _scaled(reach: Reach, scale: Array, shift: Array) -> Reach | None:
    with np.errstate(invalid="ignore"):
        ends = np.stack([reach.box.low * scale, reach.box.high * scale])
    ends[:, scale == 0] = 0.0  # not NaN for 0·∞: a scale of zero leaves the shift alone
    return _boxed(ends.min(axis=0) + shift, ends.max(axis=0) + shift, reach.sources)


def _normalised(
    network: Network, norm: Norm, found: Mapping[str, Reach], watch: Watch | None
) -> Reach | None:
    units = found[norm.input].box.width
    most = np.sqrt(units - 1 if isinstance(norm, LayerNorm) else units)
    low, high, bounds = np.full(units, -most), np.full(units, most), None
    before = network.producer(norm.input)
    if isinstance(before, Dense):
        lifted = lift(before, norm)
        if not lifted.finite:
            return None
        bounds = normalised_ranges(lifted, _searched(found[before.input]), watch)
        low, high = bounds[0].values, bounds[1].values
    gamma, beta = vector(norm.gamma, units, 1.0), vector(norm.beta, units, 0.0)
    scaled = _scaled(Reach(Box(low, high)), gamma, beta)
    return None if scaled is None else replace(scaled, normalised=bounds)


def _searched(reach: Reach) -> Box:
    """The box of a dense layer's inputs to search for the ranges of the norm after it.

    Boxes of many deeper units hold so much that no input brings about that they bound little
    beside √(n − 1); the search is left out there.
    """
    width = reach.box.width
    return reach.box if reach.free or width <= _SEARCHED else Box.of_everything(width)


def _batch_normalised(norm: BatchNorm, reach: Reach) -> Reach | None:
    units = reach.box.width
    variance = vector(norm.moving_variance, units, 1.0) + (norm.epsilon.value or 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        gain = vector(norm.gamma, units, 1.0) / np.sqrt(variance)
    mean, beta = vector(norm.moving_mean, units, 0.0), vector(norm.beta, units, 0.0)
    return _scaled(reach, gain, beta - mean * gain)


def _activated(layer: Activation, reach: Reach) -> Reach | None:
    name = layer.function.value
    if name is None:
        return None
    low, high = reach.box.low, reach.box.high
    if name == "softmax":
        return _boxed(np.zeros_like(low), np.ones_like(high))
    if name == "log_softmax":
        return _boxed(np.full_like(low, -np.inf), np.zeros_like(high))
    alpha = FUNCTIONS[name].alpha if layer.alpha is None else layer.alpha
    with np.errstate(all="ignore"):
        ends = np.stack([FUNCTIONS[name].apply(end, alpha) for end in (low, high)])
    if name in _RISING and not (name == "leaky_relu" and alpha < 0):
        return _boxed(ends[0], ends[1], reach.sources)
    if name in _LEAST and alpha > 0:
        # falls, then rises: the greatest at an end, the least at an end or at the turn
        ends = np.where(np.isnan(ends), 0.0, ends)  # −∞·sigmoid(−∞)
        least = ends.min(axis=0)
        turning = (low < 0) & (high > _TURNED[name] / alpha)
        least = np.where(turning, np.minimum(least, _LEAST[name] / alpha), least)
        return _boxed(least, ends.max(axis=0))
    return None


def _multiplied(reads: list[Reach]) -> Reach | None:
    low, high = reads[0].box.low, reads[0].box.high
    for one in reads[1:]:
        with np.errstate(invalid="ignore"):
            ends = np.stack([a * b for a in (low, high) for b in (one.box.low, one.box.high)])
        ends[np.isnan(ends)] = 0.0  # 0·∞: no product of numbers comes near it but 0
        low, high = ends.min(axis=0), ends.max(axis=0)
    return _boxed(low, high)


def _joined(reads: list[Reach]) -> Reach | None:
    low = np.concatenate([one.box.low for one in reads])
    high = np.concatenate([one.box.high for one in reads])
    sources = [source for one in reads for source in one.sources]
    # two values of one input move together; only different inputs fill the whole box
    free = all(one.free for one in reads) and len(set(sources)) == len(sources)
    return _boxed(low, high, frozenset(sources) if free else frozenset())
