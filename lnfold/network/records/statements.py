"""Everything that is claimed of a network, one statement a fact, each with its evidence.

What a reader needs to trust or doubt a recovered network: the order of its layers, its inputs
and outputs, which variable is which parameter, every epsilon, activation, bound and constant,
and where each of them was read.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from lnfold.network.facts.evidence import Fact, Source, replaced
from lnfold.network.records.claims import PLACEMENT, SEQUENCE, called
from lnfold.network.records.context import norm_contexts, order_of
from lnfold.network.records.layers import (
    Activation,
    Dense,
    Input,
    Layer,
    Network,
    Norm,
    Opaque,
    Parameter,
)

_READ: Final = (Source.GRAPH, Source.CONFIG)
_WRITTEN_OUT: Final = 4  # numbers of a constant; of a longer one the shape is told


@dataclass(frozen=True, slots=True)
class Statement:
    """One fact.

    Attributes:
        layer: the name of the layer that it is about; empty where it is about the network.
        what: epsilon, activation, kernel, input, ….
        value: a number, a text, or None where nothing says it.
        source, where, confidence: the evidence, as in ``Fact``.
        option: the option that says otherwise, or settles what is unknown; empty if none does.
    """

    layer: str
    what: str
    value: float | str | None
    source: Source
    where: str = ""
    confidence: str = ""
    option: str = ""


def statements(network: Network) -> tuple[Statement, ...]:
    """Every fact of a network: those of the whole first, then layer by layer."""
    return tuple(_of_network(network))


def _of_network(network: Network) -> Iterator[Statement]:
    wiring = network.wiring
    order = order_of(network)
    normed = any(isinstance(layer, Norm) for layer in network.layers)
    shown = wiring.value if order is None or not wiring.known else order.value
    if not normed and wiring.source not in _READ and wiring.known:
        shown = "dense-act"  # without a norm, all orders are one
    yield _stated("", "order", replaced(wiring, shown), "--order" if normed else "")
    for claim in network.claims:
        if claim.what != PLACEMENT:
            yield _stated("", claim.what, claim.fact, claim.option)
    placed = {claim.layer: claim for claim in network.claims if claim.what == PLACEMENT}
    found = wiring.source if wiring.source in _READ else Source.NAMES
    for one in network.inputs:
        width = f"{one.name} [{one.axes}]"
        yield Statement("", "input", width, found, _seen_at(network, one, found))
    for name in network.outputs:
        option = "--output-node" if found is Source.GRAPH else ""
        where = name if found in _READ else ""
        last = [claim for claim in network.claims if claim.what == SEQUENCE]
        if last:
            yield _stated("", "output", replaced(last[0].fact, name), last[0].option)
        else:
            yield Statement("", "output", name, found, where, option=option)
    contexts = {one.norm: one for one in norm_contexts(network)}
    for layer in network.layers:
        yield from _of_layer(network, layer, found)
        if layer.name in placed:
            claim = placed[layer.name]
            yield _stated(layer.name, claim.what, claim.fact, claim.option)
        if layer.name in contexts:
            context = contexts[layer.name]
            yield Statement(layer.name, "context", context.sentence, wiring.source, layer.input)


def _seen_at(network: Network, one: Input, found: Source) -> str:
    """The node or key of an input; where only names are known, the kernel that tells its width."""
    if found in _READ:
        return one.where or one.name
    value: str | None = one.name
    while value is not None:
        readers = network.consumers(value)
        kernels = [layer.kernel.name for layer in readers if isinstance(layer, Dense)]
        if kernels:
            return f"the shape of {kernels[0]}"
        value = readers[0].name if readers else None
    return ""


def _of_layer(network: Network, layer: Layer, found: Source) -> Iterator[Statement]:
    for what, fact in layer.facts():
        _, option = called(what, layer.name in network.outputs)
        yield _stated(layer.name, _called(what), fact, option)
    if isinstance(layer, Activation) and layer.alpha is not None:
        yield Statement(layer.name, "alpha", layer.alpha, layer.function.source, layer.name)
    if isinstance(layer, Opaque):
        yield Statement(layer.name, "not run", layer.operation, found, layer.name)
        for name in layer.reads:
            yield Statement(layer.name, "variable", name, found, layer.name)
    for role, parameter in layer.parameters():
        yield _of_parameter(layer, role, parameter, found)


def _of_parameter(layer: Layer, role: str, parameter: Parameter, found: Source) -> Statement:
    shape = list(parameter.shape)
    if parameter.variables:
        value: float | str = f"{', '.join(parameter.variables)} {shape}"
    elif parameter.array.size == 1:
        value = float(parameter.array.reshape(()))
    elif parameter.array.size <= _WRITTEN_OUT:
        value = ", ".join(f"{one:g}" for one in parameter.array.ravel().tolist())
    else:
        value = f"constants {shape}"
    if found is Source.NAMES and not parameter.variables:
        found = Source.CONVENTION
    return Statement(layer.name, role, value, found, parameter.where or layer.name)


def _stated(layer: str, what: str, fact: Fact[Any], option: str) -> Statement:
    if not fact.known:
        return Statement(layer, what, None, fact.source, "", "", fact.where)
    where = "" if fact.where == option else fact.where
    return Statement(layer, what, fact.value, fact.source, where, fact.confidence, option)


def _called(field: str) -> str:
    return {"function": "activation"}.get(field, field)
