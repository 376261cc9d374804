"""The record of a network: its layers in order, and what is known of their wiring.

A network is a directed acyclic graph in topological order: every layer produces one value,
called by the layer's own name, from the values named in ``inputs``. Values are tensors, the
batch first and the units last; all axes but the last are *rows*, the places that a dense layer
or a norm computes each by itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace

from lnfold.errors import GraphError, UnknownNameError
from lnfold.network.facts.evidence import Fact
from lnfold.network.records.claims import (
    OUTPUT_ACTIVATION,
    Assumption,
    Claim,
    assumptions,
    doubtful,
)
from lnfold.network.records.layer import Layer, Shape


@dataclass(frozen=True, slots=True)
class Input:
    """A value that comes from outside.

    Attributes:
        name: the placeholder's, or that of the value of another network.
        shape: the length of every axis, the batch first; None for one that is open.
        where: the graph node that it is read from, where it is called otherwise.
        dtype: of its numbers, as NumPy calls it: ids are integers.
    """

    name: str
    shape: Shape
    where: str = ""
    dtype: str = "float32"

    def __post_init__(self) -> None:
        if not self.shape or any(one is not None and one < 0 for one in self.shape):
            raise GraphError(f"'{self.name}' has shape {self.shape}, which no input has")

    @property
    def width(self) -> int:
        """The length of its last axis; 0 where nothing says it."""
        return self.shape[-1] or 0

    @property
    def axes(self) -> str:
        """What an observation is, for readers: ``5``, ``84, 84, 4``, ``?, 8``."""
        return ", ".join(str(length or "?") for length in self.shape[1:])


@dataclass(frozen=True, slots=True)
class Gap:
    """Something that keeps a network from being run: what is missing, and what settles it."""

    what: str
    remedy: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Network:
    """A network: layers in topological order, and what is known about how they are wired.

    Attributes:
        name: the scope its variables share.
        inputs, outputs: the values that come from outside and the values it delivers.
        layers: each after the layers it reads.
        wiring: where the order of layers comes from.
        gaps: what is missing; a network without gaps is complete and can be run.
        precision: the narrowest type that the original computes in, as NumPy calls it; its
            own rounding is that of this type.
        behind: the operations of the graph that are computed from an output alone: an arg max.
        averages: variable → the moving average that is read in its place, where one is.
        claims: what is said of how layers follow each other, where no graph and no config says
            it; empty where one does, and ``wiring`` says it all.
    """

    name: str
    inputs: tuple[Input, ...]
    outputs: tuple[str, ...]
    layers: tuple[Layer, ...]
    wiring: Fact[str]
    gaps: tuple[Gap, ...] = ()
    precision: str = "float32"
    behind: tuple[str, ...] = ()
    averages: Mapping[str, str] = field(default_factory=dict)
    claims: tuple[Claim, ...] = ()

    # by the name of the value: who produces it, None for an input, and who reads it
    _producers: dict[str, Layer | None] = field(init=False, repr=False)
    _consumers: dict[str, list[Layer]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        producers: dict[str, Layer | None] = {one.name: None for one in self.inputs}
        consumers: dict[str, list[Layer]] = {}
        for layer in self.layers:
            read = dict.fromkeys(layer.inputs)
            if layer.name in producers or not read.keys() <= producers.keys():
                raise ValueError(f"layer {layer.name} of {self.name} is out of order")
            producers[layer.name] = layer
            for value in read:
                consumers.setdefault(value, []).append(layer)
        object.__setattr__(self, "_producers", producers)
        object.__setattr__(self, "_consumers", consumers)

    def __repr__(self) -> str:
        """``Network('actor', (None, 5) → (None, 1), 8 layers)``; None where nothing says it."""
        shapes = {one.name: one.shape for one in self.inputs}
        with suppress(GraphError):
            shapes = self.shapes()
        read, delivered = (
            ", ".join(str(shapes.get(name, (None, None))) for name in names)
            for names in ([one.name for one in self.inputs], self.outputs)
        )
        gaps = f", {len(self.gaps)} gaps" if self.gaps else ""
        return f"Network({self.name!r}, {read} → {delivered}, {len(self.layers)} layers{gaps})"

    @property
    def complete(self) -> bool:
        return not self.gaps

    @property
    def assumed(self) -> tuple[Assumption, ...]:
        """What of it is assumed and may be wrong; empty where all is read, given or settled."""
        return tuple(assumptions(self.wiring, self.claims, self.layers, self.outputs))

    @property
    def doubtful(self) -> set[str]:
        """The names of the layers of which it is assumed what they read."""
        return doubtful(self.wiring, self.claims, self.layers)

    @property
    def assumed_ends(self) -> set[str]:
        """The outputs of which it is assumed that no activation follows."""
        return {
            one.layer
            for one in self.claims
            if one.what == OUTPUT_ACTIVATION and one.fact.source.assumed
        }

    def layer(self, name: str) -> Layer:
        """The layer of that name; UnknownNameError where there is none."""
        found = self.producer(name)
        if found is None:
            raise UnknownNameError(f"network {self.name} has no layer called {name}")
        return found

    def producer(self, value: str) -> Layer | None:
        """The layer that produces a value, or None for an input."""
        return self._producers.get(value)

    def consumers(self, value: str) -> tuple[Layer, ...]:
        """The layers that read a value."""
        return tuple(self._consumers.get(value, ()))

    def shapes(self) -> dict[str, Shape]:
        """The shape of every value; GraphError where layers clash."""
        shapes = {one.name: one.shape for one in self.inputs}
        for layer in self.layers:
            shapes[layer.name] = layer.output_shape([shapes[name] for name in layer.inputs])
        return shapes

    def widths(self) -> dict[str, int]:
        """The units of every value, 0 where nothing says it; GraphError where layers clash."""
        widths = {one.name: one.width for one in self.inputs}
        for layer in self.layers:
            widths[layer.name] = layer.output_width([widths[name] for name in layer.inputs])
        return widths

    def width(self, value: str) -> int:
        """The units of a value; GraphError where layers clash."""
        return self.widths()[value]

    def variables(self) -> tuple[str, ...]:
        """The checkpoint variables it reads, each once, in the order of use."""
        names = [name for layer in self.layers for name in layer.variables()]
        return tuple(dict.fromkeys(names))

    def with_inputs_named(self, names: dict[str, str]) -> Network:
        """The same network with inputs renamed; ``where`` keeps the node they are read from."""
        return replace(
            self,
            inputs=tuple(
                replace(one, name=names.get(one.name, one.name), where=one.where or one.name)
                for one in self.inputs
            ),
            layers=tuple(
                replace(layer, inputs=tuple(names.get(name, name) for name in layer.inputs))
                for layer in self.layers
            ),
            outputs=tuple(names.get(name, name) for name in self.outputs),
        )
