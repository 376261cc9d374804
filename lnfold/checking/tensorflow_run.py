"""The authority asked: the checkpoint's own graph, run by TensorFlow itself.

Only the operations between a network's inputs and outputs are imported, and only where every
one of them is on a list of pure mathematics: no PyFunc, no file access, no custom operation, no
call of a function. What TensorFlow is handed is looked at once more, one operation at a time,
and none is handed over whose operands could fill the memory: importing computes constants.
Variables are replaced by placeholders and fed with what TensorFlow's own reader finds.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from graphlib import TopologicalSorter
from typing import Any, Final

import numpy as np

from lnfold.checkpoint.bytes.positioned_file import PositionedFile
from lnfold.checkpoint.variables.checkpoint import Checkpoint
from lnfold.errors import GraphError, LnfoldError, UnsupportedError, UsageError
from lnfold.network.facts.evidence import Source
from lnfold.network.operations.table import OPERATIONS
from lnfold.network.records.layers import Network
from lnfold.recovery.graph.graph import VARIABLE_OPS, Graph
from lnfold.recovery.graph.op_names import words
from lnfold.recovery.graph.saved_model import read_meta_graph

Array = np.ndarray

_MOST_NUMBERS: Final = 1 << 29  # of all arrays of a run together: 2 GiB in float32

# Operations that compute from what they read and from nothing else: those of the table but for
# what reads variables, and those that make and hand on values.
_READING: Final = frozenset(["ReadVariableOp", "RefIdentity", "ResourceGather"])
_PURE: Final = OPERATIONS.keys() - _READING | words(
    """
    Const FusedBatchNorm FusedBatchNormV2 FusedBatchNormV3 IdentityN Merge NoOp
    Placeholder PlaceholderWithDefault Switch
    """
)


def run_tensorflow(
    checkpoint: Checkpoint, network: Network, inputs: Mapping[str, Array]
) -> dict[str, Array]:
    """The network's outputs as TensorFlow computes them from the graph and the checkpoint.

    Raises:
        UsageError: TensorFlow is not installed, or the network was not read from a graph.
        UnsupportedError: an operation on the way is not pure mathematics.
    """
    path = checkpoint.graph_file
    if network.wiring.source is not Source.GRAPH or path is None or not path.endswith(".meta"):
        raise UsageError(
            f"network {network.name} was not read from a .meta file, so there is no TF 1 graph "
            "for TensorFlow to restore",
            remedy="Keep the .meta file beside the checkpoint.",
        )
    graph = read_meta_graph(path)
    needed = _ancestors(graph, network)
    for name in needed:
        op = graph.nodes[name].op
        if op not in VARIABLE_OPS | {"ReadVariableOp"}:
            _expect_pure(name, op, graph.where)
    tensorflow = _import_tensorflow()
    with _silenced():
        return _session_run(tensorflow, checkpoint, graph, network, needed, inputs)


def _expect_pure(name: str, op: str, where: str) -> None:
    if op not in _PURE:
        raise UnsupportedError(
            f"node '{name}' is a {op}, which lnfold does not let TensorFlow run",
            file=where,
            remedy="Only pure mathematics is run from a file.",
        )


def _ancestors(graph: Graph, network: Network) -> set[str]:
    """The nodes between inputs and outputs, both included."""
    stop = {one.name.partition(":")[0] for one in network.inputs}
    needed: set[str] = set()
    pending = [name.partition(":")[0] for name in network.outputs]
    while pending:
        name = pending.pop()
        if name in needed:
            continue
        needed.add(name)
        if name not in stop:
            pending.extend(tensor.partition(":")[0] for tensor in graph.node(name).inputs)
    return needed


@contextmanager
def _silenced() -> Iterator[None]:
    """TensorFlow's C++ logs go straight to the file descriptor, whatever its own settings say."""
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _import_tensorflow() -> Any:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        with _silenced():
            import tensorflow
    except ImportError as error:
        raise UsageError(
            f"TensorFlow cannot be imported ({error})", remedy="Install it, or leave --against out."
        ) from error
    return tensorflow


def _session_run(
    tensorflow: Any,
    checkpoint: Checkpoint,
    graph: Graph,
    network: Network,
    needed: set[str],
    inputs: Mapping[str, Array],
) -> dict[str, Array]:
    # a part of every TensorFlow
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    v1 = tensorflow.compat.v1
    meta = v1.MetaGraphDef()
    file = PositionedFile(graph.where)
    stop = {one.name.partition(":")[0]: inputs[one.name] for one in network.inputs}
    feeds: dict[str, Array] = {}
    handed: dict[str, Any] = {}
    try:
        meta.ParseFromString(file.read(0, file.size))
        reader = tensorflow.train.load_checkpoint(checkpoint.path)
        for node in meta.graph_def.node:
            if node.name not in needed:
                continue
            key = _fed_variable(graph, node.name)
            key = network.averages.get(key, key) if key is not None else None
            fed = stop.get(node.name) if key is None else reader.get_tensor(key)
            if fed is not None:
                feeds[node.name] = fed
                node = _placeholder(tensorflow, node, fed)
            elif node.op == "VarHandleOp":
                continue
            _expect_pure(node.name, node.op, graph.where)
            handed[node.name] = _plain(node)
        with v1.Graph().as_default():
            operations = _import_one_by_one(v1, handed, meta.graph_def.versions, graph.where)
            fed_to = {_output(operations, name): array for name, array in feeds.items()}
            fetched = [_output(operations, name) for name in network.outputs]
            # as it stands: the optimizer's fused operations have dropped epsilons before
            config = v1.ConfigProto()
            config.graph_options.rewrite_options.disable_meta_optimizer = True
            with v1.Session(config=config) as session:
                found = session.run(fetched, fed_to)
    except LnfoldError:
        raise
    except (
        *(ValueError, TypeError, LookupError, RuntimeError),
        *(DecodeError, tensorflow.errors.OpError),
    ) as error:
        raise GraphError(f"TensorFlow does not run it ({error})", file=graph.where) from error
    return dict(zip(network.outputs, found, strict=True))


def _placeholder(tensorflow: Any, node: Any, fed: Array) -> Any:
    """What is fed in a node's place, in its type and in the shape of what is fed."""
    made = tensorflow.compat.v1.NodeDef(name=node.name, op="Placeholder")
    dtype = node.attr["dtype"].type or node.attr["T"].type
    made.attr["dtype"].type = dtype or tensorflow.as_dtype(fed.dtype).as_datatype_enum
    made.attr["shape"].shape.CopyFrom(tensorflow.TensorShape(fed.shape).as_proto())
    return made


def _plain(node: Any) -> Any:
    """A node without its device, its control dependencies, which lead out of what is run, and
    its hints (``_class``, ``_output_shapes``, ``_kernel``, …)."""
    data = [one for one in node.input if not one.startswith("^")]
    del node.input[:]
    node.input.extend(data)
    node.device = ""
    for hint in [key for key in node.attr if key.startswith("_")]:
        del node.attr[hint]
    return node


def _import_one_by_one(
    v1: Any, nodes: Mapping[str, Any], versions: Any, where: str
) -> dict[str, Any]:
    """The operations by the names of their nodes, each imported after what it reads, and only
    when all before it are of bounded size."""
    order = TopologicalSorter(
        {name: [one.partition(":")[0] for one in node.input] for name, node in nodes.items()}
    )
    # TensorFlow calls a node otherwise where its name is the scope of one that came before
    operations: dict[str, Any] = {}
    numbers = 0
    for name in order.static_order():
        if name not in nodes:
            raise UnsupportedError(
                f"node '{name}' is no operation of the graph itself, but of a function or a loop",
                file=where,
                remedy="TensorFlow is asked about graphs without calls and loops only.",
            )
        read = {one: _output(operations, one) for one in nodes[name].input}
        alone = v1.GraphDef(versions=versions, node=[nodes[name]])
        (operations[name],) = v1.import_graph_def(
            alone, name="", input_map=read, return_elements=[name]
        )
        sizes = [output.shape.num_elements() for output in operations[name].outputs]
        numbers += sum(size or 0 for size in sizes)
        if None in sizes or numbers > _MOST_NUMBERS:
            said = "nobody knows before it runs how many" if None in sizes else f"{numbers:,}"
            raise UnsupportedError(
                f"with node '{name}' the arrays hold more numbers than lnfold lets TensorFlow "
                f"make: {said}, of {_MOST_NUMBERS:,}",
                file=where,
                remedy="Give fewer rows with --inputs.",
            )
    return operations


def _output(operations: Mapping[str, Any], tensor: str) -> Any:
    """The output of an imported operation that ``name`` or ``name:number`` stands for."""
    name, _, number = tensor.partition(":")
    return operations[name].outputs[int(number or 0)]


def _fed_variable(graph: Graph, name: str) -> str | None:
    """The checkpoint key to feed at a node: a variable, or the read of a resource variable."""
    node = graph.nodes[name]
    if node.op == "ReadVariableOp":
        node = graph.node(node.inputs[0])
    elif node.op == "VarHandleOp":
        return None
    if node.op not in VARIABLE_OPS:
        return None
    return graph.checkpoint_keys.get(node.name, node.name)
