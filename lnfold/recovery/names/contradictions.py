"""Options that say otherwise than the graph or the config: errors that show both."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from lnfold.errors import UsageError
from lnfold.network.facts.evidence import Fact, Source, replaced
from lnfold.network.facts.settings import Settings
from lnfold.network.operations.activations import FUNCTIONS
from lnfold.network.records.context import order_of_norm
from lnfold.network.records.layers import (
    Activation,
    Affine,
    Clip,
    Dense,
    Layer,
    Network,
    Norm,
    Opaque,
)

_READ: Final = {Source.GRAPH: "the graph", Source.CONFIG: "the Keras config"}


def check_functions(settings: Settings) -> None:
    """UsageError where an option names an activation that lnfold does not know."""
    for option, name in (
        ("--activation", settings.activation),
        ("--output-activation", settings.output_activation),
    ):
        if name is not None and name not in FUNCTIONS:
            raise UsageError(
                f"{option} {name} is no activation that lnfold knows",
                remedy=f"There are: {', '.join(FUNCTIONS)}.",
            )


def check_against_evidence(network: Network, settings: Settings) -> None:
    """UsageError where an option says otherwise than what was read, with both shown."""
    for option, given, fact in _contradictions(network, settings):
        evidence = _READ[fact.source]
        raise UsageError(
            f"{option} {given} contradicts {evidence}, where '{fact.where}' of network "
            f"{network.name} says {fact.value}",
            remedy=f"Leave {option} out, or move {evidence} away to use the option.",
        )


def check_layers(network: Network, settings: Settings) -> None:
    """UsageError where --layers states other layers than a graph or a config has."""
    if settings.layers is None:
        return
    stated = settings.layers.replace(",", " ").split()
    stated = [one.partition(":")[0] for one in stated if one != "identity"]
    read = [_word(layer) for layer in network.layers]
    same = len(stated) == len(read) and all(
        one == word or f"/{word}".endswith(f"/{one}")
        for one, word in zip(stated, read, strict=True)
    )
    if not same:
        evidence = _READ[network.wiring.source]
        raise UsageError(
            f"--layers {settings.layers} contradicts {evidence}, where network {network.name} "
            f"runs {' '.join(read)}",
            remedy="Leave --layers out.",
        )


def _word(layer: Layer) -> str:
    """A layer as --layers states it."""
    return str(layer.function.value) if isinstance(layer, Activation) else layer.scope or layer.kind


def _contradictions(
    network: Network, settings: Settings
) -> Iterator[tuple[str, object, Fact[Any]]]:
    for norm in network.layers:
        if isinstance(norm, Norm) and settings.epsilon is not None:
            found = norm.epsilon.value
            read = norm.epsilon.source in _READ
            if read and found is not None and np.float32(found) != np.float32(settings.epsilon):
                yield "--epsilon", settings.epsilon, norm.epsilon
        if isinstance(norm, Norm) and settings.order is not None:
            order = order_of_norm(network, norm)
            if order not in (None, settings.order):
                shown = replaced(network.wiring, order.value)
                yield "--order", settings.order.value, shown
    if network.wiring.source not in _READ:
        return
    if settings.output_activation is not None:
        for name in network.outputs:
            function = _function(network, name)
            if function.known and function.value != settings.output_activation:
                yield "--output-activation", settings.output_activation, function
    if settings.activation is not None:
        hidden = [layer for layer in network.layers if layer.name not in network.outputs]
        functions = [one.function for one in hidden if isinstance(one, Activation)]
        dense = [one.name for one in hidden if isinstance(one, Dense)]
        if not functions and len(dense) > 1:
            functions = [Fact("identity", network.wiring.source, dense[0])]
        for function in functions:
            if function.value != settings.activation:
                yield "--activation", settings.activation, function


def _function(network: Network, output: str) -> Fact[str]:
    """The last activation in front of an output; identity where a layer has none.

    A scale, a clip or a norm behind it changes nothing of that. Unknown behind what is not run.
    """
    layer = network.producer(output)
    while isinstance(layer, (Affine, Clip, Norm)):
        layer = network.producer(layer.input)
    if isinstance(layer, Activation):
        return layer.function
    if isinstance(layer, Opaque):
        return Fact.unknown("--output-activation")
    return Fact("identity", network.wiring.source, output)
