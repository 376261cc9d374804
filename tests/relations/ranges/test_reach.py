"""The box that holds all a value can be: sound everywhere, free where it is said to be."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lnfold.network.facts.evidence import Fact
from lnfold.network.operations.activations import FUNCTIONS
from lnfold.network.records.layers import (
    Add,
    Affine,
    Centre,
    Clip,
    Concat,
    Dense,
    Input,
    LayerNorm,
    Multiply,
    Network,
    Opaque,
    PRelu,
    Rearrange,
    RMSNorm,
    Slice,
    Standardize,
)
from lnfold.network.records.not_known import NotKnown
from lnfold.network.running.run import _STEPS, run
from lnfold.relations.ranges.box import Box
from lnfold.relations.ranges.interval_bounds import BOUNDS, reaches
from lnfold.relations.sensitivity.network_lipschitz import FACTORS, network_slope
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


def test_slices_gates_and_centred_values_stay_within_their_boxes():
    """Interval rules of slice, product and centre are sound and nearly met; a slice stays free."""
    layers = [
        Slice("left", ("x",), "left", 0, 2),
        Slice("right", ("x",), "right", 2, 4),
        Multiply("m", ("left", "right"), "m"),
        Centre("c", ("x",), "c"),
        Concat("both", ("m", "c"), "both"),
    ]
    net = network(layers, 4)
    box = Box(np.array([-1.0, 2.0, -3.0, -0.5]), np.array([2.0, 3.0, 1.0, 0.25]))
    corners = np.array(list(product(*np.stack([box.low, box.high], axis=1))))
    found = reaches(net, {"x": box})
    values = run(net, corners, np.float64, trace=True)
    for name in ("left", "right", "m", "c"):  # each rule is met at a corner
        np.testing.assert_allclose(values[name].min(axis=0), found[name].box.low, atol=1e-12)
        np.testing.assert_allclose(values[name].max(axis=0), found[name].box.high, atol=1e-12)
    assert found["left"].free
    assert not found["m"].free
    assert not found["c"].free
    assert reaches(net)["m"].box.everything


def test_leaky_relu_without_a_slope_is_bounded_by_the_run_s():
    """-3 becomes -0.6 with TensorFlow's slope of 0.2."""
    net = network([activation("a", "x", "leaky_relu")], 1)
    box = reaches(net, {"x": Box(np.array([-3.0]), np.array([1.0]))})["a"].box
    assert box.low[0] == pytest.approx(-0.6)


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
    inputs = (Input("x", (None, 2)), Input("y", (None, 2)))
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


def test_every_kind_of_layer_has_a_bound_or_says_that_none_is_known():
    """No kind that runs is forgotten in a table: bounds, factors, derivatives."""
    normalised = {LayerNorm, RMSNorm}
    assert BOUNDS.keys() | normalised == _STEPS.keys()
    assert FACTORS.keys() | {Dense} == _STEPS.keys()
    unknown = [kind for kind, cell in BOUNDS.items() if isinstance(cell, NotKnown)]
    assert {kind.kind for kind in unknown} == {
        *("lstm", "deviation", "triangle_deviation", "carried", "divided")
    }


@given(seeds, st.floats(-2, 2))
def test_a_prelu_is_bounded_as_the_leaky_relu_that_it_is(seed, slope):
    """One slope for all units, by either layer: the same boxes, and the same steepest slope."""
    generator = generator_of(seed)
    first = dense("d", "x", generator.normal(size=(3, 4)), generator.normal(size=4))
    slopes = parameter(np.full(4, slope), "slopes")
    last = dense("e", "a", generator.normal(size=(4, 2)), generator.normal(size=2))
    leaky = network([first, activation("a", "d", "leaky_relu", slope), last], 3)
    bent = network([first, PRelu("a", ("d",), "a", slopes), last], 3)
    boxes = {"x": Box(np.full(3, -1.0), np.full(3, 2.0))}
    reached = reaches(bent, boxes)
    values = run(bent, generator.uniform(-1, 2, (200, 3)), np.float64, trace=True)

    for name in ("a", "e"):
        assert (reached[name].box.low <= values[name].min(axis=0) + 1e-9).all()
        assert (reached[name].box.high >= values[name].max(axis=0) - 1e-9).all()
    if slope >= 0:  # a leaky relu that falls has no bound of its own
        for name in ("a", "e"):
            other = reaches(leaky, boxes)[name].box
            np.testing.assert_array_equal(reached[name].box.low, other.low)
            np.testing.assert_array_equal(reached[name].box.high, other.high)
    factors = [network_slope(one, reaches(one, boxes), {}, None).bound for one in (leaky, bent)]
    assert factors[0] == factors[1]


@given(seeds, st.booleans())
def test_axes_that_are_laid_out_otherwise_keep_their_bounds(seed, turned):
    """Units that take the places of others take their boxes along, over all rows."""
    generator = generator_of(seed)
    layer = Rearrange("r", ("x",), "r", (3, 4), (1, 0) if turned else None, (2, 6))
    net = replace(network([layer], 4), inputs=(Input("x", (None, 3, 4)),))
    low = generator.normal(size=4)
    high = low + generator.uniform(0, 1, 4)
    box = reaches(net, {"x": Box(low, high)})["r"].box
    values = run(net, generator.uniform(low, high, (50, 3, 4)), np.float64)["r"].reshape(-1, 6)

    assert (box.low <= values.min(axis=0)).all()
    assert (box.high >= values.max(axis=0)).all()
    assert np.isfinite(box.low).all()
