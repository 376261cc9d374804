"""A verdict on numbers: each is judged by its own rounding, and may be one that nobody can judge.

Behind the allowance stand two figures for every number: the *estimate* of what rounding does,
and the *proved* bound that no program of the network passes. Within the estimate two numbers
agree; beyond the proved bound no rounding explains what they are apart; between lies what
cannot be told.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, IntEnum
from typing import Final

import numpy as np

from lnfold.network.rounding.measured import Rounding

Array = np.ndarray

WIDEST: Final = 0.01  # of an output's scale: an allowance above it would hide another network
_ENOUGH: Final = 4  # rows, so that without one at either end there is a spread
_UNDERFLOW: Final = 2.0**-100  # far below what float32 adds to anything but zeros
_STILL: Final = 4 * float(np.finfo(np.float32).eps)  # of its size: as float32 it does not vary


class Verdict(Enum):
    """What a comparison comes to."""

    AGREES = "agrees"
    DIFFERS = "differs"
    CANNOT_TELL = "cannot tell"

    @property
    def sentence(self) -> str:
        return _SENTENCES[self]


_SENTENCES = {
    Verdict.AGREES: "every number is within what rounding does",
    Verdict.DIFFERS: "a number is further off than any rounding explains",
    Verdict.CANNOT_TELL: "rounding may hide a difference, or explain the one that is seen",
}


class Mark(IntEnum):
    """What is known of one number, the worse the larger."""

    AGREES = 0
    WIDE = 1
    UNDEFINED = 2
    BETWEEN = 3
    DIFFERS = 4

    @property
    def sentence(self) -> str:
        return _MARKS[self]


_MARKS = {
    Mark.AGREES: "within what rounding does",
    Mark.WIDE: f"rounding alone may move it by more than {WIDEST:.0%} of its scale",
    Mark.UNDEFINED: "not a finite number",
    Mark.BETWEEN: "further off than rounding usually goes, not further than it can",
    Mark.DIFFERS: "further off than any rounding explains",
}


@dataclass(frozen=True, slots=True, eq=False)
class Allowance:
    """How far a correct program may be from the float64 outputs, [rows, units] by output.

    Attributes:
        estimate: what rounding does.
        proved: what no program of the network passes; infinite where nothing is proved.
    """

    estimate: Mapping[str, Array]
    proved: Mapping[str, Array]

    @staticmethod
    def of(rounding: Rounding) -> Allowance:
        return Allowance(rounding.estimate, rounding.proved)

    def renamed(self, names: Mapping[str, str]) -> Allowance:
        """The same with outputs called otherwise."""
        return Allowance(
            {new: self.estimate[old] for old, new in names.items()},
            {new: self.proved[old] for old, new in names.items()},
        )

    def beside(self, other: Allowance) -> Allowance:
        """What two programs may be apart, each with an allowance of its own: the sums."""
        return Allowance(
            {name: one + other.estimate[name] for name, one in self.estimate.items()},
            {name: one + other.proved[name] for name, one in self.proved.items()},
        )


def marked(found: Array, exact: Array, estimate: Array, proved: Array) -> Array:
    """A ``Mark`` for every number [rows, units] of ``found``, held against ``exact``.

    Args:
        exact: the float64 outputs that ``estimate`` and ``proved`` are distances from.
    """
    found, exact = np.asarray(found, np.float64), np.asarray(exact, np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        error = np.abs(found - exact)
        # the first comparison is False where a number or the allowance is NaN
        marks = np.where(error <= np.minimum(estimate, proved), Mark.AGREES, Mark.BETWEEN)
        marks[~(estimate <= WIDEST * scales(exact))] = Mark.WIDE
        marks[error > proved] = Mark.DIFFERS
    numbers, others = np.isfinite(found), np.isfinite(exact)
    marks[~(numbers & others)] = Mark.UNDEFINED
    same = (found == exact) | (np.isnan(found) & np.isnan(exact))
    marks[~(numbers & others) & ~same & np.isfinite(proved)] = Mark.DIFFERS
    return marks.astype(np.int8)


def scales(exact: Array) -> Array:
    """What the allowance of a number is held against [rows, units].

    The spread of its output over the rows, without one at either end, so that a row far out
    lends the others no scale; its own is its distance from the middle. An output that does not
    vary has its size.
    """
    numbers = np.where(np.isfinite(exact), exact, np.nan)
    lost = np.isnan(numbers).all(axis=0)
    numbers[:, lost] = 0.0
    if not numbers.size:
        return numbers
    few = 1 / (len(numbers) - 1) if len(numbers) >= _ENOUGH else 0.0
    low, middle, high = np.nanquantile(numbers, (few, 0.5, 1 - few), axis=0)
    # one row far out at either end is two of the largest
    usual, most = np.nanquantile(np.abs(numbers), (1 - 2 * few, 1.0), axis=0)
    size = np.where(usual > 0, usual, most)
    spread = high - low
    still = spread <= _STILL * size
    scale = np.fmax(np.where(still, size, spread), np.abs(numbers - middle))
    # nothing can be hidden where everything is 0 but what underflows
    return np.asarray(np.fmax(np.nan_to_num(scale), _UNDERFLOW / WIDEST))
