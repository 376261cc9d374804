"""How many of the numbers of bias, gamma and beta a fold leaves, layer by layer.

A number is left where it still has to be known: a centred bias of n units has n − 1 free
numbers, a gamma of ±1 or 0 has none, a beta of 0 has none.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lnfold.network.records.deferred import Carried, Divided
from lnfold.network.records.layers import Array, Clip, Dense, LayerNorm, Network, Norm, Parameter
from lnfold.network.records.pairs import Pair, pairs


@dataclass(frozen=True, slots=True)
class NumbersLeft:
    """The numbers of one norm and of the dense layer in front of it.

    Attributes:
        scope: the layer's.
        before: of bias, gamma and beta together, as they are stored.
        bias, gamma, beta: how many of each are left.
    """

    scope: str
    before: int
    bias: int
    gamma: int
    beta: int

    @property
    def after(self) -> int:
        return self.bias + self.gamma + self.beta


def numbers_left(original: Network, exact: Network) -> tuple[NumbersLeft, ...]:
    """What is left in ``exact`` (float64) of the norms of ``original``."""
    return tuple(_of(pair, exact) for pair in pairs(original))


def _of(pair: Pair, exact: Network) -> NumbersLeft:
    norm = exact.producer(pair.norm.name)
    stored = (pair.dense and pair.dense.bias, pair.norm.gamma, pair.norm.beta)
    return NumbersLeft(
        pair.scope,
        sum(one.array.size for one in stored if one),
        _bias_left(pair, exact),
        _count(norm.gamma if isinstance(norm, Norm) else None, (-1.0, 0.0, 1.0)),
        _count(_beta(pair, exact), (0.0,)),
    )


def _bias_left(pair: Pair, exact: Network) -> int:
    """One less than there are units where its mean is known: taken out, or never used."""
    if pair.dense is None:
        return 0
    named = (exact.producer(name) for name in (pair.dense.name, pair.norm.name))
    biases = [one.bias for one in named if isinstance(one, Dense)]
    moved = exact.producer(f"{pair.dense.name}/carried")
    if isinstance(moved, Carried):
        biases.append(moved.vector)
    bias = next((one for one in biases if one is not None), None)
    if bias is None or not bias.array.any():
        return 0
    values = bias.array.ravel().astype(np.float64)
    norm = exact.producer(pair.norm.name)
    if not isinstance(pair.norm, LayerNorm) or values.size != pair.dense.units:
        return values.size
    if not isinstance(norm, LayerNorm):
        return values.size - 1
    slack = 1e-12 * float(np.abs(values).max())
    return values.size - int(abs(float(values.mean())) <= slack)


def _beta(pair: Pair, exact: Network) -> Parameter | None:
    for name in (pair.norm.name, f"{pair.norm.name}/carried"):
        found = exact.producer(name)
        if isinstance(found, Norm) and found.beta is not None:
            return found.beta
        if isinstance(found, Divided) and found.shift is not None:
            return found.shift
        if isinstance(found, Carried):
            return found.vector
    for reader in exact.consumers(pair.norm.name):
        if isinstance(reader, Clip) and reader.low is not None and reader.low.variables:
            return reader.low
    return None


def _count(parameter: Parameter | None, free: tuple[float, ...]) -> int:
    if parameter is None:
        return 0
    values: Array = parameter.array.ravel()
    return int((~np.isin(values, free)).sum())
