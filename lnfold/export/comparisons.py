"""A comparison as text with a histogram, and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from lnfold.checking.comparison import EDGES, QUANTILES, Comparison, Spread
from lnfold.checking.judgement import judgement_record, place_record
from lnfold.checking.sentences import counted, phrase, told
from lnfold.text.number_format import figure, printable
from lnfold.text.wrapping import wrapped

_BAR = 40
_BESIDE = 24  # columns of a bar's label and count


def comparison_record(one: Comparison) -> dict[str, Any]:
    """A comparison as plain dicts, lists and numbers; infinities become null."""
    largest = one.largest_at
    return {
        **judgement_record(one),
        "count": one.count,
        "passed": one.passed,
        "tolerance": one.tolerance,
        "smallest_tolerance": one.absolute.largest,
        "absolute": _spread_record(one.absolute),
        "relative": _spread_record(one.relative),
        "largest_at": None if largest is None else place_record(largest),
        "histogram": {"edges": list(EDGES), "counts": list(one.histogram)},
    }


def comparison_text(name: str, one: Comparison, width: int) -> str:
    """The verdict first, then what it rests on, no wider than ``width``."""
    return "\n".join([wrapped(_lines(name, one), width), *_histogram(one, width)])


def unpaired_text(left: Sequence[str], right: Sequence[str], width: int) -> Iterator[str]:
    """What is said of networks that nothing stands against."""
    for names, holder, other in ((left, "A", "B"), (right, "B", "A")):
        if names:
            shown = ", ".join(printable(name) for name in names)
            yield wrapped([f"not compared, as only {holder} holds it, not {other}: {shown}"], width)


def _lines(name: str, one: Comparison) -> Iterator[str]:
    yield f"{printable(name)}   {phrase(one)}: {counted(one)}"
    yield f"  {told(one)}"
    yield f"  {one.title}, on {printable(one.origin)}"
    if one.around:
        drawn = ", ".join(printable(operation) for operation in one.around)
        yield f"  compared around what is not run, its values drawn: {drawn}"
    for what, spread in (("absolute", one.absolute), ("relative", one.relative)):
        shares = ", ".join(
            f"{100 * share:g} % {figure(value)}"
            for share, value in zip(QUANTILES, spread.quantiles, strict=True)
        )
        yield f"  {what}: mean {figure(spread.mean)}, {shares}, 100 % {figure(spread.largest)}"


def _histogram(one: Comparison, width: int) -> Iterator[str]:
    """One bar a decade, from the first to the last that holds anything."""
    most = max(one.histogram)
    filled = [index for index, count in enumerate(one.histogram) if count]
    if not most or not filled:
        return
    longest = min(_BAR, width - _BESIDE)
    for index in range(filled[0], filled[-1] + 1):
        count = one.histogram[index]
        label = f"< {EDGES[index]:.0e}" if index < len(EDGES) else f"≥ {EDGES[-1]:.0e}"
        bar = "█" * max(round(longest * count / most), 1 if count else 0)
        yield f"    {label:>8} {count:>8} {bar}"


def _spread_record(spread: Spread) -> dict[str, Any]:
    return {
        "largest": spread.largest,
        "mean": spread.mean,
        "quantiles": dict(zip(map(str, QUANTILES), spread.quantiles, strict=True)),
    }
