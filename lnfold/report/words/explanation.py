"""The full account of a network in plain words, with its own numbers filled in.

Each section is a heading and paragraphs; nothing is said that was not read or measured, and
what is assumed is said to be.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from lnfold.checking.sentences import counted, phrase, told
from lnfold.errors import UnknownNameError
from lnfold.network.records.claims import claimed
from lnfold.network.records.layers import Activation, LayerNorm, Network, Norm, RMSNorm
from lnfold.relations.detail import Detail
from lnfold.relations.question.copies import CopyDifference
from lnfold.relations.question.one_vector import Candidate
from lnfold.relations.question.relate import Relation
from lnfold.report.account.record import NetworkReport
from lnfold.report.words.chain import chains
from lnfold.report.words.explained_layer import layer_sections
from lnfold.report.words.explained_unit import unit_section
from lnfold.report.words.section import Section
from lnfold.text.number_format import figure, printable

_MOST_LISTED = 4  # operations that are named of those behind a network
FAST = "How fast the outputs can change"
INDEPENDENT = "How many numbers are independent"
QUESTION = 'Can bias, gamma and beta of a layer be summarised as one "bias" vector?'


def explain(
    one: NetworkReport,
    copies: tuple[CopyDifference, ...] = (),
    layer: str | None = None,
    unit: int | None = None,
) -> Iterator[Section]:
    """The account of one network, of one of its layers, or of one unit of it.

    Args:
        one: with its detail (``lnfold.report.account.full.with_detail``).
        layer: the scope of a dense layer or a norm, or how it ends; all layers for None.
        unit: counted from 0; needs a layer, unless there is only one.

    Raises:
        UnknownNameError: no such layer or unit; it lists what there is.
    """
    assert one.detail is not None
    chosen = list(zip(one.relations, one.detail.layers, strict=True))
    if layer is not None:
        chosen = [pair for pair in chosen if _is_called(pair[0], layer)]
        _expect_one(one, layer, len(chosen))
    if unit is not None:
        if len(chosen) != 1:
            raise UnknownNameError(
                f"unit {unit} of which layer of {one.network.name}?", remedy=_layers(one)
            )
        yield unit_section(one, *chosen[0], unit)
        return
    if layer is None:
        yield _network(one)
        yield _answer(one)
    for relation, detail in chosen:
        yield from layer_sections(one, relation, detail)
    if layer is None:
        if one.relations:
            yield from _slope(one)
            yield _independence(one)
        yield _checked(one)
        related = [copy for copy in copies if one.network.name in (copy.copy, copy.source)]
        if related:
            yield _copies(related)


def _is_called(relation: Relation, name: str) -> bool:
    scopes = [relation.pair.norm.scope]
    if relation.pair.dense is not None:
        scopes.append(relation.pair.dense.scope)
    return any(scope == name or scope.endswith("/" + name) for scope in scopes)


def _expect_one(one: NetworkReport, layer: str, found: int) -> None:
    if found != 1:
        what = "no layer" if not found else "more than one layer"
        raise UnknownNameError(
            f"{what} of {one.network.name} with a norm is called '{layer}'", remedy=_layers(one)
        )


def _layers(one: NetworkReport) -> str:
    names = [relation.pair.scope for relation in one.relations]
    return f"There are: {', '.join(names)}." if names else "It has no normalisation."


def _network(one: NetworkReport) -> Section:
    network = one.network
    paragraphs = [*chains(network), _facts(network)]
    paragraphs += [f"Missing: {printable(gap.what)}. {gap.remedy}".strip() for gap in network.gaps]
    if network.behind:
        paragraphs.append(f"The graph goes on behind its outputs: {_listed(network.behind)}.")
    return Section(printable(network.name), paragraphs)


def _listed(names: tuple[str, ...]) -> str:
    """The first few names of many."""
    more = f" and {len(names) - _MOST_LISTED} more" if len(names) > _MOST_LISTED else ""
    return printable(", ".join(names[:_MOST_LISTED])) + more


def _facts(network: Network) -> str:
    """Where order, epsilons and activations come from; what is assumed stands out."""
    said: dict[str, None] = {}
    facts = [("The order of its layers", network.wiring)]
    facts += [(claimed(one).capitalize(), one.fact) for one in network.claims]
    for layer in network.layers:
        if isinstance(layer, Norm):
            facts.append(("Epsilon", layer.epsilon))  # type: ignore[arg-type]
        if isinstance(layer, Activation):
            facts.append(("Activations", layer.function))
    for what, fact in facts:
        if fact.known:
            where = os.path.basename(network.wiring.where)
            where = f" ({printable(where)})" if where and not fact.source.assumed else ""
            library = f": {printable(fact.where)}" if fact.source.assumed else ""
            said[f"{what}: {fact.source.sentence}{library}{where}."] = None
    return " ".join(said)


def _answer(one: NetworkReport) -> Section:
    paragraphs = [one.answer.sentence]
    kinds = {type(relation.pair.norm) for relation in one.relations}
    if one.answer.one_vector is False and kinds & {LayerNorm, RMSNorm}:
        y, y_i = ("(y − mean(y))", "(y_i − mean)") if LayerNorm in kinds else ("y", "y_i")
        paragraphs.append(
            f"Why: with y = x·W + bias, the layer delivers gamma·{y}/s(x) + beta. "
            "The bias comes before the division by s(x), beta after it. Multiplied by s(x), "
            f"unit i is positive where gamma_i·{y_i} + s(x)·beta_i > 0. Were s(x) the same "
            "for every input, s·beta could join gamma·bias; it is not."
        )
    best = one.answer.best
    if best is not None and len(one.answer.candidates) > 1:
        assert one.detail is not None
        fitted = in_sample(one.detail)
        listed = "; ".join(
            f"{each.candidate.value}: {figure(each.output_max_abs)} "
            f"({figure(fitted.get(each.candidate))})"
            for each in one.answer.candidates
        )
        paragraphs.append(
            "One vector in place of the three in every layer at once, by the largest error of the "
            "outputs on inputs that nothing was fitted on (and on those that were fitted). "
            f"{listed}."
        )
    return Section(QUESTION, paragraphs)


def in_sample(detail: Detail) -> dict[Candidate, float | None]:
    """How far each candidate's outputs are off on the rows that it was fitted on."""
    return {each.candidate: each.output_max_abs for each in detail.in_sample}


def _slope(one: NetworkReport) -> Iterator[Section]:
    assert one.detail is not None
    slope = one.detail.slope
    if slope is None:
        return
    found = "" if slope.found is None else f" The steepest found is {figure(slope.found)}."
    if slope.bound is None:
        text = f"No bound is known of how fast the outputs can change.{found}"
    else:
        text = (
            f"Per unit of input the outputs move by at most {figure(slope.bound)}, proved by "
            f"multiplying what each layer can do.{found}"
        )
        if slope.steepest is not None:
            scope, factor = slope.steepest
            text += f" The largest factor is {printable(scope)}'s, {figure(factor)}."
    yield Section(FAST, [text])


def _independence(one: NetworkReport) -> Section:
    assert one.detail is not None
    count = one.detail.independence
    least = "" if count.complete else "at least "
    by_symmetry: dict[str, int] = {}
    for freedom in count.freedoms:
        sentence = freedom.symmetry.sentence
        by_symmetry[sentence] = by_symmetry.get(sentence, 0) + freedom.dimensions
    listed = "; ".join(f"{number}: {sentence}" for sentence, number in by_symmetry.items())
    where = " for inputs of the box" if one.detail.boxes else ""
    text = (
        f"Of the network's {count.parameters:,} parameters {least}{count.redundant_exactly:,} "
        f"could be changed, if others follow, without any output{where} noticing; "
        f"{count.redundant:,} if epsilon were 0. By what leaves them free: {listed}."
    )
    if not count.complete:
        text += " Layers of kinds whose symmetries are not counted may leave more free."
    return Section(INDEPENDENT, [text])


def _checked(one: NetworkReport) -> Section:
    if one.observations is None:
        return Section(
            "What this rests on",
            ["The network could not be run, so nothing here is measured on inputs."],
        )
    paragraphs = [
        f"Figures said to be measured were measured on {printable(one.observations.origin)}; "
        "other inputs give other figures. What is called exact or proved holds for every input."
    ]
    for check in one.checks:
        paragraphs.append(
            f"{check.title}, the verdict is '{phrase(check)}': {counted(check)}; "
            f"{told(check)}."
            f"{' This is of the network as assumed.' if one.network.assumed else ''}"
        )
    return Section("What this rests on", paragraphs)


def _copies(related: list[CopyDifference]) -> Section:
    return Section(
        "Copies",
        [
            f"{printable(one.copy)} is a copy ({one.kind}) of {printable(one.source)}: "
            + (
                "every parameter is the same number."
                if one.equal
                else f"the largest difference of two parameters is {figure(one.largest)}."
            )
            for one in related
        ],
    )
