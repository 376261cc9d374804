"""The box of inputs that a user names: two numbers for all of them, or a file of arrays."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from lnfold.errors import UsageError
from lnfold.network.records.layers import Input, Network
from lnfold.relations.ranges.box import Box

Array = np.ndarray


def box_of_numbers(network: Network, low: float, high: float) -> dict[str, Box]:
    """low ≤ x ≤ high for every number of every input.

    Raises:
        UsageError: low > high or NaN.
    """
    return {
        one.name: _held(np.full(one.width, float(low)), np.full(one.width, float(high)), "--box")
        for one in network.inputs
    }


def box_of_arrays(network: Network, arrays: Mapping[str, Array], path: str) -> dict[str, Box]:
    """``low`` and ``high`` [width] of the one input, or ``NAME/low`` and ``NAME/high`` of each.

    An array of shape [2, width] called ``box`` holds both. An input without a box may be
    anything.

    Raises:
        UsageError: no box in the file, one of another width, or one that is empty.
    """
    boxes = {}
    for one in network.inputs:
        alone = len(network.inputs) == 1
        both = arrays.get("box") if alone else None
        if both is not None and both.ndim == 2 and len(both) == 2:
            low, high = both
        else:
            low, high = (_side(arrays, one, side, alone) for side in ("low", "high"))
        if low is None and high is None:
            continue
        boxes[one.name] = _held(
            _fitting(low, one, "low", path, -np.inf),
            _fitting(high, one, "high", path, np.inf),
            path,
        )
    if not boxes:
        raise UsageError(
            f"{path} holds no box for network {network.name}; "
            f"it holds: {', '.join(sorted(arrays)) or 'nothing'}",
            remedy="Name the arrays low and high"
            + ("." if len(network.inputs) == 1 else ", after the input: NAME/low, NAME/high."),
        )
    return boxes


def _side(arrays: Mapping[str, Array], one: Input, side: str, alone: bool) -> Array | None:
    names = [f"{one.name}/{side}", *([side] if alone else [])]
    return next((arrays[name] for name in names if name in arrays), None)


def _fitting(given: Array | None, one: Input, side: str, path: str, absent: float) -> Array:
    if given is None:
        return np.full(one.width, absent)
    if given.dtype.kind not in "fiub":
        raise UsageError(
            f"{side} of the box in {path} holds {given.dtype} values, not real numbers"
        )
    array = np.asarray(given, np.float64).ravel()
    if array.size not in (1, one.width):
        raise UsageError(
            f"{side} of the box in {path} holds {array.size} numbers, "
            f"input {one.name} is {one.width} wide",
            remedy=f"Give {one.width} numbers, or one for all.",
        )
    return np.broadcast_to(array, (one.width,)).copy()


def _held(low: Array, high: Array, where: str) -> Box:
    """The box, as far as float32 can hold it: a side beyond its largest number is no side."""
    box = Box(low, high)
    largest = float(np.finfo(np.float32).max)
    if (low > largest).any() or (high < -largest).any():
        raise UsageError(
            f"the box of {where} holds no number that a float32 input can be",
            remedy=f"Stay between {-largest:.1e} and {largest:.1e}.",
        )
    return Box(
        np.where(box.low < -largest, -np.inf, box.low),
        np.where(box.high > largest, np.inf, box.high),
    )
