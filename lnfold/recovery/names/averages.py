"""Moving averages of variables: which there are, and the checkpoint as their restorer sees it.

Training keeps a shadow of every trainable variable, and deployment may restore the shadows in
the variables' places: TF 1's ``Saver(ema.variables_to_restore())``, TF-Addons' MovingAverage,
the ``use_ema`` of Keras' optimizers. Statistics of a BatchNorm have no shadows: the averaged
network reads each variable's average where one is, else the variable itself.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from lnfold.checkpoint.variables.checkpoint import Checkpoint
from lnfold.checkpoint.variables.variable import Storage, Variable
from lnfold.network.records.kinds import Opaque
from lnfold.network.records.layer import Layer
from lnfold.network.records.network import Network
from lnfold.recovery.names.roles import AVERAGED, NOT_AVERAGED
from lnfold.recovery.names.scopes import AVERAGE_LEAF, KERAS_AVERAGE, TF1_AVERAGE, VariableRole

if TYPE_CHECKING:
    import numpy as np

_DEEPEST_PREFIX: Final = 8  # scopes that may stand in front of an averaged variable's own name
_STATISTICS: Final = frozenset(["moving_mean", "moving_variance", "mean", "deviation"])
_NAMED: Final = f"/{NOT_AVERAGED}"
_NUMBER: Final = re.compile(r"/moving_average(_\d+)?$")
_VERSION: Final = re.compile(rf"/({AVERAGED}(_\d+)?|{NOT_AVERAGED})$")


@dataclass(frozen=True, slots=True)
class Averages:
    """The shadows that one average keeps.

    Attributes:
        name: what its networks are called below the originals' names: moving_average.
        shadows: variable → the name of its average.
    """

    name: str
    shadows: Mapping[str, str]


def averages_among(
    variables: Mapping[str, Variable],
    roles: Mapping[str, VariableRole],
    declared: Collection[str] = (),
    numbered: Mapping[str, str] | None = None,
) -> tuple[Averages, ...]:
    """The sets of moving averages of a checkpoint's variables, in their order.

    Args:
        declared: the variables of the graph beside it, of which the checkpoint may hold the
            averages alone.
        numbered: variable → average, for those that names do not tell.
    """
    sets: dict[tuple[str, str], dict[str, str]] = {}
    found = [name for name, role in roles.items() if role is VariableRole.MOVING_AVERAGE]
    joined: dict[str, str] = {}
    if any(name.endswith(KERAS_AVERAGE) for name in found):
        joined = {name.replace("/", "_"): name for name in variables}
    for name in found:
        scope, _, leaf = name.rpartition("/")
        if leaf.endswith(KERAS_AVERAGE) and not AVERAGE_LEAF.fullmatch(leaf):
            variable = joined.get(leaf.removesuffix(KERAS_AVERAGE), "")
            if variable and variables[variable].shape == variables[name].shape:
                sets.setdefault((scope, KERAS_AVERAGE), {})[variable] = name
        elif AVERAGE_LEAF.fullmatch(leaf):
            variable = _averaged(variables[name], scope, variables, declared)
            if variable or leaf.startswith(TF1_AVERAGE):
                prefix = scope.removesuffix(variable) if variable else ""
                sets.setdefault((prefix, leaf), {})[variable or scope] = name
    if numbered:
        sets["", "numbered"] = dict(numbered)
    made: list[Averages] = []
    for shadows in sets.values():
        # averages of what is no variable, as of a batch's moments, are what a layer reads itself
        there = {one: name for one, name in shadows.items() if one in variables or one in declared}
        number = f"_{len(made) + 1}" if made else ""
        made.append(Averages(f"{AVERAGED}{number}", there or shadows))
    return tuple(made)


def _averaged(
    average: Variable, scope: str, variables: Mapping[str, Variable], declared: Collection[str]
) -> str:
    """The variable that an average in its scope is of, seen through scopes of an optimizer."""
    candidate = scope
    for _ in range(_DEEPEST_PREFIX):
        like = variables.get(candidate)
        if candidate in declared or (like is not None and like.shape == average.shape):
            return candidate
        candidate = candidate.partition("/")[2]
    return ""


class _Shadows(Storage):
    """Reads a variable's average in its place."""

    def __init__(self, shadows: Mapping[str, Variable]) -> None:
        self._shadows = shadows

    def read(self, variable: Variable) -> np.ndarray:
        return self._shadows[variable.name].read()


def restored(checkpoint: Checkpoint, averages: Averages) -> Checkpoint:
    """The checkpoint with every averaged variable holding its average: what is deployed then."""
    shadows = averages.shadows
    storage = _Shadows({one: checkpoint[shadow] for one, shadow in shadows.items()})
    apart = {*shadows, *shadows.values()}
    variables = [one for name, one in checkpoint.items() if name not in apart]
    for name, shadow in shadows.items():
        one = checkpoint[shadow]
        key = checkpoint[name].key if name in checkpoint else name
        variables.append(Variable(name, key, one.shape, one.dtype, one.nbytes, storage))
    return Checkpoint(
        path=checkpoint.path,
        format=checkpoint.format,
        variables=variables,
        files=checkpoint.files,
        container=checkpoint.container,
        graph_file=checkpoint.graph_file,
        keras_config=lambda: checkpoint.keras_config,
        doubles={a: b for a, b in checkpoint.doubles.items() if apart.isdisjoint((a, b))},
    )


def twin(network: Network, averages: Averages) -> Network | None:
    """A network of the restored checkpoint by the variables that it reads there in truth.

    None where it reads no average.
    """
    used = {
        name: averages.shadows[name] for name in network.variables() if name in averages.shadows
    }
    if not used:
        return None
    layers = tuple(_reading(layer, used) for layer in network.layers)
    name = f"{network.name}/{averages.name}"
    return replace(network, name=name, layers=layers, averages=used)


def _reading(layer: Layer, shadows: Mapping[str, str]) -> Layer:
    """A layer whose parameters are called after the averages that they hold."""
    if isinstance(layer, Opaque):
        return replace(layer, reads=tuple(shadows.get(one, one) for one in layer.reads))
    changed = {
        role: replace(one, variables=tuple(shadows.get(name, name) for name in one.variables))
        for role, one in layer.parameters()
        if not shadows.keys().isdisjoint(one.variables)
    }
    return replace(layer, **changed) if changed else layer  # type: ignore[arg-type]


def reads_averages(layers: Iterable[Layer]) -> bool:
    """Whether what was trained is read from averages; the statistics of a norm always are."""
    return any(
        name.rpartition("/")[2].startswith(TF1_AVERAGE)
        for layer in layers
        for role, parameter in layer.parameters()
        if role not in _STATISTICS
        for name in parameter.variables
    )


def called_averaged(networks: Iterable[Network]) -> list[Network]:
    """The networks with the averaged ones under the names of their originals.

    An original then goes by its name with ``not_averaged`` below; so it does where several
    averages are kept, of which the first is meant.
    """
    found = list(networks)
    names = {one.name for one in found}
    renames: dict[str, str] = {}
    for one in found:
        original = _NUMBER.sub("", one.name)
        if original != one.name and original not in renames.values():
            renames[one.name] = original
            if original in names:
                renames[original] = f"{original}/{NOT_AVERAGED}"
    return [replace(one, name=renames.get(one.name, one.name)) for one in found]


def other_versions(names: Collection[str]) -> dict[str, str]:
    """Name → name of the network of which it is another version, averaged or not, in their order.

    Both deliver the same outputs, from other weights.
    """
    versions = {one: _VERSION.sub("", one) for one in names}
    return {one: own for one, own in versions.items() if one != own and own in versions}


def questions(networks: Iterable[Network]) -> list[str]:
    """Notes on networks beside their averages: which weights does deployment use?"""
    found = {one.name: one for one in networks}
    beside = [
        (original, name)
        for name in found
        if (original := _NUMBER.sub("", name)) != name and original in found
    ]
    named = [
        (name.removesuffix(_NAMED), name)
        for name in found
        if name.endswith(_NAMED) and name.removesuffix(_NAMED) in found
    ]
    notes = []
    if beside:
        original, name = beside[0]
        notes.append(
            f"which weights does deployment use? {original} reads the variables as training left "
            f"them, {name} their moving averages{_and_more(beside)}; the checkpoint does not say "
            "which of them is restored, --averages takes the averages"
        )
    if named:
        original, name = named[0]
        notes.append(
            f"{original} reads moving averages, as --averages says; {name} reads the variables as "
            f"training left them{_and_more(named)}"
        )
    return notes


def _and_more(pairs: list[tuple[str, str]]) -> str:
    return f", and so do {len(pairs) - 1} pairs more" if len(pairs) > 1 else ""
