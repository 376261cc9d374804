"""An operation of a graph on arrays that are known: the table's row with the node's attributes.

Nothing of a file is ever executed: an operation that has no row is not evaluated.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from lnfold.network.operations.operation import Array, Attributes, Operands, Operation, Shapes
from lnfold.network.operations.table import OPERATIONS
from lnfold.recovery.graph.node import Node

# Elements that an operation may make of smaller arrays: a graph may ask for more than a machine
# holds.
LARGEST: Final = 1 << 26
_MOST_INTEGERS: Final = 256  # elements of an operand that a shape may follow from


class TooLargeError(Exception):
    """An operation would make an array that no network has."""


def attributes_of(node: Node, row: Operation) -> Attributes:
    """The attributes that a row needs, each in the type of its default.

    Raises:
        GraphError: one is damaged, or of another type.
    """
    return {name: _attribute(node, name, default) for name, default in row.attributes.items()}


def _attribute(node: Node, name: str, default: Any) -> Any:
    if isinstance(default, bool):
        return bool(node.number(name, default))
    if isinstance(default, float):
        return node.number(name, default)
    if isinstance(default, int):
        return node.integer(name, default)
    if isinstance(default, tuple):
        return tuple(node.integers(name)) or default
    texts = node.attribute(name).texts
    return texts[0].decode("ascii", "replace") if texts else default


def evaluated(node: Node, index: int, arrays: Sequence[Array]) -> Array:
    """Output number ``index`` of a node whose operands are known.

    Raises:
        TooLargeError: it would be larger than is in reason, and than what it is made of.
        ArithmeticError, LookupError, TypeError, ValueError: its operands do not fit.
    """
    row = OPERATIONS[node.op]
    if row.operands is not None and len(arrays) != row.operands:
        raise ValueError(f"{len(arrays)} operands, and it takes {row.operands}")
    attributes = attributes_of(node, row)
    _expect_in_reason(shapes_of(row, attributes, arrays), arrays)
    found = row.compute(attributes, *arrays)
    return (found if isinstance(found, tuple) else (found,))[index]


def shapes_of(row: Operation, attributes: Attributes, arrays: Sequence[Array]) -> Shapes:
    """The shapes that an operation makes of arrays, told without making them."""
    integers = [
        tuple(int(number) for number in one.ravel())
        if one.dtype.kind in "iu" and one.size <= _MOST_INTEGERS
        else None
        for one in arrays
    ]
    return row.shape(Operands(attributes, [one.shape for one in arrays], integers))


def _expect_in_reason(shapes: Shapes, arrays: Sequence[Array]) -> None:
    """TooLargeError for more numbers than LARGEST, and than there are in different operands."""
    given: Mapping[int, int] = {id(one): one.size for one in arrays}
    for shape in shapes:
        if shape is None or None in shape:
            raise TooLargeError("an array of unknown size")
        if any(one is not None and one < 0 for one in shape):
            raise ValueError(f"an array of shape {shape}")
        if math.prod(one or 0 for one in shape) > max(LARGEST, sum(given.values())):
            raise TooLargeError(f"an array of shape {shape}")
