"""One layer in plain words: its bias, gamma and beta, what its units can do, what is sensitive."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from lnfold.network.records.layers import BatchNorm, LayerNorm
from lnfold.relations.detail import LayerDetail
from lnfold.relations.freedom.symmetries import Symmetry
from lnfold.relations.question.bias_split import BiasSplit
from lnfold.relations.question.one_vector import Candidate, rows_needed
from lnfold.relations.question.relate import Relation
from lnfold.relations.ranges.box import Box
from lnfold.relations.ranges.units import Units, Verdict
from lnfold.report.account.record import NetworkReport
from lnfold.report.words.explained_sensitivity import sensitive_paragraphs
from lnfold.report.words.section import Section
from lnfold.text.number_format import figure, printable, shortest

# the subjects that the HTML report puts pictures under
_SHOWN: Final = 8  # numbers of a vector that are written out
VECTORS: Final = "what the three vectors do"
UNITS: Final = "what its units can do"


def layer_sections(one: NetworkReport, relation: Relation, layer: LayerDetail) -> Iterator[Section]:
    """The account of one pair."""
    pair = relation.pair
    name = printable(pair.scope)
    yield Section(f"{name}: {VECTORS}", list(_vectors(one, relation, layer)))
    if relation.candidates:
        yield Section(f"{name}: one vector after all", list(_one_vector(one, relation, layer)))
    if layer.units is not None:
        yield Section(f"{name}: {UNITS}", list(_units(one, layer, layer.units)))
    sensitive = list(sensitive_paragraphs(layer))
    if sensitive:
        yield Section(f"{name}: what is sensitive", sensitive)


def _vectors(one: NetworkReport, relation: Relation, layer: LayerDetail) -> Iterator[str]:
    pair, norm = relation.pair, relation.pair.norm
    if pair.dense is None:
        yield f"{printable(norm.scope)}: {pair.context.sentence}."
    for seen in layer.signs:
        count = f" ({len(seen.units)} of them)" if seen.units else ""
        yield f"Note: {seen.sign.sentence}{count}."
    if relation.bias is not None:
        if relation.split is not None:
            epsilon = None if norm.epsilon.value is None else shortest(norm.epsilon.value)
            yield _bias(relation.split, isinstance(norm, LayerNorm), epsilon)
            yield from _least(relation.split, layer)
        elif isinstance(norm, BatchNorm):
            yield "The bias is moved by the stored mean and scaled by stored numbers, exactly."
        else:
            yield f"The bias: {pair.context.sentence}, so it cannot be taken apart."
    if relation.gamma is not None:
        gamma = relation.gamma
        counts = {"negative": gamma.negative, "exactly 0": gamma.zero, "tiny": gamma.tiny}
        said = ", ".join(f"{number} {word}" for word, number in counts.items() if number)
        yield (
            f"gamma goes from {figure(gamma.minimum)} to {figure(gamma.maximum)} "
            f"({said or 'all positive'}). {_absorbed(relation, 'gamma')}"
        )
    if relation.beta is not None:
        yield _beta(relation)
    absorbed, total = relation.numbers
    yield (
        f"Altogether {absorbed} of the {total} numbers in bias, gamma and beta can be given to "
        f"other parameters without changing any output; {total - absorbed} stay."
    )
    traded = _traded(one, pair.scope)
    if traded:
        yield (
            f"Of those that stay, {traded} are still bound to the kernel: the layer has more units "
            "than its mean and s(x) have numbers, so gammas can be traded against the lengths of "
            f"kernel columns. {total - absorbed - traded} are independent of everything else."
        )


def _traded(one: NetworkReport, scope: str) -> int:
    """How many dimensions of gamma a trade with the kernel frees, a common factor included."""
    assert one.detail is not None
    freedoms = [each for each in one.detail.independence.freedoms if each.scope == scope]
    if not any(each.symmetry is Symmetry.TRADE for each in freedoms):
        return 0
    counted = (Symmetry.TRADE, Symmetry.SCALE)
    return sum(each.dimensions for each in freedoms if each.symmetry in counted and each.exact)


def _bias(split: BiasSplit, centred: bool, epsilon: str | None) -> str:
    text = "The bias is the sum of "
    parts = [f"a shift of length {figure(split.shift)}", f"a rest of {figure(split.residual)}"]
    if centred:
        parts.insert(0, f"a dead part of length {figure(split.dead)}")
    text += ", ".join(parts[:-1]) + f" and {parts[-1]}, at right angles to each other. "
    if centred:
        text += "The dead part is its mean, which LayerNorm subtracts again. "
    text += (
        f"The shift does what moving every input by one fixed vector {_origin(split)} would do. "
    )
    if not split.residual:
        return text + "No rest is left: everything but the mean is a shift of the inputs."
    text += (
        "The rest can be cancelled by no input: it fades as 1/s(x), and it keeps the variance "
        f"above {figure(split.effective_epsilon, 3)}, as an epsilon of that size would"
    )
    text += f", where the nominal epsilon is {epsilon}. " if epsilon else ". "
    if split.smallest_deviation is not None:
        text += f"So no input at all brings s(x) below {figure(split.smallest_deviation, 3)}."
    return text.strip()


def _origin(split: BiasSplit) -> str:
    """x₀, written out where it is short."""
    if split.origin.size > _SHOWN:
        length = float(np.linalg.norm(split.origin))
        return f"x₀ of length {figure(length)} (of {split.origin.size} numbers, in the JSON report)"
    return f"x₀ = ({', '.join(figure(float(one)) for one in split.origin)})"


def _least(split: BiasSplit, layer: LayerDetail) -> Iterator[str]:
    """What the least s(x) is where not every input there is can reach the layer."""
    least, free = layer.least, split.smallest_deviation
    if least is None or free is None or least.bound <= free * (1 + 1e-6):
        return
    yield (
        f"If any input could reach this layer, s(x) could be as small as {figure(free, 3)}. What "
        f"does reach it keeps s(x) above {figure(least.bound, 3)}, proved; the least that was "
        f"found among all that might is {figure(least.found, 3)}."
    )


def _beta(relation: Relation) -> str:
    one = relation.beta
    assert one is not None
    text = f"beta goes from {figure(one.minimum)} to {figure(one.maximum)}. "
    if isinstance(relation.pair.norm, BatchNorm):
        return text + _absorbed(relation, "beta")
    text += "Seen from before the division it is a bias of s(x)·beta"
    if relation.deviation is not None:
        s = relation.deviation
        text += (
            f", and s(x) was measured to go from {figure(s.minimum)} to {figure(s.maximum)}, "
            f"varying by {s.variation:.0%} of its mean"
        )
    return text + ". " + _absorbed(relation, "beta")


def _absorbed(relation: Relation, vector: str) -> str:
    found = next(one for one in relation.absorptions if one.vector == vector)
    into = ", ".join(printable(scope) for scope in found.into)
    where = f" ({into})" if into and found.absorbed else ""
    return f"It {printable(found.sentence)}{where}."


def _one_vector(one: NetworkReport, relation: Relation, layer: LayerDetail) -> Iterator[str]:
    pair = relation.pair
    assert one.detail is not None
    if isinstance(pair.norm, BatchNorm):
        yield "BatchNorm divides by stored numbers, so one kernel and one bias are exact."
        return
    if layer.sphere is not None:
        rank, units = layer.sphere.matrix.shape
        yield (
            f"Exactly, with one bias vector: put q(x) = R·(x, 1) divided by its length, a point "
            f"on a sphere in {rank} dimensions, where R is {rank} × {layer.sphere.root.shape[1]}; "
            f"then the layer is q(x)·M + beta with M {rank} × {units}. bias, gamma and epsilon "
            "live in R and M (both stand in the JSON report); beta is the one bias."
        )
    before = {one.candidate: one for one in layer.in_sample}
    listed = []
    for measured in relation.candidates:
        fitted = before.get(measured.candidate)
        listed.append(
            f"{measured.candidate.value} {figure(measured.r2)}"
            + (f" ({figure(fitted.r2)} where it was fitted)" if fitted is not None else "")
        )
    yield f"Approximately, by R² of the layer on held-out inputs: {'; '.join(listed)}."
    if Candidate.BEST_AFFINE_FIT not in before:
        yield f"The best affine fit needs at least {rows_needed(pair)} rows of inputs."
    if layer.frozen is not None:
        constant = figure(layer.frozen.deviation)
        yield (
            f"A standard deviation frozen at {constant} is wrong by exactly "
            f"gamma_i·z_i·(s(x)/{constant} − 1): on {one.detail.seen_on} by up to "
            f"{figure(layer.frozen.largest)}, and on no input whose s(x) is as measured by more "
            f"than {figure(layer.frozen.bound)}."
        )


def _between(box: Box) -> str:
    low, high = float(box.low.min()), float(box.high.max())
    return f"between {figure(low)} and {figure(high)}"


def _units(one: NetworkReport, layer: LayerDetail, units: Units) -> Iterator[str]:
    total = len(units.verdicts)
    assert one.detail is not None
    asked = bool(one.detail.boxes)
    where = "over the box of inputs asked for" if asked else "over all inputs there are"
    if layer.held is not None and not asked:
        where += f", of which the network lets through what lies {_between(layer.held)}"
    exact = bool(np.all(units.exact_infimum & units.exact_supremum))
    tight = (
        "These ranges are exact: nothing tighter is true."
        if exact
        else "These ranges are sound, not tight: no input leaves them, but none may come near."
    )
    lowest, highest = float(units.infimum.min()), float(units.supremum.max())
    yield (
        f"A unit (gamma·z + beta) can go from {figure(lowest)} at the least to "
        f"{figure(highest)} at the most, {where}. {tight}"
    )
    said = [
        f"{units.count(verdict)} {verdict.value.replace('_', ' ')} ({verdict.sentence})"
        for verdict in (Verdict.DEAD, Verdict.ALWAYS_ON, Verdict.CONSTANT)
    ]
    mixed = units.count(Verdict.MIXED)
    certain = sum(
        one is Verdict.MIXED and bool(sure)
        for one, sure in zip(units.verdicts, units.proved, strict=True)
    )
    text = f"Proved of the {total} units: {', '.join(said)}."
    if certain:
        who = f"Of the other {mixed}, {certain}" if certain < mixed else f"The other {mixed}"
        text += f" {who} can certainly be on both sides of 0."
    if certain < mixed:
        text += f" Of {mixed - certain} nothing is known for certain."
    yield text
    if units.firing is not None:
        never, always = int((units.firing == 0).sum()), int((units.firing == 1).sum())
        yield (
            f"Measured on {one.detail.seen_on}: {never} were never above 0, {always} always; "
            "that is a sample, not a proof."
        )
