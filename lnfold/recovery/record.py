"""What was recovered from one checkpoint."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from typing import Final

from lnfold.errors import UnknownNameError
from lnfold.network.records.layers import Network
from lnfold.recovery.names.scopes import VariableRole


@dataclass(frozen=True, slots=True)
class Recovery:
    """What was recovered from one checkpoint.

    Attributes:
        networks: the originals first, then their copies.
        roles: what each variable is for.
        notes: what the reader should know: evidence that could not be used, and why.
        unused: the variables that belong to none of the networks; see ``unused_variables``.
    """

    networks: tuple[Network, ...]
    roles: dict[str, VariableRole]
    notes: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()

    def __repr__(self) -> str:
        names = ", ".join(repr(network.name) for network in self.networks) or "no network"
        return f"Recovery({names}, {len(self.unused)} variables unused, {len(self.notes)} notes)"

    @property
    def shared(self) -> dict[str, tuple[str, ...]]:
        """The variables that more than one network reads, with the names of those."""
        readers: dict[str, list[str]] = {}
        for network in self.networks:
            for name in network.variables():
                readers.setdefault(name, []).append(network.name)
        return {name: tuple(found) for name, found in readers.items() if len(found) > 1}

    def named(self, name: str) -> Network:
        """The network of that name, or the only one whose name ends with it."""
        exact = [network for network in self.networks if network.name == name]
        ending = [one for one in self.networks if one.name.endswith("/" + name)]
        for found in (exact, ending):
            if len(found) == 1:
                return found[0]
        names = ", ".join(network.name for network in self.networks) or "none"
        raise UnknownNameError(f"no network is called '{name}'", remedy=f"There are: {names}.")


def unused_variables(
    networks: tuple[Network, ...], roles: dict[str, VariableRole], copies: Container[str] = ()
) -> tuple[str, ...]:
    """The variables that no network reads; slots, averages and counters are no network's.

    Args:
        copies: the names of variables that repeat others, which count under the others' names.
    """
    used = {name for network in networks for name in network.variables()} | _NO_VARIABLES
    return tuple(
        name
        for name, role in roles.items()
        if role not in _APART and name not in used and name not in copies
    )


_NO_VARIABLES: Final = {"_CHECKPOINTABLE_OBJECT_GRAPH"}  # TensorFlow stores it among them
_APART: Final = (VariableRole.OPTIMIZER_SLOT, VariableRole.MOVING_AVERAGE, VariableRole.COUNTER)
