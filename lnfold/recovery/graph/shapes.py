"""The static shapes of a graph's tensors, and the integers that its reshapes compute.

What TensorFlow inferred is kept in the attribute ``_output_shapes``; where it is missing, and
for what TensorFlow leaves open, shapes are inferred here. None stands for an unknown length,
and for a shape of unknown rank.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

from lnfold.network.operations.operation import Integers, Operands
from lnfold.network.operations.table import OPERATIONS
from lnfold.recovery.graph.attributes import Shape
from lnfold.recovery.graph.constant_folding import attributes_of
from lnfold.recovery.graph.graph import VARIABLE_OPS, Graph
from lnfold.recovery.graph.integers import (
    PartlyKnown,
    computes_integers,
    of_constant,
    of_shape,
    partly_computed,
)
from lnfold.recovery.graph.node import Node
from lnfold.recovery.graph.op_names import words
from lnfold.recovery.graph.questions import Answers

Found = TypeVar("Found")

# What has no row, and the shape of what it reads first.
_SAME: Final = words(
    """
    PlaceholderWithDefault Switch Merge FusedBatchNorm FusedBatchNormV2 FusedBatchNormV3
    """
)
_MOST_AXES: Final = 254  # of a tensor of TensorFlow
_DEEPEST: Final = 16  # shapes that rest on integers that rest on shapes, and so on


class Shapes:
    """Shapes and integer vectors of one graph's tensors, inferred when asked for."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._shapes: Answers[str, Shape] = Answers(self._shape_needs, self._shape, None)
        self._integers: Answers[str, PartlyKnown | None] = Answers(
            self._integer_needs, self._partly_known, None
        )
        self._depth = 0

    def shape(self, tensor: str) -> Shape:
        """The static shape of a tensor."""
        return self._shapes(tensor)

    def rank(self, tensor: str) -> int | None:
        """The number of its dimensions."""
        shape = self._shapes(tensor)
        return None if shape is None else len(shape)

    def units(self, tensor: str) -> int | None:
        """The length of its last dimension."""
        shape = self._shapes(tensor)
        return shape[-1] if shape else None

    def integers(self, tensor: str) -> Integers:
        """The elements of a vector or scalar of integers, None for those that are not static."""
        found = self._integers(tensor)
        return None if found is None else found.integers

    def axes(self, tensor: str, rank: int | None) -> tuple[int, ...] | None:
        """Axes that a constant names, counted from 0 where the rank is known."""
        found = self._vector_of(tensor)
        if found is None or None in found:
            return None
        known = [axis for axis in found if axis is not None]
        if rank is None:
            return tuple(known)
        if any(not -rank <= axis < rank for axis in known):
            return None
        return tuple(sorted(axis % rank for axis in known))

    def _deeper(self, answers: Answers[str, Found | None], tensor: str) -> Found | None:
        """An answer of the other kind: the two may rest on each other, but not without end."""
        if self._depth == _DEEPEST:
            return None
        self._depth += 1
        try:
            return answers(tensor)
        finally:
            self._depth -= 1

    # ── shapes ────────────────────────────────────────────────────────────────────────────

    def _shape_needs(self, tensor: str) -> Sequence[str]:
        node = self._graph.node(tensor)
        if _kept_shape(node, tensor) is not None or node.op in VARIABLE_OPS:
            return ()
        if node.op == "IdentityN":
            index = int(tensor.partition(":")[2] or 0)
            return node.inputs[index : index + 1]
        return node.inputs

    def _shape(self, tensor: str) -> Shape:
        node = self._graph.node(tensor)
        kept = _kept_shape(node, tensor)
        if kept is not None and (node.op not in ("Reshape", "Transpose") or None not in kept):
            return kept
        inferred = self._inferred(node, tensor)
        return kept if inferred is None or len(inferred) > _MOST_AXES else inferred

    def _inferred(self, node: Node, tensor: str) -> Shape:
        of: Callable[[str], Shape] = self._shapes.known
        if node.is_constant:
            return node.constant().shape
        if node.op in VARIABLE_OPS or node.op.startswith("Placeholder"):
            declared = node.shape()
            if declared is not None or not node.inputs:
                return declared
        if node.op == "IdentityN":
            index = int(tensor.partition(":")[2] or 0)
            return of(node.inputs[index]) if index < len(node.inputs) else None
        if not node.inputs:
            return None
        if node.op in _SAME:
            return of(node.inputs[0])
        row = OPERATIONS.get(node.op)
        if row is None or (row.operands is not None and len(node.inputs) != row.operands):
            return None
        operands = Operands(
            attributes_of(node, row),
            [of(one) for one in node.inputs],
            _OnDemand(lambda place: self._vector_of(node.inputs[place]), len(node.inputs)),
        )
        try:
            found = row.shape(operands)
        except (ArithmeticError, LookupError, TypeError, ValueError):
            return None  # operands that do not fit: whoever computes it says so
        index = int(tensor.partition(":")[2] or 0)
        shape = found[index] if index < len(found) else None
        if node.op == "Reshape" and shape is not None and shape.count(None) > 1:
            return self._with_the_rest(node, shape)
        return shape

    def _with_the_rest(self, node: Node, shape: tuple[int | None, ...]) -> Shape:
        """What a Reshape delivers whose target is the lengths of open axes of its operand, and
        −1: what is left for that is what the other axes hold."""
        target = self._deeper(self._integers, node.inputs[1])
        before = self._shapes.known(node.inputs[0])
        if target is None or before is None or target.values.ndim != 1:
            return shape
        name = self._named(node.inputs[0])
        kept = [
            one.number for one in target.axes.tolist() if one is not None and one.tensor == name
        ]
        rest = [length for axis, length in enumerate(before) if axis not in kept]
        wanted = target.values[target.known].tolist()
        asked = math.prod(one for one in wanted if one != -1)
        size = math.prod(length or 0 for length in rest)
        if wanted.count(-1) != 1 or len(set(kept)) < len(kept) or not size or not asked:
            return shape
        if len(kept) + len(wanted) < len(shape) or size % asked:
            return shape
        known = zip(target.values.tolist(), target.known.tolist(), strict=True)
        free = [is_known and one == -1 for one, is_known in known]
        return tuple(
            size // asked if is_free else one for is_free, one in zip(free, shape, strict=True)
        )

    def _named(self, tensor: str) -> str:
        """The name of a tensor, or of the one that it hands on."""
        for _ in range(_DEEPEST):
            node = self._graph.node(tensor)
            if node.op not in ("Identity", "StopGradient") or not node.inputs:
                break
            tensor = node.inputs[0]
        return tensor

    def _vector_of(self, tensor: str) -> Integers:
        found = self._deeper(self._integers, tensor)
        return None if found is None else found.integers

    def axes_in_order(self, tensor: str, rank: int) -> tuple[int, ...] | None:
        """A permutation of ``rank`` axes that a constant names, None where it is none."""
        found = self._vector_of(tensor)
        if found is None or None in found:
            return None
        order = tuple(axis for axis in found if axis is not None)
        return order if sorted(order) == list(range(rank)) else None

    # ── integers ──────────────────────────────────────────────────────────────────────────

    def _integer_needs(self, tensor: str) -> Sequence[str]:
        node = self._graph.node(tensor)
        return node.inputs if computes_integers(node) and node.op != "Shape" else ()

    def _partly_known(self, tensor: str) -> PartlyKnown | None:
        node = self._graph.node(tensor)
        if node.is_constant:
            return of_constant(node)
        if node.op == "Shape" and node.inputs:
            shape = self._deeper(self._shapes, node.inputs[0])
            return of_shape(self._named(node.inputs[0]), shape)
        if not computes_integers(node) or ":" in tensor:
            return None
        row = OPERATIONS[node.op]
        if row.operands is not None and len(node.inputs) != row.operands:
            return None
        operands = [self._integers.known(one) for one in node.inputs]
        if any(one is None for one in operands):
            return None
        try:
            return partly_computed(row, attributes_of(node, row), operands)
        except (ArithmeticError, LookupError, TypeError, ValueError):
            return None


class _OnDemand(Sequence[Integers]):
    """The integers of operands, each looked for when a rule asks for it."""

    def __init__(self, find: Callable[[int], Integers], many: int) -> None:
        self._find, self._many = find, many

    def __len__(self) -> int:
        return self._many

    def __getitem__(self, place: Any) -> Any:
        if not 0 <= place < self._many:
            raise IndexError(place)
        return self._find(place)


def _kept_shape(node: Node, tensor: str) -> Shape:
    return node.output_shape(int(tensor.partition(":")[2] or 0))
