"""From float64 to what is stored: rounded once; and what cannot be stored in stock form."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from lnfold.folding.editing.steps import Reason, Refused
from lnfold.network.operations.float_types import is_float
from lnfold.network.records.layers import Layer, Network, Parameter


def storage_of(network: Network, stock: bool) -> np.dtype:
    """The narrowest float that results are rounded to.

    In stock form that of the narrowest parameter. Otherwise float32, or float64 where the
    network has a parameter of that width: arrays of their own need not be half precision.
    """
    found = [parameter.array.dtype for _, parameter in _parameters(network)]
    floats = [dtype for dtype in found if is_float(dtype)] or [np.dtype(np.float32)]
    if stock:
        return min(floats, key=lambda dtype: dtype.itemsize)
    return np.dtype(np.float64 if np.dtype(np.float64) in floats else np.float32)


def stored(exact: Network, original: Network, stock: bool) -> Network:
    """The network with every changed parameter rounded, once, to the dtype it is stored in."""
    dtypes = {
        parameter.variables[0]: parameter.array.dtype
        for _, parameter in _parameters(original)
        if len(parameter.variables) == 1
    }
    same = {id(parameter) for _, parameter in _parameters(original)}
    wide = storage_of(original, stock)
    layers = []
    for layer in exact.layers:
        rounded: dict[str, Any] = {}
        for role, parameter in layer.parameters():
            if id(parameter) in same:
                continue
            home = parameter.variables[0] if len(parameter.variables) == 1 else ""
            dtype = dtypes.get(home, wide) if stock else wide
            rounded[role] = _rounded(parameter, dtype)
        layers.append(replace(layer, **rounded) if rounded else layer)
    return replace(exact, layers=tuple(layers))


def _rounded(parameter: Parameter, dtype: np.dtype) -> Parameter:
    with np.errstate(over="ignore"):  # an overflow is refused by name
        return replace(parameter, array=parameter.array.astype(dtype))


def overflow(exact: Network, rounded: Network) -> str:
    """The first parameter of ``exact`` that is infinite as it is stored; empty if none is."""
    found = zip(_with_layers(exact), _with_layers(rounded), strict=True)
    for (layer, (role, parameter)), (_, (_, kept)) in found:
        if parameter is kept:
            continue
        lost = np.isfinite(parameter.array) & ~np.isfinite(kept.array.astype(np.float64))
        if lost.any():
            return parameter.name or f"{layer.name}, {role}"
    return ""


def changed_variables(before: Network, after: Network) -> tuple[str, ...]:
    """The variables whose parameters have other numbers after a step, or are gone."""
    kept = {id(parameter) for _, parameter in _parameters(after)}
    names: dict[str, None] = {}
    later = {(layer.name, role): one for layer, (role, one) in _with_layers(after)}
    for layer, (role, parameter) in _with_layers(before):
        new = later.get((layer.name, role))
        if id(parameter) in kept or (new is not None and _equal(parameter, new)):
            continue
        names.update(dict.fromkeys(parameter.variables))
    return tuple(names)


def unstorable(before: Network, after: Network, frozen: frozenset[str]) -> Refused | None:
    """The first change that cannot go back to a variable of the same shape.

    Args:
        frozen: variables that must keep their values: others read them too, or they hold
            something else than the parameter.
    """
    earlier = {(layer.name, role): one for layer, (role, one) in _with_layers(before)}
    for layer, (role, parameter) in _with_layers(after):
        old = earlier.get((layer.name, role))
        if old is not None and (old is parameter or _equal(old, parameter)):
            continue
        if old is None or len(parameter.variables) != 1:
            return Refused(Reason.COMPUTED, f"{layer.name}, {role}")
        variable = parameter.variables[0]
        if variable in frozen:
            return Refused(Reason.SHARED, variable)
        if old.shape != parameter.shape:
            return Refused(Reason.BROADCAST, variable)
        if not is_float(old.array.dtype):
            return Refused(Reason.PRECISION, variable)
    return None


def _equal(left: Parameter, right: Parameter) -> bool:
    return left.shape == right.shape and np.array_equal(left.array, right.array, equal_nan=True)


def _parameters(network: Network) -> Iterator[tuple[str, Parameter]]:
    for layer in network.layers:
        yield from layer.parameters()


def _with_layers(network: Network) -> Iterator[tuple[Layer, tuple[str, Parameter]]]:
    for layer in network.layers:
        for found in layer.parameters():
            yield layer, found
