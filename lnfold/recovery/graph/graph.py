"""GraphDef → nodes and edges: a TensorFlow graph as data, nothing in it ever executed.

Only the fields that recovery asks for are decoded: a node's name, operation and inputs, and
an attribute when somebody wants it. Messages after tensorflow/core/framework: MetaGraphDef
{2 graph_def, 5 signature_def}, GraphDef {1 node}, NodeDef {1 name, 2 op, 3 input, 5 attr}.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from lnfold.checkpoint.bytes.wire import text
from lnfold.errors import GraphError
from lnfold.recovery.graph.loops import IN_A_LOOP, Loop
from lnfold.recovery.graph.node import Node
from lnfold.recovery.graph.op_names import words
from lnfold.recovery.names.scopes import TF1_AVERAGE

# What tf.gradients, savers and initializers add is no part of any network.
_BOOKKEEPING = re.compile(
    r"(^|/)gradients(_\d+)?/|_grad/|/Initializer/|^save(_\d+)?/|^report_uninitialized_variables"
    rf"|^{IN_A_LOOP}"
)
SIDE_OPS = words(
    """
    Assign AssignAdd AssignSub AssignVariableOp AssignAddVariableOp AssignSubVariableOp NoOp
    SaveV2 RestoreV2 VarIsInitializedOp ShardedFilename ScalarSummary HistogramSummary
    MergeSummary Assert Shape
    """
)
FIRST_SIGNATURE = "serving_default"
_LONGEST_READ = 64  # operations between a variable and the save operation
VARIABLE_OPS = frozenset(["Variable", "VariableV2", "AutoReloadVariable", "VarHandleOp"])


@dataclass(frozen=True, slots=True)
class Signature:
    """What a SavedModel offers under one name: its inputs and outputs, each name → tensor."""

    name: str
    inputs: dict[str, str]
    outputs: dict[str, str]


class Graph:
    """The nodes of one graph by name, with who reads whom.

    Attributes:
        where: the file it was read from.
        signatures: what a SavedModel offers; nothing in a ``.meta``.
        objects: variable node → the number of the object that it is, in a TF 2 SavedModel.
        loops: the loops by the names of their While operations.
        notes: what the reader should know of how it was read.
        inside: the nodes of TF 1 that the rounds of loops compute.
    """

    def __init__(
        self,
        nodes: dict[str, Node],
        where: str,
        signatures: tuple[Signature, ...] = (),
        objects: Mapping[str, int] | None = None,
        loops: Mapping[str, Loop] | None = None,
        notes: tuple[str, ...] = (),
        inside: frozenset[str] = frozenset(),
    ) -> None:
        self.nodes = nodes
        self.where = where
        self.signatures = signatures
        self.objects = objects or {}
        self.loops = loops or {}
        self.notes = notes
        self.inside = inside

    def node(self, tensor: str) -> Node:
        """The node that produces a tensor called ``name`` or ``name:k``."""
        name = tensor.partition(":")[0]
        try:
            return self.nodes[name]
        except KeyError:
            raise GraphError(
                f"the graph reads from '{name}', which it does not contain", file=self.where
            ) from None

    @cached_property
    def consumers(self) -> dict[str, list[Node]]:
        """The nodes that read each node's outputs in a forward pass, in graph order."""
        readers: dict[str, list[Node]] = {}
        for node in self.forward_nodes():
            for tensor in dict.fromkeys(node.inputs):
                readers.setdefault(tensor.partition(":")[0], []).append(node)
        return readers

    def forward_nodes(self) -> Iterator[Node]:
        """The nodes that are no gradients, savers, assignments, summaries or rounds of loops."""
        for node in self.nodes.values():
            if node.op in SIDE_OPS or node.name in self.inside:
                continue
            if not _BOOKKEEPING.search(node.name):
                yield node

    @cached_property
    def variables(self) -> frozenset[str]:
        """The names of the nodes that are variables."""
        return frozenset(name for name, node in self.nodes.items() if node.op in VARIABLE_OPS)

    @property
    def checkpoint_keys(self) -> dict[str, str]:
        """Variable node → its key in the checkpoint, as the graph's own save operation has it."""
        return {node: key for node, (key, _) in self.saved.items()}

    @cached_property
    def saved(self) -> dict[str, tuple[str, str]]:
        """Variable node → its key in the checkpoint, and which slice of it the node holds.

        SaveV2 reads (prefix, names, slices, tensor 0, tensor 1, …): names[i] is the key of
        tensor i, and slices[i] is empty or says which part of that key's array it is. A
        variable that no save operation names is saved under its node's name.
        """
        keys: dict[str, tuple[str, str]] = {}
        for node in self.nodes.values():
            if node.op != "SaveV2" or len(node.inputs) < 3:
                continue
            constants = [self.node(one) for one in node.inputs[1:3]]
            if any(one.op != "Const" for one in constants):
                continue
            names, slices = ([_text(one) for one in node.constant().ravel()] for node in constants)
            for key, part, tensor in zip(names, slices, node.inputs[3:], strict=False):
                source = self._variable_behind(tensor)
                if source is None:
                    continue
                first, _ = keys.setdefault(source.name, (key, part))
                if key == source.name and first.startswith(f"{key}/{TF1_AVERAGE}"):
                    keys[key] = key, part  # the other saver keeps its average under its name
        return keys

    def _variable_behind(self, tensor: str) -> Node | None:
        """The variable that a saved tensor is read from."""
        for _ in range(_LONGEST_READ):
            node = self.node(tensor)
            if node.op in VARIABLE_OPS:
                return node
            if not node.inputs:
                return None
            _, _, index = tensor.partition(":")
            tensor = node.inputs[int(index or 0) if node.op == "IdentityN" else 0]
        return None


def _text(element: object) -> str:
    return text(element) if isinstance(element, bytes) else ""
