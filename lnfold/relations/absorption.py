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

from lnfold.network.activations import FUNCTIONS
from lnfold.network.layers import (
    LSTM,
    Activation,
    Add,
    BatchNorm,
    Concat,
    Dense,
    Layer,
    LayerNorm,
    Network,
    PRelu,
)
from lnfold.relations.centred import centred
from lnfold.relations.pairs import Context, Pair


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
    STAYS_ACTIVATED = "stays: the activation between it and the next layer is not homogeneous"
    STAYS_SHIFTED = "stays: an activation stands between it and the next layer"
    STAYS_DELIVERED = "stays: the network delivers the value itself"
    STAYS_READ = "stays: a layer that is not dense reads the value"
    STAYS_SUMMED = "stays: a sum with other values reads it"
    STAYS_UNREAD = "stays: what reads the value is not known"
    STAYS_UNCERTAIN = "stays: the activation after it is not known"
    ABSENT = "there is none"

    @property
    def sentence(self) -> str:
        return self.value

    @property
    def unknown(self) -> bool:
        """Whether more evidence could change it."""
        return self in (Verdict.STAYS_UNREAD, Verdict.STAYS_UNCERTAIN)


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
    return (_bias(pair), _gamma(network, pair), _beta(network, pair))


def _bias(pair: Pair) -> Absorption:
    if pair.dense is None or pair.dense.bias is None:
        return Absorption("bias", 0, 0, Verdict.ABSENT)
    units = pair.dense.units
    if pair.context is not Context.DENSE:
        return Absorption("bias", units, 0, Verdict.STAYS_SHIFTED)
    if isinstance(pair.norm, BatchNorm):
        return Absorption("bias", units, 0, Verdict.INTO_DENSE, (pair.dense.scope,))
    if isinstance(pair.norm, LayerNorm):
        if centred(pair.dense):
            return Absorption("bias", units - 1, 0, Verdict.MEAN_FOLDED)
        return Absorption("bias", units, 1, Verdict.MEAN_ONLY)
    return Absorption("bias", units, 0, Verdict.STAYS_DIVIDED)


def _gamma(network: Network, pair: Pair) -> Absorption:
    gamma = pair.norm.gamma
    if gamma is None:
        return Absorption("gamma", 0, 0, Verdict.ABSENT)
    total = gamma.array.size
    if isinstance(pair.norm, BatchNorm) and pair.context is Context.DENSE and pair.dense:
        return Absorption("gamma", total, total, Verdict.INTO_DENSE, (pair.dense.scope,))
    found = _readers(network, pair.norm)
    if found.into and np.isin(gamma.array.astype(np.float64), (-1, 0, 1)).all():
        return Absorption("gamma", 0, 0, Verdict.GAMMA_FOLDED, found.into)
    absorbed = total if found.into else 0
    return Absorption("gamma", total, absorbed, found.verdict, found.into, found.blocker)


def _beta(network: Network, pair: Pair) -> Absorption:
    beta = pair.norm.beta
    if beta is None:
        return Absorption("beta", 0, 0, Verdict.ABSENT)
    total = beta.array.size
    if isinstance(pair.norm, BatchNorm) and pair.context is Context.DENSE and pair.dense:
        return Absorption("beta", total, total, Verdict.INTO_DENSE, (pair.dense.scope,))
    found = _readers(network, pair.norm)
    if found.into and found.activation is not None:
        return Absorption("beta", total, 0, Verdict.STAYS_SHIFTED, blocker=found.activation)
    if found.into and not beta.array.any():
        return Absorption("beta", 0, 0, Verdict.BETA_FOLDED, found.into)
    if found.into:
        return Absorption("beta", total, total, Verdict.INTO_NEXT_BIAS, found.into)
    return Absorption("beta", total, 0, found.verdict, blocker=found.blocker)


@dataclass(frozen=True, slots=True)
class _Readers:
    """Who reads a value in the end, through homogeneous activations and concatenations.

    Attributes:
        verdict: INTO_NEXT, or the reason why the readers cannot take anything over.
        into: the scopes of the dense layers and LSTMs, if they can.
        activation: one that stands in between.
        blocker: the layer that is the reason.
    """

    verdict: Verdict
    into: tuple[str, ...] = ()
    activation: str | None = None
    blocker: str | None = None


def _readers(network: Network, layer: Layer) -> _Readers:
    if not network.wiring.known:
        return _Readers(Verdict.STAYS_UNREAD)
    into: dict[str, None] = {}
    activation: str | None = None
    pending = [layer.name]
    while pending:
        value = pending.pop()
        if value in network.outputs:
            return _Readers(Verdict.STAYS_DELIVERED)
        for reader in network.consumers(value):
            if isinstance(reader, Dense) or _is_read_as_x(reader, value):
                into[reader.scope] = None
            elif isinstance(reader, Activation):
                if reader.function.value is None:
                    return _Readers(Verdict.STAYS_UNCERTAIN, blocker=reader.name)
                if not FUNCTIONS[reader.function.value].homogeneous:
                    return _Readers(Verdict.STAYS_ACTIVATED, blocker=reader.name)
                if reader.function.value != "identity":
                    activation = reader.name
                pending.append(reader.name)
            elif isinstance(reader, PRelu):
                activation = reader.name
                pending.append(reader.name)
            elif isinstance(reader, Concat):
                pending.append(reader.name)
            elif isinstance(reader, Add):
                return _Readers(Verdict.STAYS_SUMMED, blocker=reader.name)
            else:
                return _Readers(Verdict.STAYS_READ, blocker=reader.name)
    if not into:
        return _Readers(Verdict.STAYS_UNREAD)
    return _Readers(Verdict.INTO_NEXT, tuple(into), activation)


def _is_read_as_x(layer: Layer, value: str) -> bool:
    """Whether an LSTM multiplies a value by its kernel, and by nothing else."""
    return isinstance(layer, LSTM) and layer.input == value and value not in layer.inputs[1:]
