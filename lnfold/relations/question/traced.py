"""The values of all layers on some rows, with what is asked of all of them found once."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from functools import cached_property

import numpy as np

from lnfold.network.records.layers import Array


class Traced(Mapping[str, Array]):
    """Values by name; a network of n layers is asked n times for what concerns all of them."""

    def __init__(self, values: Mapping[str, Array]) -> None:
        self._values = values

    def __getitem__(self, name: str) -> Array:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    @cached_property
    def finite(self) -> bool:
        """Whether every value is a number: NaN can be compared with nothing, fitted to nothing."""
        return all(bool(np.isfinite(value).all()) for value in self._values.values())

    @cached_property
    def observations(self) -> int:
        """How many observations the rows are of, each of which may have several.

        Values of a sequence have a row for every step or one for all, so that what they have in
        common are the sequences.
        """
        return math.gcd(*{len(value) for value in self._values.values()}) or 1


def traced(values: Mapping[str, Array]) -> Traced:
    """The same values, so that what was found of them is kept."""
    return values if isinstance(values, Traced) else Traced(values)
