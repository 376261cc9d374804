"""What the tests of this folder share: recovering, running and comparing."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from lnfold.checkpoint.opening import open_checkpoint
from lnfold.checkpoint.variables.checkpoint import Checkpoint
from lnfold.network.facts.settings import Settings
from lnfold.network.records.layers import Activation, Layer, Network, Norm
from lnfold.network.rounding.measured import measure_rounding
from lnfold.network.running.differences import difference
from lnfold.recovery.recover import Recovery, recover

FIXTURES = Path(__file__).resolve().parent / "fixtures"


def recovery(path: Path, settings: Settings | None = None) -> Recovery:
    """What is recovered from the checkpoint at a path."""
    with open_checkpoint(path) as checkpoint:
        return recover(checkpoint, settings)


def opened_recovery(path: Path) -> tuple[Checkpoint, Recovery]:
    """The same with the checkpoint still open, whose arrays are to be read again."""
    checkpoint = open_checkpoint(path)
    return checkpoint, recover(checkpoint)


def without_graph(path: Path, settings: Settings | None = None) -> Recovery:
    """What names, objects and conventions alone say of the checkpoint at a path."""
    with open_checkpoint(path) as checkpoint:
        checkpoint.__class__ = _Bare
        return recover(checkpoint, settings)


class _Bare(Checkpoint):
    """A checkpoint beside which neither a graph nor a config lies."""

    graph_file = property(lambda self: None)  # type: ignore[assignment]
    keras_config = property(lambda self: None)


def error_and_tolerance(
    network: Network, inputs: Mapping[str, np.ndarray], expected: np.ndarray, output: str = ""
) -> tuple[float, float]:
    """How far what the original answered is from exact, and how far rounding may take it.

    Both of the number that uses up most of what it is allowed.
    """
    if len(network.inputs) == 1 and len(inputs) == 1:
        inputs = {network.inputs[0].name: next(iter(inputs.values()))}
    rounding = measure_rounding(network, inputs)
    name = output or network.outputs[0]
    errors = difference(
        np.asarray(expected).reshape(rounding.double[name].shape), rounding.double[name]
    )
    allowed = rounding.estimate[name]
    worst = np.argmax(errors - allowed)
    return float(errors.flat[worst]), float(allowed.flat[worst])


def facts_of(layers: tuple[Layer, ...]) -> list[tuple[object, ...]]:
    """Kind, epsilon and function of each layer, for comparing."""
    found = []
    for layer in layers:
        fact: object = None
        if isinstance(layer, Norm):
            fact = layer.epsilon.value
        elif isinstance(layer, Activation):
            fact = layer.function.value
        found.append((layer.kind, fact))
    return found
