"""Which of a layer's bias, gamma and beta other parameters can take over exactly, and why not.

The identities, for a norm that reads a dense layer y = x·W + b (n units):

- LayerNorm(y + c·1) = LayerNorm(y): one number of b, its mean, does nothing.
- f(gamma·z + beta) = gamma·f(z + beta/gamma) for gamma > 0 and a positively homogeneous f
  (identity, relu, leaky relu, prelu): the n sizes of gamma go into the rows of the next kernel.
- with no activation in between, beta·W' goes into the next bias.
- BatchNorm with stored statistics is affine: everything goes into the dense layer before it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np

from lnfold.network.records.layers import BatchNorm, LayerNorm, Network, RMSNorm
from lnfold.network.records.pairs import Context, Pair
from lnfold.relations.question.centred import centred
from lnfold.relations.question.consumers import Behind, Readers, readers_of
from lnfold.relations.question.fates import layer_before


class Verdict(Enum):
    """What can become of a vector, bound to the sentence that says why."""

    MEAN_ONLY = "its mean does nothing: the norm subtracts it"
    INTO_NEXT = "goes into the next kernel"
    INTO_NEXT_BIAS = "goes into the next bias"
    INTO_DENSE = "goes into the dense layer before it"
    MEAN_FOLDED = "stays but for its mean, which is 0 already, as the kernel's means are"
    GAMMA_FOLDED = "is absorbed already: −1, 0 or 1 for every unit"
    BETA_FOLDED = "is absorbed already: 0 for every unit"
    STAYS_DIVIDED = "stays: the division by s(x) stands between it and the next layer"
    STAYS_IN_FRONT = "stays: it stands in front of the norm"
    STAYS_ACTIVATED = "stays: the activation between it and the next layer is not homogeneous"
    STAYS_SHIFTED = "stays: an activation stands between it and the next layer"
    STAYS_DELIVERED = "stays: the network delivers the value itself"
    STAYS_READ = "stays: a layer that is not dense reads the value"
    STAYS_SUMMED = "stays: a sum with other values reads it"
    STAYS_SHARED = "stays: all positions share the next dense layer, and it differs by position"
    STAYS_AROUND = "stays: lnfold does not fold into the layer that could"
    STAYS_UNRUN = "stays: an operation that is not run reads the value"
    STAYS_UNREAD = "stays: what reads the value is not known"
    STAYS_UNCERTAIN = "stays: the activation after it is not known"
    ABSENT = "there is none"

    @property
    def sentence(self) -> str:
        return self.value

    @property
    def unknown(self) -> bool:
        """Whether more evidence could change it."""
        return self in (Verdict.STAYS_UNREAD, Verdict.STAYS_UNCERTAIN, Verdict.STAYS_UNRUN)


@dataclass(frozen=True, slots=True)
class Absorption:
    """How many of a vector's numbers other parameters take over exactly.

    Attributes:
        vector: bias, gamma or beta.
        total, absorbed: its numbers, without those that a fold has settled already, and how
            many of them.
        verdict: why.
        into: the scopes of the layers that take them.
        blocker: the name of the layer or operation that prevents it, where one does.
    """

    vector: str
    total: int
    absorbed: int
    verdict: Verdict
    into: tuple[str, ...] = ()
    blocker: str | None = None

    @property
    def sentence(self) -> str:
        """The verdict, with the name of what prevents it."""
        return self.verdict.sentence + (f" ('{self.blocker}')" if self.blocker else "")


def absorptions(network: Network, pair: Pair) -> tuple[Absorption, ...]:
    """What becomes of the bias, gamma and beta of one pair."""
    before = layer_before(network, pair.norm) if isinstance(pair.norm, BatchNorm) else None
    if before is not None and before is pair.dense:
        return _into_dense(pair)
    found = readers_of(network, pair.norm)
    if before is not None and found.behind is not Behind.KERNELS:
        # a convolution, which is not run: named, not counted
        found = Readers(Behind.ATTENTION, blocker=before.name)
    return (_bias(pair), _gamma(pair, found), _beta(pair, found))


def _into_dense(pair: Pair) -> tuple[Absorption, ...]:
    """BatchNorm with stored statistics: all of it goes into the dense layer that it reads."""
    norm, dense = pair.norm, pair.dense
    assert dense is not None
    into = (dense.scope,)
    bias = Absorption("bias", 0, 0, Verdict.ABSENT)
    if dense.bias is not None:
        bias = Absorption("bias", dense.units, 0, Verdict.INTO_DENSE, into)
    taken = [
        Absorption(vector, 0, 0, Verdict.ABSENT)
        if held is None
        else Absorption(vector, held.array.size, held.array.size, Verdict.INTO_DENSE, into)
        for vector, held in (("gamma", norm.gamma), ("beta", norm.beta))
    ]
    return (bias, *taken)


def _bias(pair: Pair) -> Absorption:
    if pair.dense is None or pair.dense.bias is None:
        return Absorption("bias", 0, 0, Verdict.ABSENT)
    units = pair.dense.units
    if pair.context is not Context.DENSE:
        return Absorption("bias", units, 0, Verdict.STAYS_SHIFTED)
    if isinstance(pair.norm, LayerNorm):
        if centred(pair.dense):
            return Absorption("bias", units - 1, 0, Verdict.MEAN_FOLDED)
        return Absorption("bias", units, 1, Verdict.MEAN_ONLY)
    divided = isinstance(pair.norm, RMSNorm)
    return Absorption(
        "bias", units, 0, Verdict.STAYS_DIVIDED if divided else Verdict.STAYS_IN_FRONT
    )


def _gamma(pair: Pair, found: Readers) -> Absorption:
    gamma = pair.norm.gamma
    if gamma is None:
        return Absorption("gamma", 0, 0, Verdict.ABSENT)
    total = gamma.array.size
    if found.behind not in (Behind.KERNELS, Behind.HOMOGENEOUS):
        return Absorption("gamma", total, 0, _STAYS[found.behind], blocker=found.blocker)
    if np.isin(gamma.array.astype(np.float64), (-1, 0, 1)).all():
        return Absorption("gamma", 0, 0, Verdict.GAMMA_FOLDED, found.into)
    return Absorption("gamma", total, total, Verdict.INTO_NEXT, found.into)


def _beta(pair: Pair, found: Readers) -> Absorption:
    beta = pair.norm.beta
    if beta is None:
        return Absorption("beta", 0, 0, Verdict.ABSENT)
    total = beta.array.size
    if found.behind is Behind.HOMOGENEOUS:
        return Absorption("beta", total, 0, Verdict.STAYS_SHIFTED, blocker=found.activation)
    if found.behind is not Behind.KERNELS:
        return Absorption("beta", total, 0, _STAYS[found.behind], blocker=found.blocker)
    if not beta.array.any():
        return Absorption("beta", 0, 0, Verdict.BETA_FOLDED, found.into)
    return Absorption("beta", total, total, Verdict.INTO_NEXT_BIAS, found.into)


_STAYS = {
    Behind.UNREAD: Verdict.STAYS_UNREAD,
    Behind.UNCERTAIN: Verdict.STAYS_UNCERTAIN,
    Behind.UNRUN: Verdict.STAYS_UNRUN,
    Behind.SUMMED: Verdict.STAYS_SUMMED,
    Behind.READ: Verdict.STAYS_READ,
    Behind.DELIVERED: Verdict.STAYS_DELIVERED,
    Behind.NONLINEAR: Verdict.STAYS_ACTIVATED,
    Behind.CLIPPED: Verdict.STAYS_ACTIVATED,
    Behind.SHARED: Verdict.STAYS_SHARED,
    Behind.ATTENTION: Verdict.STAYS_AROUND,
}
