"""Comparisons, logic, and one of two."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from lnfold.network.operations.operation import (
    Array,
    Attributes,
    Family,
    Operands,
    Operation,
    Shapes,
    broadcast,
)


def _together(operands: Operands) -> Shapes:
    return (broadcast(*operands.shapes),)


def _row(names: str, operands: int, function: Callable[..., Any]) -> Operation:
    def compute(attributes: Attributes, *values: Array) -> Array:
        return np.asarray(function(*values))

    return Operation(tuple(names.split()), Family.CHOICE, compute, _together, operands=operands)


def _select(attributes: Attributes, condition: Array, x: Array, y: Array) -> Array:
    """The first version does not broadcast: a vector chooses whole rows."""
    if condition.ndim == 1 and x.ndim > 1:
        condition = condition.reshape(-1, *[1] * (x.ndim - 1))
    return np.where(condition, x, y)


def _as_chosen(operands: Operands) -> Shapes:
    return (operands.shapes[1],)


CHOICES: Final = (
    _row("Equal", 2, np.equal),
    _row("NotEqual", 2, np.not_equal),
    _row("Less", 2, np.less),
    _row("LessEqual", 2, np.less_equal),
    _row("Greater", 2, np.greater),
    _row("GreaterEqual", 2, np.greater_equal),
    _row("LogicalAnd", 2, np.logical_and),
    _row("LogicalOr", 2, np.logical_or),
    _row("LogicalNot", 1, np.logical_not),
    _row("IsFinite", 1, np.isfinite),
    _row("IsInf", 1, np.isinf),
    _row("IsNan", 1, np.isnan),
    _row("SelectV2", 3, np.where),
    Operation(("Select",), Family.CHOICE, _select, _as_chosen, operands=3),
)
