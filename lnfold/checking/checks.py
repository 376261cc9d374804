"""One network run on given inputs, and what its outputs are compared with.

Everything stands against the float64 run: the network's own run in float32, outputs that some
other program computed, or another network. What may lie between is how far a program of the
network may be from float64; another network adds an allowance of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from lnfold.checking.compare import compare, with_noticed
from lnfold.checking.comparison import Against, Comparison
from lnfold.checking.observations import Observations
from lnfold.checking.verdict import WIDEST, Allowance, scales
from lnfold.network.evidence import Source
from lnfold.network.float_types import is_float
from lnfold.network.layers import Array, Network
from lnfold.network.running.rounding import Rounding, measure_rounding


@dataclass(frozen=True, slots=True, eq=False)
class Checking:
    """A network, what it was run on, and what its outputs are and may be."""

    network: Network
    observations: Observations
    rounding: Rounding
    allowed: Allowance

    @staticmethod
    def of(network: Network, observations: Observations) -> Checking:
        """Runs a network, in float64 and in float32, and derives what rounding does to it."""
        rounding = measure_rounding(network, observations.inputs)
        return Checking(
            network, observations, rounding, allowance(network, observations.inputs, rounding)
        )

    def with_float64(self) -> Comparison:
        """The network's own run in float32."""
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
        allowed = network_allowance(self.network, inputs, self.rounding).beside(
            network_allowance(other, inputs, rounding).renamed(names)
        )
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
        found = replace(found, assumed=bool(self.network.assumed))
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


def network_allowance(
    network: Network, inputs: Mapping[str, Array], rounding: Rounding
) -> Allowance:
    """How far a network may be from another that is the same but for rounding.

    What a program in half precision does to its numbers may be more than anybody could judge by;
    whether two networks are the same is judged there as if they were run in float32.
    """
    own = allowance(network, inputs, rounding)
    if network.precision == "float32":
        return own
    finer = measure_rounding(replace(network, precision="float32"), inputs).estimate
    estimate = {
        name: np.where(one <= WIDEST / 2 * scales(rounding.double[name]), one, finer[name])
        for name, one in own.estimate.items()
    }
    return Allowance(estimate, own.proved)


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
