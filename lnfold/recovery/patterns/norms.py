"""Tensors → normalisations, whatever library spelled them.

Every normalisation is P·x·r − P·m·r + Q, where r = 1/sqrt(v + epsilon), P holds gamma and Q
beta. The root is found first; what stands under it says what is normalised:

    v = mean((x − mean(x))²)   LayerNorm, or a norm over other axes than the units
    v = mean(x²)               RMSNorm
    v stored                   BatchNorm

Then the tensor is expanded and its coefficients are compared. This covers tf.nn.moments with
tf.nn.batch_normalization (tf.contrib, tf_slim, Keras 1.15 and 2, Sonnet), Keras 3, and
hand-written code (baselines, GPT-2, tensor2tensor, T5).
"""

from __future__ import annotations

from typing import Final

import numpy as np

from lnfold.network.facts.evidence import Fact
from lnfold.network.records.kinds import Opaque
from lnfold.network.records.layer import Layer, Parameter
from lnfold.network.records.norms import (
    BatchNorm,
    GroupNorm,
    InstanceNorm,
    LayerNorm,
    Norm,
    OtherNorm,
    RMSNorm,
)
from lnfold.recovery.names.scopes import layer_scope, scope_of
from lnfold.recovery.patterns.algebra import Algebra, Expansion, TooLongError, inverse_root
from lnfold.recovery.patterns.reduce_mean import MeanOf
from lnfold.recovery.patterns.row_statistics import Roots, Statistics

_X, _MEAN, _ROOT = "x", "mean", "root"


class NormPatterns:
    """Recognises the normalisations of one graph."""

    def __init__(self, algebra: Algebra) -> None:
        self._algebra = algebra
        self._constants = algebra.constants
        self._roots = Roots(algebra)

    def norm(self, tensor: str) -> Layer | None:
        """The normalisation that delivers a tensor, or None."""
        if not self._algebra.operands(tensor):
            return None
        for statistics in self._roots.near(tensor):
            try:
                if statistics.stored:
                    found = self._batch_norm(tensor, statistics)
                else:
                    found = self._row_norm(tensor, statistics)
            except TooLongError:
                continue
            if found is not None:
                return found
        return None

    # ── norms of a row's own statistics ──────────────────────────────────────────────────

    def _row_norm(self, tensor: str, statistics: Statistics) -> Layer | None:
        value, mean = statistics.value, statistics.mean
        assert mean is not None
        leaves = {value: _X, inverse_root(statistics.argument): _ROOT}
        for one in (tensor, *self._algebra.within(tensor)):
            if self._roots.is_mean(one, value, mean):
                leaves[one] = _MEAN
        if tensor == value:
            return None
        terms = self._algebra.expand(tensor, leaves)
        gain = _coefficient(terms, _X, _ROOT)
        minus = _coefficient(terms, _MEAN, _ROOT)
        rest = _without(terms, {_X, _MEAN, _ROOT})
        if not gain or len(gain) + len(minus) + len(rest) != len(terms):
            return None
        subtracts = bool(minus)
        if subtracts and {product: -one for product, one in minus.items()} != gain:
            return None
        if subtracts and not statistics.centred:
            return None
        per_unit = mean.over_units and not self._splits_units(value)
        gamma, beta = self._gain(gain, per_unit), self._shift(rest, per_unit)
        if gamma is _REFUSED or beta is _REFUSED:
            return None
        if statistics.centred and not subtracts:
            return self._opaque(
                tensor,
                value,
                "norm that divides by the standard deviation "
                "without subtracting the mean (Keras 3 rms_scaling)",
                gamma,
                beta,
            )
        kind: type[Norm] = LayerNorm if subtracts else RMSNorm
        return self._classified(kind, tensor, value, mean, gamma, beta, statistics.epsilon)

    def _classified(
        self,
        kind: type[Norm],
        tensor: str,
        value: str,
        mean: MeanOf,
        gamma: Parameter | None,
        beta: Parameter | None,
        epsilon: Fact[float],
    ) -> Layer:
        """The norm by the axes that its statistics run over."""
        scope = _scope(gamma, beta, tensor)
        place = (tensor, (value,), scope, gamma, beta, epsilon)
        if mean.over_units:
            if self._splits_units(value) and not self._is_of_rows(value, gamma, beta):
                return GroupNorm(*place)
            return kind(*place)
        rank = mean.rank
        if rank is not None and 0 not in mean.axes and mean.axes:
            if self._splits_units(value):
                return GroupNorm(*place)
            if rank - 1 not in mean.axes:
                return InstanceNorm(*place)
        return OtherNorm(*place, axes=mean.axes, rank=rank or 0)

    def _splits_units(self, value: str) -> bool:
        """Whether a value is a reshape that divides the units of a row into groups."""
        node = self._algebra.graph.node(value)
        if node.op != "Reshape":
            return False
        shapes = self._algebra.passage.shapes
        before, after = shapes.units(node.inputs[0]), shapes.units(value)
        return before is None or after is None or after < before

    def _is_of_rows(self, value: str, *parameters: Parameter | None) -> bool:
        """Whether gamma and beta are those of the short rows: a layer norm of each head."""
        units = self._algebra.passage.shapes.units(value)
        sizes = {(one.array.ndim, one.array.size) for one in parameters if one is not None}
        return sizes == {(1, units)}

    # ── batch norm ────────────────────────────────────────────────────────────────────────

    def _batch_norm(self, tensor: str, statistics: Statistics) -> Layer | None:
        variance = self._constants.value(statistics.stored)
        if not variance.variables or self._constants.is_constant(tensor):
            return None
        for value in self._algebra.within(tensor):
            if self._constants.is_constant(value):
                continue
            leaves = {value: _X, inverse_root(statistics.argument): _ROOT}
            terms = self._algebra.expand(tensor, leaves)
            gain = _coefficient(terms, _X, _ROOT)
            offset = _coefficient(terms, _ROOT)
            rest = _without(terms, {_X, _ROOT})
            if not gain or len(gain) + len(offset) + len(rest) != len(terms):
                continue
            mean = self._stored_mean(gain, offset)
            gamma, beta = self._gain(gain), self._shift(rest)
            if mean is None or gamma is _REFUSED or beta is _REFUSED:
                continue
            scope = _scope(gamma, beta, tensor)
            if scope == scope_of(scope_of(tensor)):
                scope = scope_of(mean.name) or scope
            return BatchNorm(
                tensor, (value,), scope, gamma, beta, statistics.epsilon, mean, variance
            )
        return None

    def _stored_mean(self, gain: Expansion, offset: Expansion) -> Parameter | None:
        """The mean M of P·x·r − P·M·r."""
        if len(gain) != 1 or len(offset) != 1:
            return None
        ((factors, one),) = gain.items()
        ((product, other),) = offset.items()
        rest = list(product)
        for leaf in factors:
            if leaf not in rest:
                return None
            rest.remove(leaf)
        if len(rest) != 1 or one != -other or not self._constants.is_constant(rest[0]):
            return None
        mean = self._constants.value(rest[0])
        return mean if mean.variables else None

    # ── parameters ────────────────────────────────────────────────────────────────────────

    def _gain(self, expansion: Expansion, per_unit: bool = True) -> Parameter | None:
        """gamma, None for 1: a constant, or a sum such as 1 + g; anything else is refused."""
        if expansion == {(): 1.0}:
            return None
        if any(len(product) > 1 for product in expansion) or not any(expansion):
            return _REFUSED
        return self._sum(expansion, per_unit)

    def _shift(self, expansion: Expansion, per_unit: bool = True) -> Parameter | None:
        """beta, None for 0: one constant; a sum of two is a norm and a shift of its own."""
        if not expansion:
            return None
        if len(expansion) > 1 or any(len(product) != 1 for product in expansion):
            return _REFUSED
        return self._sum(expansion, per_unit)

    def _sum(self, expansion: Expansion, per_unit: bool) -> Parameter | None:
        leaves = [leaf for product in expansion for leaf in product]
        if not all(self._constants.is_constant(leaf) for leaf in leaves):
            return _REFUSED
        parameters = [self._constants.value(leaf) for leaf in leaves]
        vectors = all(one.array.ndim == 0 or one.array.size == one.shape[-1] for one in parameters)
        if per_unit and not vectors:
            return _REFUSED  # a matrix: a number for each place, no vector of units
        if len(leaves) == 1 and expansion == {(leaves[0],): 1.0}:
            return parameters[0]
        if [abs(one) for one in expansion.values()] != [1.0] * len(expansion):
            return _REFUSED
        total = np.zeros(())
        for product, coefficient in expansion.items():
            factor = self._constants.value(product[0]).array.astype(float) if product else 1.0
            total = total + coefficient * factor
        names = {name: None for one in parameters for name in one.variables}
        return Parameter(total.astype(parameters[0].array.dtype), tuple(names), parameters[0].where)

    def _opaque(
        self,
        tensor: str,
        value: str,
        what: str,
        gamma: Parameter | None,
        beta: Parameter | None,
    ) -> Opaque:
        names = [name for one in (gamma, beta) if one is not None for name in one.variables]
        units = self._algebra.passage.shapes.units(tensor) or 0
        return Opaque(tensor, (value,), _scope(gamma, beta, tensor), what, tuple(names), units)


_REFUSED: Final = Parameter(np.zeros(0))


def _coefficient(terms: Expansion, *leaves: str) -> Expansion:
    """What multiplies the product of these leaves, each once, and no other special leaf."""
    found: Expansion = {}
    for product, coefficient in terms.items():
        special = sorted(leaf for leaf in product if leaf in (_X, _MEAN, _ROOT))
        if special == sorted(leaves):
            others = tuple(leaf for leaf in product if leaf not in leaves)
            found[others] = coefficient
    return found


def _without(terms: Expansion, leaves: set[str]) -> Expansion:
    return {product: one for product, one in terms.items() if leaves.isdisjoint(product)}


def _scope(gamma: Parameter | None, beta: Parameter | None, tensor: str) -> str:
    """The scope of a norm's variables, or else that of its operations."""
    named = next((one for one in (gamma, beta) if one is not None and one.variables), None)
    return layer_scope(named.name) if named is not None else scope_of(scope_of(tensor))
