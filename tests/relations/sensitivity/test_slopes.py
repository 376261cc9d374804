"""How fast outputs can change: no two inputs of the box show more than what is proved."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings

from lnfold.network.facts.evidence import Fact, Source
from lnfold.network.operations.activations import FUNCTIONS
from lnfold.network.records.layers import (
    Add,
    Affine,
    Clip,
    Concat,
    Multiply,
    Network,
    Opaque,
    Standardize,
)
from lnfold.network.running.run import run
from lnfold.relations.detail import detail
from lnfold.relations.question.relate import relate
from lnfold.relations.ranges.box import Box
from lnfold.relations.ranges.interval_bounds import reaches
from lnfold.relations.sensitivity.lipschitz import Steepness
from lnfold.relations.sensitivity.network_lipschitz import network_slope
from tests.relations.random_networks import (
    activation,
    batch_norm,
    dense,
    generator_of,
    kinds,
    network,
    norm,
    normalised_network,
    parameter,
    seeds,
)
from tests.relations.sensitivity.test_gradients import dueling


def slope_of(net: Network, x: np.ndarray, box: Box | None = None):
    values = run(net, x, np.float64, trace=True)
    boxes = None if box is None else {"x": box}
    return detail(net, relate(net, values), values, boxes).slope


def steepest_secant(net: Network, x: np.ndarray, y: np.ndarray) -> float:
    """The largest change of all outputs by the distance of two inputs."""
    one, other = run(net, x, np.float64), run(net, y, np.float64)
    moved = sum(np.square(one[name] - other[name]).sum(axis=1) for name in net.outputs)
    return float(np.sqrt(moved / np.square(x - y).sum(axis=1)).max())


@given(seeds, kinds)
@settings(max_examples=20, deadline=None)
def test_no_two_inputs_show_a_steeper_slope(seed, kind):
    """Near and far pairs, over all inputs and in a box; what was found is no more either."""
    generator = generator_of(seed)
    net = normalised_network(generator, (3, 10, 6, 2), kind=kind, epsilon=1e-3)
    for box in (None, Box(np.full(3, 0.5), np.full(3, 1.5))):
        x, y = generator.uniform(0.5, 1.5, (2, 500, 3))
        found = slope_of(net, x, box)
        near = x + (y - x) * 1e-4
        assert steepest_secant(net, x, y) <= found.bound
        assert steepest_secant(net, x, near) <= found.bound
        assert found.found <= found.bound * (1 + 1e-9)
        # a gradient of one unit is a slope that there is
        assert found.found >= 0.5 * steepest_secant(net, x[:256], near[:256]) / np.sqrt(2)


def test_the_other_layers_multiply_as_they_should():
    """Normaliser, clip, concat, affine, BatchNorm, a gate and centred advantages in a box."""
    generator = generator_of(3)
    before = [
        Standardize("s", ("x",), "s", parameter(np.ones(3), "m"), parameter(np.full(3, 0.5), "v")),
        Clip("c", ("s",), "c", parameter(np.float64(-5), "l"), parameter(np.float64(5), "h")),
        Concat("j", ("c", "s"), "j"),
        Affine("f", ("j",), "f", parameter(np.arange(1.0, 7), "w"), None),
        dense("e", "f", generator.normal(size=(6, 4)), None),
        batch_norm("b", "e", generator, 4),
        activation("a", "b", "swish"),
    ]
    box = Box(np.full(3, -2.0), np.full(3, 2.0))
    for net in (network(before, 3), dueling(generator)):
        x, y = generator.uniform(-2, 2, (2, 2000, 3))
        found = slope_of(net, x, box)
        assert 0 < steepest_secant(net, x, x + (y - x) * 1e-4) <= found.bound
        assert found.steepest is not None


@pytest.mark.parametrize("name", sorted(set(FUNCTIONS) - {"exp", "log_softmax"}))
def test_activations_are_no_steeper_than_stated_and_nearly_so_steep(name):
    """A fine grid of one or two units against the constant."""
    width = 2 if FUNCTIONS[name].rowwise else 1
    net = network([activation("a", "x", name)], width)
    grid = np.linspace(-8, 8, 20_001)[:, None] * np.array([[1.0, -1.0]])[:, :width]
    found = slope_of(net, grid).bound
    secant = steepest_secant(net, grid[:-1], grid[1:])
    assert 0.97 * found <= secant <= found * (1 + 1e-9)


def test_what_has_no_bound_has_none():
    """exp, an unknown layer, and a norm whose s reaches 0 with epsilon 0."""
    x = generator_of(0).normal(size=(10, 2))
    assert slope_of(network([activation("a", "x", "exp")], 2), x).bound is None
    kernel = generator_of(1).normal(size=(2, 3))
    layers = [dense("d", "x", kernel, None), norm("n", "d", None, None, 0.0)]
    found = slope_of(network(layers, 2), x)
    assert found.bound is None
    assert found.found > 0
    unknown = network([Opaque("o", ("x",), "o", "Mystery", units=3)], 2)
    from lnfold.relations.ranges.interval_bounds import reaches

    assert network_slope(unknown, reaches(unknown), {}, None).bound is None


@pytest.mark.parametrize("kind", [Add, Multiply])
@pytest.mark.parametrize("units", [4, 9, 100])
def test_one_unit_that_is_spread_over_many_moves_all_of_them(kind, units):
    """x + w·x and x·(w·x) in a box: along w, the bound is what the outputs do move by."""
    along = np.ones((units, 1)) / np.sqrt(units)
    net = network([dense("d", "x", along, None), kind("y", ("x", "d"), "y")], units)
    box = Box(np.zeros(units), np.ones(units))
    x = np.ones((1, units))
    found = slope_of(net, x, box).bound
    secant = steepest_secant(net, x, x - 1e-6)
    assert secant <= found * (1 + 1e-9)
    assert found == pytest.approx(1 + np.sqrt(units) if kind is Add else 2 * np.sqrt(units))
    assert secant == pytest.approx(found, rel=1e-5)


@pytest.mark.parametrize("epsilon", [1e-3, 1.0])
def test_a_batch_norm_is_as_steep_as_its_largest_factor(epsilon):
    """gamma/sqrt(variance + epsilon), reached along its unit."""
    normed = batch_norm("n", "x", generator_of(1), 5)
    net = network([replace(normed, epsilon=Fact(epsilon, Source.OPTION))], 5)
    x = np.zeros((5, 5))
    assert slope_of(net, x).bound == pytest.approx(steepest_secant(net, x, np.eye(5)))


def test_a_kernel_that_a_norm_takes_in_is_not_the_steepest_layer():
    """A norm divides a kernel's size away: the factor of both is that of the norm."""
    generator = generator_of(4)
    layers = [
        dense("d", "x", 1e6 * generator.normal(size=(3, 5)), generator.normal(size=5)),
        norm("n", "d", np.ones(5), np.zeros(5), 1e-3),
        dense("e", "n", generator.normal(size=(5, 2)), None),
    ]
    net = network(layers, 3)
    both = Steepness(gamma=2.0, kernel=1.0, deviation=1.0, found=None)
    found = network_slope(net, reaches(net), {"n": both}, None)
    largest = np.linalg.norm(layers[2].kernel.array, 2)

    assert found.steepest is not None
    assert found.steepest[0] == ("e" if largest > 2 else "n")
    np.testing.assert_allclose(found.bound, 2 * largest, rtol=1e-6)
