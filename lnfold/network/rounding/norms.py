"""What normalisations round off.

A LayerNorm of N units rounds in three ways, and it matters to keep them apart: its **mean** is
off by d, the same for all units; its **scale** 1/s is off by the factor 1 + σ, the same for all
units; the rest is each unit's own. With v the variance, all over the box that x may be in,

    d = ((N − 1)·u + 2·u)·mean|x|
    two passes   η = (N + 4)·u·v/s² + (d/s)²
    one pass     η = ((N + 2)·u·mean(x²) + 2·|mean|·d + d²)/s²     mean(x²) − mean(x)²
    1 + σ = 1/√(1 − η), at most s/√epsilon: a variance below zero is taken for zero

The larger η holds for either. One by one are (x − mean)·inv·gamma + beta and TensorFlow's
x·inv + (beta − mean·inv), inv = gamma/s:

    4·u·|z·gamma| + (2·u·|x| + 3·u·|mean|)·|gamma|/s + 2·u·|beta|
"""

from __future__ import annotations

import numpy as np

from lnfold.network.records.layers import Array, BatchNorm, LayerNorm, Norm, RMSNorm
from lnfold.network.rounding.arithmetic import Arithmetic
from lnfold.network.rounding.seen import Seen, Shared, Step
from lnfold.network.rounding.slopes import After, Normalised, UnitByUnit

ROOT_AND_QUOTIENT = 4  # roundings of 1/√: correctly rounded 2, rsqrt with a step of Newton 4


def _epsilon(layer: Norm, arithmetic: Arithmetic) -> tuple[float, float]:
    """Epsilon, and how far the program's is off: it holds the nearest number of its type."""
    assert layer.epsilon.value is not None  # a network without gaps has every epsilon
    epsilon = float(layer.epsilon.value)
    return epsilon, float(arithmetic.rounded(np.asarray(epsilon)))


def _mean(values: Array) -> Array:
    return np.asarray(values.mean(axis=1, keepdims=True))


def mean_rounding(x: Seen, arithmetic: Arithmetic) -> Array:
    """d: how far the mean of a row's units is rounded off, [rows, 1]; a single unit's is not."""
    if x.width == 1:
        return np.zeros((len(x.exact), 1))
    return np.asarray(arithmetic.rounding(x.summed - 1, 2) * _mean(x.most) + arithmetic.tiny)


def row_norm(layer: LayerNorm | RMSNorm, arithmetic: Arithmetic, out: Array, x: Seen) -> Step:
    """A LayerNorm's or an RMSNorm's step, from the statistics of each row."""
    centred = isinstance(layer, LayerNorm)
    units, u, tiny = x.width, arithmetic.roundoff, arithmetic.tiny
    epsilon, off = _epsilon(layer, arithmetic)
    gamma, gamma_off = arithmetic.vector(layer.gamma, 1.0)
    beta, beta_off = arithmetic.vector(layer.beta, 0.0)
    mean = _mean(x.exact) if centred else np.zeros((len(x.exact), 1))
    a = x.exact - mean
    variance = _mean(np.square(a))
    s = np.sqrt(variance + epsilon)
    away = np.sqrt(_mean(np.square(x.box)))  # s is off by no more than the root mean square
    floor = max(epsilon - off, 0.0)
    least = np.maximum(s - away, np.sqrt(floor))
    z = a / s
    limit = np.sqrt(units - 1 if centred else units)  # no |z| is larger
    box = x.box + (_mean(x.box) if centred else 0.0)
    spread = (box + np.abs(z) * away) / (s + least)
    moved = np.fmin((box + np.abs(z) * away) / least, np.abs(z) + limit)
    largest_z = np.minimum(np.abs(z) + moved, limit)
    slope = Normalised(
        z,
        spread,
        inverse=(1 / least + 1 / (s + away)) / 2,
        inverse_spread=(1 / least - 1 / (s + away)) / 2,
        centred=centred,
        reach=np.abs(z) + limit,
    )

    most_mean = _mean(x.most) if centred else np.zeros_like(s)
    d = mean_rounding(x, arithmetic) if centred else np.zeros_like(s)
    most_variance = np.square(np.sqrt(variance) + away)
    square = _mean(np.square(x.most))
    squares = arithmetic.rounding(x.summed - 1, 5) * (most_variance + np.square(d)) + np.square(d)
    if centred and units > 1:
        middle = np.abs(mean) + _mean(x.box)
        once = arithmetic.rounding(x.summed - 1, 4) * square + u * np.square(middle + d)
        squares = np.maximum(squares, once + 2 * middle * d + np.square(d))
    eta = (1 + u) * (squares + off + 2 * tiny) / np.square(least) + u
    left = np.maximum(1 - eta, floor * (1 - u) / np.square(s + away))
    scale = 1 / np.sqrt(left) + ROOT_AND_QUOTIENT * u  # 1 + σ

    two, three, four = (float(arithmetic.rounding(0, count)) for count in (2, 3, 4))
    gain = np.abs(gamma) + gamma_off
    inverse = scale / least
    own = (
        four * largest_z * scale * gain,
        two * x.most * inverse * gain,
        three * most_mean * inverse * gain,
        np.broadcast_to(two * np.abs(beta), x.exact.shape),
    )
    rest = moved * (scale - 1) * gain + (largest_z * scale + d * inverse) * gamma_off
    by_unit = arithmetic.together(*own) + rest + beta_off + 2 * tiny
    shared = [Shared(z * gamma, scale - 1)]
    if centred:
        shared.append(Shared(np.broadcast_to(gamma, (1, units)), d * inverse))
    through = UnitByUnit(gamma[None], np.zeros((1, 1)), units)
    return Step((After(slope, through),), by_unit, tuple(shared), highest=units * square)


def batch_norm(layer: BatchNorm, arithmetic: Arithmetic, out: Array, x: Seen) -> Step:
    """The step of (x − mean)·rsqrt(variance + epsilon)·gamma + beta, in any of its spellings."""
    epsilon, off = _epsilon(layer, arithmetic)
    gamma, gamma_off = arithmetic.vector(layer.gamma, 1.0)
    beta, beta_off = arithmetic.vector(layer.beta, 0.0)
    mean, mean_off = arithmetic.vector(layer.moving_mean, 0.0)
    variance, variance_off = arithmetic.vector(layer.moving_variance, 1.0)
    u = arithmetic.roundoff
    least = variance + epsilon - off - variance_off
    inverse = 1 / np.sqrt(variance + epsilon)
    inverse_off = 1 / np.sqrt(least * (1 - u)) - inverse + ROOT_AND_QUOTIENT * u * inverse
    scale = gamma * inverse
    most = (np.abs(gamma) + gamma_off) * (inverse + inverse_off)
    centred = np.abs(x.exact - mean) + x.box + mean_off
    unit = (most - np.abs(scale) + 4 * u * most) * centred + most * mean_off
    unit = unit + (2 * u * x.most + 3 * u * (np.abs(mean) + mean_off)) * most
    unit = unit + 2 * u * np.abs(beta) + beta_off + 2 * arithmetic.tiny
    slope = UnitByUnit(scale[None], np.zeros((1, 1)), x.width)
    return Step((slope,), unit, highest=np.maximum(x.most, x.most * most))
