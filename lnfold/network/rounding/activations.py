"""What activations round off, and between which slopes they lie: a row for each of FUNCTIONS.

Libraries compute tanh to some ulps, but sigmoid, elu, softplus and what is made of them only
absolutely: 1/(1 + exp(−x)), exp(x) − 1 and 1/2 + tanh(x/2)/2 lose every digit where the result
is small. So it is said here: as a multiple of u, absolutely and for a number as large as x or
as the result.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from lnfold.network.operations.activations import FUNCTIONS, SELU_ALPHA, SELU_SCALE
from lnfold.network.records.layers import Activation, Array
from lnfold.network.rounding.arithmetic import Arithmetic
from lnfold.network.rounding.seen import Seen, Step
from lnfold.network.rounding.slopes import Shares, Slope, UnitByUnit, same


@dataclass(frozen=True, slots=True)
class Curve:
    """A function of one number.

    Attributes:
        slope: its derivative from (x, alpha).
        lowest, highest: between which the derivative is, times |alpha| where that is larger.
        bend: the most that the derivative changes per unit of x where it has no kink.
        kinks: where the derivative jumps.
        absolute, of_input, of_output: u·(absolute + of_input·|x| + of_output·|f(x)|) is what a
            library's program may be off.
    """

    slope: Callable[[Array, float], Array]
    lowest: float
    highest: float
    bend: float = 0.0
    kinks: tuple[float, ...] = ()
    absolute: float = 0.0
    of_input: float = 0.0
    of_output: float = 0.0


def _step(*edges: float) -> Callable[[Array, float], Array]:
    """1 between the edges, 0 outside."""
    low, high = edges
    return lambda x, _: ((x > low) & (x < high)).astype(np.float64)


def _logistic(x: Array) -> Array:
    return FUNCTIONS["sigmoid"].apply(x, 1.0)


def _bell(x: Array) -> Array:
    share = _logistic(x)
    return np.asarray(share * (1 - share))


def _swish(x: Array, alpha: float) -> Array:
    t = alpha * x
    return np.asarray(_logistic(t) + t * _bell(t))


def _gelu(x: Array, _: float) -> Array:
    # Φ(x) + x·φ(x), with Φ from gelu(x) = x·Φ(x) where x is not 0
    share = np.where(x == 0, 0.5, FUNCTIONS["gelu"].apply(x, 1.0) / np.where(x == 0, 1, x))
    return np.asarray(share + x * np.exp(-np.square(x) / 2) / np.sqrt(2 * np.pi))


def _gelu_tanh(x: Array, _: float) -> Array:
    root, cubic = np.sqrt(2 / np.pi), 0.044715
    t = np.tanh(root * (x + cubic * x**3))
    return np.asarray((1 + t) / 2 + x / 2 * (1 - t * t) * root * (1 + 3 * cubic * x * x))


def _mish(x: Array, _: float) -> Array:
    t = np.tanh(np.logaddexp(x, 0.0))
    return np.asarray(t + x * (1 - t * t) * _logistic(x))


def _selu(x: Array, _: float) -> Array:
    return np.asarray(SELU_SCALE * np.where(x > 0, 1, SELU_ALPHA * np.exp(np.minimum(x, 0))))


CURVES: Final[dict[str, Curve]] = {
    "relu": Curve(_step(0, np.inf), 0, 1, kinks=(0.0,)),
    "relu6": Curve(_step(0, 6), 0, 1, kinks=(0.0, 6.0)),
    "leaky_relu": Curve(lambda x, a: np.where(x > 0, 1.0, a), 0, 1, kinks=(0.0,), of_output=3),
    "abs": Curve(lambda x, _: np.sign(x), -1, 1, kinks=(0.0,)),
    "elu": Curve(lambda x, _: np.exp(np.minimum(x, 0)), 0, 1, 1, absolute=8),
    "selu": Curve(_selu, 0, 1.7581, 1.7581, kinks=(0.0,), absolute=16, of_output=3),
    "tanh": Curve(lambda x, _: 1 - np.square(np.tanh(x)), 0, 1, 0.77, of_output=8),
    # 1/2 + tanh(x/2)/2 leaves half of tanh's 8 u, and what the sum rounds off
    "sigmoid": Curve(lambda x, _: _bell(x), 0, 0.25, 0.0963, absolute=5),
    "softplus": Curve(lambda x, _: _logistic(x), 0, 1, 0.25, absolute=4, of_output=4),
    "softsign": Curve(lambda x, _: 1 / np.square(1 + np.abs(x)), 0, 1, 2, of_output=3),
    "swish": Curve(_swish, -0.0999, 1.0999, 0.5, of_input=7),
    "gelu": Curve(_gelu, -0.13, 1.13, 0.798, of_input=8),
    "gelu_tanh": Curve(_gelu_tanh, -0.13, 1.13, 0.81, of_input=8),
    "mish": Curve(_mish, -0.12, 1.09, 0.66, of_input=16),
    "hard_sigmoid": Curve(lambda x, _: _step(-3, 3)(x, 1) / 6, 0, 1 / 6, 0, (-3.0, 3.0), 4),
    "hard_swish": Curve(
        lambda x, _: np.where(np.abs(x) < 3, x / 3 + 0.5, x >= 3),
        -0.5,
        1.5,
        1 / 3,
        (-3.0, 3.0),
        of_input=6,
    ),
}


def activation(layer: Activation, arithmetic: Arithmetic, out: Array, x: Seen) -> Step:
    """The step of one of FUNCTIONS."""
    assert layer.function.value is not None  # a network without gaps has every activation
    name = layer.function.value
    if name == "identity":
        return Step((same(x.width),), np.zeros((1, 1)))
    if name == "exp":
        return _exponential(arithmetic, out, x)
    if name in ("softmax", "log_softmax"):
        return _softmax(name == "log_softmax", arithmetic, out, x)
    alpha = FUNCTIONS[name].alpha if layer.alpha is None else float(layer.alpha)
    curve = CURVES[name]
    slope = UnitByUnit(*_slopes(curve, alpha, x), x.width)
    size = np.abs(out) + slope.push(x.box, arithmetic)
    u = arithmetic.roundoff
    unit = u * (curve.absolute + curve.of_input * x.most + curve.of_output * size)
    if curve.absolute or curve.of_input or curve.of_output:
        unit = unit + arithmetic.tiny
    return Step((slope,), unit)


def _slopes(curve: Curve, alpha: float, x: Seen) -> tuple[Array, Array]:
    """Between which slopes the function lies for every x̂ in the box, as centre and radius."""
    reach = max(1.0, abs(alpha))
    lowest, highest = min(curve.lowest, curve.lowest * reach, alpha), curve.highest * reach
    if curve.lowest >= 0 and alpha >= 0:
        lowest = 0.0
    found = curve.slope(x.exact, alpha)
    low = high = found
    for kink in curve.kinks:
        across = np.abs(x.exact - kink) <= x.box
        for side in (np.nextafter(kink, -np.inf), np.nextafter(kink, np.inf)):
            there = float(curve.slope(np.asarray(side), alpha))
            low = np.where(across, np.minimum(low, there), low)
            high = np.where(across, np.maximum(high, there), high)
    bent = curve.bend * reach * x.box
    low, high = np.maximum(low - bent, lowest), np.minimum(high + bent, highest)
    return (low + high) / 2, (high - low) / 2


def _exponential(arithmetic: Arithmetic, out: Array, x: Seen) -> Step:
    """exp: its slope is itself."""
    most, least = out * np.exp(x.box), out * np.exp(-x.box)
    slope = UnitByUnit((most + least) / 2, (most - least) / 2, x.width)
    return Step((slope,), 4 * arithmetic.roundoff * most + arithmetic.tiny)


def _softmax(logarithm: bool, arithmetic: Arithmetic, out: Array, x: Seen) -> Step:
    """exp(x − max)/Σ exp(x − max), or its logarithm: x − max is rounded, exp, sum, quotient."""
    u = arithmetic.roundoff
    p = np.exp(out) if logarithm else out
    wide = np.expm1(2 * x.box.max(axis=1, keepdims=True))
    slope: Slope = Shares(p, np.minimum(p * wide, 1), logarithm)
    below = x.exact.max(axis=1, keepdims=True) - x.exact + 2 * x.box.max(axis=1, keepdims=True)
    most = np.minimum(p * (1 + wide), 1)
    total = (most * below).sum(axis=1, keepdims=True) * u
    total = total + arithmetic.rounding(x.width - 1, 6)
    if logarithm:
        unit = u * (2 * below + 4 * (np.abs(out) + x.box)) + total
    else:
        unit = most * (u * below + 8 * u + total)
    return Step((slope,), unit + arithmetic.tiny)
