"""The tensors behind operations that change nothing at inference.

Two kinds: what hands a tensor on as it is (Identity, the Switch and Merge of a conditional
whose flag is known), and what only lays the same rows out otherwise (a cast between floats, a
reshape that keeps the last dimension).
"""

from __future__ import annotations

from typing import Final

from lnfold.recovery.graph.branches import Conditionals
from lnfold.recovery.graph.graph import Graph
from lnfold.recovery.graph.node import Node
from lnfold.recovery.graph.op_names import words
from lnfold.recovery.graph.shapes import Shapes

_HANDS_ON: Final = words(
    """
    Identity StopGradient PreventGradient CheckNumerics Snapshot Switch EnsureShape
    ReadVariableOp RefIdentity RefSwitch Print DebugIdentity DebugIdentityV2 DebugIdentityV3
    """
)
_LAYS_OUT: Final = words("Reshape Squeeze ExpandDims Transpose")
_FLOATS: Final = frozenset([1, 2, 14, 19])  # float, double, bfloat16, half
_NARROW: Final = frozenset([14, 19])  # bfloat16, half
_DISCRETE: Final = frozenset([3, 4, 5, 6, 9, 10, 17, 22, 23])  # integers and bool


class Passage:
    """Looks through the operations of one graph that change nothing."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.shapes = Shapes(graph)
        self.conditionals = Conditionals(graph.nodes, graph.where)
        self._same: dict[str, str | None] = {}
        self._behind: dict[str, str] = {}
        self.narrowed: dict[str, int] = {}  # tensor → DataType that a cast takes its values to

    def same(self, tensor: str) -> str | None:
        """The tensor that a node hands on unchanged, None where it computes something."""
        if tensor not in self._same:
            self._same[tensor] = self._same_of(tensor)
        return self._same[tensor]

    def _same_of(self, tensor: str) -> str | None:
        node = self.graph.node(tensor)
        if not node.inputs:
            return None
        if node.op in _HANDS_ON:
            return node.inputs[0]
        if node.op == "IdentityN":
            index = int(tensor.partition(":")[2] or 0)
            return node.inputs[index] if index < len(node.inputs) else None
        if node.op in ("Merge", "RefMerge"):
            return self.conditionals.arriving(node)
        if node.op in ("Pad", "PadV2") and len(node.inputs) > 1:
            paddings = self.graph.node(node.inputs[1])
            nothing = paddings.is_constant and not paddings.constant().any()
            return node.inputs[0] if nothing else None
        if node.op == "PlaceholderWithDefault" and self.shapes.shape(tensor) == ():
            return node.inputs[0]  # a number or flag that nobody has to feed
        return None

    def through(self, tensor: str) -> str:
        """The tensor whose rows a tensor holds."""
        if tensor in self._behind:
            return self._behind[tensor]
        passed, casts = [tensor], list[int]()
        while True:
            source = self._behind.get(tensor) or self.same(tensor) or self._same_rows(tensor)
            if source is None or source == tensor or len(passed) > len(self.graph.nodes):
                break
            passed.append(source)
            if self.graph.node(tensor).op == "Cast":
                casts.append(self.graph.node(tensor).integer("DstT", 1))
            tensor = source
        for one in passed:
            self._behind[one] = tensor
        narrow = _NARROW.intersection(casts)
        if narrow:
            self.narrowed[tensor] = min(narrow)
        return tensor

    def _same_rows(self, tensor: str) -> str | None:
        node = self.graph.node(tensor)
        if node.op == "Cast" and node.inputs:
            return node.inputs[0] if self._keeps_values(node) else None
        if node.op not in _LAYS_OUT or not node.inputs:
            return None
        source = node.inputs[0]
        if node.op == "Transpose":
            rank = self.shapes.rank(source)
            if rank is None or len(node.inputs) != 2:
                return None
            order = self.shapes.axes_in_order(node.inputs[1], rank)
            return source if order == tuple(range(rank)) else None
        before, after = self.shapes.shape(source), self.shapes.shape(tensor)
        if not before or not after or before[-1] is None or before[-1] != after[-1]:
            return None
        return source

    def _keeps_values(self, node: Node) -> bool:
        """Whether a cast changes at most the precision of a value."""
        before, after = node.integer("SrcT", 1), node.integer("DstT", 1)
        if after not in _FLOATS:
            return False
        source = self.graph.node(node.inputs[0])
        placed = source.op.startswith("Placeholder") and before in _DISCRETE
        return before in _FLOATS or placed
