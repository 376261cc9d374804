"""Tensors → scales, shifts, clips and standardisations by constants.

Heads map tanh to the range of the actions, and observations are normalised and clipped in
front of the first layer.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from lnfold.network.records.kinds import Affine, Clip, Standardize
from lnfold.network.records.layer import Layer, Parameter
from lnfold.recovery.names.scopes import scope_of
from lnfold.recovery.patterns.algebra import SUMS, Algebra

_BOUNDS: Final = {"Maximum": "low", "Minimum": "high"}


class ScalingPatterns:
    """Recognises what one graph does to values with constants alone."""

    def __init__(self, algebra: Algebra) -> None:
        self._graph = algebra.graph
        self._through = algebra.through
        self._constants = algebra.constants

    def scaling(self, tensor: str) -> Layer | None:
        """The layer that delivers a tensor, or None."""
        node = self._graph.node(tensor)
        if node.op == "ClipByValue" and len(node.inputs) == 3:
            low, high = map(self._vector, node.inputs[1:])
            if low is None or high is None:
                return None
            return Clip(tensor, (self._through(node.inputs[0]),), scope_of(tensor), low, high)
        sides = self._sides(tensor)
        if sides is None:
            return None
        value, constant, constant_first = sides
        if node.op in _BOUNDS:
            return self._clip(tensor, value, _BOUNDS[node.op], constant)
        if node.op in SUMS:
            return self._shifted(tensor, value, constant)
        if node.op == "Mul":
            return self._affine(tensor, value, constant, None)
        if node.op == "Sub":
            if constant_first:
                return self._affine(tensor, value, _MINUS_ONE, constant)
            return self._shifted(tensor, value, _negated(constant))
        if node.op in ("RealDiv", "Div") and not constant_first:
            return self._quotient(tensor, value, constant)
        if node.op == "Neg":
            return self._affine(tensor, value, constant, None)
        return None

    def _sides(self, tensor: str) -> tuple[str, Parameter, bool] | None:
        """(value, constant, whether the constant comes first) of an operation on the two."""
        node = self._graph.node(tensor)
        if node.op == "Neg" and node.inputs:
            return self._through(node.inputs[0]), _MINUS_ONE, False
        if len(node.inputs) != 2:
            return None
        left, right = node.inputs
        for value, constant in ((left, right), (right, left)):
            if self._constants.is_constant(constant) and not self._constants.is_constant(value):
                vector = self._vector(constant)
                if vector is not None:
                    return self._through(value), vector, constant == left
        return None

    def _vector(self, tensor: str) -> Parameter | None:
        """A number, or one number a unit; nothing else is the same for every row."""
        if not self._constants.is_constant(tensor):
            return None
        constant = self._constants.value(tensor)
        if constant.array.dtype.kind not in "fiu":
            return None
        flat = constant.array.ndim == 0 or constant.array.size == constant.shape[-1]
        return constant if flat else None

    def _shifted(self, tensor: str, value: str, shift: Parameter) -> Affine:
        """x + shift, or x·scale + shift where the value is itself scaled by a constant."""
        operation = self._graph.node(value).op
        inner = self.scaling(value) if operation in ("Mul", "RealDiv", "Div") else None
        if isinstance(inner, Affine):
            return self._affine(tensor, inner.input, inner.scale, shift)
        return self._affine(tensor, value, None, shift)

    def _affine(
        self, tensor: str, value: str, scale: Parameter | None, shift: Parameter | None
    ) -> Affine:
        return Affine(tensor, (value,), scope_of(tensor), scale, shift)

    def _quotient(self, tensor: str, value: str, divisor: Parameter) -> Layer | None:
        """(x − mean)/deviation of variables, or x divided by constants."""
        difference = self._graph.node(value)
        sides = self._sides(value) if difference.op == "Sub" else None
        if sides is not None and not sides[2] and divisor.variables and sides[1].variables:
            scope = scope_of(sides[1].variables[0])
            return Standardize(tensor, (sides[0],), scope, sides[1], divisor)
        if not divisor.array.all():
            return None
        # x/c and x·(1/c) differ in the last bit only; the reciprocal is kept in float64
        scale = Parameter(1 / divisor.array.astype(float), divisor.variables, divisor.where)
        return self._affine(tensor, value, scale, None)

    def _clip(self, tensor: str, value: str, bound: str, constant: Parameter) -> Clip:
        """One bound, or both where the other operation follows at once."""
        bounds = {bound: constant}
        inner = self._graph.node(value)
        other = _BOUNDS.get(inner.op)
        sides = self._sides(value) if other is not None and other != bound else None
        if other is not None and sides is not None:
            bounds[other], value = sides[1], sides[0]
        return Clip(tensor, (value,), scope_of(tensor), bounds.get("low"), bounds.get("high"))


def _negated(constant: Parameter) -> Parameter:
    return Parameter(-constant.array, constant.variables, constant.where)


_MINUS_ONE: Final = Parameter(np.asarray(-1.0))
