"""Which dense layer and which normalisation belong together."""

from __future__ import annotations

from dataclasses import dataclass

from lnfold.network.records.context import Context, context_of
from lnfold.network.records.layers import Activation, Dense, Network, Norm

__all__ = ["Context", "Pair", "pairs"]


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
    if isinstance(before, Activation):
        before = network.producer(before.input)
    dense = before if isinstance(before, Dense) else None
    return Pair(norm, dense, context_of(network, norm))
