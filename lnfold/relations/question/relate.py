"""One layer's account: how its bias, gamma and beta look, split, act and can be absorbed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from lnfold.network.records.layers import LayerNorm, Network, Parameter, RMSNorm
from lnfold.network.records.pairs import Context, Pair, pairs
from lnfold.relations.question.absorption import Absorption, absorptions
from lnfold.relations.question.bias_split import BiasSplit, split_bias
from lnfold.relations.question.distribution import Distribution, distribution
from lnfold.relations.question.fates import Fates, fates
from lnfold.relations.question.one_vector import Measured, measure_layer
from lnfold.relations.question.std import Deviation, deviations, spread
from lnfold.relations.question.traced import traced

Array = np.ndarray


@dataclass(frozen=True, slots=True, eq=False)
class Relation:
    """How the three vectors of one pair relate.

    Attributes:
        pair: the dense layer and the norm.
        bias, gamma, beta: what each vector looks like; None where there is none.
        split: what becomes of the bias; None unless a LayerNorm or RMSNorm reads the dense layer.
        deviation: the spread of s(x) over the inputs used; None for norms that have no s(x) of
            a row's units, and where the network cannot be run.
        absorptions: what lnfold folds into other parameters exactly.
        fates: which of the three vectors others could take over exactly, by proved rules.
        candidates: one vector in place of the three, measured at the layer.
    """

    pair: Pair
    bias: Distribution | None
    gamma: Distribution | None
    beta: Distribution | None
    split: BiasSplit | None
    deviation: Deviation | None
    absorptions: tuple[Absorption, ...]
    fates: Fates
    candidates: tuple[Measured, ...]

    @property
    def numbers(self) -> tuple[int, int]:
        """How many of the layer's numbers are absorbed exactly, and how many there are."""
        return (
            sum(one.absorbed for one in self.absorptions),
            sum(one.total for one in self.absorptions),
        )


def relate(network: Network, values: Mapping[str, Array] | None) -> tuple[Relation, ...]:
    """The relations of every normalisation of a network, in order.

    Args:
        values: float64 values of all layers (``run(…, np.float64, trace=True)``), or None
            where the network cannot be run; what needs them is then None or empty.
    """
    held = None if values is None else traced(values)
    return tuple(_relation(network, pair, held) for pair in pairs(network))


def _relation(network: Network, pair: Pair, values: Mapping[str, Array] | None) -> Relation:
    computes = isinstance(pair.norm, LayerNorm | RMSNorm)
    split = None
    if computes and pair.dense is not None and pair.context is Context.DENSE:
        split = split_bias(pair.dense, pair.norm)
    deviation = None
    if computes and values is not None:
        deviation = spread(deviations(pair.norm, values[pair.norm.input]))
    return Relation(
        pair=pair,
        bias=_described(None if pair.dense is None else pair.dense.bias),
        gamma=_described(pair.norm.gamma),
        beta=_described(pair.norm.beta),
        split=split,
        deviation=deviation,
        absorptions=absorptions(network, pair),
        fates=fates(network, pair, values),
        candidates=() if values is None else measure_layer(pair, values),
    )


def _described(parameter: Parameter | None) -> Distribution | None:
    return None if parameter is None else distribution(parameter.array)
