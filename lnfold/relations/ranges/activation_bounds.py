"""What an activation makes of a box of values, unit by unit."""

from __future__ import annotations

from typing import Final

import numpy as np

from lnfold.network.operations.activations import FUNCTIONS
from lnfold.network.records.layers import Activation, PRelu
from lnfold.relations.ranges.reach import Reach, boxed, spread

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


def activated(layer: Activation, reach: Reach) -> Reach | None:
    name = layer.function.value
    if name is None:
        return None
    low, high = reach.box.low, reach.box.high
    if name == "softmax":
        return boxed(np.zeros_like(low), np.ones_like(high))
    if name == "log_softmax":
        return boxed(np.full_like(low, -np.inf), np.zeros_like(high))
    alpha = FUNCTIONS[name].alpha if layer.alpha is None else layer.alpha
    with np.errstate(all="ignore"):
        ends = np.stack([FUNCTIONS[name].apply(end, alpha) for end in (low, high)])
    if name in _RISING and not (name == "leaky_relu" and alpha < 0):
        return boxed(ends[0], ends[1], reach.sources)
    if name in _LEAST and alpha > 0:
        # falls, then rises: the greatest at an end, the least at an end or at the turn
        ends = np.where(np.isnan(ends), 0.0, ends)  # −∞·sigmoid(−∞)
        least = ends.min(axis=0)
        turning = (low < 0) & (high > _TURNED[name] / alpha)
        least = np.where(turning, np.minimum(least, _LEAST[name] / alpha), least)
        return boxed(least, ends.max(axis=0))
    return None


def bent(layer: PRelu, x: Reach) -> Reach | None:
    """x or slope·x: the least and the greatest at an end, or 0 where it lies between them."""
    slopes, low, high = spread(layer.slopes, x), x.box.low, x.box.high
    with np.errstate(invalid="ignore"):
        ends = np.stack([np.where(end > 0, end, slopes * end) for end in (low, high)])
    ends = np.where(np.isnan(ends), 0.0, ends)  # 0·∞: a slope of zero leaves 0
    bent = np.where((low < 0) & (high > 0), 0.0, ends[0])
    rising = bool((slopes >= 0).all())
    return boxed(
        np.minimum(ends.min(axis=0), bent),
        np.maximum(ends.max(axis=0), bent),
        x.sources if rising else frozenset(),
    )
