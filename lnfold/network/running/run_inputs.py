"""The rows that a network is run on: arrays as they come, matched with its inputs."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from lnfold.errors import UsageError
from lnfold.network.records.layers import LSTM, Array, Network, Rearrange


def joins_rows(network: Network) -> bool:
    """Whether a row is no observation of its own, so that no block can do without the others."""
    return any(isinstance(layer, LSTM | Rearrange) for layer in network.layers)


def rows_at_a_time(network: Network) -> int:
    """The number of rows that a run takes a multiple of: whole sequences and observations.

    Rows are counted from the inputs on: a layer that joins k rows needs a multiple of k of them.
    """
    least = 1
    widths = network.widths()
    heights = {one.name: (1, 1) for one in network.inputs}  # rows of a value for rows of an input
    for layer in network.layers:
        many, of = heights[layer.input] if layer.inputs else (1, 1)
        joined, by = 1, 1
        if isinstance(layer, Rearrange):
            width = widths[layer.input] or layer.shape[-1]
            joined, by = math.prod(layer.shape), width
            heights[layer.name] = many * width, of * layer.units
        elif isinstance(layer, LSTM) and layer.steps is not None:
            joined = layer.steps
            heights[layer.name] = many, of * (joined if layer.last else 1)
        else:
            heights[layer.name] = many, of
        wanted = of * joined
        least = math.lcm(least, wanted // math.gcd(wanted, many * by))
    return least


def matched_inputs(
    network: Network, inputs: ArrayLike | Mapping[str, ArrayLike], dtype: type = np.float32
) -> dict[str, Array]:
    """The inputs by name, as matrices of ``dtype``; UsageError says which one does not fit."""
    if not isinstance(inputs, Mapping):
        if len(network.inputs) != 1:
            names = ", ".join(one.name for one in network.inputs)
            raise UsageError(
                f"network {network.name} takes {len(network.inputs)} inputs ({names}), not one",
                remedy="Give an .npz with an array for each of these names.",
            )
        inputs = {network.inputs[0].name: inputs}
    matched: dict[str, Array] = {}
    in_order = any(isinstance(one, LSTM) and one.steps is None for one in network.layers)
    for one in network.inputs:
        if one.name not in inputs:
            raise UsageError(
                f"network {network.name} needs an input called {one.name}; "
                f"given: {', '.join(sorted(inputs))}"
            )
        given = np.asarray(inputs[one.name])
        if given.dtype.kind not in "fiub":
            raise UsageError(f"input {one.name} holds {given.dtype} values, not real numbers")
        if in_order and math.prod(given.shape[:-2]) > 1:
            raise UsageError(
                f"network {network.name} takes one sequence at a time, its steps as rows; "
                f"input {one.name} has shape {given.shape}",
                remedy=f"Give an array of shape [steps, {one.width}].",
            )
        with np.errstate(over="ignore"):  # a number too large for dtype shows in the values
            rows = as_rows(np.ascontiguousarray(given, dtype), one.width)
        if rows is None:
            raise UsageError(
                f"input {one.name} of network {network.name} is {one.width} wide, "
                f"but the array has shape {given.shape}",
                remedy=f"Give an array of shape [rows, {one.width}].",
            )
        matched[one.name] = rows
    heights = {name: array.shape[0] for name, array in matched.items()}
    if len(set(heights.values())) != 1:
        raise UsageError(f"the inputs have different numbers of rows: {heights}")
    return matched


def as_rows(array: Array, width: int) -> Array | None:
    """An array as [rows, width]: sequences row by row, images as one row each, else None."""
    if array.ndim and array.shape[-1] == width:
        return array.reshape(-1, width)
    if array.ndim > 1 and math.prod(array.shape[1:]) == width:
        return array.reshape(-1, width)
    return None
