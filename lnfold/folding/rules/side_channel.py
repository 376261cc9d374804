"""The deviation from the layer's input, and gamma into the layer's own kernel.

With T = [W_c; b_c] and A = [T, sqrt(n·epsilon)·e]/sqrt(n), e the unit vector of the bias row,

    s² = mean((x, 1)·T)² + epsilon = ‖(x, 1)·A‖² = ‖(x, 1)·Rᵀ‖²,   Aᵀ = Q·R              (E12)
    gamma·z + beta = (x·(W_c·gamma) + b_c·gamma)/s + beta                                (E45)

for any activation after it and any gamma: 0, negative, however small. R comes from a QR
decomposition. The Gram matrix A·Aᵀ would lose half of the digits, and in float32 gives
negative variances near a zero of s.
"""

from __future__ import annotations

import math

import numpy as np

from lnfold.folding.editing.rewrite import (
    Array,
    bias_of,
    dense_with,
    finite,
    free_name,
    matrix,
    names,
    replaced,
    vector,
)
from lnfold.folding.editing.steps import Applied, Outcome, Reason, Refused, Rule, Setting
from lnfold.folding.rules.centre import centred_rows
from lnfold.network.records.deferred import Divided, TriangleDeviation
from lnfold.network.records.layers import Dense, Layer, LayerNorm, Network, Norm, Parameter, RMSNorm


def side_channel(network: Network, layer: Layer, setting: Setting) -> Outcome:
    """Divides by a deviation that a triangle finds from the input of the dense layer."""
    if setting.stock or not isinstance(layer, LayerNorm | RMSNorm):
        return None
    return through_triangle(network, layer)


def cheap_side_channel(network: Network, layer: Layer, setting: Setting) -> Outcome:
    """The same where the triangle has fewer entries than the layer has units to square."""
    if setting.stock or not isinstance(layer, LayerNorm | RMSNorm):
        return None
    dense = network.producer(layer.input)
    if isinstance(dense, Dense):
        needed, squares = triangle_entries(dense.kernel.shape[0]), dense.units
        if needed >= squares:
            return Refused(Reason.COSTLIER, layer.name, float(needed - squares))
    return through_triangle(network, layer)


def triangle_entries(inputs: int) -> int:
    """Multiplications of ‖(x, 1)·triangle‖: its entries but for the last row, and the squares."""
    return inputs * (inputs + 1) // 2 + inputs + 1


def through_triangle(network: Network, norm: LayerNorm | RMSNorm) -> Applied | Refused:
    """Puts TriangleDeviation and Divided in the place of a norm that reads a dense layer."""
    dense = network.producer(norm.input)
    if not isinstance(dense, Dense):
        return Refused(Reason.NOT_DENSE, norm.input)
    if dense.name in network.outputs:
        return Refused(Reason.DELIVERED, dense.name)
    others = [one.name for one in network.consumers(dense.name) if one is not norm]
    if others:
        return Refused(Reason.READ_ELSEWHERE, others[0])
    if not finite(dense.kernel, dense.bias, norm.gamma, norm.beta):
        return Refused(Reason.NOT_FINITE, norm.name)
    kernel, bias = matrix(dense), bias_of(dense)
    if isinstance(norm, LayerNorm):
        kernel, bias = centred_rows(kernel), centred_rows(bias)
    triangle = triangle_of(kernel, bias, norm.epsilon.value or 0.0)
    gamma = vector(norm.gamma, dense.units, 1.0)
    folded = dense_with(dense, kernel * gamma, bias * gamma)
    divided = _divided(network, dense, norm, triangle)
    changed = replaced(network, {dense.name: folded, norm.name: divided})
    diagonal = np.abs(np.diag(triangle))
    measured = (
        ("smallest over largest diagonal entry", _ratio(diagonal)),
        ("triangle entries", float(triangle_entries(kernel.shape[0]))),
        ("units squared without it", float(dense.units)),
    )
    return Applied(changed, measured, names(dense.kernel, dense.bias, norm.gamma, norm.beta))


def triangle_of(kernel: Array, bias: Array, epsilon: float) -> Array:
    """Rᵀ [inputs + 1, min(inputs, units) + 1] with ‖(x, 1)·Rᵀ‖² = mean((x·kernel + bias)²) + eps.

    Args:
        kernel, bias: [inputs, units] and [units], centred where a LayerNorm read them.
    """
    inputs, units = kernel.shape
    stacked = np.zeros((inputs + 1, units + 1))
    stacked[:-1, :-1] = kernel
    stacked[-1, :-1] = bias
    stacked /= math.sqrt(units)
    stacked[-1, -1] = math.sqrt(epsilon)
    triangle: Array = np.linalg.qr(stacked.T, mode="r")  # type: ignore[assignment]
    return np.ascontiguousarray(triangle.T)


def _divided(
    network: Network, dense: Dense, norm: Norm, triangle: Array
) -> tuple[TriangleDeviation, Divided]:
    s = free_name(network, f"{norm.name}/deviation")
    parameter = Parameter(triangle, (), f"{norm.scope}/triangle")
    return (
        TriangleDeviation(s, dense.inputs, norm.scope, parameter),
        Divided(norm.name, (dense.name, s), norm.scope, norm.beta),
    )


def _ratio(diagonal: Array) -> float:
    largest = float(diagonal.max(initial=0.0))
    return float(diagonal.min()) / largest if largest else 0.0


_FORMULA = "gamma·z + beta = (x·(W_c·gamma) + b_c·gamma)/‖(x, 1)·triangle‖ + beta"

SIDE_CHANNEL = Rule("side-channel", "E12, E45", _FORMULA, side_channel)
CHEAP_SIDE_CHANNEL = Rule("side-channel", "E12, E45", _FORMULA, cheap_side_channel)
