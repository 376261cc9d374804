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
_GENERATOR: Final = frozenset(["generator", "gen"])
_DISCRIMINATOR: Final = frozenset(["discriminator", "disc"])
_ENCODER: Final = frozenset(["encoder", "enc"])
_DECODER: Final = frozenset(["decoder", "dec"])
_PARTS: Final = {
    "actor": _ACTOR,
    "critic": _CRITIC,
    "generator": _GENERATOR,
    "discriminator": _DISCRIMINATOR,
    "encoder": _ENCODER,
    "decoder": _DECODER,
}
# Parts that are networks of their own where one feeds the other. An encoder that feeds an actor
# is the actor's first layers.
_OTHER: Final = {
    "actor": "critic",
    "generator": "discriminator",
    "encoder": "decoder",
}
_COPY: Final = frozenset(["target", "old", "noise", "perturbed", "adaptive"])
# what networks are called that read moving averages of variables, or the variables beside them
AVERAGED: Final = "moving_average"
NOT_AVERAGED: Final = "not_averaged"
_AVERAGED: Final = re.compile(rf"({AVERAGED})(_\d+)?|({NOT_AVERAGED})")
_WORD: Final = re.compile(r"[a-z]+")


@dataclass(frozen=True, slots=True)
class Role:
    """What a network is in a pair, and what kind of copy it is, if one.

    Attributes:
        part: actor, critic, generator, discriminator, encoder, decoder or empty.
        copy: target, old, noise, perturbed, adaptive, moving average, not averaged or empty.
    """

    part: str
    copy: str

    def __str__(self) -> str:
        return " ".join(word for word in (self.copy, self.part) if word)

    def clashes_with(self, other: Role) -> bool:
        """Whether layers of the two roles cannot belong to one network."""
        parts = {self.part, other.part}
        pair = {self.part, _OTHER.get(self.part), *(a for a, b in _OTHER.items() if b == self.part)}
        return "" not in parts and parts <= pair and self != other


def role_of(scope: str) -> Role:
    """The role that the innermost telling component of a scope names.

    >>> role_of("actor/encoder/dense")
    Role(part='encoder', copy='')
    >>> role_of("target_actor/dense_1")
    Role(part='actor', copy='target')
    >>> role_of("policy/value_net/dense")
    Role(part='critic', copy='')
    >>> role_of("target_actor/moving_average")
    Role(part='actor', copy='target moving average')
    """
    part = copy = ""
    scope, _, last = scope.rpartition("/")
    averaged = _AVERAGED.fullmatch(last)
    if averaged is None:
        scope = f"{scope}/{last}"
    for component in scope.lower().split("/"):
        words = _WORD.findall(component)
        copy = next((word for word in words if word in _COPY), copy)
        part = next((name for name, called in _PARTS.items() if not called.isdisjoint(words)), part)
    if averaged is not None:
        copy = " ".join(filter(None, (copy, (averaged[1] or averaged[3]).replace("_", " "))))
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
