"""What every normalised unit can be at least and at most, over all inputs or a box of them."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lnfold.checkpoint import open_checkpoint
from lnfold.network.records.layers import LayerNorm, RMSNorm
from lnfold.network.records.pairs import pairs
from lnfold.recovery.recover import recover
from lnfold.relations.ranges.box import Box
from lnfold.relations.ranges.homogeneous import Lifted, lift
from lnfold.relations.ranges.unit_ranges import normalised_ranges
from tests.relations.random_networks import dense, epsilons, generator_of, kinds, norm, seeds

EPS = np.finfo(np.float64).eps


def lifted_of(seed: int, inputs: int, units: int, kind=LayerNorm, epsilon=1e-12) -> Lifted:
    generator = generator_of(seed)
    kernel, bias = generator.normal(size=(inputs, units)), generator.normal(size=units)
    return lift(dense("d", "x", kernel, bias), norm("n", "d", None, None, epsilon, kind))


def slack(lifted: Lifted) -> float:
    """What float64 may move z by: ulps of |T|·|x̃| over s, which units of any size share."""
    return 1e-9 + 64 * EPS * lifted.inputs * np.sqrt(lifted.units)


def boxes(generator: np.random.Generator, inputs: int) -> Box:
    """A box of random size and place, from one that holds the origin to one far from it."""
    centre = generator.normal(0, 2, inputs)
    half = generator.uniform(0, 2, inputs)
    return Box(centre - half, centre + half)


@given(seeds, st.integers(1, 6), st.integers(8, 24), kinds, epsilons)
@settings(max_examples=40)
def test_over_all_inputs_the_supremum_is_the_root_of_the_leverage(
    seed, inputs, units, kind, epsilon
):
    """Where the maximising x̃ has a positive last coordinate the bound is √(T·Q⁻¹·T)."""
    lifted = lifted_of(seed, inputs, units, kind, epsilon)
    low, high = normalised_ranges(lifted, Box.of_everything(inputs))
    root = lifted.root()
    solved = np.linalg.solve(root.T @ root, lifted.rows)
    leverage = np.sqrt((lifted.rows * solved).sum(axis=0))
    # the Gram matrix is solved here, which squares the condition
    limit = 64 * EPS * np.linalg.cond(root) ** 2 * leverage.max() + slack(lifted)
    up, down = solved[-1] > 0, solved[-1] < 0
    assert np.abs(high.values - leverage)[up].max(initial=0) <= limit
    assert np.abs(low.values + leverage)[down].max(initial=0) <= limit
    assert (high.values <= leverage + limit).all()
    assert int(up.sum()) + int(down.sum()) == units


@given(seeds, st.integers(1, 6), st.integers(8, 24), kinds, epsilons)
@settings(max_examples=40)
def test_an_attained_bound_is_reached_by_the_input_given(seed, inputs, units, kind, epsilon):
    """z at the input is the bound, in and outside a box, for suprema and infima."""
    lifted = lifted_of(seed, inputs, units, kind, epsilon)
    checked = 0
    for box in (Box.of_everything(inputs), boxes(generator_of(seed + 1), inputs)):
        for bound in normalised_ranges(lifted, box):
            assert bound.exact.all()
            for unit in np.flatnonzero(bound.attained):
                x = bound.inputs[unit]
                assert ((box.low <= x) & (x <= box.high)).all()
                z = lifted.normalised(x[None])[0, unit]
                assert z == pytest.approx(bound.values[unit], rel=0, abs=slack(lifted))
                checked += 1
    assert checked >= 2 * units


@given(seeds, st.integers(1, 4), st.integers(6, 16), kinds)
@settings(max_examples=30)
def test_a_limit_is_approached_along_its_direction(seed, inputs, units, kind):
    """Bounds that no input attains are approached as the input grows along the direction."""
    lifted = lifted_of(seed, inputs, units, kind)
    for bound in normalised_ranges(lifted, Box.of_everything(inputs)):
        for unit in np.flatnonzero(bound.exact & ~bound.attained):
            direction = bound.inputs[unit] / np.linalg.norm(bound.inputs[unit])
            z = lifted.normalised(direction[None] * 10.0 ** np.arange(2, 8)[:, None])[:, unit]
            off = np.abs(z - bound.values[unit])
            # E18: a layer forgets its bias as 1/t
            assert off[-1] <= max(off[0], slack(lifted))
            assert off[-1] <= 1e-3


@given(seeds, st.integers(1, 4), st.integers(6, 16), kinds, epsilons)
@settings(max_examples=30)
def test_no_sample_of_a_box_passes_its_bounds(seed, inputs, units, kind, epsilon):
    """Corners, edges and inner points of a random box all stay between the bounds."""
    generator = generator_of(seed)
    lifted = lifted_of(seed, inputs, units, kind, epsilon)
    box = boxes(generator, inputs)
    share = np.clip(generator.uniform(-0.5, 1.5, (4000, inputs)), 0, 1)
    z = lifted.normalised(box.low + share * (box.high - box.low))
    low, high = normalised_ranges(lifted, box)
    assert (z <= high.values + slack(lifted)).all()
    assert (z >= low.values - slack(lifted)).all()


@pytest.mark.parametrize("seed", range(6))
def test_box_bounds_agree_with_brute_force(seed):
    """A fine grid of a box of two or three inputs comes as near to the bounds as its mesh."""
    inputs = 2 + seed % 2
    steps = 401 if inputs == 2 else 61
    lifted = lifted_of(seed, inputs, 12, (LayerNorm, RMSNorm)[seed % 2], 1e-3)
    box = boxes(generator_of(seed + 100), inputs)
    axes = [np.linspace(a, b, steps) for a, b in zip(box.low, box.high, strict=True)]
    grid = np.array(list(product(*axes)))
    z = lifted.normalised(grid)
    low, high = normalised_ranges(lifted, box)
    # ‖∂z/∂x‖ ≤ ‖W_c‖/s, so a point half a mesh away differs by no more than this
    mesh = np.linalg.norm((box.high - box.low) / (steps - 1)) / 2
    steepest = np.linalg.norm(lifted.rows[:-1], 2) / lifted.deviations(grid).min()
    assert (high.values >= z.max(axis=0) - slack(lifted)).all()
    assert np.abs(high.values - z.max(axis=0)).max() <= 1.05 * mesh * steepest
    assert np.abs(low.values - z.min(axis=0)).max() <= 1.05 * mesh * steepest


def test_the_question_s_network_is_never_outside_in_a_million_samples(real):
    """Layer 1: mean supremum 2.3 of √63, Σ leverage 6; 1.2 million inputs stay inside."""
    with open_checkpoint(real / "question_actor") as checkpoint:
        pair = pairs(recover(checkpoint).named("actor"))[0]
    lifted = lift(pair.dense, pair.norm)
    low, high = normalised_ranges(lifted, Box.of_everything(5))
    assert high.exact.all()
    assert low.exact.all()
    assert high.values.mean() == pytest.approx(2.3, abs=0.05)
    largest = np.maximum(high.values, -low.values)
    assert np.square(largest).sum() / 64 == pytest.approx(6, rel=1e-9)
    generator = np.random.default_rng(0)
    rows = 0
    for scale in (0.3, 1.0, 10.0, 1000.0):
        for _ in range(6):
            x = generator.normal(0, scale, (50_000, 5))
            z = lifted.normalised(x)
            assert (z <= high.values + slack(lifted)).all()
            assert (z >= low.values - slack(lifted)).all()
            rows += len(x)
    assert rows >= 1_000_000


def test_the_question_s_network_has_the_known_proofs_in_boxes(real):
    """Box [2, 3]^5: 25 units dead and 28 always on; box [−1, 1]^5: 2 always on."""
    with open_checkpoint(real / "question_actor") as checkpoint:
        pair = pairs(recover(checkpoint).named("actor"))[0]
    lifted = lift(pair.dense, pair.norm)
    counts = {}
    for low, high in ((2, 3), (-1, 1)):
        box = Box(np.full(5, float(low)), np.full(5, float(high)))
        below, above = normalised_ranges(lifted, box)
        assert below.exact.all()
        assert above.exact.all()
        ends = np.stack([below.values, above.values]) * lifted.gamma + lifted.beta
        dead, on = (ends.max(axis=0) <= 0).sum(), (ends.min(axis=0) >= 0).sum()
        counts[low, high] = (int(dead), int(on))
    assert counts == {(2, 3): (25, 28), (-1, 1): (0, 2)}


@given(seeds, st.integers(1, 5))
@settings(max_examples=20)
def test_a_smaller_box_has_tighter_bounds(seed, inputs):
    """Bounds over a part of a box lie within the bounds over all of it."""
    lifted = lifted_of(seed, inputs, 12)
    outer = boxes(generator_of(seed + 1), inputs)
    third = (outer.high - outer.low) / 3
    inner = Box(outer.low + third, outer.high - third)
    (low, high), (inner_low, inner_high) = (
        normalised_ranges(lifted, outer),
        normalised_ranges(lifted, inner),
    )
    assert (inner_high.values <= high.values + slack(lifted)).all()
    assert (inner_low.values >= low.values - slack(lifted)).all()


def test_a_box_of_one_point_has_the_point_s_own_values():
    """Where low is high the bounds meet in z of that input."""
    lifted = lifted_of(3, 4, 10)
    point = np.array([1.0, -2.0, 0.0, 3.0])
    low, high = normalised_ranges(lifted, Box(point, point))
    z = lifted.normalised(point[None])[0]
    np.testing.assert_allclose(low.values, z, atol=slack(lifted))
    np.testing.assert_allclose(high.values, z, atol=slack(lifted))


def test_many_inputs_leave_only_the_bound_that_always_holds():
    """With as many inputs as units any unit can take all of the length: √(n − 1)."""
    lifted = lifted_of(0, 12, 8)
    for sign, bound in zip((-1, 1), normalised_ranges(lifted, Box.of_everything(12)), strict=True):
        np.testing.assert_allclose(bound.values, sign * np.sqrt(7), atol=1e-9)


def test_a_large_box_of_many_inputs_is_bounded_soundly():
    """Beyond the corners' limit a falling unit's bound is not exact, but never passed."""
    generator = generator_of(5)
    lifted = lifted_of(5, 24, 64)
    box = Box(np.full(24, 1.0), np.full(24, 1.2))
    x = generator.uniform(1.0, 1.2, (20_000, 24))
    z = lifted.normalised(x)
    low, high = normalised_ranges(lifted, box)
    assert (z <= high.values + slack(lifted)).all()
    assert (z >= low.values - slack(lifted)).all()
    assert not high.exact.all()
    assert (high.values < 0).any()


def test_an_input_that_nothing_reads_changes_no_bound():
    """A kernel row of zeros is as good as no row, in a box too."""
    lifted = lifted_of(1, 3, 10)
    rows = np.insert(lifted.rows, 1, 0.0, axis=0)
    wider = Lifted(rows, lifted.epsilon, lifted.gamma, lifted.beta)
    box = Box(np.array([-1.0, 0.0, 2.0]), np.array([1.0, 0.5, 3.0]))
    padded = Box(np.insert(box.low, 1, -np.inf), np.insert(box.high, 1, np.inf))
    for narrow, wide in zip(
        normalised_ranges(lifted, box), normalised_ranges(wider, padded), strict=True
    ):
        np.testing.assert_allclose(wide.values, narrow.values, atol=slack(lifted))


@pytest.mark.parametrize("place", [0.0, 2.5, -7.0])
def test_a_bounded_input_that_nothing_reads_changes_no_bound(place):
    """Its side of the box, wherever that is, holds nothing back."""
    lifted = lifted_of(6, 2, 9)
    wider = Lifted(
        np.insert(lifted.rows, 2, 0.0, axis=0), lifted.epsilon, lifted.gamma, lifted.beta
    )
    box = Box(np.array([-1.0, 0.5]), np.array([1.0, 2.0]))
    padded = Box(np.append(box.low, place), np.append(box.high, place + 1))
    for narrow, wide in zip(
        normalised_ranges(lifted, box), normalised_ranges(wider, padded), strict=True
    ):
        np.testing.assert_allclose(wide.values, narrow.values, atol=slack(lifted))
        assert wide.exact.all()


@given(seeds, st.integers(1, 4), st.integers(4, 12), kinds)
@settings(max_examples=25)
def test_without_bias_and_epsilon_no_sample_of_a_box_passes_its_bounds(seed, inputs, units, kind):
    """Then s does not see the last coordinate of (x, 1), and a box is its cone of directions."""
    generator = generator_of(seed)
    kernel = generator.normal(size=(inputs, units))
    lifted = lift(dense("d", "x", kernel, None), norm("n", "d", None, None, 0.0, kind))
    for box in (boxes(generator, inputs), Box(np.full(inputs, -2.0), np.full(inputs, 3.0))):
        share = generator.uniform(0, 1, (2000, inputs))
        z = lifted.normalised(box.low + share * (box.high - box.low))
        low, high = normalised_ranges(lifted, box)
        assert (z <= high.values + slack(lifted)).all()
        assert (z >= low.values - slack(lifted)).all()


def test_inputs_of_very_different_sizes_keep_their_bounds():
    """Measuring an input in units a million times smaller changes no unit's range."""
    lifted = lifted_of(2, 3, 12)
    scale = np.array([1e6, 1.0, 1e-6])
    scaled = Lifted(
        np.vstack([lifted.rows[:-1] * scale[:, None], lifted.rows[-1]]),
        lifted.epsilon,
        lifted.gamma,
        lifted.beta,
    )
    everything = Box.of_everything(3)
    for one, other in zip(
        normalised_ranges(lifted, everything), normalised_ranges(scaled, everything), strict=True
    ):
        np.testing.assert_allclose(one.values, other.values, atol=slack(lifted))
        assert other.exact.all()


def test_a_repeated_input_is_as_one():
    """A singular kernel (one input given twice) has the bounds of the input once, in a box.

    Without a box nobody can tell by rounded numbers that the two never move the units apart.
    """
    lifted = lifted_of(4, 2, 10)
    twice = Lifted(
        np.vstack([lifted.rows[:1], lifted.rows]), lifted.epsilon, lifted.gamma, lifted.beta
    )
    once = Box(np.array([-2.0, -3.0]), np.array([4.0, 1.0]))
    shared = Box(np.array([-1.0, -1.0, -3.0]), np.array([2.0, 2.0, 1.0]))
    for one, other in zip(
        normalised_ranges(lifted, once), normalised_ranges(twice, shared), strict=True
    ):
        np.testing.assert_allclose(one.values, other.values, atol=1e-6)
    everything = normalised_ranges(lifted, Box.of_everything(2))
    for one, other in zip(everything, normalised_ranges(twice, Box.of_everything(3)), strict=True):
        assert (np.abs(other.values) >= np.abs(one.values) - slack(lifted)).all()


def test_one_unit_is_always_zero():
    """LayerNorm of a single number is 0, whatever the box."""
    lifted = lifted_of(0, 3, 1)
    low, high = normalised_ranges(lifted, Box.of_everything(3))
    assert low.values.tolist() == [0.0]
    assert high.values.tolist() == [0.0]
    assert high.exact.all()


def test_two_units_are_a_sign():
    """LayerNorm of two numbers is ±1 but for epsilon."""
    low, high = normalised_ranges(lifted_of(0, 3, 2), Box.of_everything(3))
    np.testing.assert_allclose(low.values, [-1, -1], atol=1e-9)
    np.testing.assert_allclose(high.values, [1, 1], atol=1e-9)


def test_a_layer_without_kernel_is_constant():
    """Where no input moves anything both bounds are the value."""
    bias = np.array([1.0, 2.0, 4.0])
    lifted = lift(dense("d", "x", np.zeros((2, 3)), bias), norm("n", "d", None, None, 0.0))
    low, high = normalised_ranges(lifted, Box.of_everything(2))
    expected = (bias - bias.mean()) / bias.std()
    np.testing.assert_allclose(low.values, expected, atol=1e-9)
    np.testing.assert_allclose(high.values, expected, atol=1e-9)


def test_wrong_boxes_and_damaged_parameters_are_refused():
    """A box of another width, and NaN in a kernel, have no bounds."""
    lifted = lifted_of(0, 3, 5)
    with pytest.raises(ValueError, match="a box of 2 for 3 inputs"):
        normalised_ranges(lifted, Box.of_everything(2))
    rows = lifted.rows.copy()
    rows[0, 0] = np.nan
    damaged = Lifted(rows, lifted.epsilon, lifted.gamma, lifted.beta)
    with pytest.raises(ValueError, match="NaN"):
        normalised_ranges(damaged, Box.of_everything(3))


@given(seeds, st.integers(21, 40), kinds, st.floats(-6, -2))
@settings(max_examples=30)
def test_beyond_the_inputs_whose_corners_are_tried_the_bounds_still_hold(seed, inputs, kind, size):
    """In small boxes they are nearly reached, so that a bound a hundredth too tight is passed."""
    lifted = lifted_of(seed, inputs, 8, kind, 1e-3)
    generator = generator_of(seed)
    middle = generator.normal(0, 2, inputs)
    half = 10**size * generator.uniform(0, 1, inputs)
    box = Box(middle - half, middle + half)
    assert box.extended == inputs
    z = lifted.normalised(middle + half * generator.choice([-1.0, 1.0], (400, inputs)))
    low, high = normalised_ranges(lifted, box)
    assert (z <= high.values + slack(lifted)).all()
    assert (z >= low.values - slack(lifted)).all()
    # where a unit cannot change its sign, no corner was tried, and yet the bound is near
    falling, rising = z.max(axis=0) < -0.5, z.min(axis=0) > 0.5
    assert (high.values - z.max(axis=0))[falling].max(initial=0) < 100 * inputs * 10**size
    assert (z.min(axis=0) - low.values)[rising].max(initial=0) < 100 * inputs * 10**size
