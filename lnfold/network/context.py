"""What stands around a normalisation: it decides what can fold, and what blocks it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from lnfold.network.conventions import Order
from lnfold.network.layers import LSTM, Activation, Add, Dense, Network, Norm, Opaque


class Context(Enum):
    """What a normalisation reads; ``sentence`` is what the reader is told."""

    AFTER_DENSE = "after_dense"
    AFTER_ACTIVATION = "after_activation"
    POST_NORM = "post_norm"
    PRE_NORM = "pre_norm"
    ON_INPUT = "on_input"
    OTHER = "other"

    @property
    def sentence(self) -> str:
        return _SENTENCES[self]


_SENTENCES = {
    Context.AFTER_DENSE: "it normalises a dense layer, and nothing else reads that layer",
    Context.AFTER_ACTIVATION: "it normalises activations",
    Context.POST_NORM: "it normalises the sum that a residual connection ends in (post-norm)",
    Context.PRE_NORM: "it normalises a residual stream that also goes past it (pre-norm)",
    Context.ON_INPUT: "it normalises an input of the network",
    Context.OTHER: "it normalises what lnfold does not run",
}


@dataclass(frozen=True, slots=True)
class NormContext:
    """A normalisation's surroundings.

    Attributes:
        norm: its name.
        context: what it reads.
        readers: the layers that read it: gamma and beta fold forward only into all of them.
        fetched: whether its value is an output of the network.
        blocked_by: the names of readers that are no dense layers and no LSTMs, whose kernel and
            bias take gamma and beta as a dense layer's do.
    """

    norm: str
    context: Context
    readers: tuple[str, ...]
    fetched: bool
    blocked_by: tuple[str, ...]


def norm_contexts(network: Network) -> tuple[NormContext, ...]:
    """The surroundings of every normalisation, in the network's order."""
    return tuple(_of(network, layer) for layer in network.layers if isinstance(layer, Norm))


def order_of(network: Network) -> Order | None:
    """The one order of dense layer, norm and activation that all its norms show, else None."""
    orders = {_order(network, layer) for layer in network.layers if isinstance(layer, Norm)}
    return orders.pop() if len(orders) == 1 else None


def _of(network: Network, norm: Norm) -> NormContext:
    readers = network.consumers(norm.name)
    blocking = tuple(layer.name for layer in readers if not isinstance(layer, Dense | LSTM))
    return NormContext(
        norm.name,
        _context(network, norm),
        tuple(layer.name for layer in readers),
        norm.name in network.outputs,
        blocking,
    )


def _context(network: Network, norm: Norm) -> Context:
    before = network.producer(norm.input)
    if before is None:
        return Context.ON_INPUT
    beside = [layer for layer in network.consumers(norm.input) if layer is not norm]
    if any(isinstance(layer, Add) for layer in beside):
        return Context.PRE_NORM
    if isinstance(before, Add):
        return Context.POST_NORM
    if isinstance(before, Dense) and not beside:
        return Context.AFTER_DENSE
    if isinstance(before, Activation):
        return Context.AFTER_ACTIVATION
    return Context.OTHER


def _order(network: Network, norm: Norm) -> Order | None:
    before = network.producer(norm.input)
    readers = network.consumers(norm.name)
    if _context(network, norm) is Context.PRE_NORM:
        return Order.NORM_DENSE
    if isinstance(before, Activation):
        return Order.DENSE_ACT_NORM
    if isinstance(before, Dense):
        followed = [layer for layer in readers if isinstance(layer, Activation)]
        return Order.DENSE_NORM_ACT if followed else None
    if before is None or isinstance(before, Add | Opaque):
        return Order.NORM_DENSE if any(isinstance(one, Dense | LSTM) for one in readers) else None
    return None
