"""The record of a comparison: what was compared with what, the verdict, and what it rests on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

import numpy as np

from lnfold.checking.planted import Noticed
from lnfold.checking.verdict import Mark, Verdict

Array = np.ndarray

QUANTILES: Final = (0.5, 0.9, 0.99)
# decades of the absolute difference: below 1e-12, then one each up to 1 and above
EDGES: Final = tuple(10.0**power for power in range(-12, 1))


class Against(Enum):
    """What stands against a network's float64 run."""

    FLOAT64 = "float64"
    EXPECTED = "expected"
    TENSORFLOW = "tensorflow"
    OTHER = "other"


_TITLES = {
    Against.FLOAT64: "NumPy {} against float64",
    Against.EXPECTED: "the outputs given against float64",
    Against.TENSORFLOW: "TensorFlow against float64",
    Against.OTHER: "B against A, both in float64",
}

_SENTENCES = {
    Against.FLOAT64: "the network's own run in {}",
    Against.EXPECTED: "the outputs given",
    Against.TENSORFLOW: "the graph, run by TensorFlow",
    Against.OTHER: "the other network, in float64",
}


@dataclass(frozen=True, slots=True)
class Place:
    """One number: its output, row and unit, both values, and what may be between them.

    Attributes:
        left, right: the float64 run's number, and the other's.
        allowed, proved: the estimate and the proved bound of what rounding does here.
    """

    output: str
    row: int
    unit: int
    left: float
    right: float
    allowed: float
    proved: float
    mark: Mark

    @property
    def multiple(self) -> float:
        """How many times the allowance the two are apart; NaN where one is no finite number."""
        error = abs(self.left - self.right)
        if error == 0:
            return 0.0
        return error / self.allowed if self.allowed else float("inf")


@dataclass(frozen=True, slots=True)
class Spread:
    """A kind of difference over all numbers: largest, mean, and the quantiles of QUANTILES."""

    largest: float
    mean: float
    quantiles: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two runs compared.

    Attributes:
        against: what the float64 run stands against.
        origin: which inputs, a sentence.
        marks: how many numbers have each mark.
        absolute, relative: the differences; NaN or infinite on one side only is infinite.
        largest_at: where the largest absolute difference is.
        worst: the number with the worst mark, of those the furthest off for its allowance; None
            where nothing was compared.
        histogram: how many absolute differences are below each of EDGES and not below the one
            before; the last count is of those at or above the last edge.
        tolerance: the most that any number was allowed.
        errors: the largest difference in each row [rows].
        undefined: in how many rows a number of either side is NaN.
        noticed: the smallest change of a kernel that would have differed; None where none was
            planted.
        around: the operations that neither side ran.
        assumed: whether the network that was run rests on what is assumed.
        unlike: why those are not known to be the same on both sides; empty where they are.
        precision: what the network's own run is computed in.
    """

    against: Against
    origin: str
    marks: Mapping[Mark, int]
    absolute: Spread
    relative: Spread
    largest_at: Place | None
    worst: Place | None
    histogram: tuple[int, ...]
    tolerance: float
    errors: Array = field(repr=False, compare=False)
    undefined: int
    noticed: Noticed | None = None
    around: tuple[str, ...] = ()
    unlike: str = ""
    assumed: bool = False
    precision: str = "float32"

    def __repr__(self) -> str:
        found = f"{self.agreeing} of {self.count} numbers agree"
        return f"Comparison({self.verdict.value}, {self.title}: {found})"

    @property
    def title(self) -> str:
        """What is compared with what."""
        return _TITLES[self.against].format(self.precision)

    @property
    def other_side(self) -> str:
        """What stands against the float64 run, in full."""
        return _SENTENCES[self.against].format(self.precision)

    @property
    def count(self) -> int:
        """How many numbers were compared."""
        return sum(self.marks.values())

    @property
    def agreeing(self) -> int:
        return self.marks[Mark.AGREES]

    @property
    def differing(self) -> int:
        return self.marks[Mark.DIFFERS]

    @property
    def untold(self) -> int:
        """Of how many numbers nobody can tell."""
        return self.count - self.agreeing - self.differing

    @property
    def rows(self) -> int:
        """How many rows were compared."""
        return int(self.errors.size)

    @property
    def blind(self) -> bool:
        """Whether no kernel could have been another without agreeing all the same."""
        return self.noticed is not None and not self.noticed.doubted

    @property
    def verdict(self) -> Verdict:
        if self.differing:
            return Verdict.DIFFERS
        if self.untold or not self.count or self.blind or self.unlike:
            return Verdict.CANNOT_TELL
        return Verdict.AGREES

    @property
    def passed(self) -> bool:
        return self.verdict is Verdict.AGREES

    @property
    def reason(self) -> str:
        """Why the verdict is not that all agrees; empty where it is."""
        if self.verdict is Verdict.AGREES:
            return ""
        if not self.count:
            return "nothing was compared"
        if self.worst is not None and self.worst.mark is not Mark.AGREES:
            return self.worst.mark.sentence
        return self.unlike or "no change of a kernel would have been seen"


def overall(comparisons: Iterable[Comparison]) -> Verdict:
    """The verdict on several comparisons; nobody can tell where there are none."""
    verdicts = {one.verdict for one in comparisons} or {Verdict.CANNOT_TELL}
    order = (Verdict.DIFFERS, Verdict.CANNOT_TELL, Verdict.AGREES)
    return next(one for one in order if one in verdicts)
