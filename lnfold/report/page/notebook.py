"""How the records that a user holds show themselves in a notebook: pieces of HTML, no pictures.

The records stay pure and know no report: :func:`register`, which ``import lnfold`` calls where
IPython runs, teaches IPython about their classes.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from typing import Any, Final

from lnfold.checking.comparison import Comparison
from lnfold.checking.observations import Observations
from lnfold.checking.sentences import counted, stated, told
from lnfold.checkpoint import Checkpoint, Variable
from lnfold.folding.proof.certificate import Certificate, Folded
from lnfold.network.records.layers import Dense, Network, Norm
from lnfold.recovery.record import Recovery
from lnfold.relations.question.answer import Answer
from lnfold.relations.question.relate import Relation
from lnfold.report.account.record import NetworkReport, Report
from lnfold.report.page.elements import Markup, Number, joined, table, tag
from lnfold.report.page.fold import fold_part
from lnfold.report.words.chain import chains, title
from lnfold.text.number_format import figure

_MOST_ROWS: Final = 200  # of a table of variables


def checkpoint_html(checkpoint: Checkpoint) -> str:
    """What it is, and its variables; no value is read."""
    variables = list(checkpoint.values())
    rows = [[one.name, str(list(one.shape)), one.dtype] for one in variables[:_MOST_ROWS]]
    more = len(variables) - len(rows)
    return tag(
        "div",
        _head(checkpoint, f"{len(variables):,} variables"),
        _listed(checkpoint.notes),
        table("Variables", ["name", "shape", "type"], rows),
        tag("p", f"and {more:,} more") if more else "",
    )


def variable_html(variable: Variable) -> str:
    """Its name, shape and type; its values are not read."""
    facts = f" {list(variable.shape)} {variable.dtype}, {variable.nbytes:,} bytes"
    return tag("div", tag("b", variable.name), facts)


def report_html(report: Report) -> str:
    """What a checkpoint holds, and for each network the answer and what it rests on."""
    head = _head(report.checkpoint, f"{report.parameters:,} parameters")
    shown = (Markup(network_report_html(one)) for one in report.networks)
    return tag("div", head, _listed(report.notes), *shown)


def network_report_html(one: NetworkReport) -> str:
    """One network: the answer, what one vector in place of three would do, and the checks."""
    parts = [
        tag("p", tag("b", one.network.name), ": ", " ".join(chains(one.network))),
        Markup(answer_html(one.answer)),
        *(Markup(comparison_html(check)) for check in one.checks),
    ]
    if not one.checks:
        parts.append(tag("p", "The network cannot be run."))
    return tag("div", joined(parts))


def answer_html(one: Answer) -> str:
    """Yes, no or unknown, the sentence, and the candidates."""
    parts = [
        tag("p", "One vector instead of bias, gamma and beta? ", tag("b", one.word)),
        tag("p", one.sentence),
    ]
    if one.candidates:
        rows = [
            [each.candidate.value, Number(each.output_max_abs), Number(each.r2)]
            for each in one.candidates
        ]
        parts.append(table("If one vector replaced them", ["", "outputs off", "R²"], rows))
    return tag("div", joined(parts))


def relation_html(one: Relation) -> str:
    """The layer, its s(x), and how many of its numbers are absorbed."""
    absorbed, total = one.numbers
    said = f": {absorbed} of {total} numbers are absorbed exactly"
    if one.deviation is not None:
        least, most = figure(one.deviation.minimum), figure(one.deviation.maximum)
        said += f"; s(x) {least} … {most}, varies by {one.deviation.variation:.0%}"
    return tag("div", tag("b", one.pair.scope), said)


def comparison_html(one: Comparison) -> str:
    """The verdict, what was compared on what, and what it rests on."""
    against = f" {one.title}, on {one.origin}: {counted(one)}; {told(one)}"
    return tag("div", tag("b", stated(one)), against)


def folded_html(one: Folded) -> str:
    """The steps with their proof, and what was not folded."""
    return fold_part(one)


def certificate_html(one: Certificate) -> str:
    """One step: the formula, what was measured, and the errors."""
    measured = ", ".join(f"{what} {figure(value)}" for what, value in one.preconditions)
    error, ratio = figure(one.float64_error), figure(one.rounding_ratio)
    return tag(
        "div",
        tag("b", f"{one.rule} ({one.identity})"),
        f" at {one.layer}: {one.formula}. {measured}. float64 {error}, rounding {ratio}×",
    )


def observations_html(one: Observations) -> str:
    """Which inputs, and where they come from."""
    shapes = ", ".join(f"{name} {list(array.shape)}" for name, array in one.inputs.items())
    return tag("div", tag("b", shapes), f" {one.origin}")


def recovery_html(recovery: Recovery) -> str:
    """Every network that was found, and what could not be used."""
    shown = (Markup(network_html(one)) for one in recovery.networks)
    return tag("div", _listed(recovery.notes), *shown)


def network_html(network: Network) -> str:
    """The chain in words, and a table of its layers."""
    rows: list[list[object]] = []
    for layer in network.layers:
        shape = " × ".join(map(str, layer.kernel.shape)) if isinstance(layer, Dense) else ""
        fact = layer.epsilon if isinstance(layer, Norm) else None
        epsilon = "" if fact is None else f"epsilon {fact.value} ({fact.source.value})"
        rows.append([title(layer), layer.scope, shape, epsilon])
    gaps: list[Markup] = [tag("p", f"{gap.what}. {gap.remedy}") for gap in network.gaps]
    return tag(
        "div",
        tag("b", network.name),
        tag("p", " ".join(chains(network))),
        joined(gaps),
        table("Layers", ["layer", "scope", "kernel", "facts"], rows),
    )


def _head(checkpoint: Checkpoint, size: str) -> Markup:
    name = tag("b", os.path.basename(checkpoint.path))
    return tag("p", name, f" {checkpoint.format}, {size}")


def _listed(notes: Iterable[str]) -> Markup:
    return joined(tag("p", f"note: {note}") for note in notes)


SHOWN: Final[dict[type, Callable[[Any], str]]] = {
    Checkpoint: checkpoint_html,
    Variable: variable_html,
    Recovery: recovery_html,
    Network: network_html,
    Report: report_html,
    NetworkReport: network_report_html,
    Answer: answer_html,
    Relation: relation_html,
    Comparison: comparison_html,
    Observations: observations_html,
    Folded: folded_html,
    Certificate: certificate_html,
}


def register() -> bool:
    """Teaches a running IPython to show each of SHOWN; False where none runs."""
    interactive: Any = sys.modules.get("IPython")
    shell = None if interactive is None else interactive.get_ipython()
    if shell is None:
        return False
    formatter = shell.display_formatter.formatters["text/html"]
    for kind, function in SHOWN.items():
        formatter.for_type(kind, function)
    return True
