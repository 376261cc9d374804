"""What a library does where a checkpoint says nothing: the record of its habits."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from lnfold.network.facts.order import Order


@dataclass(frozen=True, slots=True)
class Convention:
    """The habits of one library.

    Attributes:
        library: what to call it.
        signs: patterns that a network's variable names must match, all of them.
        epsilon, order, activation: None where the library has no fixed habit.
        heads: the activation of the last layer by the network's part (actor, critic); an
            absent part is not known.
        clip: bounds of the normalised observation, where ``obs_rms`` is in the checkpoint.
        source: where the habit was read.
        epsilon_confidence, confidence: how safely the names give away the library's epsilon,
            and its order and activations: high, medium or low.
    """

    library: str
    signs: tuple[str, ...]
    epsilon: float | None
    order: Order | None
    activation: str | None
    heads: tuple[tuple[str, str], ...] = ()
    clip: float | None = None
    half_epsilon: float | None = None
    source: str = ""
    epsilon_confidence: str = "high"
    confidence: str = "medium"

    def head(self, part: str) -> str | None:
        return dict(self.heads).get(part)

    def matches(self, names: Iterable[str]) -> bool:
        listed = list(names)
        return all(any(re.search(sign, name) for name in listed) for sign in self.signs)
