"""The part of a network that can be run, where operations stand in it that cannot.

What such an operation delivers becomes an input, drawn like the others; what it reads becomes
an output. Whatever the operations compute: where a folded network has the same part for every
input, it is the same network.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from lnfold.network.facts.evidence import Source
from lnfold.network.operations.activations import FUNCTIONS
from lnfold.network.records.layers import (
    Activation,
    Input,
    Layer,
    Network,
    Norm,
    Opaque,
    Rearrange,
)
from lnfold.network.records.norms import UnrunNorm


def runnable_part(network: Network) -> Network | None:
    """The network itself where it is complete; without its opaque operations where that does.

    Returns:
        None where something else is missing: an epsilon, an activation, a width, how many rows
        an operation delivers, or a graph that says what reads what.
    """
    kept = [layer for layer in network.layers if not isinstance(layer, Opaque)]
    if not all(map(_known, kept)):
        return None
    if len(kept) == len(network.layers):
        return network if network.complete else None
    wired = network.wiring.source in (Source.GRAPH, Source.CONFIG)
    if not wired or any(map(_counts_rows_anew, kept)):
        return None
    shapes = network.shapes()
    read = {name for layer in kept for name in layer.inputs}
    made = {layer.name for layer in kept}
    inputs = [one for one in network.inputs if one.name in read]
    inputs += [Input(name, shapes[name]) for name in _order(network) if name in read - made]
    outputs = [name for name in (*network.outputs, *_read_by_opaque(network)) if name in made]
    if not inputs or not outputs or not all(shapes[one][-1] for one in (*made, *read)):
        return None
    return replace(
        network,
        inputs=tuple(inputs),
        outputs=tuple(dict.fromkeys(outputs)),
        layers=tuple(kept),
        gaps=(),
    )


def not_run(network: Network) -> tuple[str, ...]:
    """The operations that a network's runnable part leaves out, each once."""
    found = (one.operation for one in network.layers if isinstance(one, Opaque))
    return tuple(dict.fromkeys(found))


def _order(network: Network) -> Iterable[str]:
    return (layer.name for layer in network.layers if isinstance(layer, Opaque))


def _read_by_opaque(network: Network) -> Iterable[str]:
    return (name for one in network.layers if isinstance(one, Opaque) for name in one.inputs)


def _known(layer: Layer) -> bool:
    """Whether everything is known that running a layer takes."""
    if isinstance(layer, Activation):
        return layer.function.value in FUNCTIONS
    if isinstance(layer, Norm):
        return not isinstance(layer, UnrunNorm) and layer.epsilon.value is not None
    return True


def _counts_rows_anew(layer: Layer) -> bool:
    """Whether a layer delivers more or fewer rows than it reads, so that drawn ones may not fit."""
    return isinstance(layer, Rearrange) or getattr(layer, "last", False)
