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

from lnfold.relations.box import Box
from lnfold.relations.lifted import Lifted

Array = np.ndarray

STEPS: Final = 4000  # each costs 2·inputs·units; a box of 64 units settles in some hundreds
_WORK: Final = 3e9  # products in all, so that wide layers take seconds


@dataclass(frozen=True, slots=True)
class LeastDeviation:
    """What is known of the least s(x): it is not below ``bound`` and not above ``found``."""

    bound: float
    found: float


def least_deviation(lifted: Lifted, box: Box) -> LeastDeviation:
    """The least s(x) of a pair over a box of the dense layer's inputs; sides may be infinite."""
    kernel, bias = lifted.rows[:-1], lifted.rows[-1]
    anything = np.isneginf(box.low) & np.isposinf(box.high)
    kernel, bias = _without(kernel[anything], kernel, bias, lifted.dimensions)
    rest = Box(box.low[~anything], box.high[~anything])
    bound, found = _least_length(kernel[~anything], bias, rest)
    units, epsilon = lifted.units, lifted.epsilon
    return LeastDeviation(
        float(np.sqrt(bound**2 / units + epsilon)), float(np.sqrt(found**2 / units + epsilon))
    )


def _least_length(kernel: Array, bias: Array, box: Box) -> tuple[float, float]:
    """A lower bound of ‖x·kernel + bias‖ over the box, and the least length found."""
    # inputs of different sizes are measured in units of their own rows
    scale = np.linalg.norm(kernel, axis=1)
    used = scale > 0
    rows = kernel[used] / scale[used, None]
    low, high = box.low[used] * scale[used], box.high[used] * scale[used]
    x = np.clip(0.0, low, high)
    steepest = _largest_square(rows)
    best, found = 0.0, np.inf
    ahead, momentum = x, 1.0
    steps = int(min(STEPS, max(_WORK / max(2 * rows.size, 1), 50)))
    for step in range(steps):
        left = ahead @ rows + bias
        moved = np.clip(ahead - (rows @ left) / steepest, low, high)
        turned = float((ahead - moved) @ (moved - x)) > 0
        following = 1.0 if turned else (1 + np.sqrt(1 + 4 * momentum**2)) / 2
        pull = 0.0 if turned else (momentum - 1) / following
        ahead, x, momentum = moved + pull * (moved - x), moved, following
        if step % 50 == 49 or step == steps - 1:
            left = x @ rows + bias
            found = min(found, float(np.linalg.norm(left)))
            best = max(best, _certified(rows, bias, low, high, left))
            if best >= (1 - 1e-9) * found:
                break
    return best, found


def _without(spanning: Array, kernel: Array, bias: Array, dimensions: int) -> tuple[Array, Array]:
    """Kernel and bias at right angles to what some rows span, which no input can cancel."""
    if not len(spanning):
        return kernel, bias
    _, singular, right = np.linalg.svd(spanning, full_matrices=False)
    least = singular[0] * np.finfo(float).eps * max(spanning.shape)
    basis = right[singular > least]
    if len(basis) >= dimensions:
        return np.zeros_like(kernel), np.zeros_like(bias)  # all that is left is rounding
    return kernel - kernel @ basis.T @ basis, bias - bias @ basis.T @ basis


def _certified(rows: Array, bias: Array, low: Array, high: Array, left: Array) -> float:
    """What the direction of a length proves about all of them; 0 where it proves nothing."""
    length = float(np.linalg.norm(left))
    if not length > 0:
        return 0.0
    along = left / length
    slope = rows @ along
    with np.errstate(invalid="ignore"):
        ends = np.where(slope > 0, slope * low, slope * high)
    reached = np.where(slope == 0, 0.0, ends)
    # what the sums may have been rounded by is taken off
    rounding = np.finfo(float).eps * (slope.size + bias.size) * (np.abs(bias).sum() + length)
    proved = float(bias @ along + reached.sum()) - rounding
    return max(proved, 0.0) if np.isfinite(proved) else 0.0


def _largest_square(rows: Array) -> float:
    """An upper bound of ‖rows‖², by which no step is too long: by rows, columns or all."""
    by_sums = float(np.abs(rows).sum(axis=1).max(initial=0.0)) * float(
        np.abs(rows).sum(axis=0).max(initial=0.0)
    )
    return max(min(by_sums, float(np.square(rows).sum())), 1e-300)
