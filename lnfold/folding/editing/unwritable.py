"""Variables that a fold in stock form must leave alone, since they are not simply the parameter."""

from __future__ import annotations

from collections.abc import Iterable

from lnfold.checkpoint import Checkpoint
from lnfold.network.records.layers import Array, Network


def unwritable(checkpoint: Checkpoint, networks: Iterable[Network]) -> frozenset[str]:
    """The variables whose parameters are not simply their values, but computed from them.

    Folding must leave them alone in stock form: a new parameter would not say what the
    variable has to be. A transposed kernel, a deviation computed from running sums and the
    pieces of a partitioned variable are such.
    """
    found: set[str] = set()
    for network in networks:
        for layer in network.layers:
            held = {one for _, parameter in layer.parameters() for one in parameter.variables}
            found.update(set(layer.variables()) - held)
            for _, parameter in layer.parameters():
                if len(parameter.variables) != 1:
                    found.update(parameter.variables)
                    continue
                (name,) = parameter.variables
                if name not in found and not _holds(checkpoint, name, parameter.array):
                    found.add(name)
    return frozenset(found)


def _holds(checkpoint: Checkpoint, name: str, array: Array) -> bool:
    """Whether a variable's values are those of ``array``, perhaps in another shape."""
    variable = checkpoint.get(name)
    if variable is None or variable.size != array.size:
        return False
    values = variable.read()
    return values.dtype == array.dtype and values.tobytes() == array.tobytes()
