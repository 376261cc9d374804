"""Ranges of units attacked by samples, corners and ascent, over kernels that are hard to prove.

No bias, zero and equal columns, deficient rank, columns of very different sizes, epsilon from 0,
boxes far from 0, half-infinite boxes and points.
"""

from __future__ import annotations

from collections import Counter

import numpy as np

from lnfold.network.records.layers import LayerNorm, Network, RMSNorm
from lnfold.network.records.pairs import pairs
from lnfold.network.running.run import run
from lnfold.relations.ranges.box import Box
from lnfold.relations.ranges.interval_bounds import reaches
from lnfold.relations.ranges.units import Units, Verdict, describe_units
from tests.relations.random_networks import activation, dense, network, norm

BOXES = [(2, 3), (100, 255), (0, 1), (-1, 1), (-np.inf, np.inf), (0, np.inf), (5, 5)]
EPSILONS = [0.0, 1e-12, 1e-7, 1e-6, 1e-3, 0.1]


def hard_network(seed: int) -> tuple[Network, Box]:
    """One or two normed layers, perhaps behind a sigmoid, whose kernels are degenerate."""
    random = np.random.default_rng(seed)
    inputs = int(random.integers(1, 8))
    layers = []
    value = "x"
    if random.random() < 0.3:
        layers.append(activation("squashed", "x", "sigmoid"))
        value = "squashed"
    width = inputs
    for depth in range(int(random.integers(1, 3))):
        units = int(random.integers(2, 10))
        kernel = random.normal(size=(width, units)) * 10.0 ** random.integers(-4, 5, (width, 1))
        kind = random.integers(0, 5)
        if kind == 1:
            kernel[:, -1] = kernel[:, 0]
        elif kind == 2:
            kernel[:, 0] = 0
        elif kind == 3:
            kernel = np.outer(random.normal(size=width), random.normal(size=units))
        bias = None if random.random() < 0.6 else random.normal(0, 0.5, units)
        epsilon = float(random.choice(EPSILONS))
        gamma, beta = random.normal(1, 0.7, units), random.normal(0, 0.5, units)
        layers.append(dense(f"d{depth}", value, np.float32(kernel), _single(bias)))
        of = LayerNorm if random.random() < 0.7 else RMSNorm
        normed = norm(f"n{depth}", f"d{depth}", _single(gamma), _single(beta), epsilon, of)
        layers += [normed, activation(f"a{depth}", f"n{depth}", "relu")]
        value, width = f"a{depth}", units
    low, high = BOXES[seed % len(BOXES)]
    return network(layers, inputs), Box(np.full(inputs, float(low)), np.full(inputs, float(high)))


def _single(array: np.ndarray | None) -> np.ndarray | None:
    return None if array is None else np.float32(array)


def attacks(net: Network, box: Box, random: np.random.Generator) -> np.ndarray:
    """Rows of the box: drawn inside and at its corners, then moved to where each unit grew."""
    low = np.where(np.isfinite(box.low), box.low, -30.0)
    high = np.where(np.isfinite(box.high), box.high, 30.0)
    share = np.clip(random.uniform(-0.5, 1.5, (600, box.width)), 0, 1)
    rows = low + share * (high - low)
    names = [pair.norm.name for pair in pairs(net)]
    for step in (0.3, 0.1, 0.03, 0.01):
        values = run(net, rows, np.float64, trace=True)
        best = set()
        for name in names:
            held = np.nan_to_num(values[name], posinf=0.0, neginf=0.0)
            best |= {*held.argmax(axis=0).tolist(), *held.argmin(axis=0).tolist()}
        chosen = rows[sorted(best)]
        moved = chosen[:, None] + random.normal(0, step, (1, 20, box.width)) * (high - low)
        rows = np.concatenate([rows, np.clip(moved.reshape(-1, box.width), low, high)])
    return np.float32(rows)


def contradictions(units: Units, seen: np.ndarray, *, exact: bool) -> int:
    """How many ranges or verdicts what was seen contradicts; ranges are those of exact numbers."""
    low, high = seen.min(axis=0), seen.max(axis=0)
    room = 1e-6 * (1 + np.abs(seen).max(axis=0))
    count = 0
    if exact:
        count += int(((low < units.infimum - room) | (high > units.supremum + room)).sum())
    for unit, verdict in enumerate(units.verdicts):
        count += verdict is Verdict.DEAD and high[unit] > 0
        count += verdict is Verdict.ALWAYS_ON and low[unit] < 0
    return count


def test_no_attack_leaves_a_range_or_contradicts_a_verdict():
    """In float64 every range holds, and what is proved dead or on is so in float32, too."""
    counts: Counter[str] = Counter()
    for seed in range(70):
        net, box = hard_network(seed)
        reached = reaches(net, {"x": box})
        rows = attacks(net, box, np.random.default_rng(seed))
        for dtype in (np.float64, np.float32):
            values = run(net, rows, dtype, trace=True)
            for pair in pairs(net):
                # without values: the safety net must not be what holds
                units = describe_units(net, pair, reached, None)
                seen = values[pair.norm.name].astype(np.float64)
                seen = seen[np.isfinite(seen).all(axis=1)]
                if not len(seen):
                    continue
                found = contradictions(units, seen, exact=dtype is np.float64)
                assert found == 0, (seed, pair.norm.name, dtype)
                counts["units"] += seen.shape[1]
                counts["proved"] += len(units.verdicts) - units.count(Verdict.MIXED)
                counts["bounded"] += int(np.isfinite(units.supremum).sum())
    assert counts["units"] > 600
    assert counts["bounded"] > 500
    assert counts["proved"] > 60
