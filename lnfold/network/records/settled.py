"""Nothing is run that is incomplete, and nothing proved on what is assumed, unless asked for."""

from __future__ import annotations

from collections.abc import Sequence

from lnfold.errors import IncompleteNetworkError
from lnfold.network.records.claims import listed, remedies
from lnfold.network.records.network import Network


def expect_complete(network: Network, done: str) -> None:
    """IncompleteNetworkError where something is missing that running the network takes.

    Args:
        done: what is asked for: run, folded, checked.
    """
    if not network.complete:
        gap = network.gaps[0]
        raise IncompleteNetworkError(
            f"network {network.name} cannot be {done}: {gap.what}", remedy=gap.remedy or None
        )


def expect_settled(networks: Sequence[Network], done: str) -> None:
    """IncompleteNetworkError where one of the networks rests on what is assumed.

    Args:
        done: what is asked for: folded, checked.
    """
    assumed = [one for one in networks if one.assumed]
    if assumed:
        said = "; ".join(f"network {one.name} is not {done}: {rests_on(one)}" for one in assumed)
        raise IncompleteNetworkError(said, remedy=settled_by(assumed, done))


def rests_on(network: Network) -> str:
    """Why a network is neither folded nor checked: what it is assumed to be."""
    return f"it rests on what is assumed, {assumed_facts(network)}"


def settled_by(networks: Sequence[Network], done: str) -> str:
    """What settles what is assumed."""
    options = remedies([fact for one in networks for fact in one.assumed])
    return f"Settle it by {options}, or by --examples; with --assume it is {done} as assumed."


def assumed_facts(network: Network) -> str:
    """What is assumed of a network, in words; empty where nothing is."""
    return listed([str(one) for one in network.assumed])
