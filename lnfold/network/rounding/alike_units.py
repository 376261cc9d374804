"""Units that round alike: independent roundings are not independent where columns are equal.

Two units whose kernel columns are equal, up to a power of two and a sign, make the same sums of
products, so a program rounds them by the same share; 1,024 such units add up their errors, not
the root of their squares. The same holds for what is computed from equal units with equal
parameters. And a sum of m equal terms, one after the other, is rounded to the same side again
and again: it is off like one rounding of m·u, so that n terms count as Σ m² and not as Σ m.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from lnfold.network.records.layers import (
    LSTM,
    Array,
    Concat,
    Dense,
    Layer,
    Network,
    Parameter,
    Rearrange,
    Slice,
)


@dataclass(frozen=True, slots=True)
class Alike:
    """Which units are alike: equal numbers for units that are, [units] of each value.

    Attributes:
        equal: whose values are equal, where some are.
        rounded: whose roundings are, where some are.
    """

    equal: Mapping[str, Array]
    rounded: Mapping[str, Array]


def alike_units(network: Network) -> Alike:
    """What is alike by the network's parameters, for any inputs."""
    widths = network.widths()
    equal = {one.name: np.arange(one.width) for one in network.inputs}
    rounded: dict[str, Array] = {}
    for layer in network.layers:
        units = widths[layer.name]
        if isinstance(layer, Dense):
            columns = _columns(layer.kernel.array.astype(np.float64))
            bias = np.zeros(units) if layer.bias is None else _spread(layer.bias, units)
            rounded[layer.name] = _numbered(columns[0])
            equal[layer.name] = _numbered(*columns, bias)
        else:
            equal[layer.name] = rounded[layer.name] = _equal(layer, equal, units)
    return Alike(_repeated(equal), _repeated(rounded))


def _repeated(numbers: Mapping[str, Array]) -> dict[str, Array]:
    return {name: one for name, one in numbers.items() if one.max(initial=-1) + 1 < one.size}


def terms_alike(kernel: Array, equal: Array) -> Array:
    """How many of the terms x·kernel[:, k] are equal to each one, at least: [inputs, 1]."""
    rows = _columns(kernel.T)
    found = _numbered(equal, *rows)
    repeats: Array = np.bincount(found)[found].astype(np.float64)
    return repeats[:, None]


def together_where_alike(effects: Array, alike: Array | None) -> Array:
    """The effects [rows, units] of roundings, summed where they are one rounding."""
    if alike is None:
        return effects
    order = np.argsort(alike, kind="stable")
    starts = np.flatnonzero(np.diff(alike[order], prepend=-1))
    return np.add.reduceat(effects[:, order], starts, axis=1)


def _equal(layer: Layer, equal: dict[str, Array], units: int) -> Array:
    """Which units of a layer that is no Dense are always equal."""
    read = [equal[name] for name in layer.inputs]
    if isinstance(layer, Concat):
        sources = {name: place for place, name in enumerate(dict.fromkeys(layer.inputs))}
        parts = [np.full(equal[name].size, sources[name]) for name in layer.inputs]
        return _numbered(np.concatenate(parts), np.concatenate(read))
    if isinstance(layer, Slice):
        return _numbered(read[0][layer.start : layer.stop])
    if isinstance(layer, LSTM | Rearrange) or any(one.size not in (1, units) for one in read):
        return np.arange(units)
    numbers = [_spread(parameter, units) for _, parameter in layer.parameters()]
    return _numbered(*(one for one in (*read, *numbers) if one.size == units))


def _columns(kernel: Array) -> tuple[Array, Array]:
    """A number for each column, equal for equal ones up to a factor; and that factor.

    The number is a random sum of the column over its factor, a power of two with the sign of
    its first number that is not 0.
    """
    largest = np.abs(kernel).max(axis=0, initial=0)
    first = kernel[np.argmax(kernel != 0, axis=0), np.arange(kernel.shape[1])]
    factor = np.where(first < 0, -1.0, 1.0) * np.ldexp(1.0, np.frexp(largest)[1])
    weights = np.random.default_rng(0).standard_normal((len(kernel), 1))
    with np.errstate(all="ignore"):
        return (kernel / factor * weights).sum(axis=0), factor


def _spread(parameter: Parameter, units: int) -> Array:
    array = parameter.array.astype(np.float64).reshape(-1)
    return np.broadcast_to(array, units) if array.size == 1 else array


def _numbered(*numbers: Array) -> Array:
    """Equal numbers for units that are equal in all of these."""
    if numbers[0].size == 0:
        return np.zeros(0, int)
    _, found = np.unique(np.stack(numbers), axis=1, return_inverse=True)
    return np.asarray(found).reshape(-1)
