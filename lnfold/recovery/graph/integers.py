"""The integers that a graph computes for its reshapes, element by element.

Python code such as ``tf.reshape(x, [tf.shape(x)[0], 64])`` becomes Shape, StridedSlice and Pack
operations. Of the vectors that they pass on, the static elements are known, the rest is None.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

import numpy as np

from lnfold.recovery.graph.node import Node

Integers = tuple[int | None, ...] | None  # the elements of a vector of integers
LONGEST: Final = 64  # elements of a vector that says a shape
LARGEST: Final = 2**63 - 1  # of the int64 that they are


def of_constant(node: Node) -> Integers:
    """The elements of a constant vector or scalar, None where it is neither."""
    array = node.constant()
    if array.dtype.kind not in "iu" or array.ndim > 1 or array.size > LONGEST:
        return None
    return tuple(int(one) for one in np.atleast_1d(array))


Vectors = list[tuple[int | None, ...]]


def _each(function: Callable[[int, int], int]) -> Callable[[Node, Vectors], Integers]:
    """A function of two integers, element by element."""

    def apply(node: Node, parts: Vectors) -> Integers:
        if len(parts) != 2:
            return None
        left, right = parts
        if len(left) != len(right):
            left, right = (
                left * len(right) if len(left) == 1 else left,
                (right * len(left) if len(right) == 1 else right),
            )
        if len(left) != len(right):
            return None
        return tuple(
            None if a is None or b is None else function(a, b)
            for a, b in zip(left, right, strict=True)
        )

    return apply


def _sliced(node: Node, parts: Vectors) -> Integers:
    if len(parts) != 4 or any(len(one) != 1 or one[0] is None for one in parts[1:]):
        return None
    begin, end, step = (one[0] for one in parts[1:])
    if step != 1 or begin is None:
        return None
    vector = parts[0]
    if node.number("shrink_axis_mask", 0):
        return vector[begin : begin + 1 or None]
    start = 0 if node.number("begin_mask", 0) else begin
    return vector[start : None if node.number("end_mask", 0) else end]


def _gathered(node: Node, parts: Vectors) -> Integers:
    vector, places = parts[0], parts[1]
    if any(place is None or not 0 <= place < len(vector) for place in places):
        return None
    return tuple(vector[place] for place in places if place is not None)


def _product_of(node: Node, parts: Vectors) -> Integers:
    known = [one for one in parts[0] if one is not None]
    return (math.prod(known) if len(known) == len(parts[0]) else None,)


def _counted(node: Node, parts: Vectors) -> Integers:
    if len(parts) != 3 or any(len(one) != 1 or one[0] is None for one in parts):
        return None
    start, limit, step = (one[0] or 0 for one in parts)
    if step == 0 or abs(limit - start) > LONGEST:
        return None
    return tuple(range(start, limit, step))


INTEGER_OPS: Final[dict[str, Callable[[Node, Vectors], Integers]]] = {
    "Identity": lambda node, parts: parts[0],
    "Cast": lambda node, parts: parts[0],
    "StridedSlice": _sliced,
    "GatherV2": _gathered,
    "Prod": _product_of,
    "Range": _counted,
    "ConcatV2": lambda node, parts: tuple(one for part in parts[:-1] for one in part),
    "ExpandDims": lambda node, parts: parts[0] if len(parts[0]) == 1 else None,
    "Add": _each(lambda a, b: a + b),
    "AddV2": _each(lambda a, b: a + b),
    "Sub": _each(lambda a, b: a - b),
    "Mul": _each(lambda a, b: a * b),
    "Pack": lambda node, parts: None,
    "Shape": lambda node, parts: None,
}
