"""Who multiplies a value by a kernel in the end, through activations and concatenations."""

from __future__ import annotations

from dataclasses import dataclass

from lnfold.folding.editing.steps import Reason, Refused
from lnfold.network.operations.activations import FUNCTIONS
from lnfold.network.records.layers import (
    LSTM,
    Activation,
    Add,
    Concat,
    Dense,
    Layer,
    Network,
    PRelu,
)


@dataclass(frozen=True, slots=True, eq=False)
class Slot:
    """Rows ``start`` … ``start + width`` of a kernel, which multiply the value.

    Attributes:
        dense: the layer that reads it: a dense one, or an LSTM, whose four gates are a dense
            layer on x with h and c beside it.
        start: the first of the rows.
        through: the activations that the value passes on the way, in order.
    """

    dense: Dense | LSTM
    start: int
    through: tuple[Activation | PRelu, ...] = ()

    @property
    def linear(self) -> bool:
        """Whether nothing but identities stands in between."""
        return all(function_of(one) == "identity" for one in self.through)

    @property
    def homogeneous(self) -> bool:
        """Whether every positive factor passes: f(c·x) = c·f(x)."""
        return all(map(lets_factors_through, self.through))


def readers_of(network: Network, value: str) -> tuple[Slot, ...] | Refused:
    """All that reads ``value`` in the end, or the first thing that has no kernel for it.

    Elementwise activations are walked through, whatever they compute: what may pass them is
    the rule's business.
    """
    widths = network.widths()
    slots: list[Slot] = []
    pending: list[tuple[str, int, tuple[Activation | PRelu, ...]]] = [(value, 0, ())]
    while pending:
        current, start, through = pending.pop()
        if current in network.outputs:
            return Refused(Reason.DELIVERED, current)
        readers = network.consumers(current)
        if not readers:
            return Refused(Reason.NEVER_READ, current)
        for reader in readers:
            alone = current not in reader.inputs[1:]
            if isinstance(reader, Dense) or (isinstance(reader, LSTM) and alone):
                slots.append(Slot(reader, start, through))
            elif isinstance(reader, Concat) and all(widths[part] for part in reader.inputs):
                offset = 0
                for part in reader.inputs:
                    if part == current:
                        pending.append((reader.name, start + offset, through))
                    offset += widths[part]
            elif isinstance(reader, Activation | PRelu) and _elementwise(reader):
                pending.append((reader.name, start, (*through, reader)))
            else:
                summed = isinstance(reader, Add)
                return Refused(Reason.RESIDUAL if summed else Reason.READ, reader.name)
    return tuple(slots)


def function_of(layer: Activation | PRelu) -> str:
    """The name of an activation's function."""
    return layer.kind if isinstance(layer, PRelu) else str(layer.function.value)


def lets_factors_through(layer: Layer) -> bool:
    """Whether f(c·x) = c·f(x) for every c > 0, one for each unit: homogeneous activations."""
    if isinstance(layer, PRelu):
        return True
    return isinstance(layer, Activation) and FUNCTIONS[function_of(layer)].homogeneous


def _elementwise(layer: Activation | PRelu) -> bool:
    function = FUNCTIONS.get(function_of(layer))
    return isinstance(layer, PRelu) or (function is not None and not function.rowwise)
