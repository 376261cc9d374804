"""The record of a value laid out otherwise: reshapes and transpositions within an observation."""

from __future__ import annotations

import math
from dataclasses import dataclass

from lnfold.errors import GraphError
from lnfold.network.records.layer import Layer


@dataclass(frozen=True, slots=True, eq=False)
class Rearrange(Layer):
    """The numbers of an observation in another order, or cut into rows of another length.

    Row after row is read until ``shape`` is filled, its axes are put into ``order``, and the
    result is cut into rows of ``units``: [rows, width] becomes [rows·width/units, units].
    No two observations are mixed, so the number of rows an observation takes may change.

    Attributes:
        shape: the axes of what is rearranged at a time, the last one the units of a row.
        order: a permutation of these axes; None where they stay.
        units: the length of the rows delivered.
    """

    kind = "rearrange"
    shape: tuple[int, ...]
    order: tuple[int, ...] | None
    units: int

    def __post_init__(self) -> None:
        if min(*self.shape, self.units, 1) < 1 or math.prod(self.shape) % self.units:
            raise GraphError(f"'{self.name}' lays {self.shape} out in rows of {self.units}")
        if self.order is not None and sorted(self.order) != list(range(len(self.shape))):
            raise GraphError(f"'{self.name}' puts axes {self.shape} into the order {self.order}")

    def output_width(self, widths: list[int]) -> int:
        if widths[0] and math.prod(self.shape) % widths[0]:
            raise GraphError(f"'{self.name}' lays rows of {widths[0]} out as {self.shape}")
        return self.units
