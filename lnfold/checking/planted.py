"""What a check would have noticed: the smallest change of a kernel that it would call another.

A kernel W is changed to W + c·‖W‖·D, D a fixed random direction of length 1, and the network
run again in float64. A tiny change says in proportion which c would just be seen; that one is
planted, and a larger one where it is not. A check that sees no change of a kernel could not have
failed, and so has not passed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from lnfold.checking.verdict import Allowance
from lnfold.network.records.layers import Array, Dense, Network
from lnfold.network.running.run import run_rows
from lnfold.network.running.run_inputs import observations_at_a_time

ROWS: Final = 64
_KERNELS: Final = 6  # of a deep network, evenly from the first to the last
_SMALL: Final = 1e-6  # where outputs still move in proportion, far above float64's rounding
_ABOVE: Final = 1.25  # of the change at which the bound is reached in proportion
_FURTHER: Final = 4.0
_TRIES: Final = 3
_SEED: Final = 0


@dataclass(frozen=True, slots=True)
class Noticed:
    """Planted changes and what became of them.

    Attributes:
        change: the smallest relative change of ``kernel`` that was seen; of several kernels that
            where it takes most. None where no change of any was seen.
        kernel: what the kernel is called.
        unseen: kernels of which not even a change as large as themselves was seen.
        doubted: whether such a change of any would at least not have agreed.
    """

    change: float | None
    kernel: str
    unseen: tuple[str, ...]
    doubted: bool


@np.errstate(all="ignore")  # what is not finite is not seen
def noticed(
    network: Network, inputs: Mapping[str, Array], exact: Mapping[str, Array], allowed: Allowance
) -> Noticed | None:
    """Plants changes in the kernels of dense layers; None where there is none.

    Args:
        exact: the network's float64 outputs for ``inputs``.
        allowed: what the check allows.
    """
    kernels = [layer for layer in network.layers if isinstance(layer, Dense)]
    if not kernels:
        return None
    long = max(math.prod(np.shape(one)[1:-1]) for one in inputs.values())
    many = -(-ROWS // long)
    many += -many % observations_at_a_time(network)
    few = {name: array[:many] for name, array in inputs.items()}
    trial = _Trial(network, few, exact, allowed)
    found: dict[str, float] = {}
    unseen: list[str] = []
    for layer in _some(kernels):
        change = trial.smallest(layer)
        name = layer.kernel.name or layer.scope
        if change is None:
            unseen.append(name)
        else:
            found[name] = change
    most = max(found, key=lambda name: found[name], default="")
    doubted = bool(found) or any(trial.doubts(layer) for layer in _some(kernels))
    return Noticed(found.get(most), most, tuple(unseen), doubted)


def _some(kernels: list[Dense]) -> list[Dense]:
    if len(kernels) <= _KERNELS:
        return kernels
    places = np.linspace(0, len(kernels) - 1, _KERNELS).round().astype(int)
    return [kernels[place] for place in places]


@dataclass(frozen=True, slots=True, eq=False)
class _Trial:
    network: Network
    inputs: Mapping[str, Array]
    exact: Mapping[str, Array]
    allowed: Allowance

    def smallest(self, layer: Dense) -> float | None:
        """The smallest change that is seen, to a quarter; None where even the largest is not."""
        planted = self.planted(layer)
        reached = planted.reached(_SMALL)
        change = min(_ABOVE * _SMALL / reached, 1.0) if reached else 1.0
        for _ in range(_TRIES):
            if planted.reached(change) > 1:
                return change
            change = min(_FURTHER * change, 1.0)
        return 1.0 if planted.reached(1.0) > 1 else None

    def doubts(self, layer: Dense) -> bool:
        """Whether a change as large as the kernel is more than rounding is estimated to do."""
        return self.planted(layer).reached(1.0, self.allowed.estimate) > 1

    def planted(self, layer: Dense) -> _Planted:
        """The random direction in a kernel, as long as the kernel itself."""
        kernel = layer.kernel.array.astype(np.float64)
        direction = np.random.default_rng(_SEED).standard_normal(kernel.shape)
        length = float(np.linalg.norm(kernel)) or 1.0
        direction *= length / float(np.linalg.norm(direction) or 1.0)
        return _Planted(self, layer, kernel, direction)

    def reached(self, network: Network, bounds: Mapping[str, Array]) -> float:
        """The largest difference of a number over its bound, where that is finite."""
        outputs = run_rows(network, self.inputs, np.float64)
        largest = 0.0
        for name, found in outputs.items():
            bound = bounds[name][: len(found)]
            error = np.abs(found - self.exact[name][: len(found)])
            with np.errstate(invalid="ignore", divide="ignore"):
                share = np.where((error > 0) & np.isfinite(bound), error / bound, 0.0)
            largest = max(largest, float(np.nan_to_num(share, nan=0.0).max(initial=0.0)))
        return largest


@dataclass(frozen=True, slots=True, eq=False)
class _Planted:
    trial: _Trial
    layer: Dense
    kernel: Array
    direction: Array

    def reached(self, change: float, bounds: Mapping[str, Array] | None = None) -> float:
        """How far beyond the bounds, the proved ones, the network gets by a change of that size."""
        network = self.trial.network
        planted = replace(self.layer.kernel, array=self.kernel + change * self.direction)
        layers = tuple(
            replace(one, kernel=planted) if one is self.layer else one for one in network.layers
        )
        bounds = self.trial.allowed.proved if bounds is None else bounds
        return self.trial.reached(replace(network, layers=layers), bounds)
