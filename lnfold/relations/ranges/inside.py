"""What a network does on inputs of a box: those used that lie in it, or some drawn from it.

What is proved of a box must be compared with what was seen in it: an input outside may well
bring a unit where no input of the box does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from lnfold.network.records.layers import Network
from lnfold.network.running.run import run_rows
from lnfold.relations.ranges.box import Box

Array = np.ndarray

ENOUGH: Final = 100  # of the inputs used, in the box; with fewer, others are drawn
SEED: Final = 0


@dataclass(frozen=True, slots=True, eq=False)
class Inside:
    """Values of all layers [rows, units], float64, on inputs of the box, and which those are.

    ``inputs`` goes on a sentence like "measured on …".
    """

    values: Mapping[str, Array]
    inputs: str


def inside(network: Network, boxes: Mapping[str, Box], values: Mapping[str, Array]) -> Inside:
    """The values on inputs that lie in every box.

    Args:
        boxes: of inputs by name; an input without one may be anything.
        values: of all layers on the inputs used.
    """
    used = {one.name: np.asarray(values[one.name], np.float64) for one in network.inputs}
    rows = len(next(iter(used.values()))) if used else 0
    held = np.ones(rows, bool)
    for name, box in boxes.items():
        held &= ((box.low <= used[name]) & (used[name] <= box.high)).all(axis=1)
    kept = int(held.sum())
    if kept == rows:
        return Inside(values, "the inputs used")
    # behind a sequence a value may have fewer rows than the inputs
    if kept >= ENOUGH and all(len(array) == rows for array in values.values()):
        return Inside(
            {name: array[held] for name, array in values.items()},
            f"the {kept} of the {rows} inputs used that lie in the box",
        )
    generator = np.random.default_rng(SEED)
    drawn = {
        name: _drawn(generator, boxes[name], sample) if name in boxes else sample
        for name, sample in used.items()
    }
    return Inside(
        run_rows(network, drawn, np.float64, trace=True),
        f"{rows} inputs drawn evenly from the box, seed {SEED}",
    )


def _drawn(generator: np.random.Generator, box: Box, sample: Array) -> Array:
    """As many rows as the sample has; where a side is infinite, the sample moved into the box."""
    share = generator.uniform(size=sample.shape)
    with np.errstate(invalid="ignore", over="ignore"):
        even = box.low * (1 - share) + box.high * share
    return box.nearest(np.where(np.isfinite(even), even, sample))
