"""How reports and networks show themselves in a notebook: small pieces of HTML, no pictures.

The records stay pure and know no report: :func:`register`, which ``import lnfold`` calls where
IPython runs, teaches IPython about their classes.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

from lnfold.checking.sentences import counted, sign
from lnfold.network.records.layers import Dense, Network, Norm
from lnfold.recovery.record import Recovery
from lnfold.report.account.record import NetworkReport, Report
from lnfold.report.page.elements import Markup, Number, joined, table, tag
from lnfold.report.words.chain import chains, title


def report_html(report: Report) -> str:
    """What a checkpoint holds, and for each network the answer and what it rests on."""
    checkpoint = report.checkpoint
    head = tag(
        "p",
        tag("b", os.path.basename(checkpoint.path)),
        f" {checkpoint.format}, {report.parameters:,} parameters",
    )
    return tag("div", head, *(Markup(network_report_html(one)) for one in report.networks))


def network_report_html(one: NetworkReport) -> str:
    """One network: the answer, what one vector in place of three would do, and the checks."""
    word = one.answer.sentence.partition(":")[0].partition(",")[0]
    parts = [
        tag("p", tag("b", one.network.name), ": ", " ".join(chains(one.network))),
        tag("p", "One vector instead of bias, gamma and beta? ", tag("b", word)),
    ]
    if one.answer.candidates:
        rows = [
            [each.candidate.value, Number(each.output_max_abs), Number(each.r2)]
            for each in one.answer.candidates
        ]
        parts.append(table("If one vector replaced them", ["", "outputs off", "R²"], rows))
    checks = "; ".join(
        f"{sign(check)} {check.against.title}: {counted(check)}" for check in one.checks
    )
    parts.append(tag("p", checks or "The network cannot be run."))
    return tag("div", joined(parts))


def recovery_html(recovery: Recovery) -> str:
    """Every network that was found."""
    return tag("div", *(Markup(network_html(one)) for one in recovery.networks))


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


_SHOWN: dict[type, Callable[[Any], str]] = {
    Report: report_html,
    NetworkReport: network_report_html,
    Network: network_html,
    Recovery: recovery_html,
}


def register() -> bool:
    """Teaches a running IPython to show networks and reports; False where there is none."""
    interactive: Any = sys.modules.get("IPython")
    shell = None if interactive is None else interactive.get_ipython()
    if shell is None:
        return False
    formatter = shell.display_formatter.formatters["text/html"]
    for kind, function in _SHOWN.items():
        formatter.for_type(kind, function)
    return True
