"""The obvious ways to fold, which fail, for the tests that show it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from lnfold.folding.editing.rewrite import dense_with, matrix, replaced, vector
from lnfold.network.records.layers import (
    Array,
    Dense,
    Layer,
    LayerNorm,
    Network,
    Parameter,
)
from lnfold.network.running.differences import largest_difference
from lnfold.network.running.run import run
from tests.folding.build import Builder, observations


def first(network: Network, kind: type[Layer]) -> Layer:
    return next(layer for layer in network.layers if isinstance(layer, kind))


def layer_block(
    seed: int = 0, activation: str = "relu", units: int = 32, **norm: object
) -> Network:
    """Dense → LayerNorm → activation → Dense."""
    build = Builder(seed)
    y = build.dense(build.input(5), units)
    build.dense(build.act(build.norm(y, **norm), activation), 3)  # type: ignore[arg-type]
    return build.network()


def error_of(original: Network, changed: Network) -> float:
    """The largest difference of the outputs in float64."""
    inputs = observations(original, 200)
    return largest_difference(run(original, inputs, np.float64), run(changed, inputs, np.float64))


def naive_gamma(network: Network, factor: Array) -> Network:
    """gamma into the next kernel, beta divided by it, whatever stands in between."""
    norm, last = first(network, LayerNorm), network.layers[-1]
    assert isinstance(norm, LayerNorm)
    assert isinstance(last, Dense)
    gamma, beta = vector(norm.gamma, factor.size, 1.0), vector(norm.beta, factor.size, 0.0)
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        changed = replace(norm, gamma=Parameter(gamma / factor), beta=Parameter(beta / factor))
    rows = dense_with(last, matrix(last) * factor[:, None])
    return replaced(network, {norm.name: changed, last.name: rows})
