"""One network run on given inputs, and what its outputs are compared with.

Everything stands against the float64 run: the network's own run in its precision, outputs that some
other program computed, or another network. What may lie between is how far a program of the
network may be from float64; another network adds an allowance of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from lnfold.checking.compare import compare, with_noticed
from lnfold.checking.comparison import Against, Comparison
from lnfold.checking.observations import Observations
from lnfold.checking.verdict import WIDEST, Allowance, scales
from lnfold.network.facts.evidence import Source
from lnfold.network.operations.float_types import is_float
from lnfold.network.records.layers import Array, Network
from lnfold.network.rounding.measured import Rounding, measure_rounding

SAME: Final = 1e-6  # of an output's scale: float32 holds no more than that of most numbers


@dataclass(frozen=True, slots=True, eq=False)
class Checking:
    """A network, what it was run on, and what its outputs are and may be."""

    network: Network
    observations: Observations
    rounding: Rounding
    allowed: Allowance

    @staticmethod
    def of(network: Network, observations: Observations) -> Checking:
        """Runs a network, in float64 and in its own precision, and derives what rounding does."""
        rounding = measure_rounding(network, observations.inputs)
        return Checking(
            network, observations, rounding, allowance(network, observations.inputs, rounding)
        )

    @property
    def outputs(self) -> dict[str, Array]:
        """The network's own outputs in their shapes, as rows where an axis of one is open."""
        shapes = self.network.shapes()
        found = {}
        for name, rows in self.rounding.single.items():
            lengths = [one for one in shapes[name][1:-1] if one is not None]
            whole = len(lengths) == len(shapes[name]) - 2
            found[name] = rows.reshape(-1, *lengths, rows.shape[1]) if whole else rows
        return found

    def with_float64(self) -> Comparison:
        """The network's own run in the precision that the original computes in."""
        single = {name: one.astype(np.float64) for name, one in self.rounding.single.items()}
        return self._compared(single, Allowance.of(self.rounding), Against.FLOAT64)

    def with_outputs(self, outputs: Mapping[str, Array], against: Against) -> Comparison:
        """Outputs of a program of the same network, by name, or ``outputs`` for the only one.

        Raises:
            UsageError: an output is missing or has another shape.
        """
        return self._compared(outputs, self.allowed, against)

    def with_network(self, other: Network, outputs: Mapping[str, str] | None = None) -> Comparison:
        """Another network, both in float64, on the same inputs, which are called alike.

        Args:
            outputs: from its outputs' names to this network's, where they are called otherwise.
        """
        inputs = self.observations.inputs
        rounding = measure_rounding(other, inputs)
        names = outputs or {name: name for name in self.network.outputs}
        beside = allowance(other, inputs, rounding).renamed(names)
        allowed = between_networks(self.allowed.beside(beside), self.rounding.double)
        exact = {ours: rounding.double[theirs] for theirs, ours in names.items()}
        return self._compared(exact, allowed, Against.OTHER)

    def _compared(
        self,
        other: Mapping[str, Array],
        allowed: Allowance,
        against: Against,
    ) -> Comparison:
        exact, origin = self.rounding.double, self.observations.origin
        found = compare(exact, other, allowed, against, origin)
        assumed, precision = bool(self.network.assumed), self.network.precision
        found = replace(found, assumed=assumed, precision=precision)
        return with_noticed(found, self.network, self.observations.inputs, exact, allowed)


def allowance(network: Network, inputs: Mapping[str, Array], rounding: Rounding) -> Allowance:
    """How far a program of a network may be from float64.

    Where nothing says which type the program computes in and half precision is what it stores,
    agreement takes float32's rounding, and a difference what half precision cannot explain.
    """
    half = unsaid_half(network)
    if not half:
        return Allowance.of(rounding)
    coarse = measure_rounding(replace(network, precision=half), inputs)
    return Allowance(rounding.estimate, coarse.proved)


def between_networks(allowed: Allowance, exact: Mapping[str, Array]) -> Allowance:
    """What two networks may be apart that are both run in float64.

    A number whose rounding may be anything in a program is still the same number of two networks
    where their float64 runs agree to float32's digits; where a program may overflow, it is not.
    """
    estimate = {}
    for name, one in allowed.estimate.items():
        scale = scales(np.asarray(exact[name], np.float64))
        finer = np.where(np.isfinite(one), SAME * scale, one)
        estimate[name] = np.where(one <= WIDEST * scale, one, finer)
    return Allowance(estimate, allowed.proved)


def unsaid_half(network: Network) -> str:
    """The half precision that a program may compute in, with nothing that says it; else empty."""
    if network.precision != "float32" or network.wiring.source in (Source.GRAPH, Source.CONFIG):
        return ""
    stored: list[np.dtype] = [
        parameter.array.dtype for layer in network.layers for _, parameter in layer.parameters()
    ]
    halves = [one.name for one in stored if is_float(one) and one.itemsize == 2]
    # of the two the coarser one
    return max(halves, key=lambda name: name == "bfloat16", default="")
