"""The record of an operation of TensorFlow: one row of the table, which many read.

Constant folding and the re-run call ``compute``, shape inference ``shape``; patterns ask for the
family. Nothing of a file is ever executed: what has no row is not computed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final

import numpy as np

Array = np.ndarray
Shape = tuple[int | None, ...]
Integers = tuple[int | None, ...] | None  # the elements of a vector, None where not known
Attributes = Mapping[str, Any]  # by TensorFlow's names; a row says its defaults

# TensorFlow's numbers of the element types that NumPy has.
DTYPES: Final = {
    1: "f4", 2: "f8", 3: "i4", 4: "u1", 5: "i2", 6: "i1", 9: "i8", 10: "?", 17: "u2", 19: "f2",
    22: "u4", 23: "u8",
}  # fmt: skip


class Family(Enum):
    """What a row does with the places of its operands."""

    ELEMENTWISE = "each number by itself, operands broadcast"
    REDUCTION = "numbers along axes become one"
    LAYOUT = "the same numbers in other places"
    INDEXING = "numbers chosen by places"
    PRODUCT = "sums of products"
    WINDOW = "windows that move over places"
    CHOICE = "comparisons, and one of two"
    SHAPE = "numbers that follow from shapes alone"


@dataclass(frozen=True, slots=True)
class Operands:
    """What a shape rule is told: shapes, None of unknown rank, and the integers that are known."""

    attributes: Attributes
    shapes: Sequence[Shape | None]
    integers: Sequence[Integers]

    @property
    def first(self) -> Shape | None:
        return self.shapes[0] if self.shapes else None

    def known(self, place: int) -> tuple[int, ...] | None:
        """The integers of an operand, None unless all of them are known."""
        found = self.integers[place] if place < len(self.integers) else None
        if found is None or None in found:
            return None
        return tuple(one for one in found if one is not None)


Shapes = tuple[Shape | None, ...]


@dataclass(frozen=True, slots=True)
class Operation:
    """One row.

    Attributes:
        names: TensorFlow's, in all its versions.
        family: what it does with places.
        compute: from (attributes, *arrays) to an array, or to a tuple where it has several.
        shape: from Operands to the shape of each output, None where it is not known.
        attributes: those that it needs, with TensorFlow's defaults.
        operands: how many it takes; None for any number.
        moved: which operands hold the numbers that are moved, where it moves some; the others
            say where.
    """

    names: tuple[str, ...]
    family: Family
    compute: Callable[..., Array | tuple[Array, ...]]
    shape: Callable[[Operands], Shapes]
    attributes: Attributes = field(default_factory=dict)
    operands: int | None = 1
    moved: slice = field(default_factory=lambda: slice(0, 1))


def product_of(shape: Sequence[int]) -> int:
    return math.prod(shape)


def axes_in(axes: Sequence[int], rank: int) -> tuple[int, ...]:
    """Axes counted from the front; ValueError where there is no such axis."""
    if any(not -rank <= axis < rank for axis in axes):
        raise ValueError(f"axes {tuple(axes)} of {rank}")
    return tuple(axis % rank for axis in axes)


def integers_of(array: Array) -> tuple[int, ...]:
    """The elements of a vector or number of integers."""
    return tuple(int(one) for one in np.asarray(array).ravel())


def broadcast(*shapes: Shape | None) -> Shape | None:
    """The shape of operands that are broadcast; None where a rank is not known."""
    known = [shape for shape in shapes if shape is not None]
    if len(known) < len(shapes) or not known:
        return None
    rank = max(map(len, known))
    found: list[int | None] = []
    for lengths in zip(*((1,) * (rank - len(shape)) + shape for shape in known), strict=True):
        wide = {one for one in lengths if one not in (1, None)}
        if len(wide) > 1:
            return None
        found.append(wide.pop() if wide else None if None in lengths else 1)
    return tuple(found)
