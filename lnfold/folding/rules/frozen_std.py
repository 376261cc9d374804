"""An approximation, never a fold: one constant in the place of s(x), so that one vector is left.

    gamma·z + beta  ≈  x·(W_c·gamma/c) + (b_c·gamma/c + beta)

The constant c is the one that fits best on the inputs given. The error of unit i is exactly
gamma_i·z_i·(1 − s/c), so on any input with the same range of s it stays below

    |gamma_i| · sup|z_i| · max|1 − s/c|                                                  (E26)

with the supremum over all inputs known from the weights (E13).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from lnfold.errors import UsageError
from lnfold.folding.editing.rewrite import bias_of, dense_with, finite, matrix, replaced, vector
from lnfold.folding.rules.centre import centred_rows
from lnfold.folding.rules.proven_units import suprema
from lnfold.folding.rules.side_channel import triangle_of
from lnfold.network.records.layers import Array, Dense, LayerNorm, Network, RMSNorm
from lnfold.network.running.run import run_rows


@dataclass(frozen=True, slots=True)
class FrozenLayer:
    """One norm with its deviation frozen.

    Attributes:
        layer: the norm's name.
        deviation: the constant c.
        variation: max |1 − s/c| over the inputs.
        error: the largest error of any unit on the inputs, in float64.
        bound: what it cannot exceed where |1 − s/c| does not exceed ``variation``.
    """

    layer: str
    deviation: float
    variation: float
    error: float
    bound: float


@dataclass(frozen=True, slots=True, eq=False)
class Approximated:
    """A network without its norms.

    Attributes:
        network: the approximate network, parameters in float32.
        layers: the norms that were frozen.
        output_error: the largest error of the outputs on the inputs, in float64.
        output_scale: the largest output there.
    """

    network: Network
    layers: tuple[FrozenLayer, ...]
    output_error: float
    output_scale: float


def freeze_deviations(network: Network, inputs: Mapping[str, Array]) -> Approximated:
    """Puts one dense layer in the place of every dense layer and the norm that reads it.

    Args:
        inputs: what the network will see, by input; the constants are fitted on it.

    Raises:
        UsageError: no norm of the network reads a dense layer that nothing else reads.
    """
    values = run_rows(network, inputs, np.float64, trace=True)
    frozen: list[FrozenLayer] = []
    approximate = network
    for norm in network.layers:
        dense = network.producer(norm.inputs[0]) if norm.inputs else None
        if not isinstance(norm, LayerNorm | RMSNorm) or not isinstance(dense, Dense):
            continue
        alone = len(network.consumers(dense.name)) == 1 and dense.name not in network.outputs
        if not alone or not finite(dense.kernel, dense.bias, norm.gamma, norm.beta):
            continue
        layer, one = _frozen(dense, norm, values[dense.input])
        frozen.append(layer)
        approximate = replaced(approximate, {dense.name: (), norm.name: one})
    if not frozen:
        raise UsageError(
            f"network {network.name} has no norm whose deviation could be frozen",
            remedy="Only a norm that alone reads a dense layer can be replaced.",
        )
    found = run_rows(approximate, inputs, np.float64)
    errors = [np.abs(found[name] - values[name]).max(initial=0.0) for name in network.outputs]
    scales = [np.abs(values[name]).max(initial=0.0) for name in network.outputs]
    return Approximated(approximate, tuple(frozen), float(max(errors)), float(max(scales)))


def _frozen(dense: Dense, norm: LayerNorm | RMSNorm, x: Array) -> tuple[FrozenLayer, Dense]:
    kernel, bias = matrix(dense), bias_of(dense)
    if isinstance(norm, LayerNorm):
        kernel, bias = centred_rows(kernel), centred_rows(bias)
    gamma, beta = vector(norm.gamma, dense.units, 1.0), vector(norm.beta, dense.units, 0.0)
    epsilon = norm.epsilon.value or 0.0
    y = x @ kernel + bias
    s = np.sqrt(np.square(y).mean(axis=1) + epsilon)
    gained = np.square(y * gamma).sum(axis=1)
    # least squares of gamma·y/s by gamma·y/c, over all rows and units
    inverse = float((gained / s).sum() / gained.sum()) if gained.any() else 1.0
    variation = float(np.abs(1 - s * inverse).max(initial=0.0))
    triangle = triangle_of(kernel, bias, epsilon)
    columns = np.vstack([kernel, bias])
    largest = np.maximum(suprema(triangle, columns), suprema(triangle, -columns))
    error = np.abs(gamma * (y / s[:, None] - y * inverse)).max(initial=0.0)
    bound = float((np.abs(gamma) * largest).max(initial=0.0)) * variation
    one = dense_with(dense, kernel * gamma * inverse, bias * gamma * inverse + beta)
    record = FrozenLayer(norm.name, 1 / inverse, variation, float(error), bound)
    return record, replace(_in_float32(one), name=norm.name)


def _in_float32(dense: Dense) -> Dense:
    rounded = {
        role: replace(parameter, array=parameter.array.astype(np.float32))
        for role, parameter in dense.parameters()
    }
    return replace(dense, kernel=rounded["kernel"], bias=rounded.get("bias"))
