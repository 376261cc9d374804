"""What was recovered from one checkpoint."""

from __future__ import annotations

from dataclasses import dataclass

from lnfold.errors import UnknownNameError
from lnfold.network.layers import Network
from lnfold.network.scopes import VariableRole


@dataclass(frozen=True, slots=True)
class Recovery:
    """What was recovered from one checkpoint.

    Attributes:
        networks: the originals first, then their copies.
        roles: what each variable is for.
        notes: what the reader should know: evidence that could not be used, and why.
        unused: the parameters that belong to none of the networks.
    """

    networks: tuple[Network, ...]
    roles: dict[str, VariableRole]
    notes: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()

    def named(self, name: str) -> Network:
        """The network of that name, or the only one whose name ends with it."""
        exact = [network for network in self.networks if network.name == name]
        ending = [one for one in self.networks if one.name.endswith("/" + name)]
        for found in (exact, ending):
            if len(found) == 1:
                return found[0]
        names = ", ".join(network.name for network in self.networks) or "none"
        raise UnknownNameError(f"no network is called '{name}'", remedy=f"There are: {names}.")


def unused_parameters(
    networks: tuple[Network, ...], roles: dict[str, VariableRole]
) -> tuple[str, ...]:
    """Kernels, biases, gammas, betas and moving statistics that no network reads."""
    used = {name for network in networks for name in network.variables()}
    statistics = (VariableRole.MOVING_MEAN, VariableRole.MOVING_VARIANCE)
    return tuple(
        name
        for name, role in roles.items()
        if (role.is_parameter or role in statistics) and name not in used
    )
