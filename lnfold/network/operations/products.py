"""Sums of products: matrices, and any contraction that an equation names."""

from __future__ import annotations

import re
from typing import Final

import numpy as np

from lnfold.network.operations.operation import (
    Array,
    Attributes,
    Family,
    Operands,
    Operation,
    Shape,
    Shapes,
    broadcast,
)

_EQUATION: Final = re.compile(r"[a-zA-Z.]*(,[a-zA-Z.]*)*->[a-zA-Z.]*")


def _matmul(attributes: Attributes, x: Array, y: Array) -> Array:
    x = np.swapaxes(x, -1, -2) if attributes["transpose_a"] else x
    y = np.swapaxes(y, -1, -2) if attributes["transpose_b"] else y
    return np.asarray(x @ y)


def _batch_matmul(attributes: Attributes, x: Array, y: Array) -> Array:
    turned = {"transpose_a": attributes["adj_x"], "transpose_b": attributes["adj_y"]}
    return _matmul(turned, x, y)


def _product(operands: Operands, first: str, second: str) -> Shapes:
    left, right = operands.shapes
    if left is None or right is None or len(left) < 2 or len(right) < 2:
        return (None,)
    rows = left[-1] if operands.attributes[first] else left[-2]
    columns = right[-2] if operands.attributes[second] else right[-1]
    before = broadcast(left[:-2], right[:-2])
    return (None if before is None else (*before, rows, columns),)


def equation_of(attributes: Attributes) -> str:
    """The equation of an Einsum as NumPy takes it; ValueError where it is none."""
    equation = str(attributes["equation"]).replace(" ", "")
    if len(equation) > 256 or not _EQUATION.fullmatch(equation):
        raise ValueError(f"no equation: {equation:.40}")
    return equation


def _einsum(attributes: Attributes, *values: Array) -> Array:
    return np.asarray(np.einsum(equation_of(attributes), *values, optimize=len(values) > 1))


def _contracted(operands: Operands) -> Shapes:
    taken, _, given = equation_of(operands.attributes).partition("->")
    lengths: dict[str, int | None] = {}
    dots: list[Shape | None] = []
    for letters, shape in zip(taken.split(","), operands.shapes, strict=True):
        if shape is None:
            return (None,)
        before, between, after = letters.partition("...")
        many = len(shape) - len(before) - len(after)
        if many < 0 or (many and not between):
            raise ValueError(f"'{letters}' of {len(shape)} axes")
        named = [*before, *after]
        sizes = [*shape[: len(before)], *shape[len(before) + many :]]
        dots.append(shape[len(before) : len(before) + many])
        for letter, size in zip(named, sizes, strict=True):
            lengths[letter] = size if lengths.get(letter) is None else lengths[letter]
    before, between, after = given.partition("...")
    inner = broadcast(*dots) if between else ()
    if inner is None:
        return (None,)
    return ((*(lengths[one] for one in before), *inner, *(lengths[one] for one in after)),)


PRODUCTS: Final = (
    Operation(
        ("MatMul",),
        Family.PRODUCT,
        _matmul,
        lambda operands: _product(operands, "transpose_a", "transpose_b"),
        {"transpose_a": False, "transpose_b": False},
        2,
    ),
    Operation(
        ("BatchMatMul", "BatchMatMulV2", "BatchMatMulV3"),
        Family.PRODUCT,
        _batch_matmul,
        lambda operands: _product(operands, "adj_x", "adj_y"),
        {"adj_x": False, "adj_y": False},
        2,
    ),
    Operation(("Einsum",), Family.PRODUCT, _einsum, _contracted, {"equation": ""}, None),
)
