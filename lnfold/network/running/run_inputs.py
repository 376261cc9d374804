"""What a network is run on: arrays as they come, matched with its inputs."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from lnfold.errors import UsageError
from lnfold.network.records.layers import LSTM, Array, Input, Network, Rearrange, Shape


def as_rows(value: Array) -> Array:
    """A value as a matrix [rows, units]: all axes but the last are rows."""
    return value if value.ndim == 2 else value.reshape(-1, value.shape[-1] if value.ndim else 1)


def joins_rows(network: Network) -> bool:
    """Whether a row is no observation of its own, so that no block can do without the others."""
    return any(isinstance(layer, LSTM | Rearrange) for layer in network.layers)


def observations_at_a_time(network: Network) -> int:
    """The number of observations that a run takes a multiple of: where a graph takes sequences
    or whole observations out of rows that follow each other.

    Rows are counted from the inputs on: a layer that joins k rows needs a multiple of k of them.
    """
    least = 1
    widths = network.widths()
    # rows of a value for observations
    heights = {one.name: (rows_of(one.shape) or 1, 1) for one in network.inputs}
    for layer in network.layers:
        many, of = heights[layer.input] if layer.inputs else (1, 1)
        joined, by = 1, 1
        if isinstance(layer, Rearrange):
            width = widths[layer.input] or layer.taken[-1]
            joined, by = math.prod(layer.taken), width
            heights[layer.name] = many * width, of * layer.units
        elif isinstance(layer, LSTM) and layer.steps is not None:
            joined = layer.steps
            heights[layer.name] = many, of * (joined if layer.last else 1)
        else:
            heights[layer.name] = many, of
        wanted = of * joined
        least = math.lcm(least, wanted // math.gcd(wanted, many * by))
    return least


def rows_of(shape: Shape) -> int | None:
    """How many rows an observation of that shape is, None where an axis is open."""
    lengths = shape[1:-1]
    return None if None in lengths else math.prod(one for one in lengths if one is not None)


def matched_inputs(
    network: Network, inputs: ArrayLike | Mapping[str, ArrayLike], dtype: type = np.float32
) -> dict[str, Array]:
    """The inputs by name, in their shapes and as ``dtype``; UsageError says which does not fit."""
    if not isinstance(inputs, Mapping):
        if len(network.inputs) != 1:
            names = ", ".join(one.name for one in network.inputs)
            raise UsageError(
                f"network {network.name} takes {len(network.inputs)} inputs ({names}), not one",
                remedy="Give an .npz with an array for each of these names.",
            )
        inputs = {network.inputs[0].name: inputs}
    matched: dict[str, Array] = {}
    for one in network.inputs:
        if one.name not in inputs:
            raise UsageError(
                f"network {network.name} needs an input called {one.name}; "
                f"given: {', '.join(sorted(inputs))}"
            )
        given = np.asarray(inputs[one.name])
        if given.dtype.kind not in "fiub":
            raise UsageError(f"input {one.name} holds {given.dtype} values, not real numbers")
        if given.dtype != dtype:
            with np.errstate(over="ignore"):  # a number too large for dtype shows in the values
                given = given.astype(dtype)
        array = shaped(np.ascontiguousarray(given), one)
        if array is None:
            wanted = f"[{'rows' if len(one.shape) == 2 else 'batch'}, {one.axes}]"
            raise UsageError(
                f"input {one.name} of network {network.name} is {wanted}, "
                f"but the array has shape {given.shape}",
                remedy=f"Give an array of shape {wanted}.",
            )
        matched[one.name] = array
    lengths = {name: array.shape[0] for name, array in matched.items()}
    if len(set(lengths.values())) != 1:
        raise UsageError(f"the inputs have different numbers of rows: {lengths}")
    return matched


def shaped(array: Array, one: Input) -> Array | None:
    """An array as the input takes it, None where it cannot be that.

    Rows that follow each other fill the axes whose lengths are known; where one is open they
    are one observation. An input of rows takes them in any number of axes, and images as one
    row each.
    """
    wanted = one.shape
    if array.ndim == len(wanted) == 2 and array.shape[1] == wanted[1]:
        return array
    if array.ndim == len(wanted) and _fits(array.shape[1:], wanted[1:]):
        return array
    if not array.ndim:
        return None
    if len(wanted) == 2:
        if array.ndim > 1 and array.shape[-1] == one.width:
            return array
        if one.width in (math.prod(array.shape[1:]), array.shape[-1]):
            return array.reshape(-1, one.width)
        return None
    if array.ndim < len(wanted) and array.shape[-1] == one.width:
        if _fits(array.shape, wanted[-array.ndim :]) and (
            None in wanted[1:] or array.ndim == len(wanted) - 1
        ):
            return array.reshape(*[1] * (len(wanted) - array.ndim), *array.shape)
        rows = rows_of(wanted)
        if rows and array.ndim == 2 and len(array) % rows == 0:
            return array.reshape(-1, *(length or 0 for length in wanted[1:]))
    return None


def _fits(lengths: tuple[int, ...], wanted: Shape) -> bool:
    return all(want in (None, length) for length, want in zip(lengths, wanted, strict=True))
