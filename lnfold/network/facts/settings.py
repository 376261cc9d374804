"""The facts that a user may give, and how they meet the facts that were found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from lnfold.network.facts.order import Order


@dataclass(frozen=True, slots=True, eq=False)
class Examples:
    """Inputs and outputs of the original network, by name; ``where`` is their file."""

    inputs: Mapping[str, np.ndarray]
    outputs: Mapping[str, np.ndarray]
    where: str = "--examples"


@dataclass(frozen=True, slots=True)
class Settings:
    """What the user says of the network; None where nothing is said.

    Attributes:
        epsilon: of every normalisation.
        order: of dense layer, normalisation and activation.
        activation: of the hidden layers, a name of ``lnfold.network.operations.activations``.
        output_activation: of the last layer.
        output: the graph node at which the network ends.
        examples: what the original answers; they settle what nothing else says.
        network: the name of the network that is meant, where there are several; None for all.
        assume: whether what is assumed may be folded and checked as if it were known.
        layers: scopes and activations in the order of the run, see ``recovery.names.stated``.
        averages: whether the moving averages of variables go by the variables' names.
    """

    epsilon: float | None = None
    order: Order | None = None
    activation: str | None = None
    output_activation: str | None = None
    output: str | None = None
    examples: Examples | None = None
    network: str | None = None
    averages: bool = False
    layers: str | None = None
    assume: bool = False


def is_meant(name: str, settings: Settings) -> bool:
    """Whether what the user says is said of the network of that name: all of it, or its end."""
    meant = settings.network
    return meant is None or name == meant or name.endswith(f"/{meant}")
