"""Changes of a parameter, just large enough to move an output by some allowances."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from lnfold.network.records.layers import Array, Network
from lnfold.network.running.run import run

PLANTED = 8  # allowances that a planted change moves an output by


def planted(
    seed: int,
    network: Network,
    inputs: Mapping[str, Array],
    exact: Mapping[str, Array],
    allowed: Mapping[str, Array],
) -> Network | None:
    """The network with a parameter changed so that some output moves by PLANTED times its
    allowance in float64; None where no change as large as the parameter does.
    """
    random = np.random.default_rng([11, seed])
    with_parameters = [layer for layer in network.layers if any(layer.parameters())]
    layer = with_parameters[random.integers(len(with_parameters))]
    parameters = list(layer.parameters())
    role, parameter = parameters[random.integers(len(parameters))]
    direction = random.standard_normal(parameter.shape) * np.abs(parameter.array)
    for power in range(-30, 1):
        array = (parameter.array + 2.0**power * direction).astype(np.float32)
        changed = replace(layer, **{role: replace(parameter, array=array)})
        layers = tuple(changed if one is layer else one for one in network.layers)
        found = replace(network, layers=layers)
        if most(run(found, inputs, np.float64), exact, allowed) >= PLANTED:
            return found
    return None


def most(
    outputs: Mapping[str, Array], exact: Mapping[str, Array], allowed: Mapping[str, Array]
) -> float:
    """The largest distance in allowances, where there is a finite one."""
    largest = 0.0
    for name, one in exact.items():
        judged = np.isfinite(allowed[name]) & (allowed[name] > 0)
        off = np.nan_to_num(np.abs(outputs[name].astype(np.float64) - one), nan=np.inf)
        largest = max(largest, float((off[judged] / allowed[name][judged]).max(initial=0)))
    return largest
