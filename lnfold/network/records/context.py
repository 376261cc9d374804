"""What stands around a normalisation: it decides what can fold, and what blocks it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from lnfold.network.facts.order import Order
from lnfold.network.records.layers import LSTM, Activation, Add, Dense, Network, Norm, Opaque


class Context(Enum):
    """What a normalisation reads; ``sentence`` is what the reader is told."""

    DENSE = "dense"
    ACTIVATION = "activation"
    RESIDUAL = "residual"
    INPUT = "input"
    OTHER = "other"

    @property
    def sentence(self) -> str:
        return _SENTENCES[self]


_SENTENCES = {
    Context.DENSE: "the norm reads the dense layer directly",
    Context.ACTIVATION: "the norm reads what an activation delivers",
    Context.RESIDUAL: "the norm reads a sum of several values",
    Context.INPUT: "the norm reads an input of the network",
    Context.OTHER: "no dense layer stands directly in front of the norm",
}


@dataclass(frozen=True, slots=True)
class NormContext:
    """A normalisation's surroundings.

    Attributes:
        norm: its name.
        context: what it reads.
        pre_norm: whether what it reads also goes past it into a sum: a residual stream.
        readers: the layers that read it: gamma and beta fold forward only into all of them.
        fetched: whether its value is an output of the network.
    """

    norm: str
    context: Context
    pre_norm: bool
    readers: tuple[str, ...]
    fetched: bool

    @property
    def post_norm(self) -> bool:
        """Whether it normalises the sum that a residual connection ends in."""
        return self.context is Context.RESIDUAL and not self.pre_norm

    @property
    def sentence(self) -> str:
        """What it reads, and where it stands beside a residual connection."""
        place = " (post-norm)" if self.post_norm else ""
        place = ", which also goes past it into a sum (pre-norm)" if self.pre_norm else place
        return self.context.sentence + place


def norm_contexts(network: Network) -> tuple[NormContext, ...]:
    """The surroundings of every normalisation, in the network's order."""
    return tuple(_of(network, layer) for layer in network.layers if isinstance(layer, Norm))


def order_of(network: Network) -> Order | None:
    """The one order of dense layer, norm and activation that all its norms show, else None."""
    orders = {order_of_norm(network, layer) for layer in network.layers if isinstance(layer, Norm)}
    return orders.pop() if len(orders) == 1 else None


def context_of(network: Network, norm: Norm) -> Context:
    """What a normalisation reads."""
    before = network.producer(norm.input)
    kinds = {Dense: Context.DENSE, Activation: Context.ACTIVATION, Add: Context.RESIDUAL}
    return Context.INPUT if before is None else kinds.get(type(before), Context.OTHER)


def _of(network: Network, norm: Norm) -> NormContext:
    readers = network.consumers(norm.name)
    return NormContext(
        norm.name,
        context_of(network, norm),
        _is_pre_norm(network, norm),
        tuple(layer.name for layer in readers),
        norm.name in network.outputs,
    )


def _is_pre_norm(network: Network, norm: Norm) -> bool:
    return any(isinstance(layer, Add) for layer in network.consumers(norm.input))


def order_of_norm(network: Network, norm: Norm) -> Order | None:
    """The order of dense layer, norm and activation that a norm shows; None where it is none."""
    before = network.producer(norm.input)
    readers = network.consumers(norm.name)
    if _is_pre_norm(network, norm):
        return Order.NORM_DENSE
    if isinstance(before, Activation):
        return Order.DENSE_ACT_NORM
    if isinstance(before, Dense):
        followed = [layer for layer in readers if isinstance(layer, Activation)]
        return Order.DENSE_NORM_ACT if followed else None
    if before is None or isinstance(before, Add | Opaque):
        return Order.NORM_DENSE if any(isinstance(one, Dense | LSTM) for one in readers) else None
    return None
