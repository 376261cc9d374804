"""The least s(x) of a box: never undercut, nearly met, and what it was for free inputs."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lnfold.network.records.layers import RMSNorm
from lnfold.network.running.run import run
from lnfold.relations.question.bias_split import split_bias
from lnfold.relations.ranges.box import Box
from lnfold.relations.ranges.homogeneous import lift
from lnfold.relations.ranges.interval_bounds import reaches
from lnfold.relations.ranges.min_std import least_deviation
from tests.relations.random_networks import (
    dense,
    epsilons,
    generator_of,
    kinds,
    norm,
    normalised_network,
    seeds,
)
from tests.relations.ranges.test_unit_ranges import boxes, lifted_of


@given(seeds, st.integers(1, 8), st.integers(2, 16), kinds, epsilons)
@settings(max_examples=40, deadline=None)
def test_no_input_of_the_box_undercuts_the_bound(seed, inputs, units, kind, epsilon):
    """Samples, corners and points near the minimum found; bound and found nearly agree."""
    generator = generator_of(seed)
    lifted = lifted_of(seed, inputs, units, kind, epsilon)
    box = boxes(generator, inputs)
    least = least_deviation(lifted, box)
    assert least.bound <= least.found
    share = np.clip(generator.uniform(-0.5, 1.5, (3000, inputs)), 0, 1)
    s = lifted.deviations(box.low + share * (box.high - box.low))
    assert s.min() >= least.bound * (1 - 1e-9)
    # where the search settled the bound is tight, relative to what the box spans
    assert least.found - least.bound <= 1e-3 * s.max()


@pytest.mark.parametrize("seed", range(6))
def test_a_grid_of_two_inputs_finds_the_same_least(seed):
    """Brute force comes as near as its mesh."""
    lifted = lifted_of(seed, 2, 7, epsilon=1e-3)
    box = boxes(generator_of(seed + 50), 2)
    axes = [np.linspace(a, b, 301) for a, b in zip(box.low, box.high, strict=True)]
    s = lifted.deviations(np.array(list(product(*axes))))
    least = least_deviation(lifted, box)
    mesh = np.linalg.norm((box.high - box.low) / 300) / 2
    steepest = np.linalg.norm(lifted.rows[:-1], 2) / np.sqrt(7)
    assert least.bound * (1 - 1e-9) <= s.min() <= least.found + mesh * steepest


@given(seeds, st.integers(1, 12), st.integers(2, 12), kinds, epsilons)
@settings(max_examples=40, deadline=None)
def test_over_all_inputs_it_is_the_rest_of_the_bias(seed, inputs, units, kind, epsilon):
    """√(‖r‖²/n + epsilon), as the split of the bias has it."""
    generator = generator_of(seed)
    layer = dense("d", "x", generator.normal(size=(inputs, units)), generator.normal(size=units))
    after = norm("n", "d", None, None, epsilon, kind)
    least = least_deviation(lift(layer, after), Box.of_everything(inputs))
    expected = split_bias(layer, after).smallest_deviation
    assert least.bound == pytest.approx(expected, rel=1e-6, abs=1e-9)
    assert least.found == pytest.approx(expected, rel=1e-6, abs=1e-9)


def test_inputs_that_may_be_anything_beside_others_that_may_not():
    """An unbounded input is minimised over exactly: a huge range in its place does no better."""
    lifted = lifted_of(3, 4, 12)
    low, high = np.array([0.0, -np.inf, 0.5, 0.0]), np.array([1.0, np.inf, 2.0, 0.0])
    wide = Box(np.where(np.isinf(low), -1e4, low), np.where(np.isinf(high), 1e4, high))
    some, all_of_it = least_deviation(lifted, wide), least_deviation(lifted, Box(low, high))
    assert all_of_it.found - all_of_it.bound <= 1e-6
    assert all_of_it.bound == pytest.approx(some.found, rel=1e-3)


def test_a_deeper_layer_is_bounded_far_better_by_what_reaches_it():
    """With as many inputs as units a free input could cancel the bias; behind relu none can."""
    net = normalised_network(generator_of(1), (4, 24, 24, 2))
    second = lift(net.layer("dense1"), net.layer("norm1"))
    box = reaches(net)["act0"].box
    least = least_deviation(second, box)
    assert split_bias(net.layer("dense1"), net.layer("norm1")).smallest_deviation <= 1e-5
    assert least.bound > 1e-3
    x = generator_of(2).normal(0, 3, (100_000, 4))
    assert second.deviations(run(net, x, np.float64, trace=True)["act0"]).min() >= least.bound


def test_a_layer_without_inputs_or_bias_has_its_own_least():
    """A kernel of zeros leaves the bias; a bias of zeros leaves √epsilon."""
    bias = np.array([1.0, 2.0, 4.0])
    fixed = lift(dense("d", "x", np.zeros((2, 3)), bias), norm("n", "d", None, None, 0.0))
    least = least_deviation(fixed, Box(np.zeros(2), np.ones(2)))
    assert least.bound == pytest.approx(bias.std())
    kernel = generator_of(0).normal(size=(2, 3))
    origin = lift(dense("d", "x", kernel, None), norm("n", "d", None, None, 0.25, RMSNorm))
    assert least_deviation(origin, Box(-np.ones(2), np.ones(2))).bound == pytest.approx(0.5)
