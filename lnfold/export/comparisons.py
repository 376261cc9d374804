"""A comparison as text with a histogram, and as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lnfold.checking.compare import EDGES, QUANTILES, Comparison, Spread
from lnfold.figures import figure, printable

_BAR = 40


def comparison_record(one: Comparison) -> dict[str, Any]:
    """A comparison as plain dicts, lists and numbers; infinities become null."""
    place = one.place
    return {
        "count": one.count,
        "passed": one.passed,
        "tolerance": one.tolerance,
        "smallest_tolerance": one.smallest_tolerance,
        "absolute": _spread_record(one.absolute),
        "relative": _spread_record(one.relative),
        "largest_at": None
        if place is None
        else {
            "output": place.output,
            "row": place.row,
            "unit": place.unit,
            "left": place.left,
            "right": place.right,
        },
        "histogram": {"edges": list(EDGES), "counts": list(one.histogram)},
    }


def comparison_lines(name: str, one: Comparison) -> Iterator[str]:
    """The verdict first, then what it rests on."""
    verdict = "agrees" if one.passed else "DIFFERS"
    yield (
        f"{printable(name)}   {verdict}: the largest of {one.count} differences is "
        f"{figure(one.absolute.largest)}, allowed {figure(one.tolerance)}"
    )
    place = one.place
    if place is not None and one.absolute.largest:
        yield (
            f"  at {printable(place.output)}, row {place.row}, unit {place.unit}: "
            f"{place.left:.9g} and {place.right:.9g}"
        )
    yield f"  smallest tolerance that would have passed: {one.smallest_tolerance:.3g}"
    for what, spread in (("absolute", one.absolute), ("relative", one.relative)):
        shares = ", ".join(
            f"{100 * share:g} % {figure(value)}"
            for share, value in zip(QUANTILES, spread.quantiles, strict=True)
        )
        yield f"  {what}: mean {figure(spread.mean)}, {shares}, 100 % {figure(spread.largest)}"
    yield from _histogram(one)


def _histogram(one: Comparison) -> Iterator[str]:
    """One bar a decade, from the first to the last that holds anything."""
    most = max(one.histogram)
    filled = [index for index, count in enumerate(one.histogram) if count]
    if not most or not filled:
        return
    for index in range(filled[0], filled[-1] + 1):
        count = one.histogram[index]
        label = f"< {EDGES[index]:.0e}" if index < len(EDGES) else f"≥ {EDGES[-1]:.0e}"
        bar = "█" * max(round(_BAR * count / most), 1 if count else 0)
        yield f"    {label:>8} {count:>8} {bar}"


def _spread_record(spread: Spread) -> dict[str, Any]:
    return {
        "largest": spread.largest,
        "mean": spread.mean,
        "quantiles": dict(zip(map(str, QUANTILES), spread.quantiles, strict=True)),
    }
