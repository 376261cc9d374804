"""Forward through a network: every value in float64, and how far a program's may be from it.

E of a layer is what E of its inputs becomes, and what the layer rounds off itself: the running
bound (Wilkinson 1963; Higham, Accuracy and Stability of Numerical Algorithms, section 3.3).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from lnfold.network.records.layers import LSTM, Array, Network
from lnfold.network.rounding.arithmetic import Arithmetic
from lnfold.network.rounding.local_rounding import LOCAL_ROUNDING
from lnfold.network.rounding.seen import Seen, Step, delivered
from lnfold.network.running.run import step_of


def exact_values(network: Network, inputs: Mapping[str, Array]) -> dict[str, Array]:
    """Every value of the network in float64, by name, in its shape."""
    values = dict(inputs)
    for layer in network.layers:
        read = (values[name] for name in layer.inputs)
        values[layer.name] = np.asarray(step_of(layer, np.float64)(*read))
    return values


def by_rows(network: Network, values: Mapping[str, Array]) -> Network:
    """The network for these values as matrices of rows: an LSTM is told how many are a sequence."""
    layers = tuple(
        replace(one, steps=values[one.input].shape[-2])
        if isinstance(one, LSTM) and one.steps is None and not one.stateful and len(one.inputs) == 1
        else one
        for one in network.layers
    )
    return replace(network, layers=layers)


def running_bound(
    network: Network,
    values: Mapping[str, Array],
    arithmetic: Arithmetic,
    equal: Mapping[str, Array],
) -> tuple[dict[str, Seen], dict[str, Step]]:
    """How far a program's values may be from the exact ones, and what each layer is there.

    ``equal`` tells units that are always equal, where that is to be counted (``alike_units``).
    """
    seen: dict[str, Seen] = {}
    for one in network.inputs:
        off = arithmetic.rounded(values[one.name])
        seen[one.name] = Seen(values[one.name], off, arithmetic.box(off))
    steps: dict[str, Step] = {}
    for layer in network.layers:
        read = [seen[name] for name in layer.inputs]
        out = values[layer.name]
        step = LOCAL_ROUNDING[type(layer)](layer, arithmetic, out, *read)
        steps[layer.name] = step
        found = delivered(step, arithmetic, out, *read)
        seen[layer.name] = replace(found, equal=equal.get(layer.name))
    return seen, steps
