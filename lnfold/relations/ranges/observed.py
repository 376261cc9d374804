"""Proved figures held against what was observed: what an observation passes is withdrawn.

A proof is code, and code may be wrong. No observation can be: it was delivered. So a bound that
an observation passes by more than rounding is not shown, and proves nothing.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from lnfold.relations.ranges.min_std import LeastDeviation

Array = np.ndarray

ROUNDING: Final = 1e-6  # of a figure: float64 takes no observation further past a true bound


def passed(
    infimum: Array, supremum: Array, lowest: Array | None, highest: Array | None, margin: Array
) -> Array:
    """Which ranges [units] do not hold what was observed, by more than a margin [units]."""
    if lowest is None or highest is None:
        return np.zeros(infimum.shape, bool)
    size = ROUNDING * (np.abs(lowest) + np.abs(highest))
    allowed = np.where(np.isfinite(margin), margin, 0.0) + size
    with np.errstate(invalid="ignore"):
        return np.asarray((lowest < infimum - allowed) | (highest > supremum + allowed))


def held_least(least: LeastDeviation, s: Array) -> LeastDeviation:
    """The least s(x), with no bound but 0 where one of the s observed [rows] is below it."""
    finite = s[np.isfinite(s)]
    below = bool((finite < least.bound * (1 - ROUNDING)).any())
    return replace(least, bound=0.0) if below else least
