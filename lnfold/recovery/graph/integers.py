"""The integers that a graph computes for its reshapes, element by element.

Python code such as ``tf.reshape(x, [tf.shape(x)[0], 64])`` becomes Shape, StridedSlice and Pack
operations. Of the tensors that they pass on, the static elements are known, the rest is not.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from lnfold.network.operations.operation import (
    Array,
    Attributes,
    Family,
    Integers,
    Operation,
    Shape,
)
from lnfold.network.operations.table import OPERATIONS
from lnfold.recovery.graph.constant_folding import shapes_of
from lnfold.recovery.graph.node import Node

LONGEST: Final = 64  # elements of a tensor that says a shape
LARGEST: Final = 2**63 - 1  # of the int64 that they are
_UNCHANGED: Final = ("Identity", "Cast")  # the first names of rows that keep integers
_ROWS: Final = (Family.ELEMENTWISE, Family.REDUCTION, Family.LAYOUT, Family.INDEXING, Family.SHAPE)


@dataclass(frozen=True, slots=True)
class Axis:
    """An axis of a tensor."""

    tensor: str
    number: int


@dataclass(frozen=True, slots=True, eq=False)
class PartlyKnown:
    """A small tensor of integers.

    Attributes:
        values: Python's integers, which are as large as they are; 1 where nothing is known.
        known: which of them are.
        axes: of one that is not known, the Axis whose length it is, None where that is not
            known either.
    """

    values: Array
    known: Array
    axes: Array

    @property
    def integers(self) -> Integers:
        """The elements of a vector or number; None for a tensor of more axes."""
        if self.values.ndim > 1:
            return None
        pairs = zip(self.values.ravel(), self.known.ravel(), strict=True)
        return tuple(int(one) if known else None for one, known in pairs)


def of_constant(node: Node) -> PartlyKnown | None:
    """A small constant of integers, None for any other."""
    array = node.constant()
    if array.dtype.kind not in "iu" or array.size > LONGEST:
        return None
    return PartlyKnown(array.astype(object), np.ones(array.shape, bool), np.full(array.shape, None))


def of_shape(tensor: str, shape: Shape | None) -> PartlyKnown | None:
    """What a Shape operation delivers of a tensor."""
    if shape is None or len(shape) > LONGEST:
        return None
    axes = np.full(len(shape), None)
    for axis, length in enumerate(shape):
        axes[axis] = Axis(tensor, axis) if length is None else None
    known = np.array([one is not None for one in shape], bool)
    return PartlyKnown(np.array([1 if one is None else one for one in shape], object), known, axes)


def computes_integers(node: Node) -> bool:
    """Whether the table has a row for a node that may deliver integers that are known."""
    row = OPERATIONS.get(node.op)
    return row is not None and row.family in _ROWS


def partly_computed(
    row: Operation, attributes: Attributes, operands: Sequence[PartlyKnown | None]
) -> PartlyKnown | None:
    """What an operation delivers of what is known; None where that cannot be said.

    Raises:
        ArithmeticError, LookupError, TypeError, ValueError: its operands do not fit.
    """
    given = [one for one in operands if one is not None]
    if len(given) < len(operands) or not given:
        return None
    values = [one.values for one in given]
    shape = shapes_of(row, attributes, [one.astype(np.int64) for one in values])[0]
    sized = tuple(one or 0 for one in shape or ())
    if shape is None or None in shape or math.prod(sized) > LONGEST:
        return None
    axes: Array = np.full(sized, None)
    if row.family is Family.ELEMENTWISE:
        known = np.broadcast_to(_all_of([one.known for one in given]), sized)
        if row.names[0] in _UNCHANGED:
            axes = given[0].axes
    else:
        moved = range(len(given))[row.moved]
        if not all(one.known.all() for place, one in enumerate(given) if place not in moved):
            return None
        values = [
            one if place in moved else one.astype(np.int64) for place, one in enumerate(values)
        ]
        if row.family is Family.REDUCTION:
            known = np.full(sized, given[0].known.all())
        else:
            masks = [
                given[place].known if place in moved else one for place, one in enumerate(values)
            ]
            known = _plain(row.compute(attributes, *masks)).astype(bool)
            marks = [
                given[place].axes if place in moved else one for place, one in enumerate(values)
            ]
            axes = _plain(row.compute(attributes, *marks))
    found = _plain(row.compute(attributes, *values)).astype(object)
    fits = np.array([type(one) is int and abs(one) <= LARGEST for one in found.ravel().tolist()])
    known = known & fits.reshape(found.shape).astype(bool)
    return PartlyKnown(np.where(known, found, 1).astype(object), known, axes)


def _plain(found: Array | tuple[Array, ...]) -> Array:
    if isinstance(found, tuple):
        raise TypeError("several tensors")
    return np.asarray(found)


def _all_of(masks: Sequence[Array]) -> Array:
    found = masks[0]
    for one in masks[1:]:
        found = found & one
    return found
