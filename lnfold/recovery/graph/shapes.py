"""The static shapes of a graph's tensors, and the integers that its reshapes compute.

What TensorFlow inferred is kept in the attribute ``_output_shapes``; where it is missing, and
for what TensorFlow leaves open, shapes are inferred here. None stands for an unknown length,
and for a shape of unknown rank.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

from lnfold.recovery.graph.attributes import Shape
from lnfold.recovery.graph.graph import VARIABLE_OPS, Graph
from lnfold.recovery.graph.integers import INTEGER_OPS, LARGEST, LONGEST, Integers, of_constant
from lnfold.recovery.graph.node import Node
from lnfold.recovery.graph.op_names import words
from lnfold.recovery.graph.questions import Answers

Found = TypeVar("Found")

_SAME: Final = words(
    """
    Abs Cast CheckNumerics Elu EnsureShape Erf Erfc Exp Identity LeakyRelu Log Neg
    PlaceholderWithDefault PreventGradient ReadVariableOp Reciprocal Relu Relu6 Rsqrt Selu Sigmoid
    Softmax LogSoftmax Softplus Softsign Sqrt Square StopGradient Switch Tanh BiasAdd BiasAddV1
    FusedBatchNorm FusedBatchNormV2 FusedBatchNormV3 Log1p Expm1 Merge ZerosLike
    """
)
_BROADCAST: Final = words("Add AddV2 Div Maximum Minimum Mul Pow RealDiv SquaredDifference Sub")
_REDUCTIONS: Final = words("Mean Sum Max Min Prod")
_MOST_AXES: Final = 254  # of a tensor of TensorFlow
_DEEPEST: Final = 16  # shapes that rest on integers that rest on shapes, and so on


class Shapes:
    """Shapes and integer vectors of one graph's tensors, inferred when asked for."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._shapes: Answers[str, Shape] = Answers(self._shape_needs, self._shape, None)
        self._integers: Answers[str, Integers] = Answers(self._integer_needs, self._vector, None)
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
        return self._integers(tensor)

    def axes(self, tensor: str, rank: int | None) -> tuple[int, ...] | None:
        """Axes that a constant names, counted from 0 where the rank is known."""
        found = self._deeper(self._integers, tensor)
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
        first = of(node.inputs[0])
        if node.op in _SAME:
            return first
        if node.op in _BROADCAST and len(node.inputs) == 2:
            return _broadcast(first, of(node.inputs[1]))
        if node.op in ("MatMul", "BatchMatMul", "BatchMatMulV2") and len(node.inputs) == 2:
            return _product(node, first, of(node.inputs[1]))
        if node.op == "Reshape" and len(node.inputs) == 2:
            return _reshaped(first, self._deeper(self._integers, node.inputs[1]))
        if node.op == "Fill":
            return self._deeper(self._integers, node.inputs[0])
        if first is None:
            return None
        if node.op in _REDUCTIONS and len(node.inputs) == 2:
            return self._reduced(node, first)
        if node.op == "ExpandDims" and len(node.inputs) == 2:
            axes = self._deeper(self._integers, node.inputs[1])
            if axes is None or len(axes) != 1 or axes[0] is None:
                return None
            place = axes[0] % (len(first) + 1)
            return (*first[:place], 1, *first[place:])
        if node.op == "Transpose" and len(node.inputs) == 2:
            order = self.axes_in_order(node.inputs[1], len(first))
            return None if order is None else tuple(first[axis] for axis in order)
        if node.op == "Squeeze":
            return _squeezed(node, first)
        return None

    def axes_in_order(self, tensor: str, rank: int) -> tuple[int, ...] | None:
        """A permutation of ``rank`` axes that a constant names, None where it is none."""
        found = self._deeper(self._integers, tensor)
        if found is None or None in found:
            return None
        order = tuple(axis for axis in found if axis is not None)
        return order if sorted(order) == list(range(rank)) else None

    def _reduced(self, node: Node, shape: tuple[int | None, ...]) -> Shape:
        axes = self.axes(node.inputs[1], len(shape))
        if axes is None:
            return None
        if node.number("keep_dims", 0):
            return tuple(1 if axis in axes else size for axis, size in enumerate(shape))
        return tuple(size for axis, size in enumerate(shape) if axis not in axes)

    # ── integers ──────────────────────────────────────────────────────────────────────────

    def _integer_needs(self, tensor: str) -> Sequence[str]:
        node = self._graph.node(tensor)
        return node.inputs if node.op in INTEGER_OPS and node.op != "Shape" else ()

    def _vector(self, tensor: str) -> Integers:
        node = self._graph.node(tensor)
        if node.is_constant:
            return of_constant(node)
        if node.op == "Shape" and node.inputs:
            return self._deeper(self._shapes, node.inputs[0])
        if node.op not in INTEGER_OPS:
            return None
        parts = [self._integers.known(one) for one in node.inputs]
        if node.op == "Pack":
            single = [None if one is None or len(one) != 1 else one[0] for one in parts]
            return tuple(single)
        if not parts or any(one is None for one in parts):
            return None
        known = [one for one in parts if one is not None]
        found = INTEGER_OPS[node.op](node, known)
        if found is None or len(found) > LONGEST:
            return None
        # beyond what TensorFlow computes with, numbers squared again and again fill the memory
        return tuple(None if one is None or abs(one) > LARGEST else one for one in found)


def _kept_shape(node: Node, tensor: str) -> Shape:
    return node.output_shape(int(tensor.partition(":")[2] or 0))


def _broadcast(left: Shape, right: Shape) -> Shape:
    if left is None or right is None:
        return None
    longer, shorter = (left, right) if len(left) >= len(right) else (right, left)
    padded = (1,) * (len(longer) - len(shorter)) + shorter
    return tuple(
        b if a == 1 else a if b in (1, a) or b is None else b if a is None else a
        for a, b in zip(longer, padded, strict=True)
    )


def _product(node: Node, left: Shape, right: Shape) -> Shape:
    if left is None or right is None or len(left) < 2 or len(right) < 2:
        return None
    turned_left = node.number("transpose_a", 0) or node.number("adj_x", 0)
    turned_right = node.number("transpose_b", 0) or node.number("adj_y", 0)
    rows, columns = left[-1] if turned_left else left[-2], right[-2] if turned_right else right[-1]
    return (*(left if len(left) >= len(right) else right)[:-2], rows, columns)


def _reshaped(shape: Shape, target: Integers) -> Shape:
    if target is None:
        return None
    sizes = [None if size is None or size < 0 else size for size in target]
    if sizes.count(None) == 1 and shape is not None and None not in shape:
        rest = math.prod(size for size in sizes if size is not None)
        total = math.prod(size for size in shape if size is not None)
        if rest and total % rest == 0:
            sizes[sizes.index(None)] = total // rest
    return tuple(sizes)


def _squeezed(node: Node, shape: tuple[int | None, ...]) -> Shape:
    named = [axis % len(shape) for axis in node.integers("squeeze_dims") if shape]
    if not named and None in shape:
        return None  # an unknown length may be 1
    return tuple(
        size for axis, size in enumerate(shape) if not (axis in named if named else size == 1)
    )
