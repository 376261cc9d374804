"""The objects that a TF 2 checkpoint was saved from.

The key ``_CHECKPOINTABLE_OBJECT_GRAPH`` holds one string, a TrackableObjectGraph:

    1 repeated nodes   1 repeated children       {1 node_id · 2 local_name}
                       2 repeated attributes     {1 name · 2 full_name · 3 checkpoint_key}
                       3 repeated slot_variables {1 original_variable_node_id · 2 slot_name
                                                  3 slot_variable_node_id}

Node 0 is the root. The graph has cycles: a layer may refer to its model. Node numbers are those
of the SavedModel's own graph of objects, where the checkpoint is part of one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from lnfold.checkpoint.bytes.wire import INT, TEXT, WireError, message

_CHILD = {1: ("node", INT), 2: ("name", TEXT)}
_ATTRIBUTE = {1: ("name", TEXT), 2: ("full_name", TEXT), 3: ("key", TEXT)}
_SLOT = {1: ("original", INT), 2: ("name", TEXT), 3: ("variable", INT)}
_NODE = {1: ("children", [_CHILD]), 2: ("attributes", [_ATTRIBUTE]), 3: ("slots", [_SLOT])}
_GRAPH = {1: ("nodes", [_NODE])}


@dataclass(frozen=True, slots=True)
class Attribute:
    """A value of an object.

    Attributes:
        name: nearly always ``VARIABLE_VALUE``.
        full_name: what Keras calls the variable, with its layer: ``model/dense/kernel``.
        key: where the checkpoint holds the value.
    """

    name: str
    full_name: str
    key: str


@dataclass(frozen=True, slots=True)
class Slot:
    """A variable that an optimizer keeps for another one: numbers of nodes, and its name."""

    original: int
    name: str
    variable: int


@dataclass(frozen=True, slots=True)
class Node:
    """One object: the numbers of its children by local name, its values, its slots."""

    children: Mapping[str, int]
    attributes: tuple[Attribute, ...]
    slots: tuple[Slot, ...]


class Paths(Mapping[int, tuple[str, ...]]):
    """The shortest path from object 0 to every object that it reaches, by the object's number.

    Kept as the step that leads to each, so that a long chain of objects takes no more than its
    length; a whole path is put together when it is asked for.

    Args:
        children: of every object, their numbers by local name.
    """

    def __init__(self, children: Sequence[Mapping[str, int]]) -> None:
        # object → (the one before it, the last name, how many names)
        self._steps: dict[int, tuple[int, str, int]] = {0: (0, "", 0)} if children else {}
        waiting = deque(self._steps)
        while waiting:
            number = waiting.popleft()
            length = self._steps[number][2] + 1
            for name, child in children[number].items():
                if child not in self._steps and 0 <= child < len(children):
                    self._steps[child] = number, name, length
                    waiting.append(child)

    def __getitem__(self, number: int) -> tuple[str, ...]:
        names = []
        before, name, length = self._steps[number]
        while length:
            names.append(name)
            before, name, length = self._steps[before]
        return tuple(reversed(names))

    def __iter__(self) -> Iterator[int]:
        return iter(self._steps)

    def __len__(self) -> int:
        return len(self._steps)

    def length(self, number: int) -> int:
        """How many names the path of an object has."""
        return self._steps[number][2]

    def last(self, number: int) -> str:
        """The last of its names, empty for the root."""
        return self._steps[number][1]


@dataclass(frozen=True, slots=True)
class ObjectGraph:
    """All objects by number; the root is number 0."""

    nodes: tuple[Node, ...]

    def paths(self) -> Paths:
        """The shortest path of local names from the root to every object that it reaches."""
        return Paths([node.children for node in self.nodes])

    def slots(self) -> dict[int, tuple[int, str]]:
        """Number of a slot variable → number of the variable it is kept for, and its name."""
        return {
            slot.variable: (slot.original, slot.name) for node in self.nodes for slot in node.slots
        }


def decode_object_graph(raw: bytes) -> ObjectGraph:
    """The graph in a serialised TrackableObjectGraph.

    Raises:
        WireError: it is none, or refers to objects that it does not have.
    """
    decoded = message(raw, _GRAPH)["nodes"]
    count = len(decoded)
    nodes = []
    for number, fields in enumerate(decoded):
        children = {child["name"]: child["node"] for child in fields["children"]}
        slots = tuple(Slot(**slot) for slot in fields["slots"])
        referred = [*children.values(), *(slot.original for slot in slots)]
        referred += [slot.variable for slot in slots]
        if not all(0 <= other < count for other in referred):
            raise WireError(f"object {number} refers to one that is not among the {count}", 0)
        attributes = tuple(Attribute(**attribute) for attribute in fields["attributes"])
        nodes.append(Node(children, attributes, slots))
    return ObjectGraph(tuple(nodes))
