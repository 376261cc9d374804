"""The record of a value laid out otherwise: reshapes and transpositions of its last axes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from lnfold.errors import GraphError
from lnfold.network.records.layer import Layer, Shape


@dataclass(frozen=True, slots=True, eq=False)
class Rearrange(Layer):
    """The last axes of a value in another order, or with other lengths: [..., *taken] becomes
    [..., *given]. The axes in front of them stay.

    Attributes:
        taken: the lengths of the last axes that are laid out otherwise.
        order: a permutation of these axes; None where they stay.
        given: the lengths of the axes that they become, once they are in order.
    """

    kind = "rearrange"
    taken: tuple[int, ...]
    order: tuple[int, ...] | None
    given: tuple[int, ...]

    def __post_init__(self) -> None:
        sizes = (math.prod(self.taken), math.prod(self.given))
        if min(*self.taken, *self.given, 1) < 1 or sizes[0] != sizes[1] or not self.given:
            raise GraphError(f"'{self.name}' lays {self.taken} out as {self.given}")
        if self.order is not None and sorted(self.order) != list(range(len(self.taken))):
            raise GraphError(f"'{self.name}' puts axes {self.taken} into the order {self.order}")

    @property
    def units(self) -> int:
        """The length of the last axis delivered."""
        return self.given[-1]

    def output_width(self, widths: list[int]) -> int:
        if widths[0] and math.prod(self.taken) % widths[0]:
            raise GraphError(f"'{self.name}' lays rows of {widths[0]} out as {self.taken}")
        return self.units

    def output_shape(self, shapes: Sequence[Shape]) -> Shape:
        self.output_width([shapes[0][-1] or 0])
        left = shapes[0][: -len(self.taken)] if len(self.taken) < len(shapes[0]) else ()
        return (*(left or (None,)), *self.given)
