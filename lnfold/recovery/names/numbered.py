"""Layers whose variables have numbers for names, and what their shapes say of them.

Keras 3 names the variables of a layer in ``.weights.h5`` by its class, which a file without config
tells only where the layer has the class's own name. Shapes tell a kernel from vectors; that a
layer is a dense one, or a norm, only a user who names it, or examples, make certain.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from lnfold.recovery.names.scopes import Group, Named, VariableRole

# the shapes' dimensions → the roles, in the order in which Keras stores a layer's variables
_BY_SHAPES: Final[dict[tuple[int, ...], tuple[VariableRole, ...]]] = {
    (2,): (VariableRole.KERNEL,),
    (2, 1): (VariableRole.KERNEL, VariableRole.BIAS),
    (1,): (VariableRole.OTHER,),
    (1, 1): (VariableRole.GAMMA, VariableRole.BETA),
    (1, 1, 1, 1): (
        VariableRole.GAMMA,
        VariableRole.BETA,
        VariableRole.MOVING_MEAN,
        VariableRole.MOVING_VARIANCE,
    ),
}


def numbered_layers(
    strange: Mapping[str, Iterable[str]], variables: Mapping[str, Named]
) -> dict[str, list[Group]]:
    """The groups of strange layers whose variables Keras only numbers, by what their shapes say.

    A kernel and a bias, gamma and beta, or these with a mean and a variance; a lone vector may be
    gamma or beta, and has the role OTHER.
    """
    held: dict[str, list[str]] = {}
    for name in variables:
        scope, _, leaf = name.rpartition("/")
        if leaf.isdecimal():
            held.setdefault(scope, []).append(name)
    found: dict[str, list[Group]] = {}
    for parent, scopes in strange.items():
        for scope in scopes:
            names = sorted(held.get(scope, ()), key=lambda name: int(name.rpartition("/")[2]))
            roles = _BY_SHAPES.get(tuple(len(variables[name].shape) for name in names))
            if roles is not None:
                members = dict(zip(roles, names, strict=True))
                found.setdefault(parent, []).append(Group(scope, members))
    return found
