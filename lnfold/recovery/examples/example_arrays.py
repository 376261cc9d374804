"""Which array of a file of examples is which input or output of a network.

By name where the names say it, else by width, else by the order in which they stand.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from lnfold.errors import UsageError
from lnfold.network.facts.settings import Examples
from lnfold.network.records.layers import Array, Network
from lnfold.network.running.run_inputs import as_rows, matched_inputs

OUTPUT_MARKS: Final = ("outputs/", "outputs_")  # how the names of several outputs begin
_MOST_MATCHES: Final = 24  # ways to tell outputs of one width from each other


def matched(network: Network, examples: Examples) -> dict[str, Array] | None:
    """The inputs of a network in float32, rows as a matrix; None where the examples hold none."""
    wanted = {one.name: one.width for one in network.inputs}
    found = _assigned(wanted, examples.inputs)
    if len(found) != 1 or len(found[0]) != len(wanted):
        return None
    try:
        inputs = matched_inputs(network, found[0])
    except UsageError:
        return None
    of_rows = all(len(one.shape) == 2 for one in network.inputs)
    return {name: as_rows(one) for name, one in inputs.items()} if of_rows else inputs


def output_matches(network: Network, examples: Examples) -> list[dict[str, Array]]:
    """Every way in which the examples' outputs can be those of a network, as matrices.

    A file may hold some of the outputs only. Where outputs are alike in width and no name
    tells them apart, there are several ways, and the examples themselves have to tell.
    """
    widths = network.widths()
    wanted = {name: widths[name] for name in network.outputs}
    inputs = matched(network, examples)
    rows = 0 if inputs is None else len(as_rows(next(iter(inputs.values()))))
    given = {
        name: np.asarray(array)
        for name, array in examples.outputs.items()
        if np.asarray(array).dtype.kind in "fiub"
    }
    ways = _assigned(wanted, given)
    return [
        {
            name: np.asarray(array, np.float64).reshape(-1, wanted[name])
            for name, array in way.items()
        }
        for way in ways
        if rows and all(array.size == rows * wanted[name] for name, array in way.items())
    ]


def by_name_or_width(network: Network, given: Mapping[str, Array]) -> dict[str, list[str]]:
    """The names of the arrays that each input of a network may be: one, where they tell.

    By how its name ends or begins; else, of the arrays that no name claims and that are no
    outputs, by the width of their rows.
    """
    wanted = {one.name: one.width for one in network.inputs}
    free = [name for name in given if not _is_output(name, network)]
    called = {one: [name for name in free if one in _meant(name, wanted)] for one in wanted}
    claimed = {name for names in called.values() for name in names}
    rest = [name for name in free if name not in claimed]
    return {one: called[one] or _as_wide(wanted[one], rest, given) for one in wanted}


def _is_output(name: str, network: Network) -> bool:
    return name == "outputs" or name.startswith(OUTPUT_MARKS) or name in network.outputs


def _as_wide(width: int, names: Sequence[str], given: Mapping[str, Array]) -> list[str]:
    """The arrays whose rows are so wide; flattened ones where no others are."""
    shapes = {name: np.shape(given[name]) for name in names}
    exact = [name for name, shape in shapes.items() if width and shape[-1:] == (width,)]
    return exact or [
        name
        for name, shape in shapes.items()
        if width and len(shape) > 1 and math.prod(shape[1:]) == width
    ]


def rows_of(arrays: Mapping[str, Array], most: int) -> dict[str, Array]:
    """At most so many rows of each matrix, evenly spaced from the first to the last."""
    found = {}
    for name, array in arrays.items():
        rows = array.shape[0]
        chosen = np.unique(np.linspace(0, rows - 1, min(most, rows)).astype(int))
        found[name] = array[chosen]
    return found


def _assigned(wanted: Mapping[str, int], given: Mapping[str, Array]) -> list[dict[str, Array]]:
    """The ways to give the wanted widths arrays; all arrays given are used in each."""
    if not given or len(given) > len(wanted):
        named = {one: array for name, array in given.items() for one in _meant(name, wanted)}
        return [named] if len(named) == len(wanted) else []
    meant = {name: _meant(name, wanted) for name in given}
    if all(len(one) == 1 for one in meant.values()):
        by_name = {one[0]: given[name] for name, one in meant.items()}
        if len(by_name) == len(given):
            return [by_name]
    arrays = list(given.values())
    ways = []
    for chosen in itertools.islice(itertools.permutations(wanted, len(arrays)), _MOST_MATCHES):
        if all(_fits(array, wanted[name]) for name, array in zip(chosen, arrays, strict=True)):
            ways.append(dict(zip(chosen, arrays, strict=True)))
    return ways


def _meant(name: str, wanted: Mapping[str, int]) -> Sequence[str]:
    """The values that the name of an array can mean: theirs, or how theirs ends or begins."""
    bare = name.removeprefix("outputs").lstrip("/_")
    exact = [one for one in wanted if bare == one]
    if exact or not bare:
        return exact
    return [one for one in wanted if f"/{one}/".find(f"/{bare}/") >= 0]


def _fits(array: Array, width: int) -> bool:
    """Whether an array can be rows of so many units; one unit needs no axis of its own."""
    shape = np.asarray(array).shape
    if not shape or not width:
        return not width
    return shape[-1] == width or math.prod(shape[1:]) == width or width == 1
