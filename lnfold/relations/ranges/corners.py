"""The greatest value of z_i at the corners of a box, over all of them.

Where T_i·x̃ is negative all over a box, ‖R·x̃‖/|T_i·x̃| is quasi-convex, a quotient of a convex
and a positive affine function, and takes its greatest value at a corner; there z_i, its negative
inverse, is greatest too (Boyd and Vandenberghe, Convex Optimization, section 3.4). All 2^k
corners of k inputs that are not held fixed are tried, for all such units at once.

A corner's y and R·x̃ are the sum of two tables, one of the first half of the inputs and one of
the second, so a corner costs inputs + units additions, one square root and units products. On a
core of 2020 that is 0.5 s for 20 inputs and 64 units, and 20 s for 20 inputs and 4,096 units;
each input more doubles it. Beyond ``CORNERS`` inputs nothing is enumerated.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from lnfold.relations.ranges.box import Box
from lnfold.relations.ranges.homogeneous import Lifted

Array = np.ndarray
Watch = Callable[[int, int], None]

CORNERS: Final = 20  # inputs up to which all their 2^inputs corners are tried
_INNER: Final = 10  # inputs whose corners are one table
_BLOCK: Final = 1 << 18  # numbers in a block: what a core's own cache holds


def corner_maxima(
    lifted: Lifted, rows: Array, box: Box, units: Array, watch: Watch | None = None
) -> tuple[Array, Array]:
    """The greatest z_i at any corner of a bounded box, and the corner.

    Args:
        rows: T [inputs + 1, units], or −T for the least values' negatives.
        units: the indices of the units wanted.
        watch: told after each block (corners done, corners); not called for a single block.

    Returns:
        values [wanted] and corners [wanted, inputs], in the order of ``units``.
    """
    extended = np.flatnonzero(box.low < box.high)
    inner, outer = extended[:_INNER], extended[_INNER:]
    triangle = np.linalg.qr(lifted.root())[1].T  # x̃ times it is as long as R·x̃, and shorter
    origin = np.append(box.low, 1.0)
    sides = (box.high - box.low)[:, None]
    chosen = rows[:, units]
    y_near, q_near = _table(sides, inner, chosen), _table(sides, inner, triangle)
    y_far, q_far = _table(sides, outer, chosen), _table(sides, outer, triangle)
    y_near, q_near = y_near + origin @ chosen, q_near + origin @ triangle

    best = np.full(units.size, -np.inf)
    where = np.zeros(units.size, np.int64)
    wide = max(_BLOCK // len(y_near), 1)
    for far in range(len(y_far)):
        inverse = 1 / np.linalg.norm(q_near + q_far[far], axis=1)[:, None]
        for start in range(0, units.size, wide):
            some = slice(start, start + wide)
            z = (y_near[:, some] + y_far[far, some]) * inverse
            top = z.max(axis=0)
            better = np.flatnonzero(top > best[some])
            if better.size:
                near = z[:, better].argmax(axis=0)
                best[start + better] = top[better]
                where[start + better] = (far << inner.size) + near
        if watch is not None and len(y_far) > 1:
            watch((far + 1) << inner.size, 1 << extended.size)
    corners = np.tile(box.low, (units.size, 1))
    risen = (where[:, None] >> np.arange(extended.size)) & 1
    corners[:, extended] = np.where(risen == 1, box.high[extended], box.low[extended])
    return best, corners


def _table(sides: Array, inputs: Array, rows: Array) -> Array:
    """What each subset of the inputs adds when it goes from low to high [2^inputs, columns].

    Row number j is of the subset that j's binary digits name, the first input's the lowest.
    """
    table = np.zeros((1, rows.shape[1]))
    for one in inputs:
        table = np.vstack([table, table + sides[one] * rows[one]])
    return table
