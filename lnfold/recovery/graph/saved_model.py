"""saved_model.pb → the graph of its signatures, functions inlined.

Messages after tensorflow/core/protobuf/{saved_model,meta_graph,saver}.proto: SavedModel {2
meta_graphs}, MetaGraphDef {1 meta_info_def {4 tags}, 2 graph_def {1 node, 2 library}, 3
saver_def {2 save_tensor_name}, 5 signature_def, 7 object_graph_def {2 concrete_functions {2
bound_inputs}}}, SignatureDef {1 inputs, 2 outputs}.
"""

from __future__ import annotations

from typing import Any, Final

from lnfold.checkpoint.bytes.positioned_file import PositionedFile
from lnfold.checkpoint.bytes.wire import INT, LENGTH, SPAN, TEXT, WireError, fields, message
from lnfold.errors import GraphError, InputError
from lnfold.recovery.graph.attributes import Span
from lnfold.recovery.graph.decoding import decode_nodes
from lnfold.recovery.graph.frames import framed_loops
from lnfold.recovery.graph.functions import CALLS, Library, inlined
from lnfold.recovery.graph.graph import FIRST_SIGNATURE, Graph, Signature
from lnfold.recovery.graph.loops import Loop
from lnfold.recovery.graph.node import Node
from lnfold.recovery.graph.object_functions import called_functions
from lnfold.recovery.graph.wellformed import expect_outputs, is_reference

_TENSORS: Final = [{1: ("key", TEXT), 2: ("value", {1: ("name", TEXT)})}]
_SIGNATURE: Final = {1: ("inputs", _TENSORS), 2: ("outputs", _TENSORS)}
_META_GRAPH: Final = {
    1: ("info", {4: ("tags", [TEXT])}),
    2: ("graph", SPAN),
    3: ("saver", {2: ("save_tensor", TEXT)}),
    5: ("signatures", [{1: ("key", TEXT), 2: ("value", _SIGNATURE)}]),
    7: ("objects", {2: ("functions", [{1: ("name", TEXT), 2: ("value", {2: ("bound", [INT])})}])}),
}
_GRAPH: Final = {2: ("library", SPAN)}
_LARGEST: Final = 1 << 31


def read_saved_model(path: str) -> Graph:
    """The graph of a SavedModel for serving; GraphError where it is damaged or has none."""
    data = _read(path)
    try:
        spans = [span for number, kind, span in fields(data) if number == 2 and kind == LENGTH]
        graphs = [message(data, _META_GRAPH, *span) for span in spans]
        if not graphs:
            raise GraphError("no meta_graph is in it, so it is no SavedModel", file=path)
        tagged = [one["info"] is not None and "serve" in one["info"]["tags"] for one in graphs]
        chosen = tagged.index(True) if True in tagged else 0
        return _graph(data, graphs[chosen], path, spans[chosen])
    except WireError as error:
        raise GraphError(
            f"the graph is damaged ({error})", file=path, offset=error.offset
        ) from error


def read_meta_graph(path: str) -> Graph:
    """The graph of a ``.meta`` file (MetaGraphDef); GraphError where it is damaged."""
    data = _read(path)
    try:
        return _graph(data, message(data, _META_GRAPH), path)
    except WireError as error:
        raise GraphError(
            f"the graph is damaged ({error})", file=path, offset=error.offset
        ) from error


def _read(path: str) -> bytes:
    """The bytes of a file, if it begins like a message and is no larger than one can be."""
    try:
        file = PositionedFile(path)
        if file.size >= _LARGEST:
            raise file.damaged(f"it has {file.size:,} bytes, more than a protobuf can")
        if file.size and file.read(0, 1)[0] >> 3 == 0:
            raise file.damaged("it begins with no field of a message", offset=0)
        return file.read(0, file.size)
    except InputError as error:
        said = f"the graph cannot be read: {error.message}"
        raise GraphError(said, file=path, remedy=error.remedy) from error


def _graph(data: bytes, found: dict[str, Any], path: str, objects_of: Span | None = None) -> Graph:
    """The graph of a MetaGraphDef; where it has no signature, of the functions of its objects."""
    span: Span | None = found["graph"]
    if span is None:
        raise GraphError("no graph_def is in it, so it is no MetaGraphDef", file=path)
    nodes = decode_nodes(data, span, path)
    signatures = _signatures(found["signatures"], nodes, path)
    objects = _bound_objects(found["objects"], nodes)
    library = Library(data, message(data, _GRAPH, *span)["library"], path)
    loops: dict[str, Loop] = {}
    notes: tuple[str, ...] = ()
    if library and objects_of is not None and not signatures:
        called = called_functions(data, objects_of, library, nodes)
        nodes, signatures = nodes | called.nodes, called.signatures
        objects, notes = objects | called.objects, called.notes
    if library or any(node.op in CALLS for node in nodes.values()):
        ends = [tensor for one in signatures for tensor in one.outputs.values()]
        if found["saver"]:
            ends.append(found["saver"]["save_tensor"])
        # the first end's operations get the plainest names, and the last of a stack comes first
        nodes, loops = inlined(nodes, library, ends[::-1] if signatures else list(nodes), path)
    expect_outputs(nodes, path)
    nodes, framed, inside = framed_loops(nodes, path)
    return Graph(nodes, path, signatures, objects, loops | framed, notes, frozenset(inside))


def _bound_objects(found: dict[str, Any] | None, nodes: dict[str, Node]) -> dict[str, int]:
    """Variable node → the object that it is, by its number in the graph of objects.

    The variables that a function captures come last among the inputs of its call, in the
    order of its ``bound_inputs``.
    """
    bound = {
        one["name"]: one["value"]["bound"]
        for one in (found["functions"] if found else ())
        if one["value"]
    }
    objects: dict[str, int] = {}
    for node in nodes.values() if bound else ():
        if node.op in CALLS:
            numbers = bound.get(node.attribute("f").function, [])
            captured = node.inputs[len(node.inputs) - len(numbers) :]
            objects.update(zip(captured, numbers, strict=False))
    return objects


def _signatures(
    found: list[dict[str, Any]], nodes: dict[str, Node], path: str
) -> tuple[Signature, ...]:
    """The signatures that deliver values, the one for serving first."""
    signatures = []
    for entry in found:
        value = entry["value"] or {"inputs": [], "outputs": []}
        inputs, outputs = (
            {one["key"]: _tensor(one["value"]) for one in value[side] if one["value"]}
            for side in ("inputs", "outputs")
        )
        # Keras stores the operation that initialises the model as a signature, too.
        outputs = {
            key: tensor
            for key, tensor in outputs.items()
            if tensor.partition(":")[0] in nodes and nodes[tensor.partition(":")[0]].op != "NoOp"
        }
        strange = [tensor for tensor in outputs.values() if not is_reference(tensor)]
        if strange:
            raise GraphError(f"a signature delivers '{strange[0]}', which names none", file=path)
        if outputs:
            signatures.append(Signature(entry["key"], inputs, outputs))
    return tuple(sorted(signatures, key=lambda one: (one.name != FIRST_SIGNATURE, one.name)))


def _tensor(info: dict[str, str]) -> str:
    return info["name"].removesuffix(":0")
