"""The full account on a terminal: what units can do, s(x), independence, sensitivity, signs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.padding import Padding

from lnfold.relations.detail import Detail, LayerDetail
from lnfold.relations.question.relate import Relation
from lnfold.relations.question.std import Deviation
from lnfold.relations.ranges.units import Units, Verdict
from lnfold.report.account.record import NetworkReport
from lnfold.text.number_format import figure, printable
from lnfold.text.terminal import BARS, Text

WIDEST, NARROWEST = 48, 12  # columns of a unit's bar
BESIDE = 24  # columns of what stands around it
MOST = 16  # units a layer that get a bar of their own
_MARKS = {Verdict.DEAD: "dead", Verdict.ALWAYS_ON: "on", Verdict.CONSTANT: "constant"}
_STYLES = {Verdict.DEAD: "red", Verdict.ALWAYS_ON: "green", Verdict.CONSTANT: "magenta"}


def detail_lines(one: NetworkReport) -> Iterator[RenderableType]:
    """What the full account of a network adds to its report."""
    detail = one.detail
    assert detail is not None
    for relation, layer in zip(one.relations, detail.layers, strict=True):
        yield Text()
        yield Text(printable(relation.pair.scope), style="cyan").append(
            "   in full", style="default"
        )
        for line in _layer(relation, layer):
            yield Padding(line, (0, 0, 0, 2), expand=False)
    yield Text()
    yield _independence(detail)
    if detail.slope is not None and detail.slope.bound is not None:
        yield Text(
            f"slope of the outputs: at most {figure(detail.slope.bound)}, "
            f"found {figure(detail.slope.found)}"
        )


def _layer(relation: Relation, layer: LayerDetail) -> Iterator[RenderableType]:
    for seen in layer.signs:
        which = f" (units {_listed(seen.units)})" if seen.units else ""
        yield Text(f"{seen.sign.sentence}{which}", style="yellow")
    if relation.deviation is not None:
        yield _deviations(relation.deviation)
    if layer.units is not None:
        yield from _units(layer.units)
    if layer.sphere is not None:
        rank, units = layer.sphere.matrix.shape
        yield Text(
            f"one vector after all: q(x)·M + beta, q on a sphere in {rank} dimensions, "
            f"M {rank} × {units}"
        )
    if layer.frozen is not None:
        frozen = layer.frozen
        yield Text(
            f"frozen at s = {figure(frozen.deviation)}: off by exactly gamma·z·(s(x)/"
            f"{figure(frozen.deviation)} − 1), here up to {figure(frozen.largest)}, "
            f"at such s never above {figure(frozen.bound)}"
        )
    if layer.sensitivity is not None:
        for effect in layer.sensitivity.effects:
            outputs = "" if effect.outputs is None else f", the outputs by {figure(effect.outputs)}"
            yield Text(
                f"{effect.vector} moved by 1 at random moves the layer by {figure(effect.layer)}"
                f"{outputs}"
            )
    if layer.least is not None:
        yield Text(f"s(x) is never below {figure(layer.least.bound)}")
    if layer.steepness is not None and layer.steepness.bound is not None:
        found = layer.steepness.found
        yield Text(
            f"slope of the layer: at most {figure(layer.steepness.bound)}, found {figure(found)}"
        )
    if layer.far is not None:
        yield Text(
            "far out only the direction counts: off by "
            + ", ".join(
                f"{figure(found)} at {t:.0f}×"
                for t, found in zip(layer.far.times, layer.far.found, strict=True)
            )
        )
    if layer.conditioning is not None:
        yield Text(
            f"float32 knows z to about {figure(layer.conditioning.median)}, at worst "
            f"{figure(layer.conditioning.worst)}"
        )


def _deviations(s: Deviation) -> Text:
    highest = max(s.histogram, default=0) or 1
    bars = "".join(BARS[-(-count * (len(BARS) - 1) // highest)] for count in s.histogram)
    line = Text(f"s(x) {figure(s.minimum)} ").append(bars, style="cyan")
    return line.append(f" {figure(s.maximum)}, mean {figure(s.mean)}")


def _units(units: Units) -> Iterator[RenderableType]:
    counts = ", ".join(f"{units.count(one)} {mark}" for one, mark in _MARKS.items())
    tight = "exact" if bool(np.all(units.exact_infimum & units.exact_supremum)) else "sound"
    yield Text(f"units proved: {counts} of {len(units.verdicts)} ({tight} bounds)")
    if np.isfinite(units.infimum).any() and np.isfinite(units.supremum).any():
        yield UnitBars(units)


@dataclass(frozen=True, slots=True, eq=False)
class UnitBars:
    """What units can be and what they were, a line each, as wide as the terminal lets them."""

    units: Units

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        units = self.units
        width = min(max(options.max_width - BESIDE, NARROWEST), WIDEST)
        finite = np.isfinite(units.infimum) & np.isfinite(units.supremum)
        low = min(float(units.infimum[finite].min(initial=0.0)), 0.0)
        high = max(float(units.supremum[finite].max(initial=0.0)), 0.0)
        order = [i for i in np.argsort(units.supremum + units.infimum) if finite[i]]
        # the ends of the order are where the dead and the always-on units are
        shown = order if len(order) <= MOST else [*order[: MOST // 2], *order[-MOST // 2 :]]
        for index in shown:
            yield _bar(units, int(index), low, high, width)
        if len(shown) < len(order):
            yield Text(f"… {len(order) - len(shown)} units between these", style="dim")
        right = figure(high)
        yield Text(
            f"     {figure(low).ljust(width - len(right))}{right}  above 0",
            style="dim",
        )
        yield Text("     · can be   ━ was   │ zero", style="dim")


def _bar(units: Units, index: int, low: float, high: float, width: int) -> Text:
    def place(value: float) -> int:
        share = (value - low) / (high - low) if high > low else 0.0
        return min(max(int(share * width), 0), width - 1)

    cells = [" "] * width
    for cell in range(place(units.infimum[index]), place(units.supremum[index]) + 1):
        cells[cell] = "·"
    if units.lowest is not None and units.highest is not None:
        for cell in range(place(units.lowest[index]), place(units.highest[index]) + 1):
            cells[cell] = "━"
    cells[place(0.0)] = "│"
    verdict = units.verdicts[index]
    line = Text(f"{index:4} ").append("".join(cells), style=_STYLES.get(verdict, "cyan"))
    if units.firing is not None:
        line.append(f" {units.firing[index]:5.0%}")
    mark = _MARKS.get(verdict, "")
    return line.append(f"  {mark}" if mark else "", style=_STYLES.get(verdict, ""))


def _independence(detail: Detail) -> Text:
    one = detail.independence
    at_least = "" if one.complete else "at least "
    return Text(
        f"independent numbers: {one.independent:,} of {one.parameters:,}; {at_least}"
        f"{one.redundant_exactly:,} can be changed without a trace "
        f"({one.redundant:,} as epsilon → 0)"
    )


def _listed(units: tuple[int, ...]) -> str:
    shown = ", ".join(str(one) for one in units[:8])
    return shown + (" …" if len(units) > 8 else "")
