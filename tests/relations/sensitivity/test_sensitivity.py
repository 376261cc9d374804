"""What movements of bias, gamma and beta do, and how steep and how well conditioned a layer is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lnfold.network.records.layers import LayerNorm, RMSNorm
from lnfold.network.records.pairs import pairs
from lnfold.network.running.run import run
from lnfold.relations.question.bias_split import split_bias
from lnfold.relations.ranges.homogeneous import lift
from lnfold.relations.sensitivity.conditioning import HALF_ULP, conditioning
from lnfold.relations.sensitivity.gradients import normalised, through_norm
from lnfold.relations.sensitivity.lipschitz import steepness
from lnfold.relations.sensitivity.sensitivity import output_gradients, sensitivities
from tests.relations.random_networks import (
    dense,
    epsilons,
    generator_of,
    kinds,
    norm,
    normalised_network,
    seeds,
)

EPS = np.finfo(np.float64).eps


@pytest.mark.parametrize("kind", [LayerNorm, RMSNorm])
def test_effects_are_those_of_random_steps(kind):
    """Moving a vector by many random unit steps moves layer and outputs as reported."""
    generator = generator_of(2)
    net = normalised_network(generator, (4, 9, 7, 2), epsilon=1e-3, kind=kind)
    x = generator.normal(size=(200, 4))
    values = run(net, x, np.float64, trace=True)
    found = sensitivities(pairs(net), output_gradients(net, values))
    step, tries = 1e-5, 400
    compared = 0
    for pair in pairs(net):
        for effect in found[pair.norm.name].effects:
            moved_layer, moved_outputs = [], []
            holder = pair.dense if effect.vector == "bias" else pair.norm
            vector = getattr(holder, effect.vector)
            for _ in range(tries):
                direction = generator.normal(size=vector.array.size)
                direction *= step / np.linalg.norm(direction)
                changed = type(vector)(vector.array + direction, vector.variables)
                other = replace(holder, **{effect.vector: changed})
                layers = [other if one.name == other.name else one for one in net.layers]
                after = run(replace(net, layers=tuple(layers)), x, np.float64, trace=True)
                moved_layer.append(np.square(after[pair.norm.name] - values[pair.norm.name]))
                moved_outputs.append(np.square(after["out"] - values["out"]))
            layer = np.sqrt(np.mean([one.sum(axis=1).mean() for one in moved_layer])) / step
            outputs = np.sqrt(np.mean([one.sum(axis=1).mean() for one in moved_outputs])) / step
            # the mean over random directions settles as 1/√tries
            assert layer == pytest.approx(effect.layer, rel=0.12)
            assert outputs == pytest.approx(effect.outputs, rel=0.25)
            compared += 1
    assert compared == 6


@given(seeds, st.integers(2, 12), epsilons)
def test_the_constant_direction_is_lost_and_the_normalised_one_but_for_epsilon(
    seed, units, epsilon
):
    """J·1 is 0, and J·z is z·epsilon/s³."""
    generator = generator_of(seed)
    layer = norm("n", "y", None, None, epsilon)
    y = generator.normal(size=(32, units))
    z, s = normalised(layer, y)
    # the mean subtracted rounds by ulps of |y|; divided by s twice
    limit = 64 * EPS * units * (1 + np.abs(y).max()) / s.min() ** 2
    ones = through_norm(z, s, np.ones_like(z), centred=True)
    assert np.abs(ones).max() <= limit
    along = through_norm(z, s, z.copy(), centred=True)
    expected = z * (epsilon / s**3)[:, None]
    assert np.abs(along - expected).max() <= limit * np.abs(z).max() ** 2


@given(seeds, st.integers(1, 6), st.integers(3, 20), kinds, epsilons)
def test_the_steepest_place_found_is_within_the_bound(seed, inputs, units, kind, epsilon):
    """No sampled slope passes max|gamma|·‖W‖/s_min; a true slope is no smaller than found."""
    generator = generator_of(seed)
    layer = dense("d", "x", generator.normal(size=(inputs, units)), generator.normal(size=units))
    after = norm("n", "d", generator.normal(1, 0.7, units), None, epsilon, kind)
    lifted = lift(layer, after)
    x = generator.normal(size=(64, inputs))
    smallest = split_bias(layer, after).smallest_deviation
    found = steepness(lifted, smallest, x)
    assert found.found <= found.bound * (1 + 1e-9)
    z, s = lifted.normalised(x), lifted.deviations(x)
    true = []
    for row in range(len(x)):
        # ∂u/∂x row by row: gamma·(I − zzᵀ/n)·W_cᵀ/s
        projection = np.eye(units) - np.outer(z[row], z[row]) / units
        jacobian = lifted.gamma[:, None] * (projection @ lifted.rows[:-1].T) / s[row]
        true.append(np.linalg.norm(jacobian, 2))
    assert found.found <= max(true) * (1 + 1e-9)
    # power iteration started at the 32 rows with the smallest s comes close
    steep = np.argsort(s)[:32]
    assert found.found >= 0.9 * max(true[i] for i in steep)


def test_a_constant_row_is_known_to_no_digit():
    """A row of 10.1 with epsilon 1e-12 loses |mean|·2⁻²⁴/√epsilon, which is of the order of 1."""
    found = conditioning(norm("n", "y", None, None, 1e-12), np.full((3, 64), 10.1))
    assert found.worst == pytest.approx(2 * 10.1 * HALF_ULP / 1e-6)
    assert found.worst > 0.5
    assert found.ill == 1.0


def test_rows_of_zeros_lose_nothing_and_nan_counts_for_nothing():
    """0 is known exactly; rows that are no numbers give no figure."""
    layer = norm("n", "y", None, None, 0.0)
    found = conditioning(layer, np.zeros((2, 4)))
    assert (found.worst, found.ill) == (0.0, 0.0)
    assert conditioning(layer, np.full((2, 4), np.nan)) is None
