"""The authority asked: the checkpoint's own graph, run by TensorFlow itself.

Only the operations between a network's inputs and outputs are imported, and only where every
one of them is on a list of pure mathematics: no PyFunc, no file access, no custom operation.
Variables are replaced by placeholders and fed with what TensorFlow's own reader finds.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import numpy as np

from lnfold.checkpoint.variables import Checkpoint
from lnfold.errors import GraphError, UnsupportedError, UsageError
from lnfold.network.evidence import Source
from lnfold.network.graph import VARIABLE_OPS, Graph, read_meta_graph
from lnfold.network.layers import Network

Array = np.ndarray

# fmt: off
_PURE: Final = frozenset([
    "Abs", "Add", "AddN", "AddV2", "BatchMatMul", "BatchMatMulV2", "BiasAdd", "BiasAddV1",
    "Cast", "CheckNumerics", "Concat", "ConcatV2", "Const", "Conv2D", "DepthwiseConv2dNative",
    "Div", "Elu", "Erf", "Erfc", "Exp", "ExpandDims", "Fill", "FusedBatchNorm",
    "FusedBatchNormV2", "FusedBatchNormV3", "GatherV2", "Identity", "IdentityN", "LeakyRelu",
    "Log", "MatMul", "Max", "MaxPool", "Maximum", "Mean", "Merge", "Min", "Minimum", "Mul",
    "Neg", "NoOp", "OneHot", "Pack", "Pad", "Placeholder", "PlaceholderWithDefault", "Pow",
    "PreventGradient", "Prod", "Range", "RealDiv", "Reciprocal", "Relu", "Relu6", "Reshape",
    "Round", "Rsqrt", "Select", "SelectV2", "Selu", "Shape", "Sigmoid", "Slice", "Softmax",
    "Softplus", "Softsign", "Split", "SplitV", "Sqrt", "Square", "SquaredDifference", "Squeeze",
    "StopGradient", "StridedSlice", "Sub", "Sum", "Switch", "Tanh", "Tile", "Transpose",
    "Unpack", "ZerosLike",
])
# fmt: on


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
        node = graph.nodes[name]
        if node.op not in _PURE | VARIABLE_OPS | {"ReadVariableOp"}:
            raise UnsupportedError(
                f"node '{name}' is a {node.op}, which lnfold does not let TensorFlow run",
                file=graph.where,
                remedy="Only pure mathematics is run from a file.",
            )
    tensorflow = _import_tensorflow()
    with _silenced():
        return _session_run(tensorflow, checkpoint, graph, network, needed, inputs)


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
    v1 = tensorflow.compat.v1
    meta = v1.MetaGraphDef()
    with open(graph.where, "rb") as file:
        meta.ParseFromString(file.read())
    stop = {one.name.partition(":")[0] for one in network.inputs}
    reader = tensorflow.train.load_checkpoint(checkpoint.path)
    feeds: dict[str, Array] = {}
    pruned = v1.GraphDef(versions=meta.graph_def.versions)
    for node in meta.graph_def.node:
        if node.name not in needed:
            continue
        key = _fed_variable(graph, node.name)
        if key is not None:
            key = network.averages.get(key, key)
            feeds[f"{node.name}:0"] = reader.get_tensor(key)
        if key is not None or node.name in stop:
            dtype = node.attr["dtype"].type or node.attr["T"].type
            node = v1.NodeDef(name=node.name, op="Placeholder")
            node.attr["dtype"].type = dtype
        elif node.op == "VarHandleOp":
            continue
        pruned.node.append(node)
        # control dependencies lead out of the pruned graph
        del_control = [one for one in pruned.node[-1].input if not one.startswith("^")]
        del pruned.node[-1].input[:]
        pruned.node[-1].input.extend(del_control)
    with v1.Graph().as_default():
        try:
            v1.import_graph_def(pruned, name="")
        except ValueError as error:
            raise GraphError(
                f"TensorFlow does not import it ({error})", file=graph.where
            ) from error
        # the graph as it stands: the optimizer's fused operations have dropped epsilons before
        config = v1.ConfigProto()
        config.graph_options.rewrite_options.disable_meta_optimizer = True
        with v1.Session(config=config) as session:
            feeds.update({_tensor(name): array for name, array in inputs.items()})
            fetched = session.run([_tensor(name) for name in network.outputs], feeds)
    return dict(zip(network.outputs, fetched, strict=True))


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


def _tensor(name: str) -> str:
    return name if ":" in name else f"{name}:0"
