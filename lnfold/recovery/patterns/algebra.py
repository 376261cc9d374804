"""Arithmetic in a graph as sums of products, so that its many spellings become one.

A tensor's expression is expanded over leaves: tensors that are no sum, product or root. What
is equal up to commutativity, associativity and distributivity has the same expansion:

    (x − m)·r·g + b   and   x·(r·g) + (b − m·(r·g))   are both   x·r·g − m·r·g + b

The names of nodes play no part.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from lnfold.recovery.graph.constants import Constants
from lnfold.recovery.graph.node import Node

Product = tuple[str, ...]  # the leaves of a product, sorted, each as often as it occurs
Expansion = dict[Product, float]  # a sum of products with their coefficients

SUMS: Final = frozenset(["Add", "AddV2", "BiasAdd", "BiasAddV1"])
DIFFERENCES: Final = frozenset(["Sub"])
PRODUCTS: Final = frozenset(["Mul"])
QUOTIENTS: Final = frozenset(["RealDiv", "Div", "Xdivy"])
_ARITHMETIC: Final = SUMS | DIFFERENCES | PRODUCTS | QUOTIENTS | {"Neg", "AddN"}
_MOST_STEPS: Final = 48
_MOST_PRODUCTS: Final = 24


class TooLongError(Exception):
    """An expression is larger than any layer's."""


class Algebra:
    """Expands the arithmetic of one graph."""

    def __init__(self, constants: Constants) -> None:
        self.constants = constants
        self.passage = constants.passage
        self.graph = constants.graph
        self.through = constants.passage.through

    def root_of(self, tensor: str) -> tuple[str, float] | None:
        """(a, p) where a tensor is a to the power p, and p is 1/2 or −1/2."""
        node = self.graph.node(tensor)
        if node.op == "Sqrt" and node.inputs:
            return self._unclipped(self.through(node.inputs[0])), 0.5
        if node.op == "Rsqrt" and node.inputs:
            return self.through(node.inputs[0]), -0.5
        exponent = self._exponent(node)
        return (self.through(node.inputs[0]), exponent) if exponent in (0.5, -0.5) else None

    def _unclipped(self, tensor: str) -> str:
        """What Keras' backend.sqrt clips to [0, inf] before it takes the root."""
        for operation, bound in (("Maximum", 0.0), ("Minimum", float("inf"))):
            node = self.graph.node(tensor)
            if node.op == operation and len(node.inputs) == 2:
                left, right = node.inputs
                for value, limit in ((left, right), (right, left)):
                    if self.constants.is_number(limit) and self.constants.number(limit) == bound:
                        tensor = self.through(value)
        return tensor

    def square_of(self, tensor: str) -> str | None:
        """a where a tensor is a²."""
        node = self.graph.node(tensor)
        if node.op == "Square" and node.inputs:
            return self.through(node.inputs[0])
        if node.op == "Mul" and len(node.inputs) == 2:
            left, right = map(self.through, node.inputs)
            return left if left == right else None
        return self.through(node.inputs[0]) if self._exponent(node) == 2 else None

    def _exponent(self, node: Node) -> float | None:
        if node.op != "Pow" or len(node.inputs) != 2:
            return None
        return (
            self.constants.number(node.inputs[1])
            if self.constants.is_number(node.inputs[1])
            else None
        )

    def operands(self, tensor: str) -> tuple[str, ...]:
        """What an arithmetic operation combines, seen through; nothing for any other."""
        node = self.graph.node(tensor)
        return tuple(map(self.through, node.inputs)) if node.op in _ARITHMETIC else ()

    def within(self, tensor: str, most: int = _MOST_STEPS) -> Iterator[str]:
        """The tensors that arithmetic combines into this one, nearest first."""
        level, seen = [tensor], {tensor}
        while level and len(seen) < most:
            following = []
            for one in level:
                for source in self.operands(one):
                    if source not in seen:
                        seen.add(source)
                        following.append(source)
                        yield source
            level = following

    def expand(self, tensor: str, leaves: dict[str, str]) -> Expansion:
        """The expansion of a tensor.

        Args:
            leaves: tensors not to be looked into, with the names to call them by. A root
                1/sqrt(a) is a leaf if "1/sqrt " + a is among them.

        Raises:
            TooLongError: it is larger than a layer's formula can be.
        """
        return _Expander(self, leaves).expand(self.through(tensor))


class _Expander:
    def __init__(self, algebra: Algebra, leaves: dict[str, str]) -> None:
        self._algebra = algebra
        self._leaves = leaves
        self._steps = 0

    def expand(self, tensor: str) -> Expansion:
        # The number of steps bounds the depth, so recursion is safe here.
        self._steps += 1
        if self._steps > _MOST_STEPS:
            raise TooLongError
        if tensor in self._leaves:
            return {(self._leaves[tensor],): 1.0}
        root = self._algebra.root_of(tensor)
        if root is not None:
            return self._power_of_root(tensor, *root)
        constants = self._algebra.constants
        if constants.is_number(tensor):
            return {(): constants.number(tensor)}
        return self._arithmetic(tensor)

    def _power_of_root(self, tensor: str, argument: str, power: float) -> Expansion:
        name = self._leaves.get(inverse_root(argument))
        if name is None or power > 0:
            return {(tensor,): 1.0}
        return {(name,): 1.0}

    def _arithmetic(self, tensor: str) -> Expansion:
        algebra = self._algebra
        node = algebra.graph.node(tensor)
        inputs = [algebra.through(one) for one in node.inputs]
        square = algebra.square_of(tensor)
        if square is not None:
            inner = self.expand(square)
            return _product(inner, inner)
        if node.op in ("Add", "AddV2", "BiasAdd", "BiasAddV1", "AddN"):
            total: Expansion = {}
            for one in inputs:
                total = _sum(total, self.expand(one))
            return total
        if node.op == "Neg" and inputs:
            return _product({(): -1.0}, self.expand(inputs[0]))
        if len(inputs) == 2:
            if node.op == "Sub":
                return _sum(self.expand(inputs[0]), self.expand(inputs[1]), -1.0)
            if node.op == "Mul":
                return _product(self.expand(inputs[0]), self.expand(inputs[1]))
            if node.op == "SquaredDifference":
                difference = _sum(self.expand(inputs[0]), self.expand(inputs[1]), -1.0)
                return _product(difference, difference)
            if node.op in QUOTIENTS:
                inverse = self._inverse(inputs[1])
                if inverse is not None:
                    return _product(self.expand(inputs[0]), inverse)
        if node.op in ("Reciprocal", "Inv") and inputs:
            inverse = self._inverse(inputs[0])
            if inverse is not None:
                return inverse
        return {(tensor,): 1.0}

    def _inverse(self, tensor: str) -> Expansion | None:
        """1/a for a number or a root that is a leaf."""
        constants = self._algebra.constants
        if constants.is_number(tensor):
            number = constants.number(tensor)
            return {(): 1 / number} if number else None
        root = self._algebra.root_of(tensor)
        if root is None or root[1] < 0:
            return None
        name = self._leaves.get(inverse_root(root[0]))
        return None if name is None else {(name,): 1.0}


def inverse_root(argument: str) -> str:
    """How ``expand`` is told that 1/sqrt(argument) is a leaf."""
    return f"1/sqrt {argument}"


def _sum(left: Expansion, right: Expansion, factor: float = 1.0) -> Expansion:
    total = dict(left)
    for product, coefficient in right.items():
        total[product] = total.get(product, 0.0) + factor * coefficient
    return {product: coefficient for product, coefficient in total.items() if coefficient}


def _product(left: Expansion, right: Expansion) -> Expansion:
    if len(left) * len(right) > _MOST_PRODUCTS:
        raise TooLongError
    found: Expansion = {}
    for one, a in left.items():
        for other, b in right.items():
            product = tuple(sorted((*one, *other)))
            found[product] = found.get(product, 0.0) + a * b
    return {product: coefficient for product, coefficient in found.items() if coefficient}
