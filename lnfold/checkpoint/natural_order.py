"""The order in which a person counts: ``dense``, ``dense_1``, ``dense_2``, ``dense_10``."""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_digits = re.compile("[0-9]+")


def natural_order(names: Iterable[str]) -> list[str]:
    """``names`` sorted scope by scope, runs of digits as numbers.

    A scope sorts before every longer one that begins with it: ``a/…`` before ``a-b/…``.
    """
    # Few scopes occur in many names, so the padding of each is remembered.
    padded: dict[str, str] = {}

    def pad(scope: str) -> str:
        padded[scope] = found = _digits.sub(lambda digits: digits[0].zfill(20), scope)
        return found

    def key(name: str) -> str:
        return "\0".join([padded.get(scope) or pad(scope) for scope in name.split("/")])

    return sorted(names, key=key)
