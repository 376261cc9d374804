"""What feeds a norm: the dense layers that write a value, through sums, and who else reads it."""

from __future__ import annotations

from dataclasses import dataclass

from lnfold.folding.editing.steps import Reason, Refused
from lnfold.network.records.layers import Add, Dense, LayerNorm, Network


@dataclass(frozen=True, slots=True, eq=False)
class Stream:
    """Values whose mean over the units nobody but LayerNorm ever sees.

    Attributes:
        writers: the dense layers that write the stream, in the network's order.
        norms: the LayerNorms that read it.
    """

    writers: tuple[Dense, ...]
    norms: tuple[LayerNorm, ...]


def stream_of(network: Network, norm: LayerNorm) -> Stream | Refused:
    """Everything that shares a mean with what ``norm`` reads, or what keeps it from being taken.

    From a sum the search goes back to all its terms and from a term on to all sums that read
    it: of the writers of a residual stream all can be centred, or none.
    """
    writers: set[str] = set()
    norms: set[str] = set()
    seen: set[str] = set()
    pending = [norm.input]
    while pending:
        value = pending.pop()
        if value in seen:
            continue
        seen.add(value)
        if value in network.outputs:
            return Refused(Reason.DELIVERED, value)
        before = network.producer(value)
        if isinstance(before, Dense):
            writers.add(value)
        elif isinstance(before, Add):
            pending.extend(before.inputs)
        else:
            return Refused(Reason.NOT_DENSE, value)
        for reader in network.consumers(value):
            if isinstance(reader, LayerNorm):
                norms.add(reader.name)
            elif isinstance(reader, Add):
                pending.append(reader.name)
            else:
                return Refused(Reason.READ_ELSEWHERE, reader.name)
    return Stream(
        tuple(one for one in network.layers if isinstance(one, Dense) and one.name in writers),
        tuple(one for one in network.layers if isinstance(one, LayerNorm) and one.name in norms),
    )
