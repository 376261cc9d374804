"""Proved slopes held against steeper ones that were found; see ``relations.ranges.observed``."""

from __future__ import annotations

from dataclasses import replace

from lnfold.relations.ranges.observed import ROUNDING
from lnfold.relations.sensitivity.lipschitz import Steepness
from lnfold.relations.sensitivity.network_lipschitz import NetworkSlope


def held_steepness(one: Steepness) -> Steepness:
    """A layer's slope, with nothing known of s(x) where a steeper one was found."""
    return replace(one, deviation=0.0) if _is_passed(one.bound, one.found) else one


def held_slope(one: NetworkSlope) -> NetworkSlope:
    """A network's slope, without its bound where a steeper one was found."""
    return replace(one, bound=None) if _is_passed(one.bound, one.found) else one


def _is_passed(bound: float | None, found: float | None) -> bool:
    return bound is not None and found is not None and found > bound * (1 + ROUNDING)
