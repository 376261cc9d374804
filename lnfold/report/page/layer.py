"""One layer's part of the HTML report: its account in words, pictures and the table of units."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lnfold.network.records.layers import BatchNorm, Parameter
from lnfold.network.running.run import run_rows
from lnfold.relations.detail import LayerDetail
from lnfold.relations.question.relate import Relation
from lnfold.relations.question.std import deviations
from lnfold.relations.ranges.units import Units, Verdict
from lnfold.report.account.record import NetworkReport
from lnfold.report.page import figures as draw
from lnfold.report.page.elements import (
    Markup,
    Number,
    breaking,
    joined,
    picture,
    pictures,
    table,
    tag,
)
from lnfold.report.page.figures import Canvas
from lnfold.report.words.explained_layer import UNITS, VECTORS, layer_sections
from lnfold.text.number_format import figure

Array = np.ndarray

UNITS_LISTED = 512  # more rows would make the page too heavy to sort


def layer_part(
    canvas: Canvas, one: NetworkReport, relation: Relation, layer: LayerDetail, anchor: str
) -> Iterator[Markup]:
    """The account of one pair; ``anchor`` makes its ids unique."""
    assert one.detail is not None
    pair = relation.pair
    scopes = [pair.norm.scope] if pair.dense is None else [pair.dense.scope, pair.norm.scope]
    names = Markup(" → ".join(breaking(scope) for scope in scopes))
    yield tag("h3", tag("span", names, class_="name"), id=f"layer-{anchor}")
    figures = {
        VECTORS: [
            *_vectors(canvas, relation),
            *_split(canvas, relation),
            *_deviation(canvas, one, relation, layer),
        ],
        UNITS: [] if layer.units is None else [*_ranges(canvas, layer.units, one.detail.seen_on)],
    }
    for section in layer_sections(one, relation, layer):
        subject = section.heading.rpartition(": ")[2]
        yield tag("h4", subject.capitalize())
        yield from (tag("p", paragraph) for paragraph in section.paragraphs)
        if figures.get(subject):
            yield tag("div", joined(figures[subject]), class_="pictures")
        if subject == UNITS and layer.units is not None:
            yield _unit_table(layer.units, anchor)


def _values(parameter: Parameter | None) -> Array | None:
    return None if parameter is None else parameter.array.ravel().astype(np.float64)


def _vectors(canvas: Canvas, relation: Relation) -> Iterator[Markup]:
    pair = relation.pair
    given = {
        "bias": _values(None if pair.dense is None else pair.dense.bias),
        "gamma": _values(pair.norm.gamma),
        "beta": _values(pair.norm.beta),
    }
    vectors = {name: values for name, values in given.items() if values is not None}
    if vectors:
        yield pictures(
            (
                (draw.histogram(canvas, name, one, colour), f"Histogram of {_in_words(name, one)}")
                for (name, one), colour in zip(vectors.items(), draw.SERIES, strict=False)
            ),
            "The vectors beside each other: how many units have which value.",
        )
    points = [
        (across, vectors[across], up, vectors[up])
        for across, up in (("bias", "beta"), ("bias", "gamma"), ("gamma", "beta"))
        if across in vectors and up in vectors and vectors[across].size == vectors[up].size
    ]
    if points:
        yield pictures(
            (
                (
                    draw.scatter(canvas, a, x, b, y),
                    f"Scatter plot of {b} over {a}, one point a unit; their correlation is "
                    f"{figure(_correlation(x, y))}",
                )
                for a, x, b, y in points
            ),
            "The vectors against each other, one point a unit.",
        )


def _in_words(name: str, values: Array) -> str:
    finite = values[np.isfinite(values)]
    if not finite.size:
        return f"{name}: no finite number"
    return (
        f"{name}: {figure(float(finite.min()))} to {figure(float(finite.max()))}, "
        f"mean {figure(float(finite.mean()))}"
    )


def _correlation(x: Array, y: Array) -> float | None:
    with np.errstate(all="ignore"):
        found = float(np.mean((x - x.mean()) * (y - y.mean())) / (x.std() * y.std() or np.nan))
    return found if np.isfinite(found) else None


def _split(canvas: Canvas, relation: Relation) -> Iterator[Markup]:
    split = relation.split
    if split is None or relation.bias is None or not np.isfinite(split.residual):
        return
    parts = {"dead": split.dead, "shift": split.shift, "rest": split.residual}
    yield picture(
        draw.split_bar(canvas, parts),
        "The bias as a sum of three parts, by length: "
        + ", ".join(f"{name} {figure(length)}" for name, length in parts.items()),
        "What becomes of the bias: the dead part is subtracted again, the shift moves the "
        "inputs' origin, the rest acts as an epsilon of its own.",
    )


def _deviation(
    canvas: Canvas, one: NetworkReport, relation: Relation, layer: LayerDetail
) -> Iterator[Markup]:
    if one.observations is None or isinstance(relation.pair.norm, BatchNorm):
        return
    spread = relation.deviation
    if spread is None:
        return
    values = run_rows(one.network, one.observations.inputs, np.float64, trace=True)
    s = deviations(relation.pair.norm, values[relation.pair.norm.input])
    smallest = None if layer.least is None else layer.least.bound
    yield picture(
        draw.deviation_histogram(canvas, s, smallest),
        f"Histogram of s(x): from {figure(spread.minimum)} to {figure(spread.maximum)}, "
        f"mean {figure(spread.mean)}",
        "The standard deviation that the layer divides by. Were it constant, one vector would do.",
    )


def _ranges(canvas: Canvas, units: Units, seen_on: str) -> Iterator[Markup]:
    if not (np.isfinite(units.infimum).all() and np.isfinite(units.supremum).all()):
        return
    seen = None
    if units.lowest is not None and units.highest is not None:
        seen = units.lowest, units.highest
    exact = "exact" if bool(np.all(units.exact_infimum & units.exact_supremum)) else "sound"
    yield picture(
        draw.unit_ranges(
            canvas, units.infimum, units.supremum, seen, [one.value for one in units.verdicts]
        ),
        f"The range of each of {len(units.verdicts)} units: from "
        f"{figure(float(units.infimum.min()))} to {figure(float(units.supremum.max()))} "
        f"altogether; proved dead {units.count(Verdict.DEAD)}, always on "
        f"{units.count(Verdict.ALWAYS_ON)}, constant {units.count(Verdict.CONSTANT)}",
        f"What each unit can be (thin: proved, {exact} bounds) and what it was (thick) on "
        f"{seen_on}.",
        wide=True,
    )


def _unit_table(units: Units, anchor: str) -> Markup:
    rows = []
    for i in range(min(len(units.verdicts), UNITS_LISTED)):
        row: list[object] = [
            Number(i),
            Number(float(units.infimum[i]), 3),
            Number(float(units.supremum[i]), 3),
            "exact" if units.exact_infimum[i] and units.exact_supremum[i] else "sound",
            units.verdicts[i].value.replace("_", " "),
            "yes" if units.proved[i] else "no",
        ]
        if units.firing is not None:
            row.append(Number(float(units.firing[i])))
        rows.append(row)
    heads = ["unit", "infimum", "supremum", "bounds", "verdict", "proved"]
    heads += ["share of inputs above 0"] if units.firing is not None else []
    left = len(units.verdicts) - len(rows)
    listed = table(
        "What every unit can deliver" + (f" (the first {len(rows)}; {left} more)" if left else ""),
        heads,
        rows,
        name=f"units-{anchor}",
        sortable=True,
    )
    return tag("details", tag("summary", "All units in a table"), listed)
