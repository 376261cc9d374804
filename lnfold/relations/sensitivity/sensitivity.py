"""What a small change of bias, gamma or beta does to the layer and to the network's outputs.

    ∂u/∂bias  = diag(gamma)·(I − 11ᵀ/n − z·zᵀ/n)/s        ∂u/∂gamma = diag(z)        ∂u/∂beta = I

A movement of a vector in a random direction, of length 1, moves the layer by ‖J‖_F/√n in root
mean square, J being the Jacobian; so many are given, averaged over the rows, for the layer and,
by ``gradients``, for the outputs. Of the bias two directions are lost: the constant one, and z,
of which only gamma·z·epsilon/s³ comes through.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from lnfold.network.records.layers import BatchNorm, LayerNorm, Network, RMSNorm
from lnfold.network.records.pairs import Context, Pair
from lnfold.relations.ranges.homogeneous import vector
from lnfold.relations.sensitivity.gradients import (
    NotDifferentiableError,
    gradients,
    normalised,
    through_norm,
)

Array = np.ndarray

ROWS = 256  # averages over rows settle long before; every output unit is one backward pass
_OUTPUT_UNITS = 16


@dataclass(frozen=True, slots=True)
class Effect:
    """Root mean square movements for a random movement of length 1 of one vector.

    Attributes:
        vector: bias, gamma or beta.
        layer: of the layer's units, as a length.
        outputs: of the network's outputs, as a length; None where no derivative is known.
    """

    vector: str
    layer: float
    outputs: float | None


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """What one pair's vectors do.

    Attributes:
        effects: of bias, gamma and beta, those there are.
        constant_left, normalised_left: the largest length that comes through, on any row, of a
            movement of the bias of length 1 along 1 and along z; 0 up to rounding for
            LayerNorm's constant, and up to epsilon for z. None for BatchNorm.
        gap: the kind of layer whose derivative is not known, so that none of the outputs is;
            empty where all are.
    """

    effects: tuple[Effect, ...]
    constant_left: float | None
    normalised_left: float | None
    gap: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class OutputGradients:
    """What moves the network's outputs, on some rows.

    Attributes:
        values: of all layers on those rows.
        rows: for each output unit its gradient by every value; None where none is known.
        gap: the kind of layer whose derivative is not known.
    """

    values: Mapping[str, Array]
    rows: list[dict[str, Array]] | None
    gap: str = ""


def output_gradients(network: Network, values: Mapping[str, Array]) -> OutputGradients:
    """The gradients of a network's output units on the first rows.

    Args:
        values: float64 values of all layers.
    """
    sample = {name: array[:ROWS] for name, array in values.items()}
    try:
        rows = [
            gradients(network, sample, output, unit)
            for output in network.outputs
            for unit in range(min(sample[output].shape[1], _OUTPUT_UNITS))
        ]
    except NotDifferentiableError as error:
        return OutputGradients(sample, None, str(error))
    return OutputGradients(sample, rows)


def sensitivities(pairs: tuple[Pair, ...], moved: OutputGradients) -> dict[str, Sensitivity]:
    """The sensitivity of every pair, by the norm's name."""
    return {
        pair.norm.name: replace(_sensitivity(pair, moved.values, moved.rows), gap=moved.gap)
        for pair in pairs
        if isinstance(pair.norm, LayerNorm | RMSNorm | BatchNorm)
    }


def _sensitivity(
    pair: Pair, values: Mapping[str, Array], moved: list[dict[str, Array]] | None
) -> Sensitivity:
    norm = pair.norm
    read = values[norm.input]
    units = read.shape[1]
    gamma = vector(norm.gamma, units, 1.0)
    z, inner = _derivative(pair, read, gamma)
    after = None if moved is None else [one[norm.name] for one in moved]
    effects = []
    if pair.dense is not None and pair.dense.bias is not None and pair.context is Context.DENSE:
        outputs = None if moved is None else _length([one[norm.input] for one in moved], units)
        effects.append(Effect("bias", float(np.sqrt(inner.mean() / units)), outputs))
    if norm.gamma is not None:
        outputs = None if after is None else _length([one * z for one in after], units)
        effects.append(Effect("gamma", float(np.sqrt(np.square(z).mean())), outputs))
    if norm.beta is not None:
        outputs = None if after is None else _length(after, units)
        effects.append(Effect("beta", 1.0, outputs))
    constant, along = _removed(pair, read, gamma)
    return Sensitivity(tuple(effects), constant, along)


def _derivative(pair: Pair, read: Array, gamma: Array) -> tuple[Array, Array]:
    """z [rows, units] and ‖∂u/∂bias‖² in the Frobenius norm [rows]."""
    norm, units = pair.norm, read.shape[1]
    if isinstance(norm, BatchNorm):
        variance = vector(norm.moving_variance, units, 1.0) + (norm.epsilon.value or 0.0)
        z = (read - vector(norm.moving_mean, units, 0.0)) / np.sqrt(variance)
        return z, np.full(len(read), float((np.square(gamma) / variance).sum()))
    assert isinstance(norm, LayerNorm | RMSNorm)
    z, s = normalised(norm, read)
    # row i of I − 11ᵀ/n − zzᵀ/n has the squared length
    # 1 − 1/n − 2·z_i²/n + z_i²·Σz²/n², as Σz = 0
    lost = 1 / units if isinstance(norm, LayerNorm) else 0.0
    mean_square = np.square(z).mean(axis=1, keepdims=True)
    rows = 1 - lost - np.square(z) * (2 - mean_square) / units
    # with one or two units nothing but rounding is left, on either side of 0
    square = (np.square(gamma) * np.maximum(rows, 0)).sum(axis=1)
    return z, np.divide(square, np.square(s), out=np.zeros_like(square), where=s > 0)


def _removed(pair: Pair, read: Array, gamma: Array) -> tuple[float | None, float | None]:
    norm = pair.norm
    if isinstance(norm, BatchNorm):
        return None, None
    assert isinstance(norm, LayerNorm | RMSNorm)
    z, s = normalised(norm, read)
    centred = isinstance(norm, LayerNorm)
    ones = np.full_like(z, 1 / np.sqrt(z.shape[1]))
    length = np.linalg.norm(z, axis=1, keepdims=True)
    along = np.divide(z, length, out=np.zeros_like(z), where=length > 0)
    left = [
        float(np.linalg.norm(gamma * through_norm(z, s, one, centred=centred), axis=1).max())
        for one in (ones, along)
    ]
    return left[0], left[1]


def _length(rows: list[Array], units: int) -> float:
    """Root mean square over rows of the Frobenius norm of [outputs, units], over √units."""
    square = sum(np.square(one).sum(axis=1) for one in rows)
    return float(np.sqrt(np.mean(square) / units))
