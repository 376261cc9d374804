"""What a layer sees, and what it adds: the records that the table of layers is made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from lnfold.network.records.layers import Array
from lnfold.network.rounding.arithmetic import Arithmetic
from lnfold.network.rounding.slopes import Slope


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """A value that a layer reads: exact [rows, units], and the box that programs' values are in.

    Attributes:
        exact: the value in float64.
        errors: how far a program's value is from it, as the arithmetic counts it.
        box: how far it is looked at around it.
        equal: equal numbers for units that are always equal, [units], where that counts.
    """

    exact: Array
    errors: Array
    box: Array
    equal: Array | None = None

    @property
    def most(self) -> Array:
        """The largest size that any program's value has."""
        return np.asarray(np.abs(self.exact) + self.box)

    @property
    def width(self) -> int:
        """Its units."""
        return int(self.exact.shape[1])

    @property
    def summed(self) -> int:
        """As how many roundings a sum over the units counts: m equal terms as m² together."""
        if self.equal is None:
            return self.width
        return int(np.square(np.bincount(self.equal)).sum())


@dataclass(frozen=True, slots=True, eq=False)
class Shared:
    """A rounding that all units of a row have in common, such as that of their mean.

    Attributes:
        direction: what it does to each unit, [rows or 1, units].
        size: how large it is, [rows, 1].
    """

    direction: Array
    size: Array


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """A layer near what it reads: out(x̂) computed − out(x) = Σ slopes·(x̂ − x) + roundings.

    Attributes:
        slopes: one for each value that it reads; none where rows join.
        unit: what it rounds off in each unit by itself, [rows or 1, units or 1].
        shared: what it rounds off in all units alike.
        highest: the largest size of what it computes on the way to its output, [rows, units
            or 1]: beyond the type's largest number it overflows. None: its output is.
    """

    slopes: tuple[Slope, ...]
    unit: Array
    shared: tuple[Shared, ...] = ()
    highest: Array | None = None


def delivered(step: Step, arithmetic: Arithmetic, exact: Array, *read: Seen) -> Seen:
    """What a layer delivers: the errors of what it reads, carried on, and its own roundings.

    Infinite where a program's value may overflow on the way, or where the exact one is not finite.
    """
    parts = [
        slope.push(one.errors, arithmetic) for slope, one in zip(step.slopes, read, strict=False)
    ]
    parts += [np.abs(one.direction) * one.size for one in step.shared]
    errors = arithmetic.together(np.broadcast_to(step.unit, exact.shape), *parts)
    box = arithmetic.box(errors)
    highest = np.abs(exact) + box
    if step.highest is not None:
        highest = np.maximum(highest, step.highest)
    # written so that NaN fails
    errors = np.where((highest <= arithmetic.largest) & np.isfinite(exact), errors, np.inf)
    return Seen(exact, errors, arithmetic.box(errors))


Row = Callable[..., Step]  # from a layer, an arithmetic, the exact output and what is read
