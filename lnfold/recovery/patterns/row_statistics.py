"""What stands under the root of a normalisation: a variance, a mean square, and epsilon.

v = mean((x − mean(x))²)   or   mean(x²) − mean(x)²
v = mean(x²)
v stored
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from lnfold.network.facts.evidence import Fact, Source
from lnfold.network.records.norms import is_epsilon
from lnfold.recovery.patterns.algebra import Algebra, Expansion, Product, TooLongError
from lnfold.recovery.patterns.reduce_mean import MeanOf, mean_of

_NEAR: Final = 14  # tensors between a norm's output and its root


@dataclass(frozen=True, slots=True)
class Statistics:
    """What stands under a root: the epsilon, and what the rest is."""

    argument: str
    epsilon: Fact[float]
    value: str = ""  # x, for the statistics of a row
    mean: MeanOf | None = None
    centred: bool = False
    stored: str = ""  # the variance, where it is a constant


class Roots:
    """Finds the roots of one graph's normalisations, and says what stands under them."""

    def __init__(self, algebra: Algebra) -> None:
        self._algebra = algebra
        self._constants = algebra.constants
        self._found: dict[str, Statistics | None] = {}

    def near(self, tensor: str) -> Iterator[Statistics]:
        """The statistics under the roots that arithmetic combines into a tensor."""
        for one in self._algebra.within(tensor, _NEAR):
            root = self._algebra.root_of(one)
            if root is None:
                continue
            argument = root[0]
            if argument not in self._found:
                self._found[argument] = self._under_root(argument)
            statistics = self._found[argument]
            if statistics is not None:
                yield statistics

    def is_mean(self, tensor: str, value: str, like: MeanOf) -> bool:
        """Whether a tensor is the mean of a value over the same axes as another mean."""
        found = mean_of(self._algebra, tensor)
        return found is not None and (found.value, found.axes) == (value, like.axes)

    def _under_root(self, argument: str) -> Statistics | None:
        try:
            terms = self._algebra.expand(argument, self._means_in(argument))
        except TooLongError:
            return None
        epsilon = self._epsilon(argument, terms.pop((), None))
        if epsilon is None:
            return None
        if len(terms) == 2:
            return self._difference_of_means(argument, epsilon, terms)
        if len(terms) != 1:
            return None
        ((product, coefficient),) = terms.items()
        if coefficient != 1 or len(product) != 1:
            return None
        square = product[0]
        if self._constants.is_constant(square):
            return Statistics(argument, epsilon, stored=square)
        mean = mean_of(self._algebra, square)
        return None if mean is None else self._mean_square(argument, epsilon, mean)

    def _means_in(self, argument: str) -> dict[str, str]:
        """Means are leaves: of a difference of means, and of the mean of a square."""
        return {
            one: one
            for one in (argument, *self._algebra.within(argument))
            if mean_of(self._algebra, one) is not None
        }

    def _epsilon(self, argument: str, found: float | None) -> Fact[float] | None:
        """The number that is added, with the node that holds it."""
        if found is None or not is_epsilon(found):
            return None
        for one in self._algebra.operands(argument):
            if self._constants.is_number(one):
                number, where = self._constants.number(one), self._constants.value(one).where
                if is_epsilon(number):
                    return Fact(number, Source.GRAPH, where)
        return Fact(found, Source.GRAPH, argument)

    def _mean_square(self, argument: str, epsilon: Fact[float], mean: MeanOf) -> Statistics | None:
        """The statistics where v is the mean of a square: of x − mean(x), or of x itself."""
        algebra = self._algebra
        node = algebra.graph.node(mean.value)
        sides: tuple[str, ...] = ()
        if node.op == "SquaredDifference":
            sides = tuple(map(algebra.through, node.inputs))
        else:
            root = algebra.square_of(mean.value)
            if root is None:
                return None
            inner = algebra.graph.node(root)
            if inner.op == "Sub":
                sides = tuple(map(algebra.through, inner.inputs))
            if not self._is_centred(sides, mean):
                return Statistics(argument, epsilon, root, mean, centred=False)
        for value, other in (sides, sides[::-1]):
            if self.is_mean(other, value, mean):
                return Statistics(argument, epsilon, value, mean, centred=True)
        return None

    def _is_centred(self, sides: tuple[str, ...], mean: MeanOf) -> bool:
        return len(sides) == 2 and (
            self.is_mean(sides[1], sides[0], mean) or self.is_mean(sides[0], sides[1], mean)
        )

    def _difference_of_means(
        self, argument: str, epsilon: Fact[float], terms: Expansion
    ) -> Statistics | None:
        """v = mean(x²) − mean(x)²."""
        by_length: dict[int, tuple[Product, float]] = {
            len(product): (product, coefficient) for product, coefficient in terms.items()
        }
        if sorted(by_length) != [1, 2] or by_length[1][1] != 1 or by_length[2][1] != -1:
            return None
        mean_square = mean_of(self._algebra, by_length[1][0][0])
        means = {mean_of(self._algebra, one) for one in by_length[2][0]}
        mean = means.pop()
        if mean is None or means or mean_square is None:
            return None
        squared = self._algebra.square_of(mean_square.value)
        if squared != mean.value or mean_square.axes != mean.axes:
            return None
        return Statistics(argument, epsilon, mean.value, mean, centred=True)
