"""Variables that several layers or networks read: in stock form they can only change together."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol, TypeVar

import numpy as np

from lnfold.network.records.layers import Network, Parameter


class Changed(Protocol):
    """A network as it was, and in float64 as it became."""

    @property
    def original(self) -> Network: ...
    @property
    def exact(self) -> Network: ...


AnyChanged = TypeVar("AnyChanged", bound=Changed)


def in_agreement(
    frozen: frozenset[str], attempt: Callable[[frozenset[str]], tuple[AnyChanged, ...]]
) -> tuple[AnyChanged, ...]:
    """Attempts to change networks until no variable would have to hold two values at once.

    Args:
        frozen: variables that must keep their values from the start.
        attempt: changes the networks, but for the variables that it is given.
    """
    while True:
        made = attempt(frozen)
        clashing = conflicts(made)
        if not clashing:
            return made
        frozen |= clashing


def conflicts(changed: Iterable[Changed]) -> frozenset[str]:
    """The variables that would have to hold two values at once.

    A variable may change where everything that reads it reads the same numbers, before and
    after: two applications of one layer that fold alike.
    """
    uses: dict[str, list[tuple[Parameter, Parameter]]] = {}
    for one in changed:
        for layer in one.original.layers:
            new = dict(one.exact.layer(layer.name).parameters())
            for role, parameter in layer.parameters():
                for variable in parameter.variables:
                    uses.setdefault(variable, []).append((parameter, new.get(role, parameter)))
    return frozenset(variable for variable, pairs in uses.items() if _clash(pairs))


def variables_of(networks: Iterable[Network]) -> frozenset[str]:
    """Everything that networks read which are not folded."""
    return frozenset(name for network in networks for name in network.variables())


def _clash(pairs: list[tuple[Parameter, Parameter]]) -> bool:
    if all(_same(old, new) for old, new in pairs):
        return False
    first_old, first_new = pairs[0]
    return not all(_same(first_old, old) and _same(first_new, new) for old, new in pairs)


def _same(left: Parameter, right: Parameter) -> bool:
    if left is right:
        return True
    return left.shape == right.shape and np.array_equal(left.array, right.array, equal_nan=True)
