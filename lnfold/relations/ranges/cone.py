"""The shortest difference between vectors and a cone: least squares with multipliers ≥ 0.

For a cone spanned by the columns of D and vectors c this finds

    min over mu ≥ 0 of ‖c − D·mu‖

whose minimiser leaves the projection of c onto the polar cone {v : v·d_j ≤ 0} (Moreau 1962).
Every mu ≥ 0 gives an upper bound of that length, so a search that stops early stays sound.
The active-set method is Lawson and Hanson's, Solving Least Squares Problems (1974), chapter 23;
for many multipliers at once, the accelerated projected gradients of Beck and Teboulle (2009).
"""

from __future__ import annotations

from typing import Final

import numpy as np

Array = np.ndarray

ACTIVE_SET_LIMIT: Final = 24  # beyond it, a column's own least squares cost more than all at once
_STEPS: Final = 400


def polar_projections(spanning: Array, vectors: Array) -> Array:
    """What is left of each vector when the nearest point of the cone is subtracted.

    Args:
        spanning: D [size, generators].
        vectors: c, one a column [size, vectors].

    Returns:
        v [size, vectors]: c − D·mu. With at most ``ACTIVE_SET_LIMIT`` dimensions mu is the
        minimiser to rounding, else a near one; it is never negative.
    """
    lengths = np.linalg.norm(spanning, axis=0)
    directions = spanning[:, lengths > 0] / lengths[lengths > 0]
    if not directions.size:
        return vectors.copy()
    if directions.shape[1] == 1:
        left: Array = vectors - directions * np.maximum(directions.T @ vectors, 0)
        return left
    if directions.shape[0] <= ACTIVE_SET_LIMIT:
        return np.stack([_active_set(directions, one) for one in vectors.T], axis=1)
    return _gradients(directions, vectors)


def _active_set(directions: Array, vector: Array) -> Array:
    """Lawson and Hanson: free the multiplier that helps most, until none helps."""
    count = directions.shape[1]
    free = np.zeros(count, bool)
    multipliers = np.zeros(count)
    left = vector.copy()
    tolerance = 64 * np.finfo(float).eps * (np.linalg.norm(vector) + 1e-300)
    for _ in range(3 * count):
        gain = np.where(free, -np.inf, directions.T @ left)
        best = int(gain.argmax())
        if gain[best] <= tolerance:
            break
        free[best] = True
        while True:
            wanted = np.zeros(count)
            wanted[free] = np.linalg.lstsq(directions[:, free], vector, rcond=None)[0]
            # a multiplier of 0 that stays 0 is in nobody's way
            negative = free & (wanted <= 0) & ((multipliers > 0) | (wanted < 0))
            if not negative.any():
                multipliers = wanted
                break
            # walk towards the free solution until the first multiplier meets zero
            reach = multipliers[negative] / (multipliers[negative] - wanted[negative])
            multipliers = multipliers + reach.min() * (wanted - multipliers)
            met = negative & (multipliers <= 1e-14 * (1 + np.abs(multipliers).max()))
            if not met.any():
                break  # rounding stands still; what is reached is sound
            free &= ~met
            multipliers[met] = 0
            if not free.any():
                break
        left = vector - directions @ multipliers
        if not free[best]:
            break  # the newest went straight back to zero: nothing helps beyond rounding
    return left


def _gradients(directions: Array, vectors: Array) -> Array:
    """Accelerated projected gradients on all vectors at once, restarted where they turn back."""
    gram, right = directions.T @ directions, directions.T @ vectors
    step = 1 / float(np.linalg.eigvalsh(gram)[-1])
    multipliers = np.zeros_like(right)
    ahead, momentum = multipliers, 1.0
    for _ in range(_STEPS):
        moved = np.maximum(ahead - step * (gram @ ahead - right), 0)
        turned = ((ahead - moved) * (moved - multipliers)).sum() > 0
        following = 1.0 if turned else (1 + np.sqrt(1 + 4 * momentum**2)) / 2
        pull = 0.0 if turned else (momentum - 1) / following
        ahead = moved + pull * (moved - multipliers)
        multipliers, momentum = moved, following
    best: Array = vectors - directions @ multipliers
    # a search that went nowhere must not be worse than no multipliers at all
    worse = np.linalg.norm(best, axis=0) > np.linalg.norm(vectors, axis=0)
    best[:, worse] = vectors[:, worse]
    return best
