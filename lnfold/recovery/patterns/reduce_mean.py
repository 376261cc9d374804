"""Means in a graph: over which axes, and of what."""

from __future__ import annotations

from dataclasses import dataclass

from lnfold.recovery.patterns.algebra import Algebra


@dataclass(frozen=True, slots=True)
class MeanOf:
    """The mean of ``value`` over ``axes``, kept in a form that broadcasts over the value.

    Attributes:
        axes: counted from 0 where ``rank`` is known, else as the graph has them.
        rank: the number of dimensions of the value, where the graph says it.
    """

    value: str
    axes: tuple[int, ...]
    rank: int | None

    @property
    def over_units(self) -> bool:
        """Whether it is over the last axis alone: the units of a row."""
        last = -1 if self.rank is None else self.rank - 1
        return self.axes == (last,)


def mean_of(algebra: Algebra, tensor: str) -> MeanOf | None:
    """What a tensor is the mean of, or None where it is none."""
    node = algebra.graph.node(tensor)
    kept = True
    if node.op in ("ExpandDims", "Reshape") and node.inputs:
        kept = False
        node = algebra.graph.node(algebra.through(node.inputs[0]))
    if node.op != "Mean" or len(node.inputs) != 2:
        return None
    if kept and not node.number("keep_dims", 0):
        return None
    shapes = algebra.passage.shapes
    rank = shapes.rank(node.inputs[0])
    axes = shapes.axes(node.inputs[1], rank)
    if not axes:
        return None
    if not kept and (
        axes not in ((-1,), None if rank is None else (rank - 1,)) or shapes.units(tensor) != 1
    ):
        return None  # an axis was put back elsewhere than the mean took it away
    return MeanOf(algebra.through(node.inputs[0]), axes, rank)
