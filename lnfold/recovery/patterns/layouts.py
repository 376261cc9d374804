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

from lnfold.network.records.layouts import Rearrange
from lnfold.recovery.graph.node import Node
from lnfold.recovery.names.scopes import scope_of
from lnfold.recovery.patterns.algebra import Algebra

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
        width, units = before[-1], after[-1]
        if not width or not units:
            return None
        order: tuple[int, ...] | None = None
        if node.op == "Transpose":
            axes = self._shapes.axes_in_order(node.inputs[1], len(before))
            if axes is None or axes[0] != 0:
                return None
            shape = _known(before[1:])
            order = tuple(axis - 1 for axis in axes[1:])
        else:
            shape = _filling(before[1:], units)
        if shape is None:
            return None
        source = self._through(node.inputs[0])
        return Rearrange(tensor, (source,), scope_of(tensor), shape, order, units)


def _known(axes: tuple[int | None, ...]) -> tuple[int, ...] | None:
    """The axes, None where one of them is open or empty."""
    found = tuple(size for size in axes if size)
    return found if len(found) == len(axes) else None


def _filling(axes: tuple[int | None, ...], units: int) -> tuple[int, ...] | None:
    """The last of these axes, as few as fill whole rows of ``units``."""
    for first in range(len(axes) - 1, -1, -1):
        shape = _known(axes[first:])
        if shape is None:
            return None
        if math.prod(shape) % units == 0:
            return shape
    return None
