"""Small networks to fold, built from records."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from lnfold.network.facts.evidence import Fact, Source
from lnfold.network.records.layers import (
    Activation,
    Add,
    Array,
    BatchNorm,
    Clip,
    Concat,
    Dense,
    Input,
    Layer,
    LayerNorm,
    Network,
    Parameter,
    PRelu,
    RMSNorm,
    Standardize,
)

GIVEN = Source.OPTION


@dataclass
class Builder:
    """A network that grows layer by layer; every method returns the name of its value.

    Numbers that are not given are drawn: kernels at 1/sqrt(inputs), biases and betas N(0, ½),
    gammas N(1, 0.7), negative ones included.
    """

    seed: int = 0
    dtype: type = np.float32
    inputs: list[Input] = field(default_factory=list)
    layers: list[Layer] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.random = np.random.default_rng(self.seed)
        self.widths: dict[str, int] = {}

    def parameter(self, array: Array, name: str) -> Parameter:
        return Parameter(np.asarray(array, self.dtype), (name,))

    def add(self, layer: Layer, width: int) -> str:
        self.layers.append(layer)
        self.widths[layer.name] = width
        return layer.name

    def input(self, width: int, name: str = "x") -> str:
        self.inputs.append(Input(name, (None, width)))
        self.widths[name] = width
        return name

    def dense(
        self,
        value: str,
        units: int,
        *,
        kernel: Array | None = None,
        bias: Array | bool = True,
        offset: float = 0.0,
        variables: str = "",
    ) -> str:
        name = f"dense{len(self.layers)}"
        scope = variables or name
        rows = self.widths[value]
        if kernel is None:
            kernel = self.random.standard_normal((rows, units)) / np.sqrt(rows)
        numbers = self.random.normal(0, 0.5, units) if isinstance(bias, bool) else bias
        bias_parameter = None
        if bias is not False:
            bias_parameter = self.parameter(numbers + offset, f"{scope}/bias")
        kernel_parameter = self.parameter(kernel, f"{scope}/kernel")
        return self.add(Dense(name, (value,), scope, kernel_parameter, bias_parameter), units)

    def norm(
        self,
        value: str,
        *,
        kind: type[LayerNorm] | type[RMSNorm] = LayerNorm,
        gamma: Array | bool | None = True,
        beta: Array | bool | None = True,
        epsilon: float = 1e-12,
    ) -> str:
        units, name = self.widths[value], f"norm{len(self.layers)}"
        if gamma is True:
            gamma = self.random.normal(1, 0.7, units)
        if beta is True:
            beta = self.random.normal(0, 0.5, units)
        return self.add(
            kind(
                name,
                (value,),
                name,
                None if gamma is None or gamma is False else self.parameter(gamma, f"{name}/gamma"),
                None if beta is None or beta is False else self.parameter(beta, f"{name}/beta"),
                Fact(epsilon, GIVEN),
            ),
            units,
        )

    def batch_norm(self, value: str, *, epsilon: float = 1e-3, scale: bool = True) -> str:
        units, name = self.widths[value], f"batch_norm{len(self.layers)}"
        draw = self.random
        gamma = self.parameter(draw.normal(1, 0.7, units), f"{name}/gamma") if scale else None
        return self.add(
            BatchNorm(
                name,
                (value,),
                name,
                gamma,
                self.parameter(draw.normal(0, 0.5, units), f"{name}/beta"),
                Fact(epsilon, GIVEN),
                self.parameter(draw.normal(0, 1, units), f"{name}/moving_mean"),
                self.parameter(draw.uniform(0.1, 4, units), f"{name}/moving_variance"),
            ),
            units,
        )

    def act(self, value: str, function: str = "relu", alpha: float | None = None) -> str:
        name = f"{function}{len(self.layers)}"
        fact: Fact[str] = Fact(function, GIVEN)
        return self.add(Activation(name, (value,), name, fact, alpha), self.widths[value])

    def prelu(self, value: str) -> str:
        name = f"prelu{len(self.layers)}"
        units = self.widths[value]
        slopes = self.parameter(self.random.normal(0, 0.5, units), f"{name}/alpha")
        return self.add(PRelu(name, (value,), name, slopes), units)

    def concat(self, *values: str) -> str:
        name = f"concat{len(self.layers)}"
        return self.add(Concat(name, values, name), sum(self.widths[one] for one in values))

    def sum(self, *values: str) -> str:
        name = f"add{len(self.layers)}"
        return self.add(Add(name, values, name), self.widths[values[0]])

    def standardize(self, value: str, mean: Array, deviation: Array) -> str:
        name = f"standardize{len(self.layers)}"
        parameters = self.parameter(mean, f"{name}/mean"), self.parameter(deviation, f"{name}/std")
        return self.add(Standardize(name, (value,), name, *parameters), self.widths[value])

    def clip(self, value: str, low: float, high: float) -> str:
        name = f"clip{len(self.layers)}"
        bounds = Parameter(np.float32(low)), Parameter(np.float32(high))
        return self.add(Clip(name, (value,), name, *bounds), self.widths[value])

    def network(self, *outputs: str) -> Network:
        delivered = outputs or (self.layers[-1].name,)
        wiring: Fact[str] = Fact("built", GIVEN)
        return Network("net", tuple(self.inputs), delivered, tuple(self.layers), wiring)


def actor(
    seed: int = 0,
    widths: tuple[int, ...] = (5, 64, 64, 1),
    activation: str = "relu",
    epsilon: float = 1e-12,
    dtype: type = np.float32,
    offset: float = 0.0,
) -> Network:
    """Dense → LayerNorm → activation, twice or more, and a dense layer with tanh."""
    build = Builder(seed, dtype)
    value = build.input(widths[0])
    for units in widths[1:-1]:
        value = build.dense(value, units, offset=offset)
        value = build.norm(value, epsilon=epsilon)
        value = build.act(value, activation, 0.3 if activation == "leaky_relu" else None)
    build.act(build.dense(value, widths[-1]), "tanh")
    return build.network()


def observations(network: Network, rows: int = 64, seed: int = 1) -> dict[str, Array]:
    """N(0, 1) rows for every input, in float64."""
    random = np.random.default_rng(seed)
    return {one.name: random.standard_normal((rows, one.width)) for one in network.inputs}
