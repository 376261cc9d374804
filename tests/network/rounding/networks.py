"""Random networks of every kind of layer that ``run`` computes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lnfold.network.facts.evidence import Fact, Source
from lnfold.network.operations.activations import FUNCTIONS
from lnfold.network.records.deferred import Carried, Deviation, Divided, TriangleDeviation
from lnfold.network.records.layers import (
    LSTM,
    Activation,
    Add,
    Affine,
    BatchNorm,
    Centre,
    Clip,
    Concat,
    Dense,
    Input,
    Layer,
    LayerNorm,
    Multiply,
    Network,
    Parameter,
    PRelu,
    Rearrange,
    RMSNorm,
    Slice,
    Standardize,
)

GRAPH = Fact("edges", Source.GRAPH)
EPSILONS = (0.0, 1e-12, 1e-8, 1e-6, 1e-5, 1e-3)


@dataclass
class Drawn:
    """A network while it is drawn: its layers, and the value that the next one reads."""

    random: np.random.Generator
    width: int
    scale: float = 1.0
    epsilon: float = 1e-5
    value: str = "x"
    layers: list[Layer] = field(default_factory=list)

    def parameter(self, *shape: int, spread: float = 1.0, middle: float = 0.0) -> Parameter:
        array = middle + spread * self.random.standard_normal(shape)
        return Parameter(array.astype(np.float32), (f"v{len(self.layers)}",))

    def maybe(self, *shape: int, **where: float) -> Parameter | None:
        return None if self.random.random() < 0.2 else self.parameter(*shape, **where)

    def then(self, kind: type[Layer], *what: Any, reads: tuple[str, ...] = ()) -> str:
        name = f"l{len(self.layers)}"
        self.layers.append(kind(name, reads or (self.value,), "", *what))
        self.value = name
        return name

    def dense(self) -> None:
        units = int(self.random.choice((1, 2, 3, 8, 16, 33, 64)))
        kernel = self.parameter(self.width, units, spread=self.scale / np.sqrt(self.width))
        array = np.array(kernel.array)
        if self.random.random() < 0.2:  # equal columns, a zero row, a zero column
            array[:, self.random.integers(units)] = array[:, 0]
            array[self.random.integers(self.width)] = 0
        self.then(Dense, Parameter(array, kernel.variables), self.maybe(units, spread=0.5))
        self.width = units

    def _norm(self, kind: type[Layer], *more: Parameter) -> None:
        gamma = self.maybe(self.width, spread=0.7, middle=1.0)
        beta = self.maybe(self.width, spread=0.5)
        self.then(kind, gamma, beta, Fact(self.epsilon, Source.GRAPH), *more)

    def layer_norm(self) -> None:
        self._norm(LayerNorm)

    def rms_norm(self) -> None:
        self._norm(RMSNorm)

    def batch_norm(self) -> None:
        variance = np.exp(self.random.standard_normal(self.width)).astype(np.float32)
        self._norm(BatchNorm, self.parameter(self.width), Parameter(variance, ("variance",)))

    def activation(self, name: str | None = None) -> None:
        function = name or str(self.random.choice(list(FUNCTIONS)))
        alpha = 0.1 if function == "leaky_relu" else None
        self.then(Activation, Fact(function, Source.GRAPH), alpha)

    def prelu(self) -> None:
        self.then(PRelu, self.parameter(self.width, spread=0.3))

    def add(self) -> None:
        before = self.value
        self.activation("tanh")
        self.then(Add, reads=(before, self.value))

    def multiply(self) -> None:
        before = self.value
        self.activation("sigmoid")
        self.then(Multiply, reads=(before, self.value))

    def concat(self) -> None:
        self.then(Concat, reads=(self.value, self.value))
        self.width *= 2
        self.dense()

    def slice(self) -> None:
        stop = int(self.random.integers(1, self.width + 1))
        start = int(self.random.integers(stop))
        self.then(Slice, start, stop)
        self.width = stop - start

    def centre(self) -> None:
        self.then(Centre)

    def standardize(self) -> None:
        deviation = np.exp(self.random.standard_normal(self.width)).astype(np.float32)
        self.then(Standardize, self.parameter(self.width), Parameter(deviation, ("deviation",)))

    def affine(self) -> None:
        self.then(Affine, self.maybe(self.width), self.maybe(1))

    def clip(self) -> None:
        low = Parameter(np.float32(-0.7), ("low",))
        self.then(Clip, low, self.maybe(1, spread=0.1, middle=1.0))

    def carried(self) -> None:
        """A LayerNorm's division put off, as folding's carry does."""
        y = self.value
        s = self.then(Deviation, Fact(max(self.epsilon, 1e-6), Source.GRAPH))
        moved = self.then(Carried, self.parameter(self.width), reads=(y, s))
        other = self.then(Deviation, Fact(1e-3, Source.GRAPH), reads=(moved, s))
        self.then(Divided, self.maybe(self.width), reads=(moved, other))

    def side_channel(self) -> None:
        """A deviation from the layer's input, as folding's side-channel form does."""
        y = self.value
        s = self.then(TriangleDeviation, self.parameter(self.width + 1, self.width))
        self.then(Divided, self.maybe(self.width), reads=(y, s))

    def lstm(self) -> None:
        units = 3
        self.then(
            LSTM,
            self.parameter(self.width, 4 * units, spread=0.5),
            self.parameter(units, 4 * units, spread=0.5),
            self.maybe(4 * units, spread=0.5),
            Fact("tanh", Source.GRAPH),
            Fact("sigmoid", Source.GRAPH),
            None,
            self.parameter(units),
            4,
            "icfo",
            1.0,
        )
        self.width = units

    def rearrange(self) -> None:
        self.then(Rearrange, (4, self.width), (1, 0), (4 * self.width,))
        self.width *= 4

    def network(self, inputs: int, precision: str = "float32") -> Network:
        return Network(
            "drawn",
            (Input("x", (None, inputs)),),
            (self.value,),
            tuple(self.layers),
            GRAPH,
            precision=precision,
        )


STEPS: dict[type[Layer], Callable[[Drawn], None]] = {
    Dense: Drawn.dense,
    LayerNorm: Drawn.layer_norm,
    RMSNorm: Drawn.rms_norm,
    BatchNorm: Drawn.batch_norm,
    Activation: Drawn.activation,
    PRelu: Drawn.prelu,
    Concat: Drawn.concat,
    Add: Drawn.add,
    Multiply: Drawn.multiply,
    Slice: Drawn.slice,
    Centre: Drawn.centre,
    Standardize: Drawn.standardize,
    Affine: Drawn.affine,
    Clip: Drawn.clip,
    Deviation: Drawn.carried,
    Carried: Drawn.carried,
    Divided: Drawn.carried,
    TriangleDeviation: Drawn.side_channel,
    LSTM: Drawn.lstm,
    Rearrange: Drawn.rearrange,
}


def drawn(
    seed: int, kind: type[Layer] | None = None, precision: str = "float32", rows: int = 32
) -> tuple[Network, dict[str, np.ndarray]]:
    """A random network with a layer of this kind among others, and inputs for it."""
    random = np.random.default_rng([7, seed])
    inputs = int(random.choice((1, 2, 5, 17)))
    made = Drawn(random, inputs, epsilon=float(random.choice(EPSILONS[1:])))
    made.dense()
    if random.random() < 0.5:
        made.layer_norm()
    if random.random() < 0.7:
        made.activation()
    if kind is not None:
        STEPS[kind](made)
    if random.random() < 0.5:
        made.dense()
        made.layer_norm()
        made.activation("relu")
    if random.random() < 0.8:
        made.dense()
    x = random.standard_normal((rows, inputs)).astype(np.float32)
    return made.network(inputs, precision), {"x": x}


def wild(seed: int) -> tuple[Network, dict[str, np.ndarray]]:
    """A random network without mercy: any epsilon, scale and depth; one in eight is in half."""
    random = np.random.default_rng([13, seed])
    inputs = int(random.choice((1, 2, 3, 5, 17, 64)))
    scale = float(10 ** random.uniform(-6, 6)) if random.random() < 0.3 else 1.0
    made = Drawn(random, inputs, scale, float(random.choice(EPSILONS)))
    precision = (
        str(random.choice(("float16", "bfloat16"))) if random.random() < 0.125 else "float32"
    )
    if random.random() < 0.3:
        made.standardize()
    kinds = [kind for kind in STEPS if kind not in (Rearrange, LSTM)]
    for _ in range(int(random.integers(1, 4))):
        made.dense()
        if random.random() < 0.6:
            made.layer_norm()
        if random.random() < 0.4:
            STEPS[kinds[random.integers(len(kinds))]](made)
        if random.random() < 0.8:
            made.activation("relu" if random.random() < 0.4 else None)
    if random.random() < 0.7:
        made.dense()
    x = random.standard_normal((16, inputs)) * 10 ** random.uniform(-2, 2)
    x[0] = 0
    x[1] = x[1, :1]  # all inputs alike
    return made.network(inputs, precision), {"x": x.astype(np.float32)}
