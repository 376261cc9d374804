"""How many of a network's numbers are independent: what can be changed without being noticed.

Around almost every choice of parameters, the directions in which they can be moved without
changing the function are those of its exact symmetries (``symmetries`` lists and counts them).
The numbers that are left are independent: their count is the rank of the function's derivative
by all of its parameters. Where there may be more symmetries than are counted, the count of
redundant numbers is *at least* so many.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from lnfold.network.operations.activations import FUNCTIONS
from lnfold.network.records.deferred import DEFERRED
from lnfold.network.records.layers import Activation, Dense, Layer, Network
from lnfold.network.records.pairs import pairs
from lnfold.relations.freedom.symmetries import Freedom, symmetries
from lnfold.relations.ranges.units import Units


@dataclass(frozen=True, slots=True)
class Independence:
    """The count for one network.

    Attributes:
        parameters: numbers in kernels, biases, gammas and betas.
        freedoms: the symmetries.
        complete: False where there may be more than was counted.
    """

    parameters: int
    freedoms: tuple[Freedom, ...]
    complete: bool

    @property
    def redundant(self) -> int:
        """Dimensions that the function does not notice as epsilon → 0."""
        return sum(one.dimensions for one in self.freedoms)

    @property
    def redundant_exactly(self) -> int:
        """The same with epsilon as it is."""
        return sum(one.dimensions for one in self.freedoms if one.exact)

    @property
    def independent(self) -> int:
        """How many numbers the function depends on, epsilon as it is."""
        return self.parameters - self.redundant_exactly


def independence(network: Network, units: Mapping[str, Units] | None = None) -> Independence:
    """Counts the symmetries of a network.

    Args:
        units: what is proved of the units, by the norm's name.
    """
    freedoms: list[Freedom] = []
    complete = _plain(network)
    for pair in pairs(network):
        found, counted = symmetries(network, pair, (units or {}).get(pair.norm.name))
        freedoms.extend(found)
        complete = complete and counted
    sizes = {
        parameter.name or str(id(parameter)): parameter.array.size
        for layer in network.layers
        for role, parameter in layer.parameters()
        if role in ("kernel", "bias", "gamma", "beta")
    }
    return Independence(sum(sizes.values()), tuple(freedoms), complete)


def _plain(network: Network) -> bool:
    """Whether all symmetries go through norms: not where a dense layer, by itself or through
    relu, feeds another one, nor where a division by s(x) stands apart from its norm."""
    for layer in network.layers:
        if isinstance(layer, DEFERRED):
            return False
        if isinstance(layer, Dense) and any(
            isinstance(reader, Dense) or _feeds_dense(network, reader)
            for reader in network.consumers(layer.name)
        ):
            return False
    return True


def _feeds_dense(network: Network, reader: Layer) -> bool:
    if not isinstance(reader, Activation) or reader.function.value is None:
        return False
    homogeneous = FUNCTIONS[reader.function.value].homogeneous
    return homogeneous and any(isinstance(one, Dense) for one in network.consumers(reader.name))
