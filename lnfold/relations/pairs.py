"""Which dense layer and which normalisation belong together."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from lnfold.network.layers import Activation, Add, Dense, Network, Norm


class Context(Enum):
    """What stands in front of a normalisation; it decides what bias, gamma and beta can do."""

    DENSE = "dense"
    ACTIVATION = "activation"
    RESIDUAL = "residual"
    OTHER = "other"

    @property
    def sentence(self) -> str:
        return _SENTENCES[self]


_SENTENCES = {
    Context.DENSE: "the norm reads the dense layer directly",
    Context.ACTIVATION: "an activation stands between the dense layer and the norm",
    Context.RESIDUAL: "the norm reads a sum of several values",
    Context.OTHER: "no dense layer stands directly in front of the norm",
}


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """A normalisation and the dense layer whose output it normalises, if there is one."""

    norm: Norm
    dense: Dense | None
    context: Context

    @property
    def scope(self) -> str:
        """What to call the pair: the dense layer's scope, or the norm's own."""
        return self.norm.scope if self.dense is None else self.dense.scope


def pairs(network: Network) -> tuple[Pair, ...]:
    """Every normalisation of a network with what stands in front of it, in order."""
    return tuple(_pair(network, layer) for layer in network.layers if isinstance(layer, Norm))


def _pair(network: Network, norm: Norm) -> Pair:
    before = network.producer(norm.input)
    if isinstance(before, Dense):
        return Pair(norm, before, Context.DENSE)
    if isinstance(before, Activation):
        dense = network.producer(before.input)
        if isinstance(dense, Dense):
            return Pair(norm, dense, Context.ACTIVATION)
    if isinstance(before, Add):
        return Pair(norm, None, Context.RESIDUAL)
    return Pair(norm, None, Context.OTHER)
