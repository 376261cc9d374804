"""The inputs that a network is run on: given ones, or drawn and said so."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from lnfold.errors import UsageError
from lnfold.network.records.layers import Input, Network, Standardize
from lnfold.network.running.run_inputs import as_rows, observations_at_a_time, shaped
from lnfold.recovery.examples.example_arrays import by_name_or_width

Array = np.ndarray

ROWS = 1024
SEED = 0
OPEN_LENGTH = 8  # steps of a sequence, where any number of them will do


@dataclass(frozen=True, slots=True, eq=False)
class Observations:
    """Inputs by name, in their shapes, and a sentence that says where they come from.

    ``told`` is which array is which input, where their names alone do not say it.
    """

    inputs: Mapping[str, Array]
    origin: str
    told: str = ""

    def __repr__(self) -> str:
        shapes = ", ".join(f"{name} {array.shape}" for name, array in self.inputs.items())
        return f"Observations({shapes}: {self.origin})"


def drawn(network: Network, rows: int = ROWS, seed: int = SEED) -> Observations:
    """Inputs from the observation normaliser's mean and deviation, else from N(0, 1).

    As many rows as asked for, or the few more that make the last observation a whole one; an
    axis of open length is OPEN_LENGTH long.
    """
    shapes = {
        one.name: tuple(length or OPEN_LENGTH for length in one.shape[1:-1])
        for one in network.inputs
    }
    long = max((math.prod(shape) for shape in shapes.values()), default=1)
    many = -(-rows // long)
    many += -many % observations_at_a_time(network)
    rows = many * long
    generator = np.random.default_rng(seed)
    inputs, normalised = {}, False
    for one in network.inputs:
        sample = generator.standard_normal((many, *shapes[one.name], one.width))
        normaliser = _normaliser(network, one)
        if normaliser is not None:
            normalised = True
            sample = sample * normaliser.deviation.array.ravel() + normaliser.mean.array.ravel()
        with np.errstate(over="ignore"):  # a statistic too large for an input shows in the values
            inputs[one.name] = sample.astype(np.float32)
    source = "the observation normaliser's mean and deviation" if normalised else "N(0, 1)"
    return Observations(inputs, f"{rows} rows drawn from {source}, seed {seed}")


def _normaliser(network: Network, one: Input) -> Standardize | None:
    readers = network.consumers(one.name)
    return next((layer for layer in readers if isinstance(layer, Standardize)), None)


def given(network: Network, arrays: Mapping[str, Array], path: str) -> Observations:
    """Inputs from a file's arrays: by the placeholders' names, or ``inputs`` for the only one.

    What no name tells is told by the width of its rows, where that leaves one way; the origin
    says so.

    Raises:
        UsageError: no array, or more than one, may be an input; there are no rows; or a number
            is not finite, of which no output could be judged.
    """
    found = _named(network, arrays)
    told = "" if len(found) == len(network.inputs) else _matched(network, arrays, found, path)
    inputs = {one.name: arrays[found[one.name]] for one in network.inputs}
    rows = min((row_count(inputs[one.name], one) for one in network.inputs), default=0)
    if not rows:
        raise UsageError(
            f"{path} holds no rows of inputs for network {network.name}",
            remedy="Give at least one row, or leave --inputs out: then rows are drawn.",
        )
    for name, array in inputs.items():
        _expect_finite(array, name, path)
    origin = f"{rows} {'row' if rows == 1 else 'rows'} of {path}"
    origin += f", told by name or width: {told}" if told else ""
    return Observations(inputs, origin, told)


def row_count(array: Array, one: Input) -> int:
    """How many rows a run makes of an array; where it does not fit, as many as it counts."""
    found = shaped(np.asarray(array), one)
    return len(array if found is None else as_rows(found)) if np.ndim(array) else 0


def _expect_finite(array: Array, name: str, path: str) -> None:
    """UsageError where an array holds what is no finite float32: nothing behind it can be judged.

    What is no number at all is left to the run, which says so.
    """
    if np.asarray(array).dtype.kind not in "fiub":
        return
    with np.errstate(over="ignore"):
        strange = np.argwhere(~np.isfinite(np.asarray(array).astype(np.float32)))
    if not len(strange):
        return
    place = tuple(int(one) for one in strange[0])
    raise UsageError(
        f"{path}: input {name} holds {array[place]:g} at {list(place)}, "
        "which is no finite float32 number, so nothing computed from it can be judged",
        remedy="Leave that row out, or give a finite number.",
    )


def holds_inputs(network: Network, arrays: Mapping[str, Array]) -> bool:
    """Whether ``given`` finds an array for every input of a network."""
    found = _named(network, arrays)
    try:
        if len(found) < len(network.inputs):
            _matched(network, arrays, found, "")
    except UsageError:
        return False
    return True


def _named(network: Network, arrays: Mapping[str, Array]) -> dict[str, str]:
    """The arrays that are called as inputs are, or ``inputs`` for the only one."""
    alone = ["inputs"] if len(network.inputs) == 1 else []
    found = {}
    for one in network.inputs:
        names = [one.name, one.name.rpartition("/")[2], *alone]
        name = next((name for name in names if name in arrays), None)
        if name is not None:
            found[one.name] = name
    return found


def _matched(
    network: Network, arrays: Mapping[str, Array], found: dict[str, str], path: str
) -> str:
    """Adds to the inputs found those that names like theirs or widths tell; how they were told."""
    rest = {name: array for name, array in arrays.items() if name not in found.values()}
    possible = by_name_or_width(network, rest)
    missing = [one for one in network.inputs if one.name not in found]
    for one in missing:
        names = possible[one.name]
        shared = [other.name for other in missing if other is not one]
        alike = [other for other in shared if set(possible[other]) & set(names)]
        if len(names) == 1 and not alike:
            found[one.name] = names[0]
            continue
        alone = len(network.inputs) == 1
        several = f": {' or '.join(sorted(names))} could be it by width" if names else ""
        raise UsageError(
            f"{path} holds no array for input '{one.name}' [{one.width}] of network "
            f"{network.name}{several}; it holds: {', '.join(sorted(arrays)) or 'nothing'}",
            remedy=f"Name the array '{one.name}'" + (" or 'inputs'." if alone else "."),
        )
    return ", ".join(f"'{found[one.name]}' as {one.name} [{one.width}]" for one in missing)
