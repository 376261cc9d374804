"""From a value backwards to the inputs: the layers that deliver it, sources first.

A network ends where another one begins: a value that an actor delivers to a critic is an
input of the critic. What lnfold does not run is passed as an opaque layer, so that the norms
behind an attention or a convolution are recovered, too; the gaps say what keeps the network
from being run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from lnfold.errors import GraphError
from lnfold.network.records.kinds import Dense, Opaque, Standardize
from lnfold.network.records.layer import Layer
from lnfold.network.records.layouts import Rearrange
from lnfold.network.records.network import Gap
from lnfold.network.records.norms import Norm, UnrunNorm
from lnfold.recovery.graph.node import Node
from lnfold.recovery.graph.op_names import words
from lnfold.recovery.names.roles import Role, role_of
from lnfold.recovery.patterns.layer_patterns import LayerPatterns

SOURCES: Final = words(
    """
    Placeholder PlaceholderV2 PlaceholderWithDefault IteratorGetNext Iterator IteratorV2
    ParseExample ParseSingleExample QueueDequeueV2 _Arg
    """
)
_FARTHEST_OWNER: Final = 16  # layers without variables between a value and its owner
# Steps of all walks of a graph: each end is walked from on its own, so many ends behind many
# layers take steps in proportion to both.
_MOST_STEPS: Final = 2**19
_STEPS_A_NODE: Final = 16
_REMEDY: Final = "Choose another end with --output-node NODE, or check with --against tensorflow."


@dataclass(slots=True)
class Walk:
    """What lies behind one or several values.

    Attributes:
        layers: by the value they deliver, each after the layers it reads.
        inputs: the tensors at which the walk ended, with their widths where known.
    """

    layers: dict[str, Layer] = field(default_factory=dict)
    inputs: dict[str, int | None] = field(default_factory=dict)

    @property
    def denses(self) -> list[Dense]:
        return [layer for layer in self.layers.values() if isinstance(layer, Dense)]

    def variables(self) -> frozenset[str]:
        """The checkpoint variables that its layers read."""
        return frozenset(name for layer in self.layers.values() for name in layer.variables())

    def gaps(self) -> list[Gap]:
        """One gap for each kind of operation that is not run."""
        reasons: dict[str, list[str]] = {}
        for layer in self.layers.values():
            reason = _reason(layer)
            if reason:
                reasons.setdefault(reason, []).append(layer.name)
        return [
            Gap(f"{reason} (node '{names[0]}'{_and_more(names)})", _REMEDY)
            for reason, names in reasons.items()
        ]


class Walker:
    """Walks one graph backwards."""

    def __init__(self, patterns: LayerPatterns) -> None:
        self.patterns = patterns
        self.graph = patterns.graph
        self._shapes = patterns.constants.passage.shapes
        self._roles: dict[str, Role] = {}
        self._apart: list[frozenset[str]] = []
        self._steps_left = max(_MOST_STEPS, _STEPS_A_NODE * len(self.graph.nodes))

    def walk(self, ends: Sequence[str]) -> Walk:
        """Everything behind ``ends``, with an explicit stack: graphs may be deep, or circular.

        Raises:
            GraphError: it has been walked too far, for too many ends.
        """
        walk = Walk()
        role, part = self.role(ends[0]), self._part(ends[0])
        entered: set[str] = set()
        pending = [(self.patterns.through(tensor), False) for tensor in reversed(ends)]
        while pending:
            tensor, sources_done = pending.pop()
            if tensor in walk.layers or tensor in walk.inputs:
                continue
            layer = self.patterns.layer(tensor)
            if sources_done:
                assert layer is not None
                walk.layers[tensor] = self._acyclic(layer, walk)
                self._charge(tensor)
            elif tensor in entered:
                continue  # on a circle; the layer that reads it becomes opaque
            elif layer is None or self._is_source(tensor):
                walk.inputs[tensor] = self.width(tensor)
            elif self._is_flattened_source(layer):
                walk.inputs[tensor] = self._shapes.units(tensor)
            elif tensor not in ends and (
                self.role(tensor).clashes_with(role) or self._leaves(tensor, part)
            ):
                walk.inputs[tensor] = self.width(tensor)
            else:
                entered.add(tensor)
                pending.append((tensor, True))
                pending.extend((one, False) for one in reversed(layer.inputs))
        return walk

    def _charge(self, tensor: str) -> None:
        self._steps_left -= 1
        if self._steps_left < 0:
            raise GraphError(
                f"too many networks share their layers: '{tensor}' and those behind it were "
                "followed for too many ends",
                file=self.graph.where,
                remedy="Choose one end with --output-node NODE.",
            )

    def read_on(self, denses: Sequence[Dense]) -> set[str]:
        """The dense layers that another dense layer of the same part reads."""
        found: set[str] = set()
        seen: set[tuple[Role, str]] = set()
        for dense in denses:
            role = self.role(dense.name)
            pending = [self.patterns.through(one) for one in dense.inputs]
            while pending:
                tensor = pending.pop()
                if (role, tensor) in seen:
                    continue
                seen.add((role, tensor))
                layer = self.patterns.layer(tensor)
                if layer is None or self._is_source(tensor):
                    continue
                if self.role(tensor).clashes_with(role):
                    continue
                if isinstance(layer, Dense):
                    found.add(tensor)
                pending.extend(layer.inputs)
        return found

    def keep_apart(self, parts: Sequence[frozenset[str]]) -> None:
        """Makes networks of these kernels end where another kernel begins."""
        self._apart.extend(parts)

    def last_kernel(self, tensor: str) -> str:
        """The kernel of the dense layer nearest behind a value, empty where there is none."""
        if self.patterns.layer(tensor) is None:
            return ""
        owner = self._owner(tensor)
        return owner.kernel.name if isinstance(owner, Dense) and owner.kernel.variables else ""

    def _part(self, tensor: str) -> frozenset[str]:
        """The smallest set of kernels to be kept apart that a value's kernel is among."""
        last = self.last_kernel(tensor) if self._apart else ""
        return min((one for one in self._apart if last in one), key=len, default=frozenset())

    def _leaves(self, tensor: str, part: frozenset[str]) -> bool:
        last = self.last_kernel(tensor) if part else ""
        return bool(last) and last not in part

    def role(self, tensor: str) -> Role:
        """The role of the network that a value belongs to, by the variables nearest behind it."""
        if tensor not in self._roles:
            self._roles[tensor] = role_of(self._owner(tensor).scope)
        return self._roles[tensor]

    def width(self, tensor: str) -> int | None:
        """The units of a value: its dense layer's, or what the graph declares."""
        if self.patterns.layer(tensor) is not None:
            owner = self._owner(tensor)
            if isinstance(owner, Dense):
                return owner.units
        return self._shapes.units(tensor)

    def _owner(self, tensor: str) -> Layer:
        """The nearest layer with variables behind a value that one path leads to."""
        layer = self.patterns.layer(tensor)
        if layer is None:
            return Layer(tensor, (), tensor)
        for _ in range(_FARTHEST_OWNER):
            if isinstance(layer, Dense | Norm | Standardize) or len(layer.inputs) != 1:
                break
            behind = self.patterns.layer(layer.input)
            if behind is None:
                break
            layer = behind
        return layer

    def _is_source(self, tensor: str) -> bool:
        return self._node(tensor).op in SOURCES

    def _node(self, tensor: str) -> Node:
        return self.graph.node(tensor)

    def _is_flattened_source(self, layer: Layer) -> bool:
        """Whether it only lays an input of several dimensions out as one row of units."""
        if not self.lays_out(layer):
            return False
        shape = self._shapes.shape(layer.name)
        declared = self._shapes.shape(layer.input)
        if shape is None or declared is None or len(shape) != 2 or None in declared[1:]:
            return False
        size = 1
        for length in declared[1:]:
            size *= length or 0
        return self._is_source(layer.input) and shape[-1] == size

    def lays_out(self, layer: Layer | None) -> bool:
        """Whether a layer is a Reshape, of known shapes or not."""
        if isinstance(layer, Rearrange):
            return layer.order is None
        return isinstance(layer, Opaque) and layer.operation == "Reshape" and bool(layer.inputs)

    def _acyclic(self, layer: Layer, walk: Walk) -> Layer:
        """The layer, or an opaque one without the inputs that are computed from itself."""
        known = tuple(one for one in layer.inputs if one in walk.layers or one in walk.inputs)
        if known == layer.inputs:
            return layer
        operation = self._node(layer.name).op
        return Opaque(layer.name, known, layer.scope, f"{operation} in a loop", layer.variables())


def _reason(layer: Layer) -> str:
    """Why a layer is not run; empty for one that is."""
    if isinstance(layer, Opaque):
        return f"{layer.operation} is no operation that lnfold runs"
    if isinstance(layer, UnrunNorm):
        return layer.reason
    return ""


def _and_more(names: list[str]) -> str:
    return f" and {len(names) - 1} more" if len(names) > 1 else ""


def renamed(walk: Walk, names: dict[str, str]) -> tuple[Layer, ...]:
    """The layers of a walk with inputs called otherwise."""
    return tuple(
        replace(layer, inputs=tuple(names.get(one, one) for one in layer.inputs))
        if not names.keys().isdisjoint(layer.inputs)
        else layer
        for layer in walk.layers.values()
    )
