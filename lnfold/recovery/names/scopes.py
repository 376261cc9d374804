"""Variable names → the role of each variable, and the groups that stand in one scope.

A role is read off the whole name, never off a part of it: ``beta1_power`` is no beta, and
``actor/dense/kernel/Adam`` is a slot because ``actor/dense/kernel`` is a variable of the same
shape.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import lru_cache
from typing import Final, Protocol


def scope_of(name: str) -> str:
    """The scope a variable or operation stands in: actor/dense for actor/dense/kernel."""
    return name.rpartition("/")[0]


class Named(Protocol):
    """What this module needs of a variable."""

    @property
    def name(self) -> str: ...
    @property
    def key(self) -> str: ...
    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def dtype(self) -> str: ...


class VariableRole(str, Enum):
    """What a variable is for. It is the word that tables and JSON show."""

    KERNEL = "kernel"
    BIAS = "bias"
    GAMMA = "gamma"
    BETA = "beta"
    MOVING_MEAN = "moving_mean"
    MOVING_VARIANCE = "moving_variance"
    OBSERVATION_STATISTICS = "observation_statistics"
    MOVING_AVERAGE = "moving_average"
    OPTIMIZER_SLOT = "optimizer_slot"
    COUNTER = "counter"
    OTHER = "other"

    @property
    def is_parameter(self) -> bool:
        return self in _PARAMETERS


_PARAMETERS: Final = frozenset(
    [VariableRole.KERNEL, VariableRole.BIAS, VariableRole.GAMMA, VariableRole.BETA]
)

_KERNELS: Final = frozenset(["kernel", "_kernel", "weights", "w", "W", "weight", "output_weights"])
_BIASES: Final = frozenset(["bias", "biases", "b", "output_bias"])
_GAMMAS: Final = frozenset(["gamma", "scale", "g", "layer_norm_scale", "ln_gamma"])
_BETAS: Final = frozenset(["beta", "offset", "layer_norm_bias", "ln_beta"])
_OBSERVATIONS: Final = re.compile(r"(^|/)(obs|ob|ret|o|g)_(rms|stats)(/|$)")
_COUNTERS: Final = re.compile(
    r"beta_?[12](_power)?(_\d+)?|global_step|save_counter|local_step|iterations?|iter"
    r"|(current_)?learning_rate|decay|_iterations|_learning_rate|step"
)
_SLOTS: Final = re.compile(
    r"(Adam|Momentum|RMSProp|Adagrad|Adadelta|Ftrl|AdaMax|AdamW|Nadam|LARSOptimizer|adam_[mv]"
    r"|Adafactor)(_\d+)?|.*_slot_(v|vr|vc|m)|.*_(momentum|velocity)"
)
TF1_AVERAGE: Final = "ExponentialMovingAverage"
KERAS_AVERAGE: Final = "_average"  # adam/fc1_kernel_average is that of fc1/kernel
_AVERAGES: Final = frozenset([TF1_AVERAGE, "biased", "unbiased", "_hidden"])
# the last parts of names of moving averages; all but TF 1's say so only below a variable's name
AVERAGE_LEAF: Final = re.compile(
    rf"({TF1_AVERAGE}|(exponential_)?moving_average|MovingAverage|average|avg|ema|EMA)(_\d+)?"
)

# few leaves stand in many scopes; a file that has only different ones fills no memory with them
_REMEMBERED: Final = 1024


_OF_ONE_LAYER: Final = _KERNELS | _BIASES | _GAMMAS | _BETAS | {"moving_mean", "moving_variance"}


def layer_scope(variable: str) -> str:
    """What to call a layer by a variable of it.

    Its scope: actor/dense for actor/dense/kernel. The variable itself where there is no scope,
    or one that holds those of several layers: pi/w1 beside pi/w2.
    """
    scope, _, leaf = variable.rpartition("/")
    if leaf.startswith(TF1_AVERAGE):
        return layer_scope(scope)
    return scope if scope and leaf in _OF_ONE_LAYER else variable


def variable_roles(variables: Iterable[Named]) -> dict[str, VariableRole]:
    """The role of every variable, by name, in their order."""
    everything = {variable.name: variable for variable in variables}
    scopes: dict[str, list[tuple[str, str, Named]]] = {}
    for name, variable in everything.items():
        scope, _, leaf = name.rpartition("/")
        if scope in scopes:
            scopes[scope].append((leaf, name, variable))
        else:
            scopes[scope] = [(leaf, name, variable)]
    # in runs of one scope: a checkpoint of 70,000 variables has far fewer scopes, most of them
    # alike, so that their roles are found once
    found = dict.fromkeys(everything, VariableRole.OTHER)
    alike: dict[object, list[VariableRole]] = {}
    for scope, members in scopes.items():
        looks = tuple(
            [
                (leaf, len(variable.shape), variable.dtype, _is_slot(variable.key))
                for leaf, _, variable in members
            ]
        )
        kind = (_role_of_scope(scope), _averaged(scope), looks)
        if kind not in alike:
            alike[kind] = _roles_in_scope(*kind)
        owner = everything.get(scope)
        within = everything.get(scope.partition("/")[2])
        for role, (_, name, variable) in zip(alike[kind], members, strict=True):
            found[name] = role
            if owner is None and within is None:
                continue
            shape = variable.shape
            if (owner is not None and owner.shape == shape) or (
                within is not None and within.shape == shape
            ):
                is_average = AVERAGE_LEAF.fullmatch(name.rpartition("/")[2])
                slot = VariableRole.OPTIMIZER_SLOT
                found[name] = VariableRole.MOVING_AVERAGE if is_average else slot
    return found


def _is_slot(key: str) -> bool:
    """Whether a file's own key says that a variable is an optimizer's: TF 2's, Keras 3's."""
    return ".OPTIMIZER_SLOT" in key or key.startswith("optimizer/vars/")


def _roles_in_scope(
    whole: VariableRole | None,
    averaged: VariableRole | None,
    looks: tuple[tuple[str, int, str, bool], ...],
) -> list[VariableRole]:
    """The roles of the variables of one scope.

    Args:
        whole: the role of everything in it, where the scope alone decides.
        averaged: of its average.
        looks: leaf, dimensions, dtype, and whether its key says that it is a slot.
    """
    leaves = {leaf for leaf, *_ in looks}
    beside_kernel = not leaves.isdisjoint(_KERNELS)
    beside_gamma = not leaves.isdisjoint(_GAMMAS)
    roles = []
    for leaf, dimensions, dtype, is_slot in looks:
        role = _role(leaf, dimensions, dtype, beside_kernel, beside_gamma)
        is_average = leaf.endswith(KERAS_AVERAGE) or (is_slot and AVERAGE_LEAF.fullmatch(leaf))
        if is_average:
            role = VariableRole.MOVING_AVERAGE
        elif is_slot:
            role = VariableRole.OPTIMIZER_SLOT
        elif leaf == "average" and averaged is not None:
            role = averaged
        elif whole is not None and role is not VariableRole.OPTIMIZER_SLOT:
            role = whole
        roles.append(role)
    return roles


def _averaged(scope: str) -> VariableRole | None:
    """Of what Sonnet 2 keeps the average in a scope: batch_norm/moving_mean/average."""
    if not scope.endswith(("/moving_mean", "/moving_variance")):
        return None
    return VariableRole(scope.rpartition("/")[2])


def _role_of_scope(scope: str) -> VariableRole | None:
    """The role of everything in a scope, where the scope alone decides."""
    if TF1_AVERAGE in scope:
        return VariableRole.MOVING_AVERAGE
    if scope == "optimizer/vars" or scope.partition("/")[0] == "optimizer_weights":
        return VariableRole.OPTIMIZER_SLOT  # Keras' own groups in .weights.h5 and .h5
    if scope.endswith(("_rms", "_stats")) or "_rms/" in scope or "_stats/" in scope:
        return VariableRole.OBSERVATION_STATISTICS if _OBSERVATIONS.search(scope) else None
    return None


@lru_cache(_REMEMBERED)
def _role(
    leaf: str, dimensions: int, dtype: str, beside_kernel: bool, beside_gamma: bool
) -> VariableRole:
    """The role of one variable, by its leaf and by what else stands in its scope.

    Optimizers may be called anything, so beside the names of slots there is a general rule in
    :func:`variable_roles`, the one Saver names follow: what stands below the name of a variable
    of the same shape is that variable's slot. An optimizer built inside a scope puts that scope
    in front: opt/actor/dense/kernel/Adam.
    """
    if _SLOTS.fullmatch(leaf):
        return VariableRole.OPTIMIZER_SLOT
    if leaf in _AVERAGES:
        return VariableRole.MOVING_AVERAGE
    if not dimensions and _COUNTERS.fullmatch(leaf):
        return VariableRole.COUNTER
    if not dtype.startswith(("float", "bfloat", "half", "double")):
        is_whole = dtype.startswith(("int", "uint"))
        return VariableRole.COUNTER if is_whole and not dimensions else VariableRole.OTHER
    if leaf in ("moving_mean", "moving_variance"):
        return VariableRole(leaf)
    if leaf in _KERNELS and dimensions >= 2:
        return VariableRole.KERNEL
    if not dimensions:
        return VariableRole.OTHER
    if leaf in _GAMMAS and not beside_kernel:
        return VariableRole.GAMMA
    if leaf in _BETAS and not beside_kernel:
        return VariableRole.BETA
    if leaf in _BIASES:
        # GPT-2 calls LayerNorm's beta "b", beside its gain "g"
        return VariableRole.BETA if beside_gamma else VariableRole.BIAS
    return VariableRole.OTHER


@dataclass(slots=True)
class Group:
    """The parameters that stand in one scope: a dense layer's, or a normalisation's."""

    scope: str
    members: dict[VariableRole, str] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """What to call its layer: the scope, or its kernel or gamma where there is none."""
        telling = (VariableRole.KERNEL, VariableRole.GAMMA, *self.members)
        return self.scope or next(self.members[one] for one in telling if one in self.members)

    @property
    def is_dense(self) -> bool:
        return VariableRole.KERNEL in self.members

    @property
    def is_norm(self) -> bool:
        has_affine = VariableRole.GAMMA in self.members or VariableRole.BETA in self.members
        # a BatchNorm may have neither
        return (has_affine or self.members.keys() >= _STATISTICS) and not self.is_dense


def groups(roles: Mapping[str, VariableRole]) -> dict[str, Group]:
    """The groups by scope, in the order of ``roles``; slots, counters and the like apart."""
    found: dict[str, Group] = {}
    for name, role in roles.items():
        if role in _GROUPED:
            scope = scope_of(name.removesuffix("/average") if role in _STATISTICS else name)
            found.setdefault(scope, Group(scope)).members[role] = name
    return {scope: group for scope, group in found.items() if group.is_dense or group.is_norm}


_STATISTICS: Final = frozenset([VariableRole.MOVING_MEAN, VariableRole.MOVING_VARIANCE])
_GROUPED: Final = _PARAMETERS | _STATISTICS


def strange_layers(
    variables: Mapping[str, Named], roles: Mapping[str, VariableRole]
) -> dict[str, list[str]]:
    """The scopes of layers that are neither dense nor norms, by the scope that holds them.

    A normaliser of Keras with its mean and variance, a PReLU with its alpha, an embedding: what
    they compute is not told by names.
    """
    known = {scope_of(name) for name, role in roles.items() if role in _GROUPED}
    found: dict[str, list[str]] = {}
    for name, role in roles.items():
        scope = scope_of(name)
        is_array = role is VariableRole.OTHER and bool(variables[name].shape)
        if is_array and scope and scope not in known and "float" in variables[name].dtype:
            held = found.setdefault(scope_of(scope), [])
            if scope not in held:
                held.append(scope)
    return found
