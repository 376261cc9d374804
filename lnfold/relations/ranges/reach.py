"""What a value of a network can be: a box, and whether each of its points can be reached."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lnfold.network.records.layers import Parameter
from lnfold.relations.ranges.box import Box
from lnfold.relations.ranges.homogeneous import vector
from lnfold.relations.ranges.unit_ranges import Bound

Array = np.ndarray


@dataclass(frozen=True, slots=True, eq=False)
class Reach:
    """A box that holds all that a value can be.

    Attributes:
        box: the bounds of each unit.
        sources: the inputs of the network that it depends on; empty unless the box is free.
        normalised: for a norm that reads a dense layer, infimum and supremum of z, before
            gamma and beta.
    """

    box: Box
    sources: frozenset[str] = frozenset()
    normalised: tuple[Bound, Bound] | None = None

    @property
    def free(self) -> bool:
        return bool(self.sources)


def boxed(low: Array, high: Array, sources: frozenset[str] = frozenset()) -> Reach | None:
    if np.isnan(low).any() or np.isnan(high).any():
        return None
    return Reach(Box(low, high), sources)


def spread(parameter: Parameter, reach: Reach) -> Array:
    return vector(parameter, reach.box.width, 0.0)
