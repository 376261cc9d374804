"""What is tried of a network's layers, where examples have to tell how they follow each other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import Any, Final

import numpy as np

from lnfold.network.facts.evidence import Fact, Source
from lnfold.network.facts.order import Order
from lnfold.network.records.layers import Activation, Array, Layer, Norm
from lnfold.network.running.run import step_of
from lnfold.recovery.names.layer_order import Arrangement
from lnfold.recovery.names.scopes import Group

_MOST_VALUES: Final = 8_000_000  # of layers: one for every epsilon and activation
_MOST_LAYERS: Final = 60_000  # computed, however few values each has

Step = Callable[[Array], Array]
# from what the first layer takes, and what joins later, to the rows of both
Inputs = Callable[[int, int], tuple[Array, Array | None] | None]


@dataclass(frozen=True, slots=True)
class Near:
    """An arrangement, and how far its best epsilon and activations are from the examples."""

    arrangement: Arrangement
    order: Order
    error: float


@dataclass(frozen=True, slots=True)
class Choices:
    """What is tried of each fact that examples have to settle."""

    orders: Sequence[Order]
    epsilons: Sequence[float]
    functions: Sequence[str]
    heads: Sequence[str]


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """A dense layer or a norm that is ready to run.

    Attributes:
        group: its variables.
        layer: as it stands on a value of its own.
        takes, delivers: widths.
    """

    group: Group
    layer: Layer
    takes: int
    delivers: int


@dataclass(slots=True)
class Tried:
    """What one search tries, and what it has found so far.

    Attributes:
        denses: the dense layers.
        norms: the norms, each in every form that it may have.
        inputs: the rows of the inputs, by their widths.
        outputs: the rows of the outputs that are known [rows, units].
        heads: how many layers deliver outputs.
        joins: whether another input may join in front of a layer.
        near: the arrangements that were tried.
        complete: whether all were, until now.
    """

    denses: Sequence[Block]
    norms: Sequence[Sequence[Block]]
    inputs: Inputs
    outputs: Sequence[Array]
    heads: int
    choices: Choices
    joins: bool
    near: list[Near] = field(default_factory=list)
    complete: bool = True
    _values: int = 0
    _layers: int = 0
    _steps: dict[tuple[Any, ...], Step] = field(default_factory=dict)

    def head_sets(self) -> Iterator[tuple[int, ...]]:
        """The layers that may deliver the outputs: they read the same value."""
        widths = [one.shape[1] for one in self.outputs]
        for heads in combinations(range(len(self.denses)), self.heads):
            units = [self.denses[one].delivers for one in heads]
            fit = all(units.count(width) >= widths.count(width) for width in widths)
            if fit and len({self.denses[one].takes for one in heads}) == 1:
                yield heads

    def may_compute(self, value: Array) -> bool:
        """Whether one more layer may be computed; without it the search is not complete."""
        self._values += value.shape[0] * value.shape[1]
        self._layers += 1
        within = self._values <= _MOST_VALUES and self._layers <= _MOST_LAYERS
        self.complete = self.complete and within
        return within

    def step(self, block: Block, epsilon: float | None = None) -> Step:
        """What a layer computes, a norm with an epsilon."""
        key = (id(block), epsilon)
        if key not in self._steps:
            layer = block.layer
            if isinstance(layer, Norm):
                layer = replace(layer, epsilon=Fact(epsilon, Source.EXAMPLES))
            self._steps[key] = step_of(layer, np.float32)
        return self._steps[key]

    def function(self, name: str) -> Step:
        """An activation."""
        if (name,) not in self._steps:
            layer = Activation(name, ("",), "", Fact(name, Source.EXAMPLES))
            self._steps[name,] = step_of(layer, np.float32)
        return self._steps[name,]
