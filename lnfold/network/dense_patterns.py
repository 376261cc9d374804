"""Tensors → dense layers: a matrix product with a constant, and the vector added to it.

    MatMul, either operand's transpose flag    BatchMatMul with one kernel for all
    Einsum over the last index                 Tensordot (a MatMul between reshapes)

A kernel [1, inputs, units] (GPT-2), one behind a Reshape or a Cast, and a kernel [units,
inputs] with transpose_b (BERT) all become [inputs, units].
"""

from __future__ import annotations

import re
from typing import Final

from lnfold.network.algebra import SUMS, Algebra
from lnfold.network.graph import Node
from lnfold.network.kinds import Dense
from lnfold.network.layer import Array, Parameter
from lnfold.network.scopes import scope_of

PRODUCTS: Final = frozenset(["MatMul", "BatchMatMul", "BatchMatMulV2", "BatchMatMulV3", "Einsum"])
_EQUATION: Final = re.compile(r"^(\.\.\.)?([a-zA-Z]*),([a-zA-Z]+)->(\.\.\.)?([a-zA-Z]*)$")


class DensePatterns:
    """Recognises the dense layers of one graph."""

    def __init__(self, algebra: Algebra) -> None:
        self._algebra = algebra
        self._constants = algebra.constants
        self._products: dict[str, tuple[str, Parameter] | None] = {}

    def dense(self, tensor: str) -> Dense | None:
        """The dense layer that delivers a tensor, its bias included, or None."""
        node = self._algebra.graph.node(tensor)
        if node.op in PRODUCTS:
            return self._layer(tensor, tensor, None)
        if node.op not in SUMS or len(node.inputs) != 2:
            return None
        left, right = map(self._algebra.through, node.inputs)
        for product, bias in ((left, node.inputs[1]), (right, node.inputs[0])):
            if self._constants.is_constant(bias) and not self._constants.is_constant(product):
                return self._layer(tensor, product, bias)
        return None

    def _layer(self, tensor: str, product: str, bias: str | None) -> Dense | None:
        if product not in self._products:
            self._products[product] = self._product(self._algebra.graph.node(product))
        found = self._products[product]
        if found is None:
            return None
        value, kernel = found
        vector = None if bias is None else self._bias(bias, kernel.shape[1])
        if bias is not None and vector is None:
            return None
        return Dense(tensor, (value,), scope_of(kernel.name), kernel, vector)

    def _bias(self, tensor: str, units: int) -> Parameter | None:
        """A vector of one number a unit; a number added to every unit is no bias."""
        bias = self._constants.value(tensor)
        if bias.array.size != units or not (bias.variables or bias.array.ndim):
            return None
        return bias if bias.array.ndim == 0 or bias.shape[-1] == units else None

    def _product(self, node: Node) -> tuple[str, Parameter] | None:
        """x and the kernel [inputs, units] of x·kernel."""
        if node.op not in PRODUCTS or len(node.inputs) != 2:
            return None
        value, weights = node.inputs
        if self._constants.is_constant(value) or not self._constants.is_constant(weights):
            return None
        if node.number("transpose_a", 0) or node.number("adj_x", 0):
            return None
        kernel = self._constants.value(weights)
        if node.op == "Einsum":
            array = self._contracted(node, kernel.array)
        else:
            array = kernel.array
            while array.ndim > 2 and array.shape[0] == 1:
                array = array[0]
            if node.number("transpose_b", 0) or node.number("adj_y", 0):
                array = array.swapaxes(-1, -2) if array.ndim == 2 else array
        if array is None or array.ndim != 2 or 0 in array.shape:
            return None
        if array is not kernel.array:
            kernel = Parameter(array, kernel.variables, kernel.where)
        return self._algebra.through(value), kernel

    def _contracted(self, node: Node, kernel: Array) -> Array | None:
        """The kernel of an Einsum over the last index of its first operand, else None."""
        texts = node.attribute("equation").texts
        match = _EQUATION.match(texts[0].decode("ascii", "replace")) if texts else None
        if match is None:
            return None
        dots, left, right, dots_out, result = match.groups()
        if dots != dots_out or not left or kernel.ndim != len(right):
            return None
        kept, summed = left[:-1], left[-1]
        if len(set(right)) != len(right) or set(kept) & set(right) or summed not in right:
            return None
        units = right.replace(summed, "")
        if result != kept + units:
            return None
        # [inputs, heads, size] makes heads·size units, head by head
        place = right.index(summed)
        if place not in (0, len(right) - 1):
            return None
        if place == 0:
            return kernel.reshape(kernel.shape[0], -1)
        return kernel.reshape(-1, kernel.shape[-1]).T
