"""The least standard deviation s(x) that inputs of a box can bring about.

    min over low ≤ x ≤ high of ‖x·W_c + b_c‖        s_min² = that²/n + epsilon

is a least-squares problem with bounds. For any direction v of length 1 the length of a vector is
at least its product with v, so that

    ‖x·W_c + b_c‖ ≥ b_c·v + Σ_j min(low_j·g_j, high_j·g_j)        g = W_c·v

holds for every x of the box: a sound lower bound, and tight for the v along the minimum itself
(weak and strong duality, Boyd and Vandenberghe, Convex Optimization, chapter 5). Inputs that may
be anything are taken out first, by projecting what they span away. The minimum over the others is
searched by accelerated projected gradients (Beck and Teboulle 2009); a search that stops early
leaves the bound lower, never wrong.

Behind relu the box is a piece of the positive orthant. There the bias of a deeper layer, that a
free input could cancel to s = √epsilon, mostly cannot be cancelled at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from lnfold.relations.ranges.box import Box
from lnfold.relations.ranges.homogeneous import Lifted

Array = np.ndarray

STEPS: Final = 4000  # each costs 2·inputs·units; a box of 64 units settles in some hundreds
_EPS: Final = float(np.finfo(np.float64).eps)
_WORK: Final = 3e9  # products in all, so that wide layers take seconds


@dataclass(frozen=True, slots=True)
class LeastDeviation:
    """What is known of the least s(x): it is not below ``bound`` and not above ``found``."""

    bound: float
    found: float


def least_deviation(lifted: Lifted, box: Box) -> LeastDeviation:
    """The least s(x) of a pair over a box of the dense layer's inputs; sides may be infinite."""
    off = np.zeros(lifted.inputs + 1) if lifted.rounding is None else lifted.rounding
    off = off * np.sqrt(lifted.units)  # of each row's length
    anything = np.isneginf(box.low) & np.isposinf(box.high)
    bound, found, inner = _held(lifted, off, box, anything)
    half = ~anything & ~(np.isfinite(box.low) & np.isfinite(box.high)) & inner
    if half.any() and bound < (1 - 1e-9) * found:
        # a half-line that the minimum lies inside of holds nothing back: as good as anything
        bound = max(bound, _held(lifted, off, box, anything | half)[0])
    units, epsilon = lifted.units, lifted.epsilon
    return LeastDeviation(
        float(np.sqrt(bound**2 / units + epsilon)) * (1 - 8 * _EPS),
        float(np.sqrt(found**2 / units + epsilon)),
    )


def _held(lifted: Lifted, off: Array, box: Box, free: Array) -> tuple[float, float, Array]:
    """``_least_length`` with some inputs free, and which of the others end inside their sides."""
    rows, off = _without(lifted.rows, off, free, lifted.dimensions)
    rest = Box(box.low[~free], box.high[~free])
    kept = np.append(~free, True)
    bound, found, x = _least_length(rows[kept], off[kept], rest)
    inner = np.zeros(box.width, bool)
    inner[~free] = (rest.low < x) & (x < rest.high)
    return bound, found, inner


def _least_length(rows: Array, off: Array, box: Box) -> tuple[float, float, Array]:
    """A lower bound of ‖x̃·rows‖ over the box, the least length found, and its x.

    Each row may be off by a vector of length ``off``.
    """
    kernel, bias = rows[:-1], rows[-1]
    # inputs of different sizes are measured in units of their own rows
    scale = np.linalg.norm(kernel, axis=1)
    used = scale > 0
    if (off[:-1][~used] > 0).any():
        return 0.0, np.inf, box.middle()  # a row that may be anything but was rounded to 0
    kernel, scale = kernel[used] / scale[used, None], scale[used]
    low, high = box.low[used] * scale, box.high[used] * scale
    off = np.append(off[:-1][used] / scale, off[-1])
    x = np.clip(0.0, low, high)
    steepest = _largest_square(kernel)
    best, found = 0.0, np.inf
    ahead, momentum = x, 1.0
    steps = int(min(STEPS, max(_WORK / max(2 * kernel.size, 1), 50)))
    for step in range(steps):
        left = ahead @ kernel + bias
        moved = np.clip(ahead - (kernel @ left) / steepest, low, high)
        turned = float((ahead - moved) @ (moved - x)) > 0
        following = 1.0 if turned else (1 + np.sqrt(1 + 4 * momentum**2)) / 2
        pull = 0.0 if turned else (momentum - 1) / following
        ahead, x, momentum = moved + pull * (moved - x), moved, following
        if step % 50 == 49 or step == steps - 1:
            left = x @ kernel + bias
            found = min(found, float(np.linalg.norm(left)))
            best = max(best, _certified(kernel, bias, low, high, left, off))
            if best >= (1 - 1e-9) * found:
                break
    place = box.middle()
    place[used] = x / scale
    return best, found, place


def _without(rows: Array, off: Array, anything: Array, dimensions: int) -> tuple[Array, Array]:
    """The rows at right angles to what free inputs span, which no input can cancel.

    Returns:
        the rows, and how far each may be off: a row's part along a subspace is off by its length
        times the sine of the angle that rounding turns the subspace by, ‖rounding‖ over its least
        singular value (Wedin 1972).
    """
    spanning, moved = rows[:-1][anything], off[:-1][anything]
    scale = np.linalg.norm(spanning, axis=1)
    if (moved[scale == 0] > 0).any():
        return np.zeros_like(rows), np.zeros_like(off)
    spanning, moved, scale = spanning[scale > 0], moved[scale > 0], scale[scale > 0]
    if not len(spanning):
        return rows, off
    if len(spanning) >= dimensions:
        return np.zeros_like(rows), np.zeros_like(off)  # all that is left is rounding
    _, singular, right = np.linalg.svd(spanning / scale[:, None], full_matrices=False)
    turn = float(np.linalg.norm(moved / scale)) + 8 * _EPS * sum(spanning.shape)
    if singular[-1] <= 2 * turn:
        return np.zeros_like(rows), np.zeros_like(off)  # what they span cannot be told
    turn = 2 * turn / float(singular[-1])
    left = rows - rows @ right.T @ right
    return left, off + (turn + 8 * _EPS * rows.shape[1]) * np.linalg.norm(rows, axis=1)


def _certified(rows: Array, bias: Array, low: Array, high: Array, left: Array, off: Array) -> float:
    """What the direction of a length proves about all of them; 0 where it proves nothing."""
    length = float(np.linalg.norm(left))
    if not length > 0:
        return 0.0
    along = left / length
    slope = rows @ along
    # every product is off by what its sum is rounded by, and by what the rows themselves are
    loose = 2 * (bias.size + 4) * _EPS + off[:-1]
    ends = np.stack([low, high])
    with np.errstate(invalid="ignore"):
        products = np.stack([(slope - loose) * ends, (slope + loose) * ends])
    # an input that is 0 moves nothing, however its slope was rounded
    reached = np.where(ends == 0, 0.0, products).reshape(4, -1).min(axis=0)
    height = float(bias @ along)
    rounding = (slope.size + bias.size + 8) * _EPS * (
        np.linalg.norm(bias) + np.abs(reached).sum()
    ) + off[-1]
    proved = (height + reached.sum() - rounding) * (1 - 4 * _EPS * bias.size)
    return max(float(proved), 0.0) if np.isfinite(proved) else 0.0


def _largest_square(rows: Array) -> float:
    """An upper bound of ‖rows‖², by which no step is too long: by rows, columns or all."""
    by_sums = float(np.abs(rows).sum(axis=1).max(initial=0.0)) * float(
        np.abs(rows).sum(axis=0).max(initial=0.0)
    )
    return max(min(by_sums, float(np.square(rows).sum())), 1e-300)
