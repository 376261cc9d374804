"""What a Keras config states of one layer, each in the type that Keras writes it in.

A config is text that anybody may have edited: a list where a number belongs, a NaN, a name that
is no text. What cannot be meant is an error here, where it is read, and reaches no arithmetic.
"""

from __future__ import annotations

import reprlib
from collections.abc import Mapping
from math import isfinite
from typing import Any, Final

import numpy as np

from lnfold.errors import GraphError

Config = Mapping[str, Any]
_LARGEST: Final = float(np.finfo(np.float32).max)
_MOST_UNITS: Final = 1 << 31  # of one axis


def text(holder: Config, key: str, of: str) -> str:
    """A text that is not empty: a name, a class."""
    value = holder.get(key)
    if not isinstance(value, str) or not value:
        raise strange(key, of, value, "a name")
    return value


def mapping(holder: Config, key: str, of: str) -> Config:
    """An object of JSON."""
    value = holder.get(key)
    if not isinstance(value, Mapping):
        raise strange(key, of, value, "an object")
    return value


def objects(holder: Config, key: str, of: str) -> list[Config]:
    """A list of objects of JSON."""
    value = holder.get(key)
    if not isinstance(value, list) or not all(isinstance(one, Mapping) for one in value):
        raise strange(key, of, value, "a list of objects")
    return value


def flag(config: Config, key: str, of: str, default: bool = False) -> bool:
    """True, false, or the default where it is left out or null."""
    value = config.get(key)
    if value is None:
        return default
    if not isinstance(value, bool | int):
        raise strange(key, of, value, "true or false")
    return bool(value)


def number(config: Config, key: str, of: str) -> float | None:
    """A number that float32 holds; None where it is left out or null."""
    value = config.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not _is_held(value):
        raise strange(key, of, value, "a number of float32")
    return float(value)


def numbers(config: Config, key: str, of: str) -> np.ndarray:
    """Numbers that float32 holds, one or nested lists of them, as float32."""
    value = config.get(key)
    pending, flat = [value], []
    while pending:
        one = pending.pop()
        if isinstance(one, list):
            pending.extend(one)
        else:
            flat.append(one)
    for one in flat:
        if isinstance(one, bool) or not isinstance(one, int | float) or not _is_held(one):
            raise strange(key, of, value, "numbers of float32")
    try:
        return np.asarray(value, np.float32)
    except ValueError:  # lists of different lengths, or deeper than arrays are
        raise strange(key, of, value, "an array") from None


def shape(config: Config) -> list[int | None] | None:
    """The shape of a batch, None for lengths that are open; None where there is no such shape."""
    value = config.get("batch_shape") or config.get("batch_input_shape")
    if isinstance(value, Mapping):
        value = value.get("items")  # how TF 2 writes a tuple
    if not isinstance(value, list):
        return None
    return [one if type(one) is int and 0 < one < _MOST_UNITS else None for one in value]


def strange(key: str, of: str, value: Any, expected: str) -> GraphError:
    """The error for a value that a config cannot mean."""
    return GraphError(
        f"the Keras config is damaged: '{key}' of '{of}' is {reprlib.repr(value)}, "
        f"expected {expected}"
    )


def _is_held(value: float) -> bool:
    # a huge int of JSON is compared, never converted
    return -_LARGEST <= value <= _LARGEST and isfinite(value)
