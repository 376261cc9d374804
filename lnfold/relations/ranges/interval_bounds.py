"""What every value of a network can be at most and at least, for all inputs or a box of them.

Each value gets a box that holds everything the network can put there. A box is *free* where
each of its points can be reached: the inputs themselves, and what acts on each unit alone
after them (an observation normaliser, its clip, an activation). Bounds about a layer that
reads a free box can be exact; about the others they are sound.

Interval arithmetic, after Moore, Interval Analysis (1966); norms by ``unit_ranges``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

import numpy as np

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
    Norm,
    PRelu,
    Rearrange,
    RMSNorm,
    Slice,
    Standardize,
)
from lnfold.network.records.not_known import NotKnown
from lnfold.relations.ranges.activation_bounds import activated, bent
from lnfold.relations.ranges.box import Box
from lnfold.relations.ranges.corners import Watch
from lnfold.relations.ranges.homogeneous import lift, vector
from lnfold.relations.ranges.reach import Reach, boxed, spread
from lnfold.relations.ranges.unit_ranges import normalised_ranges

Array = np.ndarray

_SEARCHED: Final = 16  # units up to which a box that is not free is searched


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
    if isinstance(layer, LayerNorm | RMSNorm):
        return _normalised(network, layer, found, watch)
    rule = BOUNDS.get(type(layer))
    return None if rule is None else rule(layer, *(found[name] for name in layer.inputs))


def _dense(layer: Dense, x: Reach) -> Reach | None:
    kernel = layer.kernel.array.astype(np.float64)
    bias = vector(layer.bias, layer.units, 0.0)
    low = -x.box.affine_maximum(-kernel, -bias)
    return boxed(low, x.box.affine_maximum(kernel, bias))


def _standardized(layer: Standardize, x: Reach) -> Reach | None:
    mean, scale = spread(layer.mean, x), 1 / spread(layer.deviation, x)
    return _scaled(x, scale, -mean * scale)


def _affine(layer: Affine, x: Reach) -> Reach | None:
    width = x.box.width
    return _scaled(x, vector(layer.scale, width, 1.0), vector(layer.shift, width, 0.0))


def _clipped(layer: Clip, x: Reach) -> Reach | None:
    width = x.box.width
    low, high = vector(layer.low, width, -np.inf), vector(layer.high, width, np.inf)
    ends = [np.minimum(np.maximum(end, low), high) for end in (x.box.low, x.box.high)]
    return boxed(ends[0], ends[1], x.sources)


def _added(layer: Add, *reads: Reach) -> Reach | None:
    low = np.sum(np.broadcast_arrays(*(one.box.low for one in reads)), axis=0)
    return boxed(low, np.sum(np.broadcast_arrays(*(one.box.high for one in reads)), axis=0))


def _sliced(layer: Slice, x: Reach) -> Reach | None:
    part = slice(layer.start, layer.stop)
    return boxed(x.box.low[part], x.box.high[part], x.sources)


def _centred(layer: Centre, x: Reach) -> Reach | None:
    """The mean holds the unit itself: of unit i's own range 1 − 1/n is left."""
    kernel = np.eye(x.box.width) - 1 / x.box.width
    nothing = np.zeros(x.box.width)
    low = -x.box.affine_maximum(-kernel, nothing)
    return boxed(low, x.box.affine_maximum(kernel, nothing))


def _rearranged(layer: Rearrange, x: Reach) -> Reach | None:
    """A unit's box covers all rows: what is delivered lies in those of what it is made of."""
    ends = []
    for end, least in ((x.box.low, True), (x.box.high, False)):
        if layer.taken[-1] != end.size:  # rows are read one after another
            whole = np.full(layer.taken, end.min() if least else end.max())
        else:
            whole = np.broadcast_to(end, layer.taken)
        if layer.order is not None:
            whole = whole.transpose(layer.order)
        rows = whole.reshape(-1, layer.units)
        ends.append(rows.min(axis=0) if least else rows.max(axis=0))
    return boxed(ends[0], ends[1])


def _scaled(reach: Reach, scale: Array, shift: Array) -> Reach | None:
    with np.errstate(invalid="ignore"):
        ends = np.stack([reach.box.low * scale, reach.box.high * scale])
    ends[:, scale == 0] = 0.0  # not NaN for 0·∞: a scale of zero leaves the shift alone
    return boxed(ends.min(axis=0) + shift, ends.max(axis=0) + shift, reach.sources)


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


def _multiplied(layer: Multiply, *reads: Reach) -> Reach | None:
    low, high = reads[0].box.low, reads[0].box.high
    for one in reads[1:]:
        with np.errstate(invalid="ignore"):
            ends = np.stack([a * b for a in (low, high) for b in (one.box.low, one.box.high)])
        ends[np.isnan(ends)] = 0.0  # 0·∞: no product of numbers comes near it but 0
        low, high = ends.min(axis=0), ends.max(axis=0)
    return boxed(low, high)


def _joined(layer: Concat, *reads: Reach) -> Reach | None:
    low = np.concatenate([one.box.low for one in reads])
    high = np.concatenate([one.box.high for one in reads])
    sources = [source for one in reads for source in one.sources]
    # two values of one input move together; only different inputs fill the whole box
    free = all(one.free for one in reads) and len(set(sources)) == len(sources)
    return boxed(low, high, frozenset(sources) if free else frozenset())


BOUNDS: Final[dict[type[Layer], Callable[..., Reach | None]]] = {
    Dense: _dense,
    BatchNorm: _batch_normalised,
    Standardize: _standardized,
    Affine: _affine,
    Clip: _clipped,
    Activation: activated,
    PRelu: bent,
    Concat: _joined,
    Add: _added,
    Multiply: _multiplied,
    Slice: _sliced,
    Centre: _centred,
    Rearrange: _rearranged,
    LSTM: NotKnown("what a state can be after any number of steps"),
    Deviation: NotKnown("the deviation as a value of its own"),
    TriangleDeviation: NotKnown("the deviation as a value of its own"),
    Carried: NotKnown("a value that is carried by its deviation"),
    Divided: NotKnown("a value that is carried by its deviation"),
}
