"""Two runs side by side: the verdict on each number, where it is worst, and how large it is off.

Absolute and relative differences of all numbers of all outputs; the relative one is
|a − b| / max(|a|, |b|).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from lnfold.checking.comparison import EDGES, QUANTILES, Against, Comparison, Place, Spread
from lnfold.checking.planted import noticed
from lnfold.checking.verdict import Allowance, Mark, marked
from lnfold.errors import UsageError
from lnfold.network.operations.float_types import is_float
from lnfold.network.records.layers import Network

Array = np.ndarray


@np.errstate(all="ignore")  # what is not finite is judged as such
def compare(
    exact: Mapping[str, Array],
    other: Mapping[str, Array],
    allowed: Allowance,
    against: Against,
    origin: str = "",
) -> Comparison:
    """The float64 outputs of a network, by name [rows, units], and those of another run.

    Raises:
        UsageError: an output is missing in ``other``, or has another number of entries.
    """
    absolute, relative, marks = [], [], []
    by_row: list[Array] = []
    without: list[Array] = []
    places: list[Place] = []
    largest: list[tuple[float, Place]] = []
    for name, one in exact.items():
        a = np.asarray(one, np.float64)
        b = np.asarray(_matching(name, a, other, alone=len(exact) == 1), np.float64)
        found = marked(b, a, allowed.estimate[name], allowed.proved[name])
        difference = _difference(a, b)
        size = np.maximum(np.abs(a), np.abs(b))
        share = np.where(difference > 0, difference / size, 0.0)
        absolute.append(difference.ravel())
        relative.append(np.nan_to_num(share, nan=np.inf, posinf=np.inf).ravel())
        marks.append(found.ravel())
        by_row.append(difference.max(axis=1, initial=0.0))
        without.append(np.asarray(np.isnan(a + b).any(axis=1)))
        if found.size:
            judged = _Judged(name, a, b, found, allowed)
            places.append(judged.worst(difference))
            largest.append((float(difference.max()), judged.at(int(difference.argmax()))))
    counts = np.bincount(_joined(marks).astype(int), minlength=len(Mark))
    everything = _joined(absolute)
    bins = np.searchsorted(EDGES, everything, side="right")
    return Comparison(
        against=against,
        origin=origin,
        marks={mark: int(counts[mark]) for mark in Mark},
        absolute=_spread(everything),
        relative=_spread(_joined(relative)),
        largest_at=max(largest, key=lambda one: one[0])[1] if largest else None,
        worst=max(places, key=lambda one: (one.mark, _ordered(one.multiple)), default=None),
        histogram=tuple(int(one) for one in np.bincount(bins, minlength=len(EDGES) + 1)),
        tolerance=float(_joined([one.ravel() for one in allowed.estimate.values()]).max(initial=0)),
        errors=np.max(by_row, axis=0) if by_row else np.zeros(0),
        undefined=int(np.any(without, axis=0).sum()) if without else 0,
    )


def with_noticed(
    comparison: Comparison,
    network: Network,
    inputs: Mapping[str, Array],
    exact: Mapping[str, Array],
    allowed: Allowance,
) -> Comparison:
    """The same with the smallest change of a kernel that would have differed, planted."""
    if comparison.differing:
        return comparison
    return replace(comparison, noticed=noticed(network, inputs, exact, allowed))


@dataclass(frozen=True, slots=True, eq=False)
class _Judged:
    """One output of both sides [rows, units], with a mark for every number."""

    name: str
    exact: Array
    other: Array
    marks: Array
    allowed: Allowance

    def worst(self, difference: Array) -> Place:
        """Of the numbers with the worst mark that which is furthest off for its allowance."""
        mark = self.marks.max()
        estimate = np.asarray(self.allowed.estimate[self.name], np.float64)
        with np.errstate(invalid="ignore", divide="ignore"):
            multiple = np.where(difference > 0, difference / estimate, 0.0)
        if mark == Mark.WIDE:
            multiple = estimate  # what is allowed is what is wrong with it
        multiple = np.where(self.marks == mark, np.nan_to_num(multiple, nan=np.inf), -1.0)
        return self.at(int(multiple.argmax()))

    def at(self, index: int) -> Place:
        """The number that is the ``index``-th of all."""
        row, unit = np.unravel_index(index, self.marks.shape)
        return Place(
            self.name,
            int(row),
            int(unit),
            float(self.exact[row, unit]),
            float(self.other[row, unit]),
            float(self.allowed.estimate[self.name][row, unit]),
            float(self.allowed.proved[self.name][row, unit]),
            Mark(int(self.marks[row, unit])),
        )


def _ordered(multiple: float) -> float:
    return multiple if multiple == multiple else float("inf")


def _matching(name: str, one: Array, other: Mapping[str, Array], alone: bool) -> Array:
    """The array that an output is compared with: by its name, or ``outputs`` for the only one."""
    key = name if name in other or not alone else "outputs"
    if key not in other:
        raise UsageError(
            f"there is nothing to compare output '{name}' with; there are: "
            f"{', '.join(sorted(other)) or 'none'}",
            remedy="Name the array as the output, or 'outputs' for the only one.",
        )
    array = np.asarray(other[key])
    if array.dtype.kind not in "fiub" and not is_float(array.dtype):
        raise UsageError(f"array '{key}' holds {array.dtype}, which is no type of numbers")
    if array.size != one.size:
        raise UsageError(f"array '{key}' has shape {array.shape}, output '{name}' has {one.shape}")
    return array.reshape(one.shape)


def _difference(a: Array, b: Array) -> Array:
    """|a − b|; 0 where both are NaN or the same infinity, infinite where only one is."""
    with np.errstate(invalid="ignore", over="ignore"):
        same = (a == b) | (np.isnan(a) & np.isnan(b))
        difference = np.where(same, 0.0, np.abs(a - b))
    return np.nan_to_num(difference, nan=np.inf, posinf=np.inf)


def _joined(parts: list[Array]) -> Array:
    return np.concatenate(parts) if parts else np.zeros(0)


def _spread(values: Array) -> Spread:
    if not values.size:
        return Spread(0.0, 0.0, (0.0,) * len(QUANTILES))
    # the lower of two neighbours: between a number and infinity there is no middle
    quantiles = np.quantile(values, QUANTILES, method="lower")
    return Spread(float(values.max()), float(values.mean()), tuple(float(one) for one in quantiles))
