"""Trained or not: what a layer's numbers give away, each sign bound to its sentence.

Exact comparisons throughout. An epsilon far above the variance makes a norm affine in
disguise: gamma·y_c/√(v + epsilon) = gamma·y_c/√epsilon·(1 − v/(2·epsilon) + …).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np

from lnfold.network.records.layers import BatchNorm, LayerNorm, Norm, Parameter
from lnfold.network.records.pairs import Context, Pair

Array = np.ndarray

DISGUISED = 100.0  # epsilon this many times the variance: affine to half a percent


class Sign(Enum):
    """What was seen."""

    GAMMA_ONE = "gamma is exactly 1 everywhere, as initialised"
    BETA_ZERO = "beta is exactly 0 everywhere, as initialised"
    BIAS_ZERO = "the bias is exactly 0 everywhere, as initialised"
    STATISTICS_INITIAL = "moving mean 0 and moving variance 1 everywhere, as initialised"
    GAMMA_VANISHES = "units whose gamma is 0, or too small to be noticed beside the others"
    NOT_FINITE = "NaN or infinite numbers"
    AFFINE_IN_DISGUISE = "epsilon is far above the variance: the norm is affine in disguise"
    ONE_UNIT = "one unit: LayerNorm of a single number is 0, so the layer delivers beta"
    TWO_UNITS = "two units: LayerNorm leaves a sign, +1 and −1"
    CONSTANT_KERNEL = "the kernel moves all units alike, so no input changes anything"

    @property
    def sentence(self) -> str:
        return self.value


@dataclass(frozen=True, slots=True)
class Seen:
    """A sign, and how many units or numbers show it (all of them: 0)."""

    sign: Sign
    units: tuple[int, ...] = ()


def signs(pair: Pair, read: Array | None) -> tuple[Seen, ...]:
    """What one pair's numbers give away.

    Args:
        read: what the norm reads on the inputs used [rows, units], or None.
    """
    norm, dense = pair.norm, pair.dense
    bias = None if dense is None else dense.bias
    parameters = [one for _, one in norm.parameters()]
    if dense is not None:
        parameters += [one for _, one in dense.parameters()]
    found = []
    if any(not np.isfinite(one.array.astype(np.float64)).all() for one in parameters):
        found.append(Seen(Sign.NOT_FINITE))
    if _all(norm.gamma, 1.0):
        found.append(Seen(Sign.GAMMA_ONE))
    if _all(norm.beta, 0.0):
        found.append(Seen(Sign.BETA_ZERO))
    if _all(bias, 0.0):
        found.append(Seen(Sign.BIAS_ZERO))
    if isinstance(norm, BatchNorm):
        if _all(norm.moving_mean, 0.0) and _all(norm.moving_variance, 1.0):
            found.append(Seen(Sign.STATISTICS_INITIAL))
        return (*found, *_vanishing(norm.gamma))
    if isinstance(norm, LayerNorm):
        found.extend(_degenerate(pair))
    if read is not None and 0 < disguise_error(norm, read) < 1 / (2 * DISGUISED):
        found.append(Seen(Sign.AFFINE_IN_DISGUISE))
    return (*found, *_vanishing(norm.gamma))


def disguise_error(norm: Norm, read: Array) -> float:
    """The relative error of taking a norm for affine: the largest variance over 2·epsilon."""
    y = np.asarray(read, np.float64)
    if isinstance(norm, LayerNorm):
        y = y - y.mean(axis=1, keepdims=True)
    largest = float(np.square(y).mean(axis=1).max(initial=0.0))
    return largest / (2 * norm.epsilon.value) if norm.epsilon.value else np.inf


def _all(parameter: Parameter | None, value: float) -> bool:
    return parameter is not None and bool(np.all(parameter.array == value))


def _vanishing(gamma: Parameter | None) -> tuple[Seen, ...]:
    if gamma is None:
        return ()
    size = np.abs(gamma.array.ravel().astype(np.float64))
    # float32 sums do not notice what is an ulp of the largest
    small = np.flatnonzero(size <= np.finfo(np.float32).eps * np.nanmax(size, initial=0.0))
    return (Seen(Sign.GAMMA_VANISHES, tuple(small.tolist())),) if small.size else ()


def _degenerate(pair: Pair) -> list[Seen]:
    dense = pair.dense
    if dense is None or pair.context is not Context.DENSE:
        return []
    if dense.units == 1:
        return [Seen(Sign.ONE_UNIT)]
    found = [Seen(Sign.TWO_UNITS)] if dense.units == 2 else []
    kernel = dense.kernel.array
    if np.all(kernel == kernel[:, :1]):
        found.append(Seen(Sign.CONSTANT_KERNEL))
    return found
