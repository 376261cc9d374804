"""The report as one HTML page that needs nothing else: no network, light and dark, printable.

Names from the checkpoint are escaped wherever they stand; besides, the page's own policy lets
no script run but the one whose hash it names, and nothing be fetched.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from importlib.resources import files

from lnfold.checking.sentences import stated
from lnfold.report.account.full import with_detail
from lnfold.report.account.record import NetworkReport, Report, split_copies
from lnfold.report.json.report import as_strict
from lnfold.report.page.elements import Markup, Number, breaking, joined, table, tag
from lnfold.report.page.figures import Canvas
from lnfold.report.page.network import answer_box, network_part
from lnfold.text.number_format import printable


def as_html(report: Report, more: Sequence[Markup] = ()) -> str:
    """The page as text.

    Args:
        more: sections of other commands, such as folding's steps, before the variables.
    """
    if any(one.detail is None for one in report.networks):
        report = with_detail(report)
    script, style = _asset("page.js"), _asset("page.css")
    title = f"lnfold: {printable(os.path.basename(report.checkpoint.path))}"
    head = joined(
        [
            Markup('<meta charset="utf-8">'),
            Markup(f'<meta http-equiv="Content-Security-Policy" content="{_policy(script)}">'),
            Markup('<meta name="viewport" content="width=device-width, initial-scale=1">'),
            tag("title", title),
            tag("style", Markup(style)),
        ]
    )
    record = json.dumps(as_strict(report), sort_keys=True, separators=(",", ":"), allow_nan=False)
    body = joined(
        [
            tag("main", joined(_main(report, more))),
            # "<" could end the element early; as an escape it is the same JSON
            tag(
                "script",
                Markup(record.replace("<", "\\u003c")),
                type="application/json",
                id="report-json",
            ),
            tag("script", Markup(script)),
        ]
    )
    return f'<!doctype html>\n<html lang="en">\n{tag("head", head)}\n{tag("body", body)}\n</html>\n'


def _asset(name: str) -> str:
    return files("lnfold.report.page").joinpath("assets", name).read_text("utf-8")


def _policy(script: str) -> str:
    digest = base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii")
    return (
        f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; "
        "base-uri 'none'; form-action 'none'"
    )


def _main(report: Report, more: Sequence[Markup]) -> Iterator[Markup]:
    checkpoint = report.checkpoint
    yield tag("h1", os.path.basename(checkpoint.path) or checkpoint.path)
    yield tag(
        "p",
        f"{checkpoint.format}, {len(checkpoint):,} variables, {report.parameters:,} parameters. ",
        tag("button", "Download as JSON", id="download", class_="button", hidden="", type="button"),
        class_="muted",
    )
    for note in report.notes:
        yield tag("p", f"Note: {note}", class_="warn")
    shown, copies = split_copies(report.networks)
    if not shown:
        yield tag("p", "No dense layer was found, so there is no network to explain.")
    for one in shown:
        yield answer_box(one.network.name, one.answer)
    yield _contents(shown)
    canvas = Canvas()
    for number, one in enumerate(shown):
        yield from network_part(canvas, one, number)
    if copies:
        yield _copies(copies)
    yield from more
    yield from _variables(report)


def _contents(shown: list[NetworkReport]) -> Markup:
    links = []
    for number, one in enumerate(shown):
        links.append(tag("li", tag("a", one.network.name, href=f"#network-{number}")))
        for index, relation in enumerate(one.relations):
            scope = relation.pair.scope
            links.append(tag("li", tag("a", scope, href=f"#layer-{number}-{index}")))
    links.append(tag("li", tag("a", "variables", href="#variables")))
    return tag("nav", tag("ul", joined(links)), aria_label="Contents")


def _copies(copies: list[NetworkReport]) -> Markup:
    rows = []
    for one in copies:
        state = "cannot be run"
        if one.checks:
            state = "; ".join(dict.fromkeys(stated(check) for check in one.checks))
        rows.append([one.network.name, _word(one), state])
    return joined(
        [
            tag("h2", "Copies"),
            table(
                "Copies of the networks above; --network NAME shows one in full",
                ["copy", "one vector?", "re-run"],
                rows,
            ),
        ]
    )


def _word(one: NetworkReport) -> str:
    """yes, no or unknown."""
    return one.answer.word.lower()


def _variables(report: Report) -> Iterator[Markup]:
    yield tag("h2", "Variables", id="variables")
    yield tag(
        "p",
        tag("label", "Search: ", for_="variable-search"),
        Markup('<input type="search" id="variable-search" data-searches="variable-table" hidden>'),
        " ",
        tag("span", id="variable-table-count", class_="muted", role="status"),
    )
    rows = []
    for variable in report.checkpoint.values():
        shape = " × ".join(str(one) for one in variable.shape) or "scalar"
        role = report.recovery.roles[variable.name].value.replace("_", " ")
        name = tag("span", breaking(variable.name), class_="name")
        rows.append([name, shape, Number(variable.size), variable.dtype, role])
    yield table(
        "All variables of the checkpoint",
        ["name", "shape", "numbers", "type", "role"],
        rows,
        name="variable-table",
        sortable=True,
    )
