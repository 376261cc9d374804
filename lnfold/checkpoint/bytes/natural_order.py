"""The order in which a person counts: ``dense``, ``dense_1``, ``dense_2``, ``dense_10``."""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_digits = re.compile("[0-9]+")


def natural_order(names: Iterable[str]) -> list[str]:
    """``names`` sorted scope by scope, runs of digits as numbers.

    A scope sorts before every longer one that begins with it: ``a/…`` before ``a-b/…``.
    """
    return sorted(names, key=natural_key())


def natural_key() -> Callable[[str], str]:
    """What to sort names by. Each is good for one sorting, whose names it remembers parts of."""
    # Few parts and few scopes occur in many names, so what becomes of each is remembered.
    padded: dict[str, str] = {}
    scopes: dict[str, str] = {}

    def pad(part: str) -> str:
        padded[part] = found = _digits.sub(lambda digits: digits[0].zfill(20), part)
        return found

    def pad_all(scope: str) -> str:
        parts = [padded.get(part) or pad(part) for part in scope.split("/")]
        scopes[scope] = found = "\0".join(parts)
        return found

    def key(name: str) -> str:
        scope, slash, leaf = name.rpartition("/")
        last = padded.get(leaf) or pad(leaf)
        return f"{scopes.get(scope) or pad_all(scope)}\0{last}" if slash else last

    return key
