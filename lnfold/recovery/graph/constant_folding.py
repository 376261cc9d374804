"""The TensorFlow operations that lnfold evaluates for parameters, as pure NumPy functions.

Nothing of a file is ever executed: an operation that is not in this table is not evaluated.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from lnfold.network.records.layer import Array
from lnfold.recovery.graph.node import Node

# Elements that an operation may make of smaller arrays: a graph may ask for more than a machine
# holds.
LARGEST: Final = 1 << 26
_DTYPES: Final = {1: "f4", 2: "f8", 3: "i4", 4: "u1", 5: "i2", 6: "i1", 9: "i8", 10: "?", 19: "f2"}


class TooLargeError(Exception):
    """An operation would make an array that no network has."""


def _axes(argument: Array) -> tuple[int, ...]:
    return tuple(int(axis) for axis in np.asarray(argument).ravel())


def _fits(shape: tuple[int, ...], *arrays: Array) -> tuple[int, ...]:
    """The shape, where an array of it is in reason or no larger than those it is made of."""
    if math.prod(shape) > max([LARGEST, *(one.size for one in arrays)]):
        raise TooLargeError(f"an array of shape {shape}")
    return shape


def _broadcast(function: Callable[..., Any]) -> Callable[..., Array]:
    """A function of two arrays whose shapes are broadcast, within reason."""

    def apply(node: Node, x: Array, y: Array) -> Array:
        _fits(np.broadcast_shapes(x.shape, y.shape), x, y)
        return np.asarray(function(x, y))

    return apply


def _cast(node: Node, value: Array) -> Array:
    number = node.integer("DstT", 1)
    if number not in _DTYPES:
        raise TypeError(f"a cast to DataType {number}")
    return value.astype(_DTYPES[number])


def _reduced(function: Callable[..., Any]) -> Callable[..., Array]:
    def apply(node: Node, x: Array, axes: Array) -> Array:
        keep = bool(node.number("keep_dims", 0))
        return np.asarray(function(x, axis=_axes(axes), keepdims=keep)).astype(x.dtype)

    return apply


def _product(node: Node, x: Array, y: Array) -> Array:
    x = x.T if node.number("transpose_a", 0) else x
    y = y.T if node.number("transpose_b", 0) else y
    _fits((*x.shape[:-1], *y.shape[1:]), x, y)
    return np.asarray(x @ y)


def _sliced(node: Node, x: Array, begin: Array, end: Array, step: Array) -> Array:
    if node.number("ellipsis_mask", 0) or node.number("new_axis_mask", 0):
        raise TypeError("a slice with an ellipsis or a new axis")
    masks = [node.integer(f"{name}_mask", 0) for name in ("begin", "end", "shrink_axis")]
    places: list[int | slice] = []
    for axis, (start, stop, stride) in enumerate(zip(*map(_axes, (begin, end, step)), strict=True)):
        from_start, to_end, single = (mask >> axis & 1 for mask in masks)
        if single:
            places.append(start)
        else:
            places.append(slice(None if from_start else start, None if to_end else stop, stride))
    return x[tuple(places)]


def _different(parts: tuple[Array, ...]) -> tuple[Array, ...]:
    """The parts, where each is another array or all together are in reason.

    The shards of a table may be large; one array again and again grows without end.
    """
    if len({id(one) for one in parts}) < len(parts):
        _fits((sum(one.size for one in parts),))
    return parts


def _squeezed(node: Node, x: Array) -> Array:
    return np.squeeze(x, tuple(node.integers("squeeze_dims")) or None)


def _sigmoid(x: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-x)))


FUNCTIONS: Final[dict[str, Callable[..., Array]]] = {
    "Cast": _cast,
    "Add": _broadcast(np.add),
    "AddV2": _broadcast(np.add),
    "BiasAdd": _broadcast(np.add),
    "Sub": _broadcast(np.subtract),
    "Mul": _broadcast(np.multiply),
    "RealDiv": _broadcast(np.divide),
    "Div": _broadcast(np.divide),
    "Pow": _broadcast(np.power),
    "Maximum": _broadcast(np.maximum),
    "Minimum": _broadcast(np.minimum),
    "SquaredDifference": _broadcast(lambda x, y: np.square(x - y)),
    "Abs": lambda node, x: np.abs(x),
    "Neg": lambda node, x: -x,
    "Square": lambda node, x: np.square(x),
    "Sqrt": lambda node, x: np.sqrt(x),
    "Rsqrt": lambda node, x: 1 / np.sqrt(x),
    "Reciprocal": lambda node, x: 1 / x,
    "Inv": lambda node, x: 1 / x,
    "Exp": lambda node, x: np.exp(x),
    "Log": lambda node, x: np.log(x),
    "Tanh": lambda node, x: np.tanh(x),
    "Sigmoid": lambda node, x: _sigmoid(x),
    "Softplus": lambda node, x: np.logaddexp(x, np.zeros((), x.dtype)),
    "Relu": lambda node, x: np.maximum(x, 0),
    "Mean": _reduced(np.mean),
    "Sum": _reduced(np.sum),
    "Prod": _reduced(np.prod),
    "MatMul": _product,
    "Reshape": lambda node, x, shape: x.reshape(_axes(shape)),
    "ExpandDims": lambda node, x, axis: np.expand_dims(x, _axes(axis)[0]),
    "Squeeze": _squeezed,
    "Transpose": lambda node, x, axes: np.transpose(x, _axes(axes)),
    "ConcatV2": lambda node, *parts: np.concatenate(_different(parts[:-1]), _axes(parts[-1])[0]),
    "Pack": lambda node, *parts: np.stack(_different(parts), node.integer("axis", 0)),
    "Fill": lambda node, shape, value: np.full(_fits(_axes(shape)), value),
    "StridedSlice": _sliced,
    "Slice": lambda node, x, begin, size: x[
        tuple(
            slice(start, None if length < 0 else start + length)
            for start, length in zip(_axes(begin), _axes(size), strict=True)
        )
    ],
}
