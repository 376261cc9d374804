"""Activations that a graph spells out in arithmetic, recognised by what they compute.

Swish, both forms of gelu, mish or a leaky relu written as max(0.1·x, x) have many spellings.
Where every path from a tensor leads, through functions of single numbers, to one value, the
tensor is a function of that value. It is evaluated on a grid in float64 and compared with the
activations that lnfold knows. Sums, products and quotients alone spell none of them, so they
are not evaluated; and how much is evaluated for one graph is bounded.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any, Final

import numpy as np

from lnfold.errors import GraphError
from lnfold.network.operations.activations import FUNCTIONS, erf, erfc
from lnfold.network.records.layer import Array
from lnfold.recovery.graph.questions import Answers
from lnfold.recovery.patterns.algebra import Algebra

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
# Operations evaluated for all activations of a graph, each once for every value that it may be
# a function of: a second of work. A gelu takes about 50.
_MOST_EVALUATIONS: Final = 2**18


_EVALUATED: Final[dict[str, Callable[..., Any]]] = {
    "Abs": np.abs,
    "Add": np.add,
    "AddV2": np.add,
    "Div": np.divide,
    "Elu": lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
    "Erf": erf,
    "Erfc": erfc,
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
_OF_TWO: Final = frozenset(
    ["Add", "AddV2", "Div", "Maximum", "Minimum", "Mul", "Pow", "RealDiv", "Sub"]
)
_RATIONAL: Final = frozenset(
    ["Add", "AddV2", "Div", "Mul", "Neg", "RealDiv", "Reciprocal", "Square", "Sub"]
)


class Elementwise:
    """Recognises the activations that one graph spells out."""

    def __init__(self, algebra: Algebra) -> None:
        self._algebra = algebra
        self._constants = algebra.constants
        self._evaluations = 0
        self._bends: Answers[str, int] = Answers(self._bend_needs, self._bend, _MOST)

    def activation(self, tensor: str) -> tuple[str, str, float | None] | None:
        """(value, function, alpha) where a tensor is a known function of one value.

        Raises:
            GraphError: the graph spells out more than any network's activations.
        """
        if self._algebra.graph.node(tensor).op not in _LAST or self._bends(tensor) >= _MOST:
            return None
        region = self._region(tensor)
        order = self._sources_first(tensor, region)
        for value in self._dominators(order, region):
            self._charge(tensor, len(region))
            with np.errstate(all="ignore"):
                computed = self._evaluated(value, order, region)
            named = _named(computed)
            if named is not None:
                return value, *named
        return None

    def _charge(self, tensor: str, steps: int) -> None:
        """Counts the operations that are evaluated, and ends what goes on without end."""
        self._evaluations += steps
        if self._evaluations > _MOST_EVALUATIONS:
            raise GraphError(
                f"the arithmetic before '{tensor}' is longer than any network's activations: "
                f"what it computes is not known after {_MOST_EVALUATIONS} evaluations",
                file=self._algebra.graph.where,
            )

    def _bend_needs(self, tensor: str) -> tuple[str, ...]:
        node = self._algebra.graph.node(tensor)
        if node.op not in _RATIONAL:
            return ()
        return tuple(filter(self._is_value, map(self._algebra.through, node.inputs)))

    def _bend(self, tensor: str) -> int:
        """How many operations behind a tensor one stands that is more than a rational function.

        As many as an activation has, where there is none on the way.
        """
        node = self._algebra.graph.node(tensor)
        if node.op not in _RATIONAL:
            return 0 if node.op in _EVALUATED else _MOST
        nearest = min(map(self._bends.known, self._bend_needs(tensor)), default=_MOST)
        return min(nearest + 1, _MOST)

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
                if len(sources) == (2 if node.op in _OF_TWO else 1) and all(
                    self._is_value(source) or self._constants.is_number(source)
                    for source in sources
                ):
                    region[one] = sources
                    following.extend(filter(self._is_value, sources))
            level = following
        return region

    def _is_value(self, tensor: str) -> bool:
        return not self._constants.is_constant(tensor)

    def _sources_first(self, tensor: str, region: dict[str, tuple[str, ...]]) -> list[str]:
        """The operations of a region, each behind those it reads; the last is the tensor."""
        order: list[str] = []
        entered: set[str] = set()
        pending = [(tensor, False)]
        while pending:
            one, sources_done = pending.pop()
            if sources_done:
                order.append(one)
            elif one in region and one not in entered:
                entered.add(one)
                pending.append((one, True))
                pending.extend((source, False) for source in region[one])
        return order

    def _dominators(self, order: list[str], region: dict[str, tuple[str, ...]]) -> list[str]:
        """The values that every path into the region ends at or passes, nearest first.

        What all paths behind an operation pass is the operation, and what is common to those
        behind each value it reads. Sets of values are the bits of a number.
        """
        read = (source for one in region for source in region[one])
        nearest = dict.fromkeys(filter(self._is_value, read))
        bits = {value: 1 << place for place, value in enumerate(region | nearest)}
        passed = {value: -1 if value in region else bit for value, bit in bits.items()}
        for one in order:
            common = -1
            for source in filter(self._is_value, region[one]):
                common &= passed[source]
            passed[one] = common | bits[one]
        return [value for value in nearest if order and passed[order[-1]] & bits[value]]

    def _evaluated(self, value: str, order: list[str], region: dict[str, tuple[str, ...]]) -> Array:
        """The last of some operations on the grid of a value; NaN where it runs in a circle."""
        found: dict[str, Array] = {value: _GRID}

        def array(one: str) -> Array:
            if one in found:
                return found[one]
            if self._is_value(one):
                return _NOWHERE
            return np.full(_GRID.shape, self._constants.number(one))

        for one in order:
            if one == value:
                continue
            operation = _EVALUATED[self._algebra.graph.node(one).op]
            found[one] = np.asarray(operation(*map(array, region[one])))
        return found[order[-1]] if order else _NOWHERE


@cache
def _candidates() -> tuple[tuple[str, Array], ...]:
    """The activations that need no alpha, with their values on the grid."""
    return tuple((name, FUNCTIONS[name].apply(_GRID, 1.0)) for name in _CANDIDATES)


def _named(computed: Array) -> tuple[str, float | None] | None:
    """The activation that has these values on the grid, with its alpha."""
    if not np.isfinite(computed).all():
        return None
    at = dict(zip((-1.0, 1.0), np.interp((-1.0, 1.0), _GRID, computed), strict=True))
    for name, values in _candidates():
        if _agree(computed, values):
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
