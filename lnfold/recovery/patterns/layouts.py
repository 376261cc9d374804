"""Tensors → values laid out otherwise: Reshape, Squeeze, ExpandDims and Transpose.

What keeps the last dimension and the order of the rows is looked through (``Passage``). Here
is the rest, where the graph's static shapes show that observations stay apart:

    [batch, …, a·b]    → [batch, …, a, b]     rows are cut
    [batch, a, b]      → [batch, a·b]         the rows of an observation are joined
    [batch, a, b, c]   → [batch, b, a, c]     they are put into another order
"""

from __future__ import annotations

import math
from typing import Final

from lnfold.network.records.layer import Shape
from lnfold.network.records.layouts import Rearrange
from lnfold.recovery.graph.node import Node
from lnfold.recovery.names.scopes import scope_of
from lnfold.recovery.patterns.algebra import Algebra

Lengths = tuple[int, ...]
LAYOUTS: Final = frozenset(["Reshape", "Squeeze", "ExpandDims", "Transpose"])


class LayoutPatterns:
    """Recognises what one graph rearranges."""

    def __init__(self, algebra: Algebra) -> None:
        self._through = algebra.through
        self._shapes = algebra.passage.shapes

    def rearrangement(self, tensor: str, node: Node) -> Rearrange | None:
        """How a tensor is laid out of another, None where that is not known in full."""
        if node.op not in LAYOUTS or not node.inputs:
            return None
        before, after = self._shapes.shape(node.inputs[0]), self._shapes.shape(tensor)
        if before is None or after is None or len(before) < 2 or len(after) < 2:
            return None
        source, scope = self._through(node.inputs[0]), scope_of(tensor)
        if node.op == "Transpose":
            axes = self._shapes.axes_in_order(node.inputs[1], len(before))
            taken = _known(before[1:])
            if axes is None or axes[0] != 0 or taken is None:
                return None
            order = tuple(axis - 1 for axis in axes[1:])
            given = tuple(taken[axis] for axis in order)
            return Rearrange(tensor, (source,), scope, taken, order, given)
        fitting = _fitting(before[1:], after[1:])
        if fitting is None:
            return None
        return Rearrange(tensor, (source,), scope, fitting[0], None, fitting[1])


def _known(axes: tuple[int | None, ...]) -> tuple[int, ...] | None:
    """The axes, None where one of them is open or empty."""
    found = tuple(size for size in axes if size)
    return found if len(found) == len(axes) else None


def _fitting(before: Shape, after: Shape) -> tuple[Lengths, Lengths] | None:
    """The last of either's axes, as few as hold the same numbers; None where one is open.

    Rows may be cut where it is open into how many.
    """
    many = few = 1
    while many <= len(before):
        taken, given = _known(before[-many:]), _known(after[-few:])
        if taken is None or given is None:
            return None
        left, right = math.prod(taken), math.prod(given)
        if left == right:
            return taken, given
        if left < right:
            many += 1
        elif few < len(after) and after[-few - 1]:
            few += 1
        else:
            return None if left % right else (taken, (left // right, *given))
    return None
