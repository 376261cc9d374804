"""A cell of a table of kinds of layer that holds no function: what is asked is not known."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class NotKnown:
    """Stands where a function would; called, it delivers None.

    Attributes:
        why: what is missing, in words.
    """

    why: str

    def __call__(self, *given: object) -> None:
        return None
