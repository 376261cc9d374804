"""The operations that neither of two networks runs: whether they are the same in both.

Where everything that is run agrees for every value of what is not, two networks are the same
if the operations left out are: of one kind, with the same attributes and constants, reading
the same values and variables of the same contents. Operations whose meaning stands elsewhere
(a Python function, a call, a random draw) are never known to be.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from lnfold.network.records.layers import Network, Opaque

_ELSEWHERE: Final = re.compile(
    r"Py|Func|Call|Random|Multinomial|Truncated|Uniform|Normal|Lookup|Hash|Iterator|Queue|Read|"
    r"While|If|Case|Custom|Dropout|Lambda|in a loop"
)


@dataclass(frozen=True, slots=True)
class LeftOut:
    """An operation that is not run, and what is known of what it does.

    Attributes:
        said: a fingerprint of its attributes and constants; empty where none is known.
        read: one of the variables that it reads; None where their values are not at hand.
    """

    name: str
    operation: str
    inputs: tuple[str, ...]
    said: str
    read: str | None


Reader = Callable[[str], np.ndarray]


def left_out(network: Network, read: Reader | None) -> tuple[LeftOut, ...]:
    """The operations of a network that are not run.

    Args:
        read: from the name of a variable to its array; None where the file holds no variables.
    """
    return tuple(
        LeftOut(one.name, one.operation, one.inputs, one.said, _digest(one.reads, read))
        for one in network.layers
        if isinstance(one, Opaque)
    )


def _digest(names: tuple[str, ...], read: Reader | None) -> str | None:
    if not names:
        return ""
    if read is None:
        return None
    digest = hashlib.sha256()
    for name in names:
        array = np.ascontiguousarray(read(name))
        digest.update(f"{array.dtype.name} {array.shape} ".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def unlike(left: tuple[LeftOut, ...], right: tuple[LeftOut, ...]) -> str:
    """Why the operations left out are not known to be the same; empty where they are."""
    others = {one.name: one for one in right}
    for one in left:
        other = others.pop(one.name, None)
        if other is None:
            return f"{one.operation} '{one.name}', which is not run, is not in B"
        if one.operation != other.operation or one.inputs != other.inputs:
            return f"'{one.name}', which is not run, is another operation in B"
        if _ELSEWHERE.search(one.operation) or not one.said or not other.said:
            return f"what {one.operation} '{one.name}' computes does not stand in the files"
        if one.read is None or other.read is None:
            return f"B does not hold what {one.operation} '{one.name}' reads"
        if (one.said, one.read) != (other.said, other.read):
            return f"{one.operation} '{one.name}', which is not run, has other numbers in B"
    for one in others.values():
        return f"{one.operation} '{one.name}' of B, which is not run, is not in A"
    return ""
