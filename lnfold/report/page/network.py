"""One network's part of the HTML report: diagram, answer, layers with pictures, checks."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lnfold.checking.comparison import Comparison
from lnfold.checking.sentences import counted, stated, style, told
from lnfold.network.running.run import run_rows
from lnfold.relations.question.answer import Answer
from lnfold.relations.question.one_vector import measurable, with_candidate
from lnfold.report.account.record import NetworkReport
from lnfold.report.page.diagram import diagram
from lnfold.report.page.elements import Markup, Number, joined, picture, table, tag
from lnfold.report.page.figures import Canvas, error_curves, error_histogram
from lnfold.report.page.layer import layer_part
from lnfold.report.words.chain import chains
from lnfold.report.words.explanation import FAST, INDEPENDENT, QUESTION, explain, in_sample
from lnfold.report.words.section import Section
from lnfold.text.number_format import figure, printable

Array = np.ndarray


def answer_box(name: str, one: Answer) -> Markup:
    """The answer, as it stands at the top of the page."""
    word, _, rest = one.sentence.partition(":")
    rest = rest.strip()
    # "No: beta is …" becomes the verdict and its sentence; "Yes, though …" stays whole
    sentence = one.sentence if "," in word else rest[:1].upper() + rest[1:]
    verdict = tag("span", f"{word.partition(',')[0]}.", class_="good" if one.one_vector else "bad")
    return tag(
        "div",
        tag("p", tag("span", name, class_="name"), " — ", QUESTION, " ", verdict, class_="verdict"),
        tag("p", sentence),
        class_="answer",
    )


def network_part(canvas: Canvas, one: NetworkReport, number: int) -> Iterator[Markup]:
    """Everything about one network; ``number`` makes the anchors unique."""
    network = one.network
    yield tag("h2", tag("span", network.name, class_="name"), id=f"network-{number}")
    yield tag("p", " ".join(chains(network)), class_="muted")
    yield diagram(network, number)
    sections = list(explain(one)) if one.detail is not None else []
    if sections:
        yield from _paragraphs(sections[0])
    for gap in network.gaps:
        yield tag("p", gap.what, ". ", gap.remedy, class_="bad")
    if one.answer.candidates:
        yield tag("h3", "If one vector replaced them")
        yield _candidates(one)
        curves = _error_curves(canvas, one)
        if curves is not None:
            yield curves
    if one.detail is not None:
        for index, (relation, layer) in enumerate(
            zip(one.relations, one.detail.layers, strict=True)
        ):
            yield from layer_part(canvas, one, relation, layer, f"{number}-{index}")
        for section in sections:
            if section.heading in (FAST, INDEPENDENT):
                yield tag("h3", section.heading)
                yield from _paragraphs(section)
    yield from _checks(canvas, one)


def _paragraphs(section: Section) -> Iterator[Markup]:
    for paragraph in section.paragraphs[1:] or section.paragraphs:
        yield tag("p", paragraph)


def _candidates(one: NetworkReport) -> Markup:
    fitted = {} if one.detail is None else in_sample(one.detail)
    return table(
        "Each candidate in the place of bias, gamma and beta, in every layer at once; "
        "errors on inputs that nothing was fitted on, and on those that were fitted",
        ["candidate", "outputs off", "fitted", "layer off", "R², worst layer", "what it does"],
        [
            [
                measured.candidate.value,
                Number(measured.output_max_abs),
                Number(fitted.get(measured.candidate)),
                Number(measured.layer_max_abs),
                Number(measured.r2),
                measured.candidate.sentence,
            ]
            for measured in one.answer.candidates
        ],
        sortable=True,
    )


def _error_curves(canvas: Canvas, one: NetworkReport) -> Markup | None:
    # what is exact has no error to draw but rounding's
    if one.observations is None or one.answer.one_vector:
        return None
    network = one.network
    values = run_rows(network, one.observations.inputs, np.float64, trace=True)
    pairs = tuple(relation.pair for relation in one.relations)
    held_out = slice(next(iter(values.values())).shape[0] // 2, None)
    inputs = {each.name: values[each.name][held_out] for each in network.inputs}
    errors = {}
    for measured in one.answer.candidates:
        replaced = [p for p in pairs if measured.candidate in measurable(p, values)]
        changed = with_candidate(network, replaced, measured.candidate, values)
        found = run_rows(changed, inputs, np.float64)
        exact = {name: values[name][held_out] for name in network.outputs}
        errors[measured.candidate.value] = _row_errors(found, exact)
    best = one.answer.best
    said = "" if best is None else f"; the least at worst is {best.candidate.value}"
    return picture(
        error_curves(canvas, errors, "largest error of the outputs"),
        "Error curves: for each candidate the share of inputs whose outputs are off by at most "
        + "so much. "
        + "; ".join(
            f"{name}: half of the inputs within {figure(float(np.median(rows)))}, "
            f"all within {figure(float(rows.max(initial=0.0)))}"
            for name, rows in errors.items()
        ),
        f"How far each candidate's outputs are off, from the best input to the worst{said}.",
        wide=True,
    )


def _row_errors(found: dict[str, Array], exact: dict[str, Array]) -> Array:
    """The largest |difference| of any output, for each row."""
    rows = [np.abs(found[name] - exact[name]).max(axis=1, initial=0.0) for name in exact]
    largest: Array = np.max(rows, axis=0)
    return largest


_CLASSES = {"good": "good", "bad": "bad", "doubtful": "warn"}


def _checks(canvas: Canvas, one: NetworkReport) -> Iterator[Markup]:
    yield tag("h3", "The re-run")
    if one.observations is None:
        yield tag("p", "The network cannot be run, so nothing was checked.", class_="bad")
        return
    yield tag("p", f"NumPy in {one.network.precision}, on {printable(one.observations.origin)}.")
    yield table(
        "The network in float64 and others, each number judged by its own rounding",
        ["compared", "largest difference", "numbers", "worst, and what would be seen", "verdict"],
        [
            [
                check.title,
                Number(check.absolute.largest),
                counted(check),
                told(check),
                tag(
                    "span",
                    stated(check),
                    class_=_CLASSES[style(check)],
                ),
            ]
            for check in one.checks
        ],
    )
    yield tag("div", joined(_histogram(canvas, check) for check in one.checks), class_="pictures")


def _histogram(canvas: Canvas, check: Comparison) -> Markup:
    """How far each row is off in one comparison."""
    errors, against = check.errors, check.other_side
    equal, broken = int((errors == 0).sum()), int(np.isinf(errors).sum())
    beside = [f"{equal} of them exactly equal"] if equal else []
    beside += [f"{broken} without a number on one side only"] if broken else []
    return picture(
        error_histogram(canvas, errors, check.tolerance),
        f"Histogram of how far each of {errors.size} rows is off against {against}: median "
        f"{figure(float(np.median(errors)) if errors.size else None)}, largest "
        f"{figure(check.absolute.largest)}, allowed {figure(check.tolerance)}",
        f"Against {against}: the largest difference of each of {errors.size} rows"
        + "".join(f", {one}" for one in beside)
        + ", and the most that a number is allowed.",
    )
