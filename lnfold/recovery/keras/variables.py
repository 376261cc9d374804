"""Which variables of a checkpoint are those of a layer of a Keras config.

    model.keras    layers/sequential/layers/dense_1/vars/0     by class and number
    model.h5       model_weights/inner/dense/kernel:0          by outermost layer
    others         inner/dense/kernel                          by name

Names of layers repeat from model to model inside a model, so the file's own keys go first.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from lnfold.checkpoint.keras.names import variable_names
from lnfold.checkpoint.variables.variable import Variable
from lnfold.recovery.keras.config import Call

_ARCHIVED: Final = "/vars"
_CELL: Final = "/cell"  # what a recurrent layer keeps its variables in
_DIGITS: Final = 10  # that the number of a variable has not
_LEGACY: Final = "model_weights"

Held = dict[str, Variable]  # by the last part of the name: kernel, gamma


class KerasVariables:
    """The variables of a checkpoint by the layers of its config."""

    def __init__(self, variables: Mapping[str, Variable]) -> None:
        self._by_group: dict[str, Held] = {}
        self._by_layer: dict[str, dict[str, Held]] = {}  # outermost layer → scope in it
        self._by_scope: dict[str, dict[str, Held]] = {}  # last part of a scope → scope
        for name, variable in variables.items():
            scope, _, leaf = name.rpartition("/")
            within, _, _ = variable.key.rpartition("/")
            alike = self._by_scope.setdefault(scope.rpartition("/")[2], {})
            alike.setdefault(scope, {})[leaf] = variable
            if within.endswith(_ARCHIVED):
                group = within.removesuffix(_ARCHIVED)
                self._by_group.setdefault(group, {})[leaf] = variable
            elif within.startswith(f"{_LEGACY}/"):
                _, layer, *rest = within.split("/")
                scopes = self._by_layer.setdefault(layer, {})
                scopes.setdefault("/".join(rest), {})[leaf] = variable

    def of(self, call: Call) -> Held:
        """The variables of a called layer by their last names; none where it is not clear."""
        if self._by_group:
            held = self._by_group.get(call.place) or self._by_group.get(f"{call.place}{_CELL}", {})
            return _named(held, call)
        if self._by_layer:
            scopes = self._by_layer.get((*call.models, call.layer)[0], {})
            return _one_of(scopes, call) if call.models else _only(scopes)
        return _one_of(self._by_scope.get(call.layer.rpartition("/")[2], {}), call)


def _named(held: Held, call: Call) -> Held:
    """The variables of a group whose layer the archive does not name, only numbers."""
    if not held or not all(leaf.isdecimal() and len(leaf) < _DIGITS for leaf in held):
        return held
    numbers = sorted(held, key=int)
    names = variable_names(call.class_name, call.config, len(numbers))
    return {name: held[number] for name, number in zip(names, numbers, strict=True)}


def _only(scopes: Mapping[str, Held]) -> Held:
    """All that a layer of the outermost model keeps, if it is of one scope."""
    return next(iter(scopes.values())) if len(scopes) == 1 else {}


def _one_of(scopes: Mapping[str, Held], call: Call) -> Held:
    """The scope that ends in the layer's name, behind those of its models where others do too."""
    ending = [scope for scope in scopes if f"/{scope}".endswith(f"/{call.layer}")]
    if len(ending) > 1 and call.models:
        inner = "/".join((call.models[-1], call.layer))
        ending = [scope for scope in ending if f"/{scope}".endswith(f"/{inner}")] or ending
    if len(ending) > 1:
        ending = [scope for scope in ending if scope == call.layer] or ending
    if len(ending) > 1:
        whole = "/".join((*call.models, call.layer))
        ending = [scope for scope in ending if scope == whole]
    return scopes[ending[0]] if len(ending) == 1 else {}
