"""Activations that a graph spells out in arithmetic, recognised by what they compute.

Swish, both forms of gelu, mish or a leaky relu written as max(0.1·x, x) have many spellings.
Where every path from a tensor leads, through functions of single numbers, to one value, the
tensor is a function of that value. It is evaluated on a grid in float64 and compared with the
activations that lnfold knows.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any, Final

import numpy as np

from lnfold.network.activations import FUNCTIONS
from lnfold.network.algebra import Algebra
from lnfold.network.layer import Array
from lnfold.network.questions import Answers

_GRID: Final = np.linspace(-6, 6, 121)
_NOWHERE: Final = np.full(_GRID.shape, np.nan)
# Graphs hold their constants in float32: sqrt(2/π) and the like are off by half an ulp, 6e-8
# relative. That error grows with |x|, by slopes below 20, and vanishes at 0, where x + 1e-7 or
# relu(x) + 1e-7 shows that it is another function.
_ALLOWED: Final = 20 * 2.0**-24 * np.abs(_GRID) + 1e-12
_STEEPEST_LEAK: Final = 0.99  # above it, a slope is x itself but for rounding
_CANDIDATES: Final = (
    "relu",
    "relu6",
    "gelu",
    "gelu_tanh",
    "hard_swish",
    "hard_sigmoid",
    "mish",
    "softplus",
    "softsign",
    "elu",
    "abs",
)
_MOST: Final = 24  # operations that an activation is spelled with


def _erf(x: Array) -> Array:
    return np.array([math.erf(one) for one in x])


_EVALUATED: Final[dict[str, Callable[..., Any]]] = {
    "Abs": np.abs,
    "Add": np.add,
    "AddV2": np.add,
    "Div": np.divide,
    "Elu": lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
    "Erf": _erf,
    "Erfc": lambda x: 1 - _erf(x),
    "Exp": np.exp,
    "Expm1": np.expm1,
    "Log": np.log,
    "Log1p": np.log1p,
    "Maximum": np.maximum,
    "Minimum": np.minimum,
    "Mul": np.multiply,
    "Neg": np.negative,
    "Pow": np.power,
    "RealDiv": np.divide,
    "Reciprocal": np.reciprocal,
    "Relu": lambda x: np.maximum(x, 0),
    "Relu6": lambda x: np.clip(x, 0, 6),
    "Rsqrt": lambda x: 1 / np.sqrt(x),
    "Sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "Softplus": lambda x: np.logaddexp(x, 0),
    "Sqrt": np.sqrt,
    "Square": np.square,
    "Sub": np.subtract,
    "Tanh": np.tanh,
}
_LAST: Final = frozenset(
    ["Add", "AddV2", "Div", "Log", "Log1p", "Maximum", "Minimum", "Mul", "RealDiv", "Sub"]
)


class Elementwise:
    """Recognises the activations that one graph spells out."""

    def __init__(self, algebra: Algebra) -> None:
        self._algebra = algebra
        self._constants = algebra.constants

    def activation(self, tensor: str) -> tuple[str, str, float | None] | None:
        """(value, function, alpha) where a tensor is a known function of one value."""
        if self._algebra.graph.node(tensor).op not in _LAST:
            return None
        region = self._region(tensor)
        for value in self._dominators(tensor, region):
            with np.errstate(all="ignore"):
                computed = self._evaluated(tensor, value, region)
            named = _named(computed)
            if named is not None:
                return value, *named
        return None

    def _region(self, tensor: str) -> dict[str, tuple[str, ...]]:
        """The operations on single numbers behind a tensor, nearest first, with what they read."""
        region: dict[str, tuple[str, ...]] = {}
        level = [tensor]
        while level and len(region) < _MOST:
            following: list[str] = []
            for one in level:
                node = self._algebra.graph.node(one)
                if one in region or node.op not in _EVALUATED or ":" in one:
                    continue
                sources = tuple(map(self._algebra.through, node.inputs))
                if all(
                    self._is_value(source) or self._constants.is_number(source)
                    for source in sources
                ):
                    region[one] = sources
                    following.extend(filter(self._is_value, sources))
            level = following
        return region

    def _is_value(self, tensor: str) -> bool:
        return not self._constants.is_constant(tensor)

    def _dominators(self, tensor: str, region: dict[str, tuple[str, ...]]) -> Iterator[str]:
        """The values that every path into the region ends at or passes, nearest first."""
        candidates = dict.fromkeys(
            source for sources in region.values() for source in sources if self._is_value(source)
        )
        for value in candidates:
            pending, seen = [tensor], {value}
            while pending:
                one = pending.pop()
                if one in seen:
                    continue
                if one not in region:
                    break
                seen.add(one)
                pending.extend(filter(self._is_value, region[one]))
            else:
                yield value

    def _evaluated(self, tensor: str, value: str, region: dict[str, tuple[str, ...]]) -> Array:
        """The tensor on the grid, as a function of the value; NaN where it runs in a circle."""

        def computed(one: str) -> Array:
            if one == value:
                return _GRID
            if one not in region:
                return np.full(_GRID.shape, self._constants.number(one))
            operation = self._algebra.graph.node(one).op
            return np.asarray(_EVALUATED[operation](*map(found.known, region[one])))

        found: Answers[str, Array] = Answers(
            lambda one: () if one == value else region.get(one, ()), computed, _NOWHERE
        )
        return found(tensor)


def _named(computed: Array) -> tuple[str, float | None] | None:
    """The activation that has these values on the grid, with its alpha."""
    if not np.isfinite(computed).all():
        return None
    at = dict(zip((-1.0, 1.0), np.interp((-1.0, 1.0), _GRID, computed), strict=True))
    for name in _CANDIDATES:
        if _agree(computed, FUNCTIONS[name].apply(_GRID, 1.0)):
            return name, None
    slope = -at[-1.0]
    if 0 < slope < _STEEPEST_LEAK and _agree(computed, FUNCTIONS["leaky_relu"].apply(_GRID, slope)):
        return "leaky_relu", float(np.float32(slope))
    if 0 < at[1.0] < 1:
        factor = math.log(at[1.0] / (1 - at[1.0]))
        if factor > 0 and _agree(computed, FUNCTIONS["swish"].apply(_GRID, factor)):
            factor = float(np.round(factor, 6))
            return "swish", None if factor == 1 else factor
    return None


def _agree(left: Array, right: Array) -> bool:
    return bool((np.abs(left - right) <= _ALLOWED).all())
