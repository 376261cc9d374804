"""The box that holds all a value can be: sound everywhere, free where it is said to be."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings

from lnfold.network.activations import FUNCTIONS
from lnfold.network.evidence import Fact
from lnfold.network.layers import Add, Affine, Clip, Concat, Input, Network, Opaque, Standardize
from lnfold.network.run import run
from lnfold.relations.box import Box
from lnfold.relations.reach import reaches
from tests.relations.random_networks import (
    GIVEN,
    activation,
    batch_norm,
    dense,
    generator_of,
    kinds,
    network,
    normalised_network,
    parameter,
    seeds,
)


@given(seeds, kinds)
@settings(max_examples=25)
def test_no_run_leaves_the_boxes(seed, kind):
    """Every value of every layer stays within its box for inputs of the box."""
    generator = generator_of(seed)
    net = normalised_network(generator, (3, 6, 4, 2), kind=kind, output="sigmoid")
    box = Box(np.full(3, -1.0), np.full(3, 2.0))
    values = run(net, generator.uniform(-1, 2, (500, 3)), np.float64, trace=True)
    found = reaches(net, {"x": box})
    for name, array in values.items():
        slack = 1e-9 * (1 + np.abs(array).max())
        assert (array >= found[name].box.low - slack).all(), name
        assert (array <= found[name].box.high + slack).all(), name


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_every_activation_is_bounded_soundly(name):
    """A fine grid of each of several intervals stays within the bounds, and nearly meets them."""
    alpha = 0.3 if name in ("leaky_relu", "swish") else None
    ends = [(-4.0, 5.0), (-3.0, -1.0), (0.5, 2.0), (-0.6, 0.1)]
    low, high = np.array(ends).T
    net = network([activation("a", "x", name, alpha)], len(ends))
    box = reaches(net, {"x": Box(low, high)})["a"].box
    grid = low + np.linspace(0, 1, 2001)[:, None] * (high - low)
    values = run(net, grid, np.float64)["a"]
    assert (values >= box.low - 1e-12).all()
    assert (values <= box.high + 1e-12).all()
    if not FUNCTIONS[name].rowwise:
        assert (values.max(axis=0) >= box.high - 1e-12).all()
        # the least value of an activation that turns is rounded down
        assert (values.min(axis=0)[:3] >= box.low[:3]).all()


def test_what_is_free_is_known():
    """Normaliser, clip and a concatenation of different inputs are free; a dense layer is not."""
    one = parameter(np.ones(2), "m")
    layers = [
        Standardize("s", ("x",), "s", one, one),
        Clip("c", ("s",), "c", parameter(np.float64(-5), "l"), parameter(np.float64(5), "h")),
        Concat("both", ("c", "y"), "both"),
        Concat("twice", ("c", "s"), "twice"),
        Affine("f", ("y",), "f", one, one),
        dense("d", "both", np.ones((4, 2)), None),
        Add("p", ("d", "f"), "p"),
    ]
    inputs = (Input("x", 2), Input("y", 2))
    net = Network("net", inputs, ("p",), tuple(layers), Fact("given", GIVEN))
    found = reaches(net)
    free = {name for name, reach in found.items() if reach.free}
    assert free == {"x", "y", "s", "c", "both", "f"}
    assert found["both"].box.low.tolist() == [-5, -5, -np.inf, -np.inf]


def test_an_unknown_layer_can_be_anything():
    """Nothing is assumed of what is not known."""
    net = network([Opaque("o", ("x",), "o", "Mystery", units=3)], 2)
    assert reaches(net)["o"].box.everything


def test_batch_norm_with_a_gamma_of_zero_is_its_beta():
    """0·∞ leaves beta, not NaN."""
    layer = batch_norm("b", "x", generator_of(0), 2)
    from dataclasses import replace

    layer = replace(layer, gamma=parameter(np.zeros(2), "g"))
    box = reaches(network([layer], 2))["b"].box
    np.testing.assert_array_equal(box.low, layer.beta.array)
    np.testing.assert_array_equal(box.high, layer.beta.array)
