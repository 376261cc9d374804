"""Tensors → dense layers: a matrix product with a constant, and the vector added to it.

    MatMul, either operand's transpose flag    BatchMatMul with one kernel for all
    Einsum over the last indices               Tensordot (a MatMul between reshapes)
    Conv2D with a kernel of one place          (Keras' Conv1D is one, too)

A kernel [1, inputs, units] (GPT-2), one behind a Reshape or a Cast, and a kernel [units,
inputs] with transpose_b (BERT) all become [inputs, units]. An Einsum such as "abc,cde->abde"
makes d·e units and lays them out as d rows of e, and "abcd,cde->abe" joins c rows of d first:
then three tensors are told apart by an output number that no such operation has,

    name     what the graph delivers: the rows of e        name:1   the dense layer's own d·e units
    name:2   the joined rows of c·d that it reads
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Final

from lnfold.network.records.kinds import Dense
from lnfold.network.records.layer import Array, Parameter
from lnfold.network.records.layouts import Rearrange
from lnfold.recovery.graph.node import Node
from lnfold.recovery.graph.op_names import words
from lnfold.recovery.names.scopes import layer_scope
from lnfold.recovery.patterns.algebra import SUMS, Algebra

PRODUCTS: Final = words("MatMul BatchMatMul BatchMatMulV2 BatchMatMulV3 Einsum Conv2D")
_NHWC: Final = b"NHWC"
_EQUATION: Final = re.compile(r"^(\.\.\.)?([a-zA-Z]*),([a-zA-Z]+)->(\.\.\.)?([a-zA-Z]*)$")


@dataclass(frozen=True, slots=True)
class _Product:
    """x·kernel.

    Attributes:
        value: the tensor x.
        kernel: [inputs, units].
        joins: the last axes of x that make an input row, where they are several.
        row: the units of a row of the product, fewer than ``units`` where it is cut into rows.
    """

    value: str
    kernel: Parameter
    joins: tuple[int, ...]
    row: int


class DensePatterns:
    """Recognises the dense layers of one graph."""

    def __init__(self, algebra: Algebra) -> None:
        self._algebra = algebra
        self._constants = algebra.constants
        self._products: dict[str, _Product | None] = {}

    def dense(self, tensor: str) -> Dense | Rearrange | None:
        """The dense layer that delivers a tensor, its bias included, or None.

        A Rearrange for rows that are cut from a dense layer's units, or joined to its inputs.
        """
        name, _, part = tensor.partition(":")
        node = self._algebra.graph.node(tensor)
        if node.op in PRODUCTS:
            return self._layer(name, part, name, None)
        if node.op not in SUMS or len(node.inputs) != 2:
            return None
        left, right = map(self._algebra.through, node.inputs)
        for product, bias in ((left, node.inputs[1]), (right, node.inputs[0])):
            if self._constants.is_constant(bias) and not self._constants.is_constant(product):
                return self._layer(name, part, product, bias)
        return None

    def _layer(
        self, name: str, part: str, product: str, bias: str | None
    ) -> Dense | Rearrange | None:
        if product not in self._products:
            self._products[product] = self._product(self._algebra.graph.node(product))
        found = self._products[product]
        if found is None or ":" in product:
            return None
        kernel, scope = found.kernel, layer_scope(found.kernel.name)
        units = kernel.shape[1]
        vector = None if bias is None else self._bias(bias, units, found.row)
        if bias is not None and vector is None:
            return None
        read = f"{name}:2" if found.joins else found.value
        if found.joins and part == "2":
            return Rearrange(read, (found.value,), scope, found.joins, None, (kernel.shape[0],))
        if found.row != units and not part:
            heads = (units // found.row, found.row)
            return Rearrange(name, (f"{name}:1",), scope, (units,), None, heads)
        if part != ("1" if found.row != units else ""):
            return None
        return Dense(f"{name}:1" if part else name, (read,), scope, kernel, vector)

    def _bias(self, tensor: str, units: int, row: int) -> Parameter | None:
        """A vector of one number a unit; a number added to every unit is no bias."""
        bias = self._constants.value(tensor)
        if bias.array.size != units or not (bias.variables or bias.array.ndim):
            return None
        if bias.array.ndim == 0 or bias.shape[-1] == units:
            return bias
        if bias.shape[-1] != row or row == units:
            return None
        return Parameter(bias.array.reshape(-1), bias.variables, bias.where)

    def _product(self, node: Node) -> _Product | None:
        """x and the kernel [inputs, units] of x·kernel."""
        if node.op not in PRODUCTS or len(node.inputs) != 2:
            return None
        value, weights = node.inputs
        if self._constants.is_constant(value) or not self._constants.is_constant(weights):
            return None
        if node.number("transpose_a", 0) or node.number("adj_x", 0):
            return None
        kernel = self._constants.value(weights)
        joins: tuple[int, ...] = ()
        array, row = kernel.array, 0
        if node.op == "Einsum":
            contraction = _contraction(node, kernel.array)
            if contraction is None:
                return None
            array, joins, row = contraction
        elif node.op == "Conv2D":
            if not _is_of_one_place(node, array):
                return None
            array = array.reshape(array.shape[2:])
        else:
            while array.ndim > 2 and array.shape[0] == 1:
                array = array[0]
            if node.number("transpose_b", 0) or node.number("adj_y", 0):
                array = array.swapaxes(-1, -2) if array.ndim == 2 else array
        if array.ndim != 2 or 0 in array.shape:
            return None
        if array is not kernel.array:
            kernel = Parameter(array, kernel.variables, kernel.where)
        return _Product(self._algebra.through(value), kernel, joins, row or array.shape[1])


def _is_of_one_place(node: Node, kernel: Array) -> bool:
    """Whether a convolution computes every place from itself alone, channels last."""
    layout = node.attribute("data_format").texts
    if kernel.ndim != 4 or kernel.shape[:2] != (1, 1) or (layout and layout[0] not in (b"", _NHWC)):
        return False
    steps = node.attribute("strides").numbers
    explicit = node.attribute("explicit_paddings").numbers
    return set(steps) == {1} and not any(explicit)


def _contraction(node: Node, kernel: Array) -> tuple[Array, tuple[int, ...], int] | None:
    """The kernel of an Einsum over the last indices of its first operand.

    Returns:
        [inputs, units], the axes that are summed where they are several, and the length of
        the last axis of the result; None for any other equation.
    """
    texts = node.attribute("equation").texts
    equation = texts[0].decode("ascii", "replace").replace(" ", "") if texts else ""
    match = _EQUATION.match(equation)
    if match is None:
        return None
    dots, left, right, dots_out, result = match.groups()
    summed = "".join(one for one in left if one in right)
    kept = left.removesuffix(summed)
    units = "".join(one for one in right if one not in summed)
    if dots != dots_out or not summed or not left.endswith(summed) or kernel.ndim != len(right):
        return None
    if len(set(left)) != len(left) or len(set(right)) != len(right) or result != kept + units:
        return None
    if not units or 0 in kernel.shape:
        return None
    sizes = tuple(kernel.shape[right.index(one)] for one in summed)
    inputs = math.prod(sizes)
    if right == summed + units:  # [inputs, heads, size] makes heads·size units, head by head
        array = kernel.reshape(inputs, -1)
    elif right == units + summed:
        array = kernel.reshape(-1, inputs).T
    else:
        return None
    row = kernel.shape[right.index(units[-1])]
    return array, sizes if len(sizes) > 1 else (), row
