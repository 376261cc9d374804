"""A manifest of networks, read as what nobody has to believe: every field's type and range.

What a field may be follows from the type that its record declares, so that a new kind of layer
or a new field is read, and refused, without a line more.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import MISSING, fields
from enum import Enum
from functools import cache
from reprlib import repr  # short, however long or deep the value is
from types import NoneType, UnionType
from typing import Any, Final, Union, cast, get_args, get_origin, get_type_hints

import numpy as np
from numpy.typing import ArrayLike

from lnfold.checkpoint.bytes.dtypes import BEYOND_NUMPY, numpy_dtype
from lnfold.errors import DamagedError, GraphError
from lnfold.network.facts.evidence import Fact, Source
from lnfold.network.manifest.record import KINDS
from lnfold.network.manifest.version_1 import upgraded
from lnfold.network.operations.activations import FUNCTIONS
from lnfold.network.records.claims import Claim
from lnfold.network.records.layer import holds_numbers
from lnfold.network.records.layers import (
    LSTM,
    Activation,
    Add,
    Array,
    Concat,
    Gap,
    Input,
    Layer,
    Multiply,
    Network,
    Norm,
    Opaque,
    Parameter,
)
from lnfold.network.records.norms import is_epsilon
from lnfold.network.running.run_inputs import observations_at_a_time

_PRECISIONS: Final = ("float16", "bfloat16", "float32", "float64")
_LARGEST: Final = 2**31 - 1  # any integer
_WIDEST: Final = 1 << 20  # units of an input, and rows that belong together
_AT_LEAST_ONE: Final = (Add, Multiply, Concat)
_READ: Final = {"carried": (2,), "divided": (2,), "deviation": (1, 2), "lstm": (1, 3)}

Arrays = Mapping[str, ArrayLike]


class _Refused(ValueError):
    """A field that is not what it has to be; the message begins with its place."""


def networks_of(record: Any, arrays: Arrays, where: str) -> tuple[Network, ...]:
    """The networks that ``network_record`` wrote, each checked as far as running it needs.

    Args:
        record: what a manifest has under ``networks``.
        where: the file, for errors.

    Raises:
        DamagedError: it names the field.
    """
    try:
        entries = map(upgraded, _expect(list, record, "networks"))
        return tuple(_network(one, arrays, f"networks[{i}]") for i, one in enumerate(entries))
    except _Refused as error:
        raise DamagedError(
            f"the manifest does not describe a network: {error}",
            file=where,
            remedy="Fold the checkpoint once more, or copy the file again.",
        ) from error


def _network(record: Any, arrays: Arrays, at: str) -> Network:
    read = _Reader(arrays)
    found = _expect(dict, record, at)

    def field(name: str, hint: Any) -> Any:
        return read.value(hint, _member(found, name, at), f"{at}.{name}")

    layers = tuple(
        read.layer(one, f"{at}.layers[{number}]")
        for number, one in enumerate(_expect(list, _member(found, "layers", at), f"{at}.layers"))
    )
    arguments = (
        field("name", str),
        field("inputs", tuple[Input, ...]),
        field("outputs", tuple[str, ...]),
        layers,
        field("wiring", Fact[str]),
        field("gaps", tuple[Gap, ...]),
    )
    precision = field("precision", str)
    _unless(precision in _PRECISIONS, f"{at}.precision", f"is {repr(precision)}")
    claims = field("claims", tuple[Claim, ...]) if "claims" in found else ()
    network: Network = _made(at, Network, *arguments, precision=precision, claims=claims)
    _expect_sound(network, at)
    return network


def _expect_sound(network: Network, at: str) -> None:
    """_Refused unless names are unique and known, and widths fit each other."""
    names = [one.name for one in network.inputs]
    _unless(len(set(names)) == len(names), f"{at}.inputs", "has one name twice")
    for number, one in enumerate(network.inputs):
        place = f"{at}.inputs[{number}].shape"
        size = math.prod(length or 1 for length in one.shape[1:])
        _unless(len(one.shape) > 1 and size <= _WIDEST, place, f"is {list(one.shape)}")
    known = {*names, *(layer.name for layer in network.layers)}
    strangers = [name for name in network.outputs if name not in known]
    _unless(not strangers and bool(network.outputs), f"{at}.outputs", "names no value of it")
    _unless(len(set(network.outputs)) == len(network.outputs), f"{at}.outputs", "names one twice")
    for number, layer in enumerate(network.layers):
        place = f"{at}.layers[{number}]"
        several = isinstance(layer, _AT_LEAST_ONE)
        allowed = _READ.get(layer.kind, range(1, _LARGEST) if several else (1,))
        count = len(layer.inputs)
        _unless(count in allowed or isinstance(layer, Opaque), f"{place}.inputs", f"are {count}")
        if network.complete:
            _expect_runnable(layer, place)
    _made(f"{at}.layers", network.widths)
    _unless(
        _made(f"{at}.layers", observations_at_a_time, network) <= _WIDEST, at, "joins too many rows"
    )


def _expect_runnable(layer: Layer, at: str) -> None:
    """_Refused where a fact is no number or function that a run can use."""
    for name, fact in layer.facts():
        place = f"{at}.{name}.value"
        if isinstance(layer, Activation | LSTM):
            _unless(fact.value in FUNCTIONS, place, f"is {repr(fact.value)}, which is no function")
        elif isinstance(layer, Norm) or name == "epsilon":
            number = fact.value
            fits = isinstance(number, float | int) and is_epsilon(number)
            _unless(fits, place, f"is {repr(number)}")


class _Reader:
    """Values of the types that records declare, out of plain JSON."""

    def __init__(self, arrays: Arrays) -> None:
        self._arrays = arrays

    def layer(self, record: Any, at: str) -> Layer:
        found = _expect(dict, record, at)
        kind = _member(found, "kind", at)
        _unless(isinstance(kind, str) and kind in KINDS, f"{at}.kind", f"is {repr(kind)}")
        made: Layer = self._record(KINDS[kind], {**found, "kind": None}, at, whole=True)
        return made

    def value(self, hint: Any, found: Any, at: str) -> Any:
        """``found`` as a ``hint``; _Refused where it is none."""
        origin, inside = get_origin(hint), get_args(hint)
        if hint is Any:
            return self.value(str | float | int | bool | None, found, at)
        if origin in (Union, UnionType):
            if NoneType in inside and found is None:
                return None
            return self._first([one for one in inside if one is not NoneType], found, at)
        if origin is tuple:
            listed = _expect(list, found, at)
            return tuple(self.value(inside[0], one, f"{at}[{i}]") for i, one in enumerate(listed))
        if origin is Fact:
            return self._fact(inside[0], found, at)
        if hint is Parameter:
            return self._parameter(found, at)
        if isinstance(hint, type) and issubclass(hint, Enum):
            fits = isinstance(found, str) and found in {one.value for one in hint}
            _unless(fits, at, f"is {repr(found)}")
            return hint(found)
        if hint in _PLAIN:
            return _PLAIN[hint](found, at)
        return self._record(hint, _expect(dict, found, at), at, whole=False)

    def _first(self, hints: Sequence[Any], found: Any, at: str) -> Any:
        for hint in hints[:-1]:
            try:
                return self.value(hint, found, at)
            except _Refused:
                continue
        return self.value(hints[-1], found, at)

    def _fact(self, hint: Any, found: Any, at: str) -> Fact[Any]:
        record = {"confidence": "", **_expect(dict, found, at)}
        _unless(record.keys() == {"value", "source", "where", "confidence"}, at, "is no fact")
        value = self.value(hint | None if hint is not Any else Any, record["value"], f"{at}.value")
        source = self.value(Source, record["source"], f"{at}.source")
        where, trust = (
            self.value(str, record[name], f"{at}.{name}") for name in ("where", "confidence")
        )
        return Fact(value, source, where, trust)

    def _parameter(self, found: Any, at: str) -> Parameter:
        record = _expect(dict, found, at)
        keys = record.keys() - {"dtype"}  # which older files do not have
        _unless(keys == {"array", "variables", "where"}, at, "is no array by its name")
        name = self.value(str, record["array"], f"{at}.array")
        _unless(name in self._arrays, f"{at}.array", f"is '{name}', which the file does not hold")
        variables = self.value(tuple[str, ...], record["variables"], f"{at}.variables")
        where = self.value(str, record["where"], f"{at}.where")
        array = np.asarray(self._arrays[name])
        _unless(holds_numbers(array), f"{at}.array", f"is '{name}', which holds no real numbers")
        if "dtype" in record:
            array = _of_type(array, self.value(str, record["dtype"], f"{at}.dtype"), f"{at}.dtype")
        return Parameter(array, variables, where)

    def _record(self, kind: type[Any], found: dict[str, Any], at: str, *, whole: bool) -> Any:
        """A record of ``kind``; ``whole`` where no field may be left to its default."""
        values = {}
        hints = _hints(cast(Hashable, kind))
        declared = {one.name: one for one in fields(kind) if one.init}
        strange = found.keys() - declared.keys() - {"kind"}
        _unless(not strange, at, f"has {', '.join(sorted(strange))}, which nobody knows")
        for name, field in declared.items():
            if name not in found and not whole and field.default is not MISSING:
                continue
            values[name] = self.value(hints[name], _member(found, name, at), f"{at}.{name}")
        return _made(at, kind, **values)


def _of_type(array: Array, name: str, at: str) -> Array:
    """What was written as float32, as NumPy does not know its type, in that type again."""
    if array.dtype.name == name:
        return array
    fits = array.dtype == np.float32 and name in BEYOND_NUMPY
    _unless(fits, at, f"is {repr(name)}, where the array holds {array.dtype.name}")
    found: Array = array.astype(numpy_dtype(name))
    same = np.array_equal(found.astype(np.float32), array, equal_nan=True)
    _unless(same, at, f"is {name}, which does not hold the numbers of the array")
    return found


def _text(found: Any, at: str) -> str:
    text: str = _expect(str, found, at)
    return text


def _truth(found: Any, at: str) -> bool:
    _unless(isinstance(found, bool), at, f"is {repr(found)}, not true or false")
    return bool(found)


def _integer(found: Any, at: str) -> int:
    fits = isinstance(found, int) and not isinstance(found, bool) and abs(found) <= _LARGEST
    _unless(fits, at, f"is {repr(found)}, not an integer")
    return int(found)


def _number(found: Any, at: str) -> float:
    fits = isinstance(found, int | float) and not isinstance(found, bool)
    _unless(fits and abs(found) <= 1e308 and math.isfinite(found), at, f"is {repr(found)}")
    return float(found)


_PLAIN: Final[dict[Any, Callable[[Any, str], Any]]] = {
    str: _text,
    bool: _truth,
    int: _integer,
    float: _number,
}
_JSON: Final[dict[Any, str]] = {str: "a text", list: "a list", dict: "an object"}


@cache
def _hints(kind: Hashable) -> dict[str, Any]:
    return get_type_hints(kind)


def _made(at: str, call: Callable[..., Any], *given: Any, **named: Any) -> Any:
    """What ``call`` makes; _Refused where the record itself says that it is none."""
    try:
        return call(*given, **named)
    except _Refused:
        raise
    except (GraphError, ValueError, ArithmeticError) as error:
        raise _Refused(f"{at} contradicts itself: {error}") from error


def _member(found: Mapping[str, Any], name: str, at: str) -> Any:
    _unless(name in found, f"{at}.{name}", "is missing")
    return found[name]


def _expect(kind: type[Any], found: Any, at: str) -> Any:
    _unless(isinstance(found, kind), at, f"is {repr(found)}, not {_JSON[kind]}")
    return found


def _unless(fits: bool, at: str, what: str) -> None:
    if not fits:
        raise _Refused(f"{at} {what}")
