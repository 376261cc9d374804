"""The answer to the question that lnfold is for, in a sentence that a person can quote.

    Can bias, gamma and beta of a layer be summarised as one "bias" vector?

With y = x·W + b and s(x) the standard deviation of y over the units, unit i of a LayerNorm
fires iff gamma_i·(y_i − mean(y)) + s(x)·beta_i > 0: beta is a bias multiplied by the layer's
own standard deviation. One vector suffices only where s(x) is constant (BatchNorm), or where
the next layer takes gamma and beta over exactly.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from lnfold.figures import figure
from lnfold.network.layers import BatchNorm, Network, Norm, OtherNorm
from lnfold.relations.absorption import Verdict
from lnfold.relations.one_vector import Candidate, Measured, measure_network
from lnfold.relations.relate import Relation

Array = np.ndarray


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer for one network.

    Attributes:
        one_vector: whether one vector a layer suffices, exactly; None where it is not known.
        sentence: the answer with its reason and the figures measured.
        candidates: one vector in place of three in every layer at once, by the error of the
            network's outputs; empty where the network cannot be run.
    """

    one_vector: bool | None
    sentence: str
    candidates: tuple[Measured, ...]

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
    if not relations and network.complete:
        return Answer(True, "Yes: nothing is normalised, a bias is all that a layer has.", ())
    if not relations:
        return Answer(None, "Unknown: the part that was recovered holds no normalisation.", ())
    unknown = _unknown(relations)
    if unknown is not None:
        return Answer(None, f"Unknown: {unknown}", ())
    candidates: tuple[Measured, ...] = ()
    if values is not None and any(relation.candidates for relation in relations):
        by_pair = {one.pair.norm.name: one.candidates for one in relations}
        pairs = tuple(relation.pair for relation in relations)
        candidates = measure_network(network, pairs, by_pair, values)
    holding = [relation for relation in relations if _holds(relation)]
    if holding:
        return Answer(False, _no(network, holding, relations, candidates, values), candidates)
    return Answer(True, _yes(relations, candidates), candidates)


def _unknown(relations: tuple[Relation, ...]) -> str | None:
    """Why the answer is not known; None where it is."""
    holding = [one for one in relations if _holds(one)]
    kindless = [one.pair.norm for one in holding if not _kind_known(one.pair.norm)]
    if kindless and len(kindless) == len(holding):
        return (
            f"names do not tell what kind of normalisation '{kindless[0].scope}' is, and the "
            "answer depends on it."
        )
    if holding and all(_open(one) for one in holding):
        if _all_stored(holding):
            return (
                "BatchNorm with stored statistics is one factor and one shift a unit, which a "
                "dense layer before or after it takes over exactly. What stands there is not "
                "known."
            )
        return (
            "within a layer, no: beta is a bias multiplied by the layer's own standard deviation "
            "s(x). Whether the next layers can take gamma and beta over depends on what reads the "
            "norms, and that is not known."
        )
    return None


def _all_stored(relations: list[Relation]) -> bool:
    return all(isinstance(one.pair.norm, BatchNorm) for one in relations)


def _kind_known(norm: Norm) -> bool:
    return not isinstance(norm, OtherNorm) or bool(norm.axes)


def _open(relation: Relation) -> bool:
    """Whether it is for want of evidence that nothing takes gamma and beta over."""
    left = (one for one in relation.absorptions if one.vector in relation.vectors_left)
    return all(one.verdict.unknown for one in left if one.vector != "bias")


def _holds(relation: Relation) -> bool:
    """Whether a layer needs more than one vector.

    A norm that reads no dense layer has biases somewhere before its division, so that a beta
    left behind it is one vector too many already.
    """
    if relation.pair.dense is None:
        return "beta" in relation.vectors_left
    return len(relation.vectors_left) > 1


def _no(
    network: Network,
    holding: list[Relation],
    relations: tuple[Relation, ...],
    candidates: tuple[Measured, ...],
    values: Mapping[str, Array] | None,
) -> str:
    if _all_stored(holding):
        names = ", ".join(f"'{one.pair.norm.scope}'" for one in holding)
        return (
            f"No: {names} with stored statistics is one factor and one shift a unit, but no dense "
            "layer that could take them over reads it or stands in front of it."
        )
    sentence = (
        "No: beta is a bias multiplied by the layer's own standard deviation s(x) "
        "(unit i is positive iff gamma_i·(y_i − mean) + s(x)·beta_i > 0)"
    )
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


def _folded(relations: tuple[Relation, ...]) -> bool:
    """Whether every layer's gamma or mean has been folded."""
    verdicts = [{found.verdict for found in one.absorptions} for one in relations]
    return all({Verdict.GAMMA_FOLDED, Verdict.MEAN_FOLDED} & found for found in verdicts)


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
    return (
        "Yes, though not in place: the next dense layers take gamma and beta over exactly "
        "(kernel rows times gamma, bias plus beta times kernel); one bias vector a layer stays."
    )


def _range(network: Network, values: Mapping[str, Array]) -> str:
    outputs = [values[name] for name in network.outputs]
    low = min(float(one.min()) for one in outputs)
    high = max(float(one.max()) for one in outputs)
    return f"{figure(low)} to {figure(high)}"
