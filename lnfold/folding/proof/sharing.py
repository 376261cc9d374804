"""Variables that several layers or networks read: in stock form they can only change together."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from lnfold.folding.proof.certificate import Folded
from lnfold.network.records.layers import Network, Parameter


def conflicts(folded: Iterable[Folded]) -> frozenset[str]:
    """The variables that would have to hold two values at once.

    A variable may change where everything that reads it reads the same numbers, before and
    after: two applications of one layer that fold alike.
    """
    uses: dict[str, list[tuple[Parameter, Parameter]]] = {}
    for one in folded:
        for layer in one.original.layers:
            new = dict(one.network.layer(layer.name).parameters())
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
