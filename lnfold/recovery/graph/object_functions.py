"""The functions of a SavedModel's objects, for one that offers no signature.

``tf.saved_model.save(module)`` keeps every traced ``tf.function`` as a child of the object that
it belongs to. Here the functions that may deliver networks are called once each, on inputs of
their own, with the variables that they captured. Messages after
tensorflow/core/protobuf/{saved_object_graph,struct}.proto: SavedObjectGraph {1 nodes, 2
concrete_functions}, SavedObject {1 children, 6 function {1 concrete_functions}, 7 variable {6
name}, 8 bare_concrete_function {1 name}, 9 constant {1 operation}}.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Final

from lnfold.checkpoint.bytes.wire import BYTES, INT, LENGTH, SPAN, TEXT, UINT, fields, message
from lnfold.checkpoint.variables.object_graph import Paths
from lnfold.recovery.graph.attributes import Span
from lnfold.recovery.graph.functions import Library
from lnfold.recovery.graph.graph import Signature
from lnfold.recovery.graph.node import Node

_CHILD: Final = {1: ("node", INT), 2: ("name", TEXT)}
_OBJECT: Final = {
    1: ("children", [_CHILD]),
    6: ("function", {1: ("traces", [TEXT])}),
    7: ("variable", {6: ("name", TEXT)}),
    8: ("bare", {1: ("name", TEXT)}),
    9: ("constant", {1: ("operation", TEXT)}),
}
_CONCRETE: Final = {1: ("name", TEXT), 2: ("value", {2: ("bound", [INT]), 3: ("given", SPAN)})}
_OBJECTS: Final = {1: ("nodes", [_OBJECT]), 2: ("concrete", [_CONCRETE])}
_META_GRAPH: Final = {7: ("objects", SPAN)}
_FUNCTION: Final = {
    1: ("signature", {2: ("inputs", [{1: ("name", TEXT), 3: ("type", UINT)}])}),
    7: ("attributes", [{1: ("place", UINT), 2: ("value", BYTES)}]),
}
_VALUES: Final = {1: ("values", [SPAN])}
_VALUE: Final = {
    14: ("truth", UINT),
    51: ("list", _VALUES),
    52: ("tuple", _VALUES),
    53: ("dict", {1: ("fields", [{2: ("value", SPAN)}])}),
}
# An entry of ArgAttrs.attr: "dtype" → AttrValue {6 type}, without the type itself.
_DTYPE_ENTRY: Final = b"\x0a\x0b\x0a\x05dtype\x12\x02\x30"

# What a network is called by, the likeliest first; and what runs one to other ends.
_CALLED: Final = ("__call__", "serve", "call", "policy", "act", "actor", "predict", "forward")
_NO_NETWORK: Final = re.compile(
    r"train|learn|update|loss|grad|optimi|restore|save|init|regulari[sz]|build|reset|metric|step$"
)
_IS_TRACE: Final = re.compile(r"trace_\d+")
_RESOURCE: Final = 20  # DataType DT_RESOURCE
_MOST: Final = 64  # functions looked at, and traces of each


@dataclass(frozen=True, slots=True)
class _Trace:
    """One concrete function: the path of its object, its name, and what it captured."""

    path: str
    name: str
    bound: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Called:
    """What is added to a graph to call its objects' functions.

    Attributes:
        objects: variable node → the number of the object that it is.
        notes: which functions were chosen.
    """

    nodes: dict[str, Node]
    signatures: tuple[Signature, ...]
    objects: dict[str, int]
    notes: tuple[str, ...]


def called_functions(
    data: bytes, meta_graph: Span, library: Library, taken: dict[str, Node]
) -> Called:
    """Calls of the functions that may deliver networks, the likeliest first.

    Args:
        meta_graph: the MetaGraphDef's place in ``data``.
        taken: the nodes of the graph, whose names are not given again.
    """
    span = message(data, _META_GRAPH, *meta_graph)["objects"]
    found = message(data, _OBJECTS, *span) if span else {"nodes": [], "concrete": []}
    objects: list[dict[str, Any]] = found["nodes"]
    concrete = {one["name"]: one["value"] for one in found["concrete"] if one["value"]}
    called = Called({}, (), {}, ())
    made = _Made(taken, called)
    signatures = []
    for trace in _traces(data, objects, concrete, library):
        signature = _call(data, trace, objects, library, made)
        if signature is not None:
            signatures.append(signature)
    if not signatures:
        return called
    names = ", ".join(f"'{one.name}'" for one in signatures[:4])
    more = f" and {len(signatures) - 4} more" if len(signatures) > 4 else ""
    note = f"it offers no signature, so its objects' functions were read: {names}{more}"
    return Called(called.nodes, tuple(signatures), called.objects, (note,))


def _traces(
    data: bytes, objects: list[dict[str, Any]], concrete: dict[str, Any], library: Library
) -> list[_Trace]:
    """For each function that an object has by some path, the trace for inference."""
    found: list[tuple[tuple[int, int], int, list[str]]] = []
    paths = Paths([{one["name"]: one["node"] for one in held["children"]} for held in objects])
    for number in paths:
        one, last = objects[number], paths.last(number)
        if one["function"]:
            names = one["function"]["traces"][:_MOST]
        elif one["bare"] and not _IS_TRACE.fullmatch(last):
            names = [one["bare"]["name"]]
        else:
            continue
        known = [name for name in names if name in concrete and name in library]
        if known and not _NO_NETWORK.search(last):
            rank = _CALLED.index(last) if last in _CALLED else len(_CALLED)
            found.append(((rank, paths.length(number)), number, known))
    found.sort(key=lambda one: one[0])
    return [
        _trace(data, "/".join(paths[number]), known, concrete) for _, number, known in found[:_MOST]
    ]


def _trace(data: bytes, path: str, known: list[str], concrete: dict[str, Any]) -> _Trace:
    """The first of an object's traces that is not for training, or else the first."""
    name = min(known, key=lambda name: _is_for_training(data, concrete[name]["given"]))
    return _Trace(path, name, tuple(concrete[name]["bound"]))


def _is_for_training(data: bytes, given: Span | None) -> bool:
    """Whether a function was traced with an argument True, which is ``training``."""
    pending = [given] if given else []
    while pending:
        value = message(data, _VALUE, *pending.pop())
        if value["truth"]:
            return True
        for sequence in (value["list"], value["tuple"]):
            pending.extend(sequence["values"] if sequence else ())
        entries = value["dict"]["fields"] if value["dict"] else ()
        pending.extend(one["value"] for one in entries if one["value"])
    return False


def _call(
    data: bytes,
    trace: _Trace,
    objects: list[dict[str, Any]],
    library: Library,
    made: _Made,
) -> Signature | None:
    """Adds one call, its inputs and the variables that it captured; None where they misfit."""
    function = library.function(trace.name)
    described = message(data, _FUNCTION, *library.span(trace.name))
    inputs = described["signature"]["inputs"] if described["signature"] else []
    count = len(inputs) - len(trace.bound)
    if count < 0 or not function.results or any(one["type"] == _RESOURCE for one in inputs[:count]):
        return None
    attributes = {one["place"]: one["value"] for one in described["attributes"]}
    given: dict[str, str] = {}
    for place, one in enumerate(inputs[:count]):
        name = made.free(one["name"], f"{trace.path}/{one['name']}")
        made.called.nodes[name] = _placeholder(name, one["type"], attributes.get(place, b""))
        given[one["name"]] = name
    captured = [_captured(number, objects, made) for number in trace.bound]
    name = made.free(trace.path or "called", f"{trace.path}/called")
    made.called.nodes[name] = Node(name, trace.name, (*given.values(), *captured))
    outputs = {
        f"output_{place}": f"{name}:{place}" if place else name
        for place in range(len(function.results))
    }
    return Signature(trace.path, given, outputs)


@dataclass(frozen=True, slots=True)
class _Made:
    """What is added to the nodes ``taken``, and by what it is found again."""

    taken: dict[str, Node]
    called: Called
    by_object: dict[int, str] = field(default_factory=dict)
    _numbers: dict[str, int] = field(default_factory=dict)

    def free(self, first: str, second: str) -> str:
        """A name that no node has, counted on from the last of its kind."""
        first, second = first.replace(":", "_"), second.replace(":", "_")
        name, number = first, self._numbers.get(second, 0)
        while not name or name in self.taken or name in self.called.nodes:
            name, number = f"{second}_{number}" if number else second, number + 1
            self._numbers[second] = number
        return name


def _placeholder(name: str, kind: int, attributes: bytes) -> Node:
    """A Placeholder with the attributes of an argument, whose shape is among them."""
    encoded = attributes + _DTYPE_ENTRY + bytes([kind & 0x7F])
    spans = [span for number, wire, span in fields(encoded) if number == 1 and wire == LENGTH]
    return Node(name, "Placeholder", (), encoded, tuple(spans))


def _captured(number: int, objects: list[dict[str, Any]], made: _Made) -> str:
    """The node that stands for an object which a function captured."""
    if number in made.by_object:
        return made.by_object[number]
    held = objects[number] if 0 <= number < len(objects) else None
    if held is not None and held["constant"] and held["constant"]["operation"] in made.taken:
        return str(held["constant"]["operation"])
    variable = held is not None and held["variable"] is not None
    name = (held["variable"]["name"] if held and variable else "") or f"object_{number}"
    name = made.free(name, f"{name}/object_{number}")
    made.called.nodes[name] = Node(name, "VarHandleOp" if variable else "CapturedResource", ())
    if variable:
        made.called.objects[name] = number
        made.by_object[number] = name
    return name
