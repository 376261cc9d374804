"""What proofs about units say, and that a unit with a proof really can go."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings

from lnfold.checkpoint import open_checkpoint
from lnfold.folding.editing.steps import Applied, Setting
from lnfold.folding.rules.constant_units import constant_units
from lnfold.network.records.layers import (
    Activation,
    Clip,
    LayerNorm,
    Network,
    RMSNorm,
    Standardize,
)
from lnfold.network.records.pairs import pairs
from lnfold.network.running.run import run
from lnfold.recovery.recover import recover
from lnfold.relations.ranges.box import Box
from lnfold.relations.ranges.interval_bounds import reaches
from lnfold.relations.ranges.units import Units, Verdict, describe_units
from tests.relations.random_networks import (
    activation,
    batch_norm,
    dense,
    generator_of,
    network,
    norm,
    normalised_network,
    parameter,
    seeds,
)

EPS = np.finfo(np.float64).eps


def units_of(net: Network, x: np.ndarray | None = None, boxes=None) -> list[Units]:
    values = None if x is None else run(net, x, np.float64, trace=True)
    reached = reaches(net, boxes)
    return [describe_units(net, pair, reached, values) for pair in pairs(net)]


def silenced(net: Network, layer: str, units: np.ndarray) -> Network:
    """The network with gamma and beta of some units of a norm at 0: relu delivers 0 for them."""
    changed = []
    for one in net.layers:
        if one.name == layer:
            gamma, beta = one.gamma.array.copy(), one.beta.array.copy()
            gamma[units] = beta[units] = 0
            one = replace(one, gamma=parameter(gamma, "g"), beta=parameter(beta, "b"))
        changed.append(one)
    return replace(net, layers=tuple(changed))


@given(seeds)
@settings(max_examples=25)
def test_dead_units_can_be_removed_by_the_folding_rule(seed):
    """Silenced, then taken out by the rule for constant units, they change no output in the box."""
    generator = generator_of(seed)
    net = normalised_network(generator, (3, 12, 6, 2), beta_scale=1.5)
    box = Box(np.full(3, 1.0), np.full(3, 2.0))
    first = units_of(net, boxes={"x": box})[0]
    dead = np.array([one is Verdict.DEAD for one in first.verdicts])
    if not dead.any():
        return
    x = generator.uniform(1, 2, (500, 3))
    quiet = silenced(net, "norm0", dead)
    outcome = constant_units(
        quiet, quiet.layer("norm0"), Setting(stock=False, storage=np.dtype(np.float64))
    )
    assert isinstance(outcome, Applied)
    kernel = outcome.network.layer("dense1").kernel.array
    assert not kernel[dead].any()
    exact = run(net, x, np.float64)["out"]
    # a sum without zeros is the same sum in another order
    second = run(net, x, np.float64, trace=True)
    smallest = np.sqrt(
        np.square(second["dense1"] - second["dense1"].mean(1, keepdims=True)).mean(1)
    )
    limit = 4096 * EPS * (1 + np.abs(second["dense1"]).max()) / smallest.min()
    assert np.abs(run(outcome.network, x, np.float64)["out"] - exact).max() <= limit


def test_enough_units_are_proved_for_removal_to_mean_something():
    """Over 25 random networks in that box dozens of units are proved dead, dozens always on."""
    dead = on = 0
    for seed in range(25):
        net = normalised_network(generator_of(seed), (3, 12, 6, 2), beta_scale=1.5)
        found = units_of(net, boxes={"x": Box(np.full(3, 1.0), np.full(3, 2.0))})[0]
        dead += found.count(Verdict.DEAD)
        on += found.count(Verdict.ALWAYS_ON)
    assert dead >= 50
    assert on >= 50


@given(seeds)
@settings(max_examples=25)
def test_no_sample_contradicts_a_verdict(seed):
    """Dead units never fire, always-on units never fail to, in every layer and on every row."""
    generator = generator_of(seed)
    net = normalised_network(generator, (2, 8, 6, 1), beta_scale=3.0)
    x = generator.normal(0, 3, (2000, 2))
    for units in units_of(net, x):
        for verdict, share in ((Verdict.DEAD, 0.0), (Verdict.ALWAYS_ON, 1.0)):
            which = np.array([one is verdict for one in units.verdicts])
            assert (units.firing[which] == share).all()
            assert units.proved[which].all()
        slack = 1e-9 * (1 + np.abs(units.supremum - units.infimum))
        assert (units.lowest >= units.infimum - slack).all()
        assert (units.highest <= units.supremum + slack).all()


def test_deeper_bounds_are_sound_and_say_so():
    """The second layer's bounds are never called exact, and name no input."""
    net = normalised_network(generator_of(0), (2, 8, 6, 1))
    first, second = units_of(net, generator_of(1).normal(size=(50, 2)))
    assert first.free
    assert first.exact_supremum.all()
    assert not second.free
    assert not (second.exact_infimum | second.exact_supremum).any()


def test_a_gamma_of_zero_makes_a_constant_unit():
    """The unit is beta, exactly and whatever else holds."""
    net = network(
        [
            dense("d", "x", generator_of(0).normal(size=(3, 5)), np.zeros(5)),
            norm("n", "d", np.array([0.0, 1, -1, 1, 2]), np.array([-0.7, 0, 0, 0, 0])),
            activation("a", "n", "relu"),
            dense("e", "a", np.ones((5, 1)), None),
        ],
        3,
    )
    (units,) = units_of(net)
    assert units.verdicts[0] is Verdict.CONSTANT
    assert units.infimum[0] == units.supremum[0] == -0.7
    assert units.verdicts[1:] == (Verdict.MIXED,) * 4


def test_a_negative_gamma_turns_the_range_around():
    """Range and inputs of −gamma are those of gamma, mirrored."""
    generator = generator_of(3)
    kernel, bias = generator.normal(size=(2, 6)), generator.normal(size=6)
    ranges = []
    for sign in (1.0, -1.0):
        layers = [dense("d", "x", kernel, bias), norm("n", "d", np.full(6, sign * 2), np.ones(6))]
        ranges.append(units_of(network(layers, 2))[0])
    np.testing.assert_allclose(ranges[0].supremum - 1, 1 - ranges[1].infimum, atol=1e-12)
    np.testing.assert_array_equal(ranges[0].at_supremum, ranges[1].at_infimum)


@pytest.mark.parametrize(
    ("function", "cut"), [("relu", True), ("tanh", False), ("leaky_relu", False)]
)
def test_only_relu_makes_a_unit_dead(function, cut):
    """A unit below 0 is dead before relu and alive before an activation that passes it on."""
    net = network(
        [
            dense("d", "x", np.eye(3), None),
            norm("n", "d", None, np.array([-5.0, 5.0, 0.0])),
            activation("a", "n", function, 0.1 if function == "leaky_relu" else None),
        ],
        3,
    )
    (units,) = units_of(net)
    expected = (Verdict.DEAD, Verdict.ALWAYS_ON) if cut else (Verdict.MIXED, Verdict.MIXED)
    assert units.verdicts[:2] == expected


def test_relu6_is_linear_below_its_ceiling_only():
    """Always on means that the activation does nothing: not so where the unit may pass 6."""
    net = network(
        [
            dense("d", "x", np.eye(3), None),
            norm("n", "d", None, np.array([2.0, 5.5, 0.0])),
            activation("a", "n", "relu6"),
        ],
        3,
    )
    assert units_of(net)[0].verdicts == (Verdict.ALWAYS_ON, Verdict.MIXED, Verdict.MIXED)


def test_the_normaliser_s_clip_is_a_box():
    """A clip in front of the dense layer bounds its inputs, exactly."""
    generator = generator_of(5)
    layers = [
        Standardize("s", ("x",), "s", parameter(np.ones(2), "m"), parameter(np.full(2, 3.0), "v")),
        Clip(
            "c", ("s",), "c", parameter(np.float64(-1.0), "low"), parameter(np.float64(1.0), "hi")
        ),
        dense("d", "c", generator.normal(size=(2, 9)), generator.normal(size=9)),
        norm("n", "d", None, None),
    ]
    (clipped,) = units_of(network(layers, 2))
    plain = [dense("d", "x", layers[2].kernel.array, layers[2].bias.array), layers[3]]
    (boxed,) = units_of(network(plain, 2), boxes={"x": Box(np.full(2, -1.0), np.ones(2))})
    np.testing.assert_allclose(clipped.supremum, boxed.supremum, atol=1e-12)
    assert clipped.exact_supremum.all()
    assert clipped.free


def test_batch_norm_units_are_intervals():
    """BatchNorm is affine: over a box its ends are the corners', over everything infinite."""
    generator = generator_of(6)
    layers = [
        dense("d", "x", generator.normal(size=(3, 4)), generator.normal(size=4)),
        batch_norm("b", "d", generator, 4),
        activation("a", "b", "relu"),
    ]
    net = network(layers, 3)
    (units,) = units_of(net, boxes={"x": Box(np.zeros(3), np.ones(3))})
    corners = np.array(np.meshgrid(*[[0.0, 1.0]] * 3)).reshape(3, -1).T
    values = run(net, corners, np.float64, trace=True)["b"]
    np.testing.assert_allclose(units.supremum, values.max(axis=0), rtol=1e-12)
    np.testing.assert_allclose(units.infimum, values.min(axis=0), rtol=1e-12)
    assert units.exact_supremum.all()
    assert np.isinf(units_of(net)[0].supremum).all()


def test_the_deepq_network_has_four_units_that_are_always_on(real):
    """Proved over all observations there are, and seen on the rows drawn."""
    with open_checkpoint(real / "deepq_layernorm") as checkpoint:
        net = recover(checkpoint).named("deepq/q_func")
    (units,) = units_of(net, np.random.default_rng(0).normal(size=(1000, 2)))
    assert (units.count(Verdict.ALWAYS_ON), units.count(Verdict.DEAD)) == (4, 0)
    on = np.array([one is Verdict.ALWAYS_ON for one in units.verdicts])
    assert (units.firing[on] == 1).all()
    assert all(isinstance(one, Activation) for one in net.consumers(pairs(net)[0].norm.name))


@pytest.mark.parametrize("kind", [LayerNorm, RMSNorm])
def test_a_norm_without_a_dense_layer_in_front_is_bounded_by_its_own_size(kind):
    """|z| ≤ √(n − 1) for LayerNorm, √n for RMSNorm, and an input brings that about."""
    units = 5
    net = network([norm("n", "x", None, None, 0.0, kind)], units)
    box = reaches(net, None)["n"].box
    most = np.sqrt(units - (kind is LayerNorm))
    reached = run(net, np.eye(units), np.float64)["n"].max()

    np.testing.assert_allclose(box.high, most, rtol=1e-12)
    np.testing.assert_allclose(box.low, -most, rtol=1e-12)
    np.testing.assert_allclose(reached, most, rtol=1e-12)
