"""What a scope's name says about the part a network plays: actor or critic, original or copy.

Roles label networks and tell where one network ends and the next, fed by it, begins. They
never decide what a network computes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_ACTOR: Final = frozenset(["actor", "pi", "policy", "mu"])
_CRITIC: Final = frozenset(["critic", "q", "qf", "value", "values", "vf", "v", "vnet", "qnet"])
_COPY: Final = frozenset(["target", "old", "noise", "perturbed", "adaptive"])
_WORD: Final = re.compile(r"[a-z]+")


@dataclass(frozen=True, slots=True)
class Role:
    """``part`` is actor, critic or empty; ``copy`` names what kind of copy it is, if one."""

    part: str
    copy: str

    def __str__(self) -> str:
        return " ".join(word for word in (self.copy, self.part) if word)

    def clashes_with(self, other: Role) -> bool:
        """Whether layers of the two roles cannot belong to one network."""
        return bool(self.part and other.part) and self != other


def role_of(scope: str) -> Role:
    """The role that the innermost telling component of a scope names.

    >>> role_of("target_actor/dense_1")
    Role(part='actor', copy='target')
    >>> role_of("policy/value_net/dense")
    Role(part='critic', copy='')
    """
    part = copy = ""
    for component in scope.lower().split("/"):
        words = _WORD.findall(component)
        copy = next((word for word in words if word in _COPY), copy)
        if any(word in _ACTOR for word in words):
            part = "actor"
        elif any(word in _CRITIC for word in words):
            part = "critic"
    return Role(part, copy)


def shared_scope(scopes: list[str]) -> str:
    """The scope that all of these lie in, whole components only; empty for the root."""
    split = [scope.split("/") for scope in scopes]
    shared = []
    for components in zip(*split, strict=False):
        if len(set(components)) > 1:
            break
        shared.append(components[0])
    return "/".join(shared)
