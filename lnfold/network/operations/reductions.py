"""Numbers along axes that become one: sums, means, extremes, and where extremes are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from lnfold.network.operations.operation import (
    DTYPES,
    Array,
    Attributes,
    Family,
    Operands,
    Operation,
    Shapes,
    axes_in,
    integers_of,
)


def _reduction(name: str, function: Callable[..., Any]) -> Operation:
    """A row over the axes that its second operand names; the type stays."""

    def compute(attributes: Attributes, x: Array, axes: Array) -> Array:
        along = axes_in(integers_of(axes), x.ndim)
        keep = bool(attributes["keep_dims"])
        return np.asarray(function(x, axis=along, keepdims=keep)).astype(x.dtype)

    return Operation((name,), Family.REDUCTION, compute, _reduced, {"keep_dims": False}, 2)


def _reduced(operands: Operands) -> Shapes:
    shape, axes = operands.first, operands.known(1)
    if shape is None or axes is None:
        return (None,)
    along = axes_in(axes, len(shape))
    if operands.attributes["keep_dims"]:
        return (tuple(1 if axis in along else one for axis, one in enumerate(shape)),)
    return (tuple(one for axis, one in enumerate(shape) if axis not in along),)


def _place(name: str, function: Callable[..., Any]) -> Operation:
    def compute(attributes: Attributes, x: Array, axis: Array) -> Array:
        (along,) = axes_in(integers_of(axis), x.ndim)
        dtype = DTYPES.get(attributes["output_type"], "i8")
        return np.asarray(function(x, axis=along)).astype(dtype)

    return Operation((name,), Family.REDUCTION, compute, _placed, {"output_type": 9}, 2)


def _placed(operands: Operands) -> Shapes:
    shape, axis = operands.first, operands.known(1)
    if shape is None or axis is None or len(axis) != 1:
        return (None,)
    (along,) = axes_in(axis, len(shape))
    return ((*shape[:along], *shape[along + 1 :]),)


def _running(name: str, function: Callable[..., Any]) -> Operation:
    """A row that keeps its shape: sums or products up to each place."""

    def compute(attributes: Attributes, x: Array, axis: Array) -> Array:
        (along,) = axes_in(integers_of(axis), x.ndim)
        x = np.flip(x, along) if attributes["reverse"] else x
        found = function(x, axis=along, dtype=x.dtype)
        if attributes["exclusive"]:
            neutral = function(np.zeros((), x.dtype), axis=None) if name == "Cumsum" else 1
            found = np.roll(found, 1, along)
            found[(slice(None),) * along + (slice(0, 1),)] = neutral
        return np.asarray(np.flip(found, along) if attributes["reverse"] else found)

    attributes = {"exclusive": False, "reverse": False}
    return Operation(
        (name,), Family.REDUCTION, compute, lambda operands: (operands.first,), attributes, 2
    )


REDUCTIONS: Final = (
    _reduction("Mean", np.mean),
    _reduction("Sum", np.sum),
    _reduction("Prod", np.prod),
    _reduction("Max", np.max),
    _reduction("Min", np.min),
    _reduction("All", np.all),
    _reduction("Any", np.any),
    _place("ArgMax", np.argmax),
    _place("ArgMin", np.argmin),
    _running("Cumsum", np.cumsum),
    _running("Cumprod", np.cumprod),
)
