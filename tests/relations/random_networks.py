"""Networks with random parameters, for the properties that hold for all of them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from hypothesis import strategies as st

from lnfold.network.facts.evidence import Fact, Source
from lnfold.network.records.layers import (
    Activation,
    BatchNorm,
    Dense,
    Input,
    Layer,
    LayerNorm,
    Network,
    Norm,
    Parameter,
    RMSNorm,
)

GIVEN = Source.OPTION


def parameter(array: object, name: str) -> Parameter:
    return Parameter(np.asarray(array), (name,))


def dense(name: str, reads: str, kernel: np.ndarray, bias: np.ndarray | None) -> Dense:
    held = None if bias is None else parameter(bias, f"{name}/bias")
    return Dense(name, (reads,), name, parameter(kernel, f"{name}/kernel"), held)


def norm(
    name: str,
    reads: str,
    gamma: np.ndarray | None,
    beta: np.ndarray | None,
    epsilon: float = 1e-12,
    kind: type[Norm] = LayerNorm,
) -> Norm:
    return kind(
        name,
        (reads,),
        name,
        None if gamma is None else parameter(gamma, f"{name}/gamma"),
        None if beta is None else parameter(beta, f"{name}/beta"),
        Fact(epsilon, GIVEN),
    )


def batch_norm(name: str, reads: str, generator: np.random.Generator, units: int) -> BatchNorm:
    return BatchNorm(
        name,
        (reads,),
        name,
        parameter(generator.normal(1, 0.5, units), f"{name}/gamma"),
        parameter(generator.normal(0, 0.5, units), f"{name}/beta"),
        Fact(1e-3, GIVEN),
        parameter(generator.normal(0, 1, units), f"{name}/moving_mean"),
        parameter(generator.uniform(0.1, 3, units), f"{name}/moving_variance"),
    )


def activation(name: str, reads: str, function: str, alpha: float | None = None) -> Activation:
    return Activation(name, (reads,), name, Fact(function, GIVEN), alpha)


def network(layers: Sequence[Layer], inputs: int, outputs: Sequence[str] | None = None) -> Network:
    names = (layers[-1].name,) if outputs is None else tuple(outputs)
    wiring = Fact("given", GIVEN)
    return Network("net", (Input("x", (None, inputs)),), names, tuple(layers), wiring)


def normalised_network(
    generator: np.random.Generator,
    widths: Sequence[int],
    *,
    epsilon: float = 1e-12,
    kind: type[Norm] = LayerNorm,
    function: str = "relu",
    beta_scale: float = 0.5,
    output: str = "tanh",
) -> Network:
    """widths = (inputs, hidden …, outputs); every hidden layer is dense, norm, activation.

    Parameters as in the reference's random networks: gamma ~ N(1, 0.7), beta ~ N(0, 0.5).
    """
    layers: list[Layer] = []
    value = "x"
    for index, (rows, units) in enumerate(pairwise(widths[:-1])):
        kernel = generator.normal(0, 1 / np.sqrt(rows), (rows, units))
        layers.append(dense(f"dense{index}", value, kernel, generator.normal(0, 0.5, units)))
        gamma = generator.normal(1, 0.7, units)
        beta = generator.normal(0, beta_scale, units)
        layers.append(norm(f"norm{index}", f"dense{index}", gamma, beta, epsilon, kind))
        layers.append(activation(f"act{index}", f"norm{index}", function))
        value = f"act{index}"
    rows, units = widths[-2:]
    kernel = generator.normal(0, 1 / np.sqrt(rows), (rows, units))
    layers.append(dense("last", value, kernel, generator.normal(0, 0.5, units)))
    layers.append(activation("out", "last", output))
    return network(layers, widths[0])


seeds = st.integers(0, 2**32 - 1)
kinds = st.sampled_from([LayerNorm, RMSNorm])
epsilons = st.sampled_from([1e-12, 1e-5, 1e-3, 0.1])


def generator_of(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)
