"""What independent roundings do to many outputs at once, from random ones carried forward.

Each rounding is drawn from a normal distribution as wide as the rounding is large and carried
to the outputs by the derivatives; the mean square over the draws is the sum of squares that
``backward_bound`` finds exactly, for one output at a time. Of PROBES draws it is off by
√(2/PROBES) or so, which MARGIN makes good.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from lnfold.network.records.layers import Array, Network
from lnfold.network.rounding.seen import Seen, Step

PROBES: Final = 32
MARGIN: Final = 2**0.5
SEED: Final = 0


def probed(
    network: Network,
    seen: Mapping[str, Seen],
    steps: Mapping[str, Step],
    alike: Mapping[str, Array],
) -> dict[str, Array]:
    """The root of the sum of squares for every output, [rows, units]."""
    random = np.random.default_rng(SEED)
    squares = {name: np.zeros(seen[name].exact.shape) for name in network.outputs}
    for _ in range(PROBES):
        moved = {
            one.name: random.standard_normal(seen[one.name].exact.shape) * seen[one.name].errors
            for one in network.inputs
        }
        for layer in network.layers:
            step, shape = steps[layer.name], seen[layer.name].exact.shape
            drawn = random.standard_normal(shape)
            if layer.name in alike:
                drawn = drawn[:, alike[layer.name]]  # one draw for what rounds alike
            total = drawn * step.unit
            for one in step.shared:
                total += random.standard_normal((shape[0], 1)) * one.size * one.direction
            for name, slope in zip(layer.inputs, step.slopes, strict=False):
                total += slope.carry(moved[name])
            moved[layer.name] = total
        for name, square in squares.items():
            square += np.square(moved[name])
    return {name: MARGIN * np.sqrt(square / PROBES) for name, square in squares.items()}
