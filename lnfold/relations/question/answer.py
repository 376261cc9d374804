"""The answer to the question that lnfold is for, in a sentence that a person can quote.

    Can bias, gamma and beta of a layer be summarised as one "bias" vector?

With y = x·W + b and s(x) the standard deviation of y over the units, unit i of a LayerNorm
fires iff gamma_i·(y_i − mean(y)) + s(x)·beta_i > 0: beta is a bias multiplied by the layer's
own standard deviation. One vector suffices only where s(x) is constant (BatchNorm), or where
the next layer takes gamma and beta over exactly. Yes and no rest on the rules of ``fates``
alone: what none of them covers is answered with unknown and the formula.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from lnfold.network.records.deferred import DEFERRED
from lnfold.network.records.layers import BatchNorm, Network, Norm, OtherNorm, RMSNorm
from lnfold.network.records.norms import UnrunNorm
from lnfold.relations.question.absorption import Verdict
from lnfold.relations.question.consumers import Behind
from lnfold.relations.question.fates import Fate
from lnfold.relations.question.hidden_norms import may_hide_norm
from lnfold.relations.question.one_vector import Candidate, Measured, measure_network
from lnfold.relations.question.relate import Relation
from lnfold.text.number_format import figure

Array = np.ndarray

_FOLDED: Final = (
    "its norms are folded into divisions by s(x) that stand elsewhere; the checkpoint that it "
    "was folded from has bias, gamma and beta side by side."
)


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer for one network.

    Attributes:
        one_vector: whether one vector a layer suffices, exactly; None where it is not known.
        sentence: the answer with its reason and the figures measured.
        candidates: one vector in place of three in every layer of the kind that the answer is
            about at once, by the error of the network's outputs; empty where the network
            cannot be run.
    """

    one_vector: bool | None
    sentence: str
    candidates: tuple[Measured, ...]

    def __repr__(self) -> str:
        return f"Answer({self.sentence!r})"

    @property
    def word(self) -> str:
        """Yes, No or Unknown."""
        return {True: "Yes", False: "No", None: "Unknown"}[self.one_vector]

    @property
    def best(self) -> Measured | None:
        """The candidate that the network's outputs notice least."""
        measured = [one for one in self.candidates if one.output_max_abs is not None]
        return min(measured, key=lambda one: one.output_max_abs or 0.0, default=None)


def answer(
    network: Network, relations: tuple[Relation, ...], values: Mapping[str, Array] | None
) -> Answer:
    """Answers the question for one network.

    Args:
        values: float64 values of all layers, or None where the network cannot be run.
    """
    if not relations and any(isinstance(layer, DEFERRED) for layer in network.layers):
        return Answer(None, f"Unknown: {_FOLDED}", ())
    if not relations and network.complete:
        return Answer(True, "Yes: nothing is normalised, a bias is all that a layer has.", ())
    if not relations:
        return Answer(None, "Unknown: the part that was recovered holds no normalisation.", ())
    holding = [one for one in relations if one.fates.one_vector is False]
    computed = [one for one in holding if not isinstance(one.pair.norm, BatchNorm)]
    if not holding:
        unknown = _unknown(network, relations)
        if unknown is not None:
            return Answer(None, f"Unknown: {unknown}", ())
    candidates = _candidates(network, relations, values, computed=bool(computed))
    if computed:
        return Answer(False, _no(network, computed, relations, candidates, values), candidates)
    if holding:
        return Answer(False, _no_batch_norms(holding), candidates)
    return Answer(True, _yes(relations, candidates), candidates)


def _candidates(
    network: Network,
    relations: Sequence[Relation],
    values: Mapping[str, Array] | None,
    *,
    computed: bool,
) -> tuple[Measured, ...]:
    """The candidates, compared within one kind of norm: what is exact for BatchNorm says nothing
    of the norms that compute their statistics."""
    if computed:
        relations = [one for one in relations if not isinstance(one.pair.norm, BatchNorm)]
    if values is None or not any(relation.candidates for relation in relations):
        return ()
    by_pair = {one.pair.norm.name: one.candidates for one in relations}
    return measure_network(network, tuple(one.pair for one in relations), by_pair, values)


# ── unknown ───────────────────────────────────────────────────────────────────────────────


def _unknown(network: Network, relations: Sequence[Relation]) -> str | None:
    """Why the answer is not known; None where it is."""
    undecided = [one for one in relations if one.fates.one_vector is None]
    if undecided:
        # what no evidence could settle is said before what an option may
        first = min(undecided, key=lambda one: one.fates.behind.open)
        return _undecided(first)
    hidden = [layer for layer in network.layers if may_hide_norm(layer)]
    if hidden:
        return (
            f"the norms that were recovered need one vector each, but '{hidden[0].name}' is not "
            "run and may be part of another."
        )
    return None


def _undecided(relation: Relation) -> str:
    norm, behind = relation.pair.norm, relation.fates.behind
    if isinstance(norm, OtherNorm) and not norm.axes:
        return (
            f"names do not tell what kind of normalisation '{norm.scope}' is, and the answer "
            "depends on it."
        )
    if isinstance(norm, OtherNorm) and 0 in norm.axes:
        return f"'{norm.scope}' is {norm.reason}, for which no rule was proved."
    if isinstance(norm, BatchNorm):
        return (
            "BatchNorm with stored statistics is one factor and one shift a unit, which a dense "
            f"layer before or after it takes over exactly. At '{norm.scope}' {_open(behind)}."
        )
    return (
        f"'{norm.scope}' delivers {_formula(norm)}, which no vector in its place does. Whether "
        "its neighbours can take bias, gamma and beta over depends on what stands around it, and "
        f"{_open(behind)}."
    )


def _open(behind: Behind) -> str:
    """What is not settled around a norm."""
    if behind in (Behind.UNREAD, Behind.UNCERTAIN):
        return "what reads it is not known"
    if behind.open:
        return f"{behind.value} reads it, for which no rule was proved"
    return "no rule was proved for what stands in front of it"


def _formula(norm: Norm) -> str:
    if isinstance(norm, RMSNorm):
        return "gamma·y/s(x) + beta, s(x) = sqrt(mean(y²) + epsilon)"
    over = f", with mean and s(x) {_statistics(norm)}" if isinstance(norm, UnrunNorm) else ""
    return f"gamma·(y − mean(y))/s(x) + beta{over}"


def _statistics(norm: UnrunNorm) -> str:
    """What a norm that is not run computes its statistics over."""
    if isinstance(norm, OtherNorm):
        return f"over axes {', '.join(map(str, norm.axes))}"
    return "of each group of units" if norm.kind == "group_norm" else "of each channel"


# ── no ────────────────────────────────────────────────────────────────────────────────────


def _no_batch_norms(holding: list[Relation]) -> str:
    names = ", ".join(f"'{one.pair.norm.scope}'" for one in holding)
    one = len(holding) == 1
    return (
        f"No: {names} with stored statistics {'is' if one else 'are'} one factor and one shift a "
        "unit, but activations keep the shift apart from the bias in front and from the next "
        "layer."
    )


def _no(
    network: Network,
    holding: list[Relation],
    relations: tuple[Relation, ...],
    candidates: tuple[Measured, ...],
    values: Mapping[str, Array] | None,
) -> str:
    sentence = _why(holding)
    spreads = [one.deviation for one in holding if one.deviation is not None]
    if spreads:
        widest = max(spreads, key=lambda one: one.variation)
        sentence += (
            f", and s(x) is not constant: {figure(widest.minimum)} to "
            f"{figure(widest.maximum)} over the inputs used"
        )
    sentences = [sentence + "."]
    best = min(candidates, key=lambda one: one.output_max_abs or 0.0, default=None)
    if best is not None and values is not None:
        sentences.append(
            f"The best single vector found ({best.candidate.value}) misses "
            f"{network.name}'s outputs by up to {figure(best.output_max_abs)}, "
            f"where they range from {_range(network, values)}."
        )
    absorbed = sum(relation.numbers[0] for relation in relations)
    total = sum(relation.numbers[1] for relation in relations)
    sentences.append(
        f"Exactly, {absorbed} of the {total} numbers in bias, gamma and beta can be absorbed "
        "by other parameters."
        if absorbed or not _folded(relations)
        else f"What can be absorbed exactly is absorbed already: {total} numbers are left."
    )
    return " ".join(sentences)


def _why(holding: list[Relation]) -> str:
    """Why more than one vector is needed."""
    # the plainest first: a beta behind a LayerNorm or RMSNorm
    shifted = [one for one in holding if one.fates.beta is Fate.STAYS]
    plain = [one for one in shifted if not isinstance(one.pair.norm, UnrunNorm)]
    if plain:
        rms = all(isinstance(one.pair.norm, RMSNorm) for one in plain)
        s, y_i = ("root mean square", "y_i") if rms else ("standard deviation", "(y_i − mean)")
        return (
            f"No: beta is a bias multiplied by the layer's own {s} s(x) "
            f"(unit i is positive iff gamma_i·{y_i} + s(x)·beta_i > 0)"
        )
    norm = (shifted or holding)[0].pair.norm
    if (shifted or holding)[0].fates.behind is Behind.SHARED:
        return (
            f"No: gamma and beta of '{norm.scope}' differ from position to position, and all "
            "positions share the dense layer that reads them"
        )
    if not shifted:
        return (
            f"No: in '{norm.scope}' gamma is a factor behind the division by s(x) and the bias a "
            "shift in front of it, and nothing that follows takes gamma over"
        )
    assert isinstance(norm, UnrunNorm)
    return (
        f"No: beta of '{norm.scope}' is a bias multiplied by the standard deviation "
        f"{_statistics(norm)}"
    )


def _folded(relations: tuple[Relation, ...]) -> bool:
    """Whether every layer's gamma or mean has been folded."""
    verdicts = [{found.verdict for found in one.absorptions} for one in relations]
    return all({Verdict.GAMMA_FOLDED, Verdict.MEAN_FOLDED} & found for found in verdicts)


# ── yes ───────────────────────────────────────────────────────────────────────────────────


def _yes(relations: tuple[Relation, ...], candidates: tuple[Measured, ...]) -> str:
    stored = next((one for one in candidates if one.candidate is Candidate.STORED_STATISTICS), None)
    if all(isinstance(relation.pair.norm, BatchNorm) for relation in relations):
        sentence = (
            "Yes: BatchNorm's statistics are stored, so at inference it is affine; bias, gamma, "
            "beta, mean and variance become one kernel and one bias vector, exactly"
        )
        if stored is not None:
            sentence += (
                f" (largest error of the outputs in float64: {figure(stored.output_max_abs, 1)})"
            )
        return sentence + "."
    behind = {one.fates.behind for one in relations if not isinstance(one.pair.norm, BatchNorm)}
    if behind <= {Behind.KERNELS, Behind.ATTENTION}:
        return (
            "Yes, though not in place: the next dense layers take gamma and beta over exactly "
            "(kernel rows times gamma, bias plus beta times kernel); one bias vector a layer stays."
        )
    return (
        "Yes, though not in place: what others take over exactly leaves one vector a layer, since "
        "the rest of bias, gamma and beta is absent or does nothing here."
    )


def _range(network: Network, values: Mapping[str, Array]) -> str:
    outputs = [values[name] for name in network.outputs]
    low = min(float(one.min()) for one in outputs)
    high = max(float(one.max()) for one in outputs)
    return f"{figure(low)} to {figure(high)}"
