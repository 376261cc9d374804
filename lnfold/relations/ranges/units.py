"""What each unit after a norm can ever deliver, and what that proves about it.

    u_i = gamma_i·z_i + beta_i        inf u_i ≤ u_i(x) ≤ sup u_i  for every x of the box

Before relu a unit with sup u_i ≤ 0 never fires, and one with inf u_i ≥ 0 always does: relu is
linear there. That is a proof about all inputs of the box, sampled or not; beside it stands how
often the unit fired on the inputs used.

The range is that of exact arithmetic on the stored numbers. A unit is called dead or always on
only where it stays so when the layer is computed in float32, whose rounding
``float32_margin`` bounds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

import numpy as np

from lnfold.network.records.layers import Activation, BatchNorm, Network
from lnfold.network.records.pairs import Context, Pair
from lnfold.relations.ranges.float32_margin import UNIT, float32_margin
from lnfold.relations.ranges.homogeneous import vector
from lnfold.relations.ranges.observed import passed
from lnfold.relations.ranges.reach import Reach
from lnfold.relations.ranges.unit_ranges import CLOSE, Bound

Array = np.ndarray

_SAME = 64 * float(np.finfo(np.float64).eps) / CLOSE  # of the margin: what is rounding alone


class Verdict(Enum):
    """What a unit can do, bound to the sentence that says it."""

    DEAD = "dead"
    ALWAYS_ON = "always_on"
    CONSTANT = "constant"
    MIXED = "mixed"

    @property
    def sentence(self) -> str:
        return _SENTENCES[self]


_SENTENCES = {
    Verdict.DEAD: "never above 0, so that relu always delivers 0",
    Verdict.ALWAYS_ON: "never below 0, so that relu does nothing",
    Verdict.CONSTANT: "the same for every input, but for rounding",
    Verdict.MIXED: "sometimes on, sometimes off",
}


@dataclass(frozen=True, slots=True, eq=False)
class Units:
    """The units of one pair; all arrays are [units].

    Attributes:
        infimum, supremum: of gamma·z + beta over the box of inputs.
        exact_infimum, exact_supremum: False where the bound is sound but may not be tight.
        verdicts: what the bounds prove; MIXED where they prove nothing else.
        proved: whether the verdict is certain. A MIXED unit is certain where it was seen, or is
            bound by exact bounds, to be on both sides of 0.
        lowest, highest, firing: over inputs of the box, the extremes and the share of rows that
            are above 0; None where the network was not run, or delivered no finite row.
        at_infimum, at_supremum: [units, inputs of the dense layer], where the bounds are
            attained, the direction in which they are approached, or NaN.
        attained_infimum, attained_supremum: whether those are inputs, not directions.
        free: whether every input of the box can reach the dense layer.
    """

    infimum: Array
    supremum: Array
    exact_infimum: Array
    exact_supremum: Array
    verdicts: tuple[Verdict, ...]
    proved: Array
    lowest: Array | None
    highest: Array | None
    firing: Array | None
    at_infimum: Array
    at_supremum: Array
    attained_infimum: Array
    attained_supremum: Array
    free: bool

    def count(self, verdict: Verdict) -> int:
        """How many units have a verdict."""
        return self.verdicts.count(verdict)


def describe_units(
    network: Network,
    pair: Pair,
    reaches: Mapping[str, Reach],
    values: Mapping[str, Array] | None,
) -> Units:
    """The ranges and verdicts of a pair's units.

    Args:
        reaches: of every value, from ``reach.reaches``: they hold the box of inputs.
        values: of all layers on inputs of the box (``inside``), or None.
    """
    low, high, free = _bounds(pair, reaches)
    z = np.maximum(np.abs(low.values), np.abs(high.values))
    moved = float32_margin(network, pair.norm, reaches, z)
    gamma = vector(pair.norm.gamma, low.values.size, 1.0)
    beta = vector(pair.norm.beta, low.values.size, 0.0)
    # a negative gamma takes the supremum of z to the infimum of u
    turned = gamma < 0
    bottom, top = _chosen(turned, high, low), _chosen(turned, low, high)
    with np.errstate(invalid="ignore"):
        infimum = np.where(gamma == 0, beta, gamma * bottom.values + beta)
        supremum = np.where(gamma == 0, beta, gamma * top.values + beta)
    seen = None if values is None else _finite_rows(values[pair.norm.name])
    lowest = None if seen is None else seen.min(axis=0)
    highest = None if seen is None else seen.max(axis=0)
    exact_low, exact_high = (bottom.exact & free) | (gamma == 0), (top.exact & free) | (gamma == 0)
    # what rounding may have moved the bounds by
    margin = CLOSE * (np.abs(gamma) * np.sqrt(gamma.size) + np.abs(beta))
    ends = _in_float32(pair, gamma, beta, (bottom.values, top.values), moved)
    verdicts = _verdicts(network, pair, supremum - infimum <= margin * _SAME, ends)
    # no proof stands against what was seen
    wrong = passed(infimum, supremum, lowest, highest, margin + np.abs(gamma) * moved)
    infimum, supremum = np.where(wrong, -np.inf, infimum), np.where(wrong, np.inf, supremum)
    exact_low, exact_high = exact_low & ~wrong, exact_high & ~wrong
    verdicts = tuple(
        Verdict.MIXED if withdrawn else one for one, withdrawn in zip(verdicts, wrong, strict=True)
    )
    both = (infimum < -margin) & exact_low & (supremum > margin) & exact_high
    if lowest is not None and highest is not None:
        both |= (lowest < 0) & (highest > 0)
    decided = np.array([one is not Verdict.MIXED for one in verdicts], bool)
    return Units(
        infimum,
        supremum,
        exact_low,
        exact_high,
        verdicts,
        decided | both,
        lowest,
        highest,
        None if seen is None else (seen > 0).mean(axis=0),
        bottom.inputs,
        top.inputs,
        bottom.attained,
        top.attained,
        free,
    )


def _finite_rows(values: Array) -> Array | None:
    """The rows [rows, units] without NaN or infinity; None where there are none."""
    rows = np.asarray(values, np.float64)
    finite: Array = rows[np.isfinite(rows).all(axis=1)]
    return finite if len(finite) else None


def _bounds(pair: Pair, reaches: Mapping[str, Reach]) -> tuple[Bound, Bound, bool]:
    """Infimum and supremum of z, without gamma and beta; whether the box is free."""
    norm = pair.norm
    if pair.dense is not None and pair.context is Context.DENSE:
        reach = reaches[pair.dense.input]
        if isinstance(norm, BatchNorm):
            return (*_stored(pair, reaches), reach.free)
        known = reaches[norm.name].normalised
        if known is not None:
            return (*known, reach.free)
    return (*_sound(reaches[norm.name], pair), False)


def _stored(pair: Pair, reaches: Mapping[str, Reach]) -> tuple[Bound, Bound]:
    """BatchNorm is affine: over a free box the ends of its interval are exact."""
    low, high = _sound(reaches[pair.norm.name], pair)
    free = np.full(low.values.size, True)
    return (
        Bound(low.values, free, np.isfinite(low.values), low.inputs),
        Bound(high.values, free, np.isfinite(high.values), high.inputs),
    )


def _sound(reach: Reach, pair: Pair) -> tuple[Bound, Bound]:
    """The bounds of a norm's value, with gamma and beta taken out of it again."""
    units = reach.box.width
    gamma, beta = vector(pair.norm.gamma, units, 1.0), vector(pair.norm.beta, units, 0.0)
    with np.errstate(all="ignore"):
        ends = (np.stack([reach.box.low, reach.box.high]) - beta) / gamma
    ends[:, gamma == 0] = 0.0
    none, nowhere = np.zeros(units, bool), np.full((units, 0), np.nan)
    return (
        Bound(ends.min(axis=0), none, none, nowhere),
        Bound(ends.max(axis=0), none, none, nowhere),
    )


def _chosen(turned: Array, where: Bound, otherwise: Bound) -> Bound:
    return Bound(
        np.where(turned, where.values, otherwise.values),
        np.where(turned, where.exact, otherwise.exact),
        np.where(turned, where.attained, otherwise.attained),
        np.where(turned[:, None], where.inputs, otherwise.inputs),
    )


def _in_float32(
    pair: Pair, gamma: Array, beta: Array, z: tuple[Array, Array], moved: Array
) -> tuple[Array, Array]:
    """The least and the greatest u that a float32 program delivers, from the ends of z for u's."""
    cap = np.inf
    if not isinstance(pair.norm, BatchNorm):
        cap = np.sqrt(gamma.size) * (1 + (gamma.size + 8) * UNIT)
    size = np.abs(gamma)
    ends = []
    for sign, end in zip((-1.0, 1.0), z, strict=True):
        toward = np.minimum(np.where(gamma < 0, -sign, sign) * end + moved, cap)
        with np.errstate(invalid="ignore"):
            product = np.where(gamma == 0, 0.0, size * toward)
            rounding = 4 * UNIT * (np.abs(product) + np.abs(beta)) * (gamma != 0)
            ends.append(sign * (product + rounding) + beta)
    return ends[0], ends[1]


def _verdicts(
    network: Network, pair: Pair, constant: Array, ends: tuple[Array, Array]
) -> tuple[Verdict, ...]:
    functions = {
        reader.function.value if isinstance(reader, Activation) else None
        for reader in network.consumers(pair.norm.name)
    }
    cut = (
        bool(functions) and functions <= {"relu", "relu6"} and pair.norm.name not in network.outputs
    )
    ceiling = 6.0 if "relu6" in functions else np.inf
    found = []
    for same, low, high in zip(constant, *ends, strict=True):
        if same:
            found.append(Verdict.CONSTANT)
        elif cut and high <= 0:
            found.append(Verdict.DEAD)
        elif cut and low >= 0 and high <= ceiling:
            found.append(Verdict.ALWAYS_ON)
        else:
            found.append(Verdict.MIXED)
    return tuple(found)
