"""The obvious ways to put one vector in the place of bias, gamma and beta, and their errors.

Each candidate replaces a dense layer and its normalisation by one dense layer
``x·kernel + vector``. With y = x·W + b, y_c = y − mean(y) and s = s(x), the layer delivers
gamma·y_c/s + beta; a candidate is exact only where s(x) is constant. For BatchNorm it is, and
one vector is the exact answer.

Fits (the frozen deviation, the affine map) use the first half of the rows; all errors are
measured on the other half, in float64.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import Enum

import numpy as np

from lnfold.network.records.layers import (
    BatchNorm,
    Dense,
    Layer,
    LayerNorm,
    Network,
    Norm,
    Parameter,
)
from lnfold.network.records.pairs import Context, Pair
from lnfold.network.running.run import run_rows
from lnfold.network.running.run_inputs import joins_rows
from lnfold.relations.question.std import deviations
from lnfold.relations.question.traced import traced

Array = np.ndarray
Values = Mapping[str, Array]


class Candidate(Enum):
    """A way to do it; the sentence says what replaces the layer."""

    BIAS_PLUS_BETA = "bias + beta"
    SCALED_BIAS_PLUS_BETA = "gamma·bias + beta"
    SUM_OF_ALL = "bias + gamma + beta"
    BEST_BIAS = "best bias for the kernel"
    FROZEN_DEVIATION = "frozen standard deviation"
    BEST_AFFINE_FIT = "best affine fit"
    STORED_STATISTICS = "stored statistics"

    @property
    def sentence(self) -> str:
        return _SENTENCES[self]


_SENTENCES = {
    Candidate.BIAS_PLUS_BETA: "x·W + (bias + beta), no normalisation",
    Candidate.SCALED_BIAS_PLUS_BETA: "x·(W·gamma) + (gamma·bias + beta), no normalisation",
    Candidate.SUM_OF_ALL: "x·W + (bias + gamma + beta), no normalisation",
    Candidate.BEST_BIAS: "x·W + the vector that least squares finds, no normalisation",
    Candidate.FROZEN_DEVIATION: "one constant in place of s(x), the one that fits best",
    Candidate.BEST_AFFINE_FIT: "the kernel and the vector that least squares finds",
    Candidate.STORED_STATISTICS: "BatchNorm's stored mean and variance: exact",
}


@dataclass(frozen=True, slots=True)
class Measured:
    """How far a candidate is off, on rows that it was not fitted on.

    Attributes:
        layer_max_abs: the largest error of any unit of the layer (of any layer, for a network).
        output_max_abs: the largest error of the network's outputs; None where it cannot be run.
        r2: 1 − squared error / squared deviation from the units' means; the worst layer's, for
            a network. None where the layer is constant.
    """

    candidate: Candidate
    layer_max_abs: float
    output_max_abs: float | None
    r2: float | None


@dataclass(frozen=True, slots=True, eq=False)
class _Sample:
    """A pair's parameters in float64, and what flows through it on the rows for fitting."""

    kernel: Array
    bias: Array
    gamma: Array
    beta: Array
    norm: Norm
    inputs: Array
    read: Array
    delivered: Array

    def centred(self) -> tuple[Array, Array]:
        """Kernel and bias minus what the norm subtracts: LayerNorm's mean over the units."""
        if not isinstance(self.norm, LayerNorm):
            return self.kernel, self.bias
        return self.kernel - self.kernel.mean(axis=1, keepdims=True), self.bias - self.bias.mean()


def _frozen(sample: _Sample) -> tuple[Array, Array]:
    """gamma·y_c·k + beta with the k that minimises the squared error of gamma·y_c/s."""
    kernel, bias = sample.centred()
    gained = (sample.inputs @ kernel + bias) * sample.gamma
    square = np.square(gained).sum(axis=1)
    s = deviations(sample.norm, sample.read)
    k = (square / s).sum() / square.sum() if square.any() else 0.0
    return kernel * sample.gamma * k, bias * sample.gamma * k + sample.beta


def _affine_fit(sample: _Sample) -> tuple[Array, Array]:
    ones = np.ones((sample.inputs.shape[0], 1))
    fit = np.linalg.lstsq(np.hstack([sample.inputs, ones]), sample.delivered, rcond=None)[0]
    return fit[:-1], fit[-1]


def _mean(rows: Array) -> Array:
    """The mean over rows: the vector that least squares adds to a given kernel."""
    mean: Array = rows.mean(axis=0) if len(rows) else np.zeros(rows.shape[1])
    return mean


def _stored(sample: _Sample) -> tuple[Array, Array]:
    """W·g and (b − mean)·g + beta, g = gamma/sqrt(variance + epsilon)."""
    assert isinstance(sample.norm, BatchNorm)
    variance = sample.norm.moving_variance.array.ravel().astype(np.float64)
    gain = sample.gamma / np.sqrt(variance + (sample.norm.epsilon.value or 0.0))
    mean = sample.norm.moving_mean.array.ravel().astype(np.float64)
    return sample.kernel * gain, (sample.bias - mean) * gain + sample.beta


_BUILD: Mapping[Candidate, Callable[[_Sample], tuple[Array, Array]]] = {
    Candidate.BIAS_PLUS_BETA: lambda one: (one.kernel, one.bias + one.beta),
    Candidate.SCALED_BIAS_PLUS_BETA: lambda one: (
        one.kernel * one.gamma,
        one.gamma * one.bias + one.beta,
    ),
    Candidate.SUM_OF_ALL: lambda one: (one.kernel, one.bias + one.gamma + one.beta),
    Candidate.BEST_BIAS: lambda one: (one.kernel, _mean(one.delivered - one.inputs @ one.kernel)),
    Candidate.FROZEN_DEVIATION: _frozen,
    Candidate.BEST_AFFINE_FIT: _affine_fit,
    Candidate.STORED_STATISTICS: _stored,
}
_FOR_LAYER_NORM = tuple(one for one in Candidate if one is not Candidate.STORED_STATISTICS)


def candidates_for(pair: Pair) -> tuple[Candidate, ...]:
    """The candidates that make sense for a pair: none unless the norm reads the dense layer."""
    if pair.context is not Context.DENSE:
        return ()
    if isinstance(pair.norm, BatchNorm):
        return (Candidate.STORED_STATISTICS,)
    return _FOR_LAYER_NORM


def rows_needed(pair: Pair) -> int:
    """How many rows the best affine fit takes: half of them must outnumber its unknowns."""
    return 0 if pair.dense is None else 2 * (pair.dense.kernel.shape[0] + 1)


def measurable(pair: Pair, values: Mapping[str, Array]) -> tuple[Candidate, ...]:
    """The candidates that the rows suffice for: a fit through all rows would say nothing."""
    enough = pair.dense is None or len(values[pair.dense.input]) >= rows_needed(pair)
    return tuple(
        one for one in candidates_for(pair) if enough or one is not Candidate.BEST_AFFINE_FIT
    )


def measure_layer(
    pair: Pair, values: Mapping[str, Array], *, in_sample: bool = False
) -> tuple[Measured, ...]:
    """The candidates of one pair by the error of the layer alone.

    Args:
        values: float64 values of all layers, as ``run(…, trace=True)`` gives them.
        in_sample: measure on the rows that the candidates were fitted on, not on the others.
    """
    values = traced(values)
    if not values.finite:
        return ()
    measured = []
    half = _fitted_on if in_sample else _held_out
    for candidate in measurable(pair, values):
        replacement = _replacement(pair, candidate, values)
        x, exact = half(values, replacement.input), half(values, pair.norm.name)
        assert replacement.bias is not None  # the one vector
        error = x @ replacement.kernel.array + replacement.bias.array - exact
        measured.append(Measured(candidate, _largest(error), None, _r2(error, exact)))
    return tuple(measured)


def measure_network(
    network: Network,
    pairs: tuple[Pair, ...],
    by_pair: Mapping[str, tuple[Measured, ...]],
    values: Mapping[str, Array],
    *,
    in_sample: bool = False,
) -> tuple[Measured, ...]:
    """The candidates, each put in the place of every pair at once, by the outputs' error.

    Args:
        in_sample: as for ``measure_layer``, whose results ``by_pair`` holds.
    """
    values = traced(values)
    if not values.finite:
        return ()
    possible = {pair.norm.name: measurable(pair, values) for pair in pairs}
    replaced = [pair for pair in pairs if possible[pair.norm.name]]
    names = [one for one in Candidate if any(one in possible[p.norm.name] for p in replaced)]
    half = _fitted_on if in_sample else _held_out
    # rows that are steps in time need those before them: then all are run, and half compared
    whole = joins_rows(network)
    inputs = {
        one.name: values[one.name] if whole else half(values, one.name) for one in network.inputs
    }
    measured = []
    for candidate in names:
        outputs = run_rows(with_candidate(network, replaced, candidate, values), inputs, np.float64)
        if whole:
            outputs = {name: half({**values, **outputs}, name) for name in outputs}
        error = max(_largest(outputs[name] - half(values, name)) for name in network.outputs)
        rows = [one for rows in by_pair.values() for one in rows if one.candidate is candidate]
        known = [one.r2 for one in rows if one.r2 is not None]
        measured.append(
            Measured(
                candidate,
                max(one.layer_max_abs for one in rows),
                error,
                min(known) if known else None,
            )
        )
    return tuple(measured)


def with_candidate(
    network: Network, pairs: tuple[Pair, ...] | list[Pair], candidate: Candidate, values: Values
) -> Network:
    """The network with one dense layer in the place of every pair that the candidate is for."""
    values = traced(values)
    layers: dict[str, Layer] = {
        pair.norm.name: _replacement(pair, candidate, values)
        for pair in pairs
        if candidate in measurable(pair, values)
    }
    return replace(network, layers=tuple(layers.get(layer.name, layer) for layer in network.layers))


def _held_out(values: Values, name: str) -> Array:
    """The rows of a value that no candidate is fitted on: the second half of the observations."""
    return values[name][_half(values, name) :]


def _fitted_on(values: Values, name: str) -> Array:
    return values[name][: max(_half(values, name), 1)]


def _half(values: Values, name: str) -> int:
    """How many rows of a value belong to half of the observations."""
    observations = traced(values).observations
    return len(values[name]) // observations * (observations // 2)


def _replacement(pair: Pair, candidate: Candidate, values: Mapping[str, Array]) -> Dense:
    """The dense layer that takes the pair's place; it delivers the norm's value."""
    dense, norm = pair.dense, pair.norm
    assert dense is not None  # candidates_for has seen to it
    units = dense.units
    kernel, vector = _BUILD[candidate](
        _Sample(
            kernel=dense.kernel.array.astype(np.float64),
            bias=_or_constant(dense.bias, units, 0.0),
            gamma=_or_constant(norm.gamma, units, 1.0),
            beta=_or_constant(norm.beta, units, 0.0),
            norm=norm,
            inputs=_fitted_on(values, dense.input),
            read=_fitted_on(values, dense.name),
            delivered=_fitted_on(values, norm.name),
        )
    )
    return Dense(norm.name, dense.inputs, norm.scope, Parameter(kernel), Parameter(vector))


def _or_constant(parameter: Parameter | None, units: int, constant: float) -> Array:
    if parameter is None:
        return np.full(units, constant)
    return parameter.array.ravel().astype(np.float64)


def _largest(error: Array) -> float:
    return float(np.abs(error).max()) if error.size else 0.0


def _r2(error: Array, exact: Array) -> float | None:
    total = float(np.square(exact - exact.mean(axis=0)).sum())
    # units that are constant but for rounding, of sums over all of them, have nothing to explain
    ulp = float(np.finfo(float).eps * exact.shape[1] * np.abs(exact).max(initial=0.0))
    return 1 - float(np.square(error).sum()) / total if total > exact.size * ulp**2 else None
