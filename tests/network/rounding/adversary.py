"""Programs that round as badly as they may: every rounding at its largest, against one output.

The derivatives of an output's unit by every value give the signs: each unit is pushed by all
that its layer may round off, the way that moves the output up, in every row.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from lnfold.network.records.layers import Layer, Network
from lnfold.network.rounding.arithmetic import Arithmetic
from lnfold.network.rounding.local_rounding import LOCAL_ROUNDING
from lnfold.network.rounding.seen import Seen, Step
from lnfold.network.running.run import step_of

Array = np.ndarray


def worst_program(
    network: Network, inputs: Mapping[str, Array], output: str, unit: int, arithmetic: Arithmetic
) -> Array:
    """The output [rows, units] of a program in float64 that rounds against one of its units."""
    with np.errstate(all="ignore"):  # as where bounds are measured
        values = {name: array.astype(np.float64) for name, array in inputs.items()}
        steps: dict[str, Step] = {}
        for layer in network.layers:
            values[layer.name], steps[layer.name] = _at(layer, values, arithmetic)
        signs = _derivatives(network, values, steps, output, unit)
        pushed = {
            name: array + np.sign(signs.get(name, 0.0)) * arithmetic.rounded(array)
            for name, array in ((one.name, values[one.name]) for one in network.inputs)
        }
        for layer in network.layers:
            out, step = _at(layer, pushed, arithmetic)
            derivative = signs.get(layer.name, np.zeros(out.shape))
            out = out + np.sign(derivative) * step.unit
            for one in step.shared:
                along = (derivative * one.direction).sum(axis=1, keepdims=True)
                out = out + np.sign(along) * one.size * one.direction
            pushed[layer.name] = out
        return pushed[output]


def _at(layer: Layer, values: Mapping[str, Array], arithmetic: Arithmetic) -> tuple[Array, Step]:
    """What a layer delivers for these values, and its step at them alone: boxes are points."""
    read = [values[name] for name in layer.inputs]
    out = np.asarray(step_of(layer, np.float64)(*read))
    zero = [np.zeros(one.shape) for one in read]
    seen = [Seen(one, none, none) for one, none in zip(read, zero, strict=True)]
    return out, LOCAL_ROUNDING[type(layer)](layer, arithmetic, out, *seen)


def _derivatives(
    network: Network, values: Mapping[str, Array], steps: Mapping[str, Step], output: str, unit: int
) -> dict[str, Array]:
    """The derivatives of an output's unit by every value that it depends on."""
    seed: Array = np.zeros(values[output].shape)
    seed[:, unit] = 1
    found = {output: seed}
    for layer in reversed(network.layers):
        if layer.name in found:
            for name, slope in zip(layer.inputs, steps[layer.name].slopes, strict=True):
                centre = found[layer.name]
                found[name] = found.get(name, 0) + slope.pull(centre, np.zeros(centre.shape))[0]
    return found
