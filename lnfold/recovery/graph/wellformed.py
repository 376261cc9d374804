"""What TensorFlow asks of every graph, seen to where a graph is read.

TensorFlow refuses a graph with a nameless node, a reference that names no output, or an operation
with too few or too many operands. So does lnfold, as a whole: behind this, whoever knows a node's
operation knows how many inputs it has, and every reference is ``name`` or ``name:k``.
tensorflow/core/ops/*.cc, tensorflow/core/graph/tensor_id.cc.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from lnfold.errors import GraphError
from lnfold.network.operations.table import OPERATIONS
from lnfold.recovery.graph.node import Node
from lnfold.recovery.graph.op_names import words

# How many operands those operations take that are not in the table.
_BESIDE: Final = {
    1: words("Enter Exit LoopCond NextIteration PlaceholderWithDefault RefEnter"),
    2: words(
        """
        AssignVariableOp RefSwitch Switch TensorArraySizeV3 TensorListFromTensor
        TensorListReserve TensorListStack
        """
    ),
    3: words("TensorArrayGatherV3 TensorArrayReadV3 TensorListGetItem TensorListSetItem"),
    4: words("TensorArrayScatterV3 TensorArrayWriteV3"),
    5: words("FusedBatchNorm FusedBatchNormV2 FusedBatchNormV3"),
}
OPERANDS: Final = {
    **{name: row.operands for name, row in OPERATIONS.items() if row.operands is not None},
    **{name: many for many, names in _BESIDE.items() for name in names},
}
# Those that take as many as there are, and at least so many.
LEAST: Final = {
    "ConcatV2": 2,
    "Concat": 2,
    "Pack": 1,
    "AddN": 1,
    "Merge": 1,
    "RefMerge": 1,
    "IdentityN": 1,
}
# Those whose further outputs have a meaning.
_SEVERAL: Final = frozenset(["Switch", "RefSwitch", "Split", "SplitV", "Unpack", *_BESIDE[5]])
_IN_A_GRAPH: Final = re.compile(r"[^:^][^:]*(:(0|[1-9][0-9]{0,8}))?", re.DOTALL)
_IN_A_FUNCTION: Final = re.compile(r"[^:^][^:]*(:[^:]+)?(:(0|[1-9][0-9]{0,8}))?", re.DOTALL)


def expect_form(node: Node, where: str, in_a_function: bool = False) -> None:
    """GraphError unless a node has a name, its operation's number of inputs, and references."""
    if not node.name or ":" in node.name or node.name[0] == "^":
        raise GraphError(f"a node is called '{node.name}', which is no name of one", file=where)
    form = _IN_A_FUNCTION if in_a_function else _IN_A_GRAPH
    for one in node.inputs:
        if not form.fullmatch(one):
            raise GraphError(
                f"node '{node.name}' reads from '{one}', which names no output", file=where
            )
    found, least = len(node.inputs), LEAST.get(node.op, 0)
    expected = OPERANDS.get(node.op, max(found, least))
    if found != expected:
        raise GraphError(
            f"node '{node.name}' ({node.op}) has {found} inputs instead of "
            f"{'at least ' if least else ''}{expected}",
            file=where,
        )


def expect_outputs(nodes: Mapping[str, Node], where: str) -> None:
    """GraphError where a node reads an output that the node behind it does not have."""
    for node in nodes.values():
        for one in node.inputs:
            if ":" in one:
                name, _, index = one.partition(":")
                source = nodes.get(name)
                if source is not None and int(index) >= _outputs(source):
                    raise GraphError(
                        f"node '{node.name}' reads from '{one}', which '{name}' "
                        f"({source.op}) does not deliver",
                        file=where,
                    )


def is_reference(tensor: str) -> bool:
    """Whether a text names an output of a graph's node: ``name`` or ``name:k``."""
    return _IN_A_GRAPH.fullmatch(tensor) is not None


def _outputs(node: Node) -> float:
    """How many outputs a node has, infinity where lnfold does not know its operation."""
    if node.op == "Split":
        return node.integer("num_split", 0)
    if node.op == "IdentityN":
        return len(node.inputs)
    is_plain = node.op in OPERANDS and node.op not in _SEVERAL
    return 1 if is_plain else float("inf")
