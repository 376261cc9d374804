"""A graph's layers → its networks, by following edges.

What a SavedModel's signatures deliver are networks. Beyond them, and in a ``.meta``, a network
ends where nothing of the same network reads its last dense layer any more; from there it is
walked backwards to its inputs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Final

from lnfold.checkpoint.bytes.dtypes import ITEM_BYTES, NAMES
from lnfold.errors import GraphError, UnknownNameError
from lnfold.network.facts.evidence import Fact, Source
from lnfold.network.records.layers import (
    LSTM,
    Dense,
    Gap,
    Input,
    Layer,
    Network,
    Norm,
    Opaque,
    Rearrange,
    Shape,
)
from lnfold.recovery.graph.branches import truth
from lnfold.recovery.graph.constants import Constants
from lnfold.recovery.graph.graph import FIRST_SIGNATURE, Graph
from lnfold.recovery.names.averages import reads_averages
from lnfold.recovery.names.roles import AVERAGED, role_of, shared_scope
from lnfold.recovery.names.scopes import scope_of
from lnfold.recovery.patterns.dense import PRODUCTS
from lnfold.recovery.patterns.layer_patterns import LayerPatterns
from lnfold.recovery.wiring.backward_walk import Walk, Walker, renamed
from lnfold.recovery.wiring.heads import Heads
from lnfold.recovery.wiring.split_networks import Parts, kernels_of

# What a signature may do to a network's output without changing its numbers, or to choose.
_AFTERWARDS: Final = frozenset(["Squeeze", "Reshape", "Cast", "ArgMax"])
_PRECISIONS: Final = {19: "float16", 14: "bfloat16"}  # DataType of what computes coarsely


@dataclass(frozen=True, slots=True)
class Networks:
    """The networks of a graph, and what the reader should know about others."""

    networks: tuple[Network, ...]
    notes: tuple[str, ...] = ()


def networks_of(graph: Graph, constants: Constants, output: str | None = None) -> Networks:
    """Every network of a graph, the ones that are no copies first, else in graph order.

    Args:
        output: a node at which the one network ends that is asked for.

    Raises:
        GraphError: the graph contradicts itself or the variables.
        UnknownNameError: no node is called ``output``, or it ends no layer.
    """
    finder = _Finder(graph, constants)
    if output is not None:
        network = finder.network_ending_at(output)
        return Networks(tuple(finder.named([network])), tuple(finder.taken_off([network])))
    return finder.networks()


class _Finder:
    def __init__(self, graph: Graph, constants: Constants) -> None:
        self.graph = graph
        self.patterns = LayerPatterns(constants)
        self._walker = Walker(self.patterns)
        self._heads = Heads(self.patterns)
        self._parts = Parts(self._walker)
        self._through = self.patterns.through
        self._called: dict[str, str] = {}  # end → what a signature or function calls it
        self._input_names = {
            tensor: key
            for signature in reversed(graph.signatures)
            for key, tensor in signature.inputs.items()
        }

    def networks(self) -> Networks:
        signed = self._parts.networks(self._signature_ends())
        taken = {name for _, walk in signed for name in walk.variables()}
        found = [
            (ends, walk)
            for ends, walk in self._parts.networks(self._dense_ends())
            if taken.isdisjoint(kernels_of(walk))
        ]
        networks: list[Network] = []
        notes = [f"{self.graph.where}: {note}" for note in self.graph.notes]
        for ends, walk in (*signed, *found):
            if not any(isinstance(one, Dense | LSTM | Norm) for one in walk.layers.values()):
                continue
            network = self._network(ends)
            try:
                network.widths()
            except GraphError as error:
                notes.append(f"network {network.name} was left out: {error}")
            else:
                networks.append(network)
        notes.extend(self.taken_off(networks))
        return Networks(tuple(self.named(networks)), tuple(notes))

    def taken_off(self, networks: Sequence[Network]) -> Iterator[str]:
        """What is assumed of the flags that networks depend on and that a program may feed."""
        flags = self.patterns.constants.passage.conditionals.off
        pending = [name for network in networks for name in network.outputs] if flags else []
        seen: set[str] = set()
        while pending:
            name = pending.pop().partition(":")[0].lstrip("^")
            if name in self.graph.nodes and name not in seen:
                seen.add(name)
                pending.extend(self.graph.nodes[name].inputs)
        for name in flags:
            if name in seen and self.graph.nodes[name].op == "PlaceholderWithDefault":
                value = "on" if truth(self.graph.nodes, name) else "off"
                yield (
                    f"flag '{name}' is taken as {value}, its default; what a program computes "
                    "that feeds it otherwise is neither checked nor kept by a fold"
                )
            elif name in seen:
                yield f"flag '{name}' is taken as off, as at inference: nothing gives it a value"

    def network_ending_at(self, output: str) -> Network:
        """The network that delivers one node's value; UnknownNameError where there is none."""
        if output.partition(":")[0] not in self.graph.nodes:
            near = get_close_matches(output, self.graph.nodes, 3)
            raise UnknownNameError(
                f"no node is called '{output}'",
                file=self.graph.where,
                remedy=f"Did you mean {' or '.join(near)}?" if near else None,
            )
        end = self._through(output.removesuffix(":0"))
        layer = self.patterns.layer(end)
        if layer is None or isinstance(layer, Opaque):
            node = self.graph.node(end)
            raise UnknownNameError(
                f"node '{node.name}' ({node.op}) ends no layer that lnfold knows",
                file=self.graph.where,
            )
        network = self._network([end])
        network.widths()
        return network

    # ── ends ──────────────────────────────────────────────────────────────────────────────

    def _signature_ends(self) -> list[str]:
        """The values that signatures deliver, without what only lays them out or chooses."""
        ends: dict[str, None] = {}
        for signature in self.graph.signatures:
            for tensor in signature.outputs.values():
                end = self._through(tensor)
                layer = self.patterns.layer(end)
                while layer is not None and self._is_afterwards(layer):
                    end = layer.input
                    layer = self.patterns.layer(end)
                if layer is not None:
                    ends[end] = None
                    called = scope_of(signature.name) or signature.name
                    self._called.setdefault(end, called if called != FIRST_SIGNATURE else "")
        return list(ends)

    def _is_afterwards(self, layer: Layer) -> bool:
        if isinstance(layer, Opaque):
            return layer.operation in _AFTERWARDS and bool(layer.inputs)
        return isinstance(layer, Rearrange) and layer.order is None

    def _dense_ends(self) -> list[str]:
        """The values at which the graph's networks end."""
        denses = list(self._denses())
        read_on = self._walker.read_on(denses)
        ends = [dense.name for dense in denses if dense.name not in read_on]
        return [self._heads.head(end) for end in self._heads.joined(ends)]

    def _denses(self) -> Iterator[Dense]:
        """The dense layers in graph order: a matrix product and the bias that follows it."""
        seen: set[str] = set()
        for node in self.graph.forward_nodes():
            if node.op not in PRODUCTS:
                continue
            layer = self.patterns.dense(node.name)
            if layer is None or not layer.kernel.variables:
                continue
            layer = self._heads.biased(layer)
            if layer.name not in seen:
                seen.add(layer.name)
                yield layer

    # ── records ───────────────────────────────────────────────────────────────────────────

    def _network(self, heads: list[str]) -> Network:
        walk = self._walker.walk(heads)
        gaps = walk.gaps()
        inputs: list[Input] = []
        names: dict[str, str] = {}
        for tensor, declared in walk.inputs.items():
            width = declared or _width_that_fits(tensor, walk)
            if width is None:
                gaps.append(Gap(f"the width of input '{tensor}' is not known"))
            name = self._input_name(tensor, {one.name for one in inputs} | walk.layers.keys())
            names[tensor] = name
            where = tensor if name != tensor else ""
            inputs.append(Input(name, self._shape(tensor, width), where, self._dtype(tensor)))
        name = shared_scope([scope_of(layer.scope) for layer in _named_layers(walk)])
        name = name or self._called.get(heads[0], "")
        if reads_averages(walk.layers.values()):
            name = f"{name or 'network'}/{AVERAGED}"
        return Network(
            name=name,
            inputs=tuple(inputs),
            outputs=tuple(heads),
            layers=renamed(walk, names),
            wiring=Fact("edges of the graph", Source.GRAPH, self.graph.where),
            gaps=tuple(gaps),
            precision=self._precision(walk),
            behind=tuple(one for head in heads for one in self._heads.readers(head)),
        )

    def _shape(self, tensor: str, width: int | None) -> Shape:
        """The shape that the graph declares, where it fits the units."""
        declared = self.patterns.constants.passage.shapes.shape(tensor)
        if declared is None or len(declared) < 2 or declared[-1] not in (None, width):
            return (None, width)
        return (None, *declared[1:-1], width)

    def _dtype(self, tensor: str) -> str:
        """The type of an input's numbers."""
        name = NAMES.get(self.graph.node(tensor).integer("dtype", 1), "")
        return name if name in ITEM_BYTES else "float32"

    def _input_name(self, tensor: str, taken: Set[str]) -> str:
        """What a signature calls an input, or the placeholder behind a flattening."""
        layer = self.patterns.layer(tensor)
        flattened = layer is not None and self._walker.lays_out(layer)
        source = layer.input if flattened and layer is not None else tensor
        name = self._input_names.get(source) or source
        return tensor if name in taken else name

    def _precision(self, walk: Walk) -> str:
        """The coarsest floating-point type of its layers, or that a value between is cast to."""
        types = {
            self.graph.node(name).integer("T", 1)
            for name, layer in walk.layers.items()
            if isinstance(layer, Dense | Norm)
        }
        narrowed = self.patterns.constants.passage.narrowed
        types.update(narrowed[one] for one in (*walk.layers, *walk.inputs) if one in narrowed)
        return next((_PRECISIONS[one] for one in _PRECISIONS if one in types), "float32")

    def named(self, networks: list[Network]) -> list[Network]:
        """Unique names; originals before their copies."""
        taken: set[str] = set()
        named = []
        for network in networks:
            name = network.name or "network"
            if name in taken:
                name = network.outputs[0]
            taken.add(name)
            named.append(replace(network, name=name))
        return sorted(named, key=lambda network: bool(role_of(network.name).copy))


def _named_layers(walk: Walk) -> Sequence[Layer]:
    """The layers whose scopes a network is called after."""
    others = [layer for layer in walk.layers.values() if isinstance(layer, LSTM | Norm)]
    return [dense for dense in walk.denses if dense.kernel.variables] or others


def _width_that_fits(tensor: str, walk: Walk) -> int | None:
    """The width of an input that the layers reading it take, None where none says it."""
    names = {tensor}
    for layer in walk.layers.values():
        if names.isdisjoint(layer.inputs):
            continue
        if isinstance(layer, Dense):
            return layer.kernel.shape[0]
        if len(layer.inputs) == 1:
            names.add(layer.name)
    return None
