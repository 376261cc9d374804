"""What becomes of a bias in front of LayerNorm: a dead part, a shift of the origin, a rest.

With W_c and b_c the kernel and bias minus their means over the units,

    b = mean(b)·1  +  x₀·W_c  +  r          the three parts are orthogonal

- ``mean(b)·1`` is dead: LayerNorm subtracts the mean over the units.
- ``x₀·W_c``, in the span of the centred kernel's rows, only moves the origin of the input:
  (x + x₀)·W_c.
- ``r`` is the rest. It is orthogonal to everything that an input can produce, so the variance
  is never below ‖r‖²/n: r acts as an offset that fades as 1/s(x), and as an epsilon of its own.

RMSNorm subtracts no mean: there nothing is dead and the kernel is taken as it is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from lnfold.network.records.layers import Dense, LayerNorm, Norm

Array = np.ndarray

WIDE = 512  # units beyond which a singular value decomposition takes seconds


@dataclass(frozen=True, slots=True, eq=False)
class BiasSplit:
    """The parts of a bias [units], by their Euclidean norms.

    Attributes:
        dead, shift, residual: norms of the three parts; their squares add up to ‖b‖².
        origin: x₀ [inputs], by how much the bias shifts the input's origin; of all that do,
            the shortest.
        effective_epsilon: ‖r‖²/n, to compare with the nominal epsilon.
        smallest_deviation: sqrt(‖r‖²/n + epsilon), the least s(x) that any input can produce;
            None where epsilon is not known.
    """

    dead: float
    shift: float
    residual: float
    origin: Array
    effective_epsilon: float
    smallest_deviation: float | None


def split_bias(dense: Dense, norm: Norm) -> BiasSplit:
    """Splits the bias of a dense layer that a LayerNorm or RMSNorm reads, in float64.

    A missing bias is a bias of zeros. NaN and infinities give NaN.
    """
    kernel = dense.kernel.array.astype(np.float64)
    units = kernel.shape[1]
    bias = np.zeros(units) if dense.bias is None else dense.bias.array.ravel().astype(np.float64)
    mean = bias.mean() if isinstance(norm, LayerNorm) else 0.0
    if isinstance(norm, LayerNorm):
        kernel = kernel - kernel.mean(axis=1, keepdims=True)
    centred = bias - mean
    if not (np.isfinite(kernel).all() and np.isfinite(bias).all()):
        nowhere = np.full(kernel.shape[0], np.nan)
        return BiasSplit(math.nan, math.nan, math.nan, nowhere, math.nan, None)
    spanned = units - isinstance(norm, LayerNorm)
    found = _spanning_origin(kernel, centred) if kernel.shape[0] >= spanned > WIDE else None
    if found is None:
        origin, _, rank, _ = np.linalg.lstsq(kernel.T, centred, rcond=None)
    else:
        origin, rank = found, spanned
    shift = origin @ kernel
    residual = centred - shift
    if rank >= spanned:
        residual[:] = 0  # the rows span everything the bias can be; what differs is rounding
    square = float(residual @ residual) / units
    epsilon = norm.epsilon.value
    return BiasSplit(
        dead=abs(float(mean)) * math.sqrt(units),
        shift=float(np.linalg.norm(shift)),
        residual=float(np.linalg.norm(residual)),
        origin=origin,
        effective_epsilon=square,
        smallest_deviation=None if epsilon is None else math.sqrt(square + epsilon),
    )


def _spanning_origin(kernel: Array, centred: Array) -> Array | None:
    """The shortest x₀ with x₀·W_c = b_c, where the rows of W_c span all that b_c can be.

    By the Gram matrix over the units, whose squared condition a few rounds of refinement against
    W_c itself make up for. None where they do not: then the rows may not span it.
    """
    units = kernel.shape[1]
    gram = kernel.T @ kernel
    # LayerNorm's constant direction is in no row and not in b_c: filling it changes nothing
    gram += np.trace(gram) / units**2
    try:
        inverse = np.linalg.inv(gram)
    except np.linalg.LinAlgError:
        return None
    origin: Array = kernel @ (inverse @ centred)
    for _ in range(4):
        # origins are refined, not weights: those are longer by another factor of the condition
        origin = origin + kernel @ (inverse @ (centred - origin @ kernel))
    left = np.linalg.norm(centred - origin @ kernel)
    rounding = 64 * np.finfo(float).eps * np.linalg.norm(origin) * np.linalg.norm(kernel)
    return origin if left <= rounding else None
