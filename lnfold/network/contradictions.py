"""Options that say otherwise than the graph or the config: errors that show both."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from lnfold.errors import UsageError
from lnfold.network.activations import FUNCTIONS
from lnfold.network.context import order_of
from lnfold.network.evidence import Fact, Source
from lnfold.network.layers import Activation, Network, Norm
from lnfold.network.settings import Settings

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


def _contradictions(
    network: Network, settings: Settings
) -> Iterator[tuple[str, object, Fact[Any]]]:
    for layer in network.layers:
        if isinstance(layer, Norm) and settings.epsilon is not None:
            found = layer.epsilon.value
            read = layer.epsilon.source in _READ
            if read and found is not None and np.float32(found) != np.float32(settings.epsilon):
                yield "--epsilon", settings.epsilon, layer.epsilon
        if isinstance(layer, Activation) and layer.function.source in _READ:
            last = layer.name in network.outputs
            option = "--output-activation" if last else "--activation"
            given = settings.output_activation if last else settings.activation
            if given is not None and layer.function.value != given:
                yield option, given, layer.function
    order = order_of(network)
    if order is not None and settings.order is not None and order is not settings.order:
        shown: Fact[Any] = Fact(order.value, network.wiring.source, network.wiring.where)
        yield "--order", settings.order.value, shown
