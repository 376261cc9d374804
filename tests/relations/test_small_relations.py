"""Distributions, deviations, pairs, boxes, signs and copies: one plain fact each."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from lnfold.errors import UsageError
from lnfold.network.records.layers import Add, LayerNorm
from lnfold.network.records.pairs import Context, pairs
from lnfold.relations.freedom.diagnostics import DISGUISED, Sign, disguise_error, signs
from lnfold.relations.question.copies import copy_differences
from lnfold.relations.question.distribution import BINS, distribution, histogram
from lnfold.relations.question.std import deviations, spread
from lnfold.relations.ranges.box import Box
from lnfold.relations.ranges.box_choice import box_of_arrays, box_of_numbers
from tests.relations.random_networks import (
    activation,
    batch_norm,
    dense,
    epsilons,
    generator_of,
    kinds,
    network,
    norm,
    normalised_network,
    parameter,
    seeds,
)

EPS = np.finfo(np.float64).eps
numbers = st.floats(-1e6, 1e6) | st.sampled_from([np.nan, np.inf, -np.inf, 0.0])


@given(arrays(np.float64, st.integers(0, 40), elements=numbers))
def test_a_distribution_counts_every_number_once(values):
    """Histogram and non-finite entries add up; minimum, mean and maximum are in order."""
    found = distribution(values)
    finite = values[np.isfinite(values)]
    assert found.count == values.size
    assert sum(found.histogram) + found.nonfinite == values.size
    assert len(found.histogram) == BINS
    if finite.size:
        assert found.minimum <= found.mean + 1e-9 * abs(found.mean) + 1e-300
        assert found.mean <= found.maximum + 1e-9 * abs(found.maximum) + 1e-300
        assert found.zero == (finite == 0).sum()
        assert found.negative == (finite < 0).sum()
    else:
        assert found.minimum is found.mean is found.maximum is None
        assert found.norm == 0


@pytest.mark.parametrize(
    ("low", "high"), [(0.0, 5e-324), (1.0, 1.0 + EPS), (-1.7e308, 1.7e308), (-1.0, 2.0)]
)
def test_a_histogram_has_bins_for_every_range(low, high):
    """Ranges of one ulp and of all numbers there are: the ends go into the outer bins."""
    counts = histogram(np.array([low, high, high]), 40)
    assert (counts[0], counts[-1], sum(counts)) == (1, 2, 3)


def test_a_histogram_is_numpy_s():
    """Where NumPy makes one, it counts the same but for numbers on an edge."""
    values = np.random.default_rng(3).normal(size=1000)
    assert histogram(values, 12) == tuple(np.histogram(values, 12)[0])


def test_a_constant_vector_fills_the_middle():
    """All entries equal: one bin in the middle holds them, and nothing is tiny."""
    found = distribution(np.full(7, 1.0))
    assert found.histogram[BINS // 2] == 7
    assert (found.minimum, found.maximum, found.tiny) == (1.0, 1.0, 0)


@given(seeds, kinds, epsilons)
def test_deviations_are_the_root_of_the_mean_square(seed, kind, epsilon):
    """s² is the variance plus epsilon, without the mean subtracted for RMSNorm."""
    y = generator_of(seed).normal(1, 2, (20, 7))
    expected = y.var(axis=1) if kind is LayerNorm else np.square(y).mean(axis=1)
    found = deviations(norm("n", "y", None, None, epsilon, kind), y)
    np.testing.assert_allclose(np.square(found), expected + epsilon, rtol=64 * EPS)


def test_the_spread_ignores_what_is_not_finite():
    """NaN and infinite rows do not count; without finite ones there is no spread."""
    found = spread(np.array([1.0, np.nan, 3.0, np.inf]))
    assert (found.minimum, found.mean, found.maximum, found.variation) == (1, 2, 3, 0.5)
    assert found.histogram[0] == found.histogram[-1] == 1
    assert spread(np.array([np.nan])) is None
    assert spread(np.zeros(3)).variation == 0


def test_every_context_is_told_apart():
    """Behind a dense layer, an activation, a sum, an input and another norm."""
    layers = [
        dense("d", "x", np.eye(3), None),
        norm("n1", "d", np.ones(3), None),
        activation("a", "d", "relu"),
        norm("n2", "a", np.ones(3), None),
        Add("p", ("d", "a"), "p"),
        norm("n3", "p", np.ones(3), None),
        norm("n4", "x", np.ones(3), None),
        norm("n5", "n4", np.ones(3), None),
    ]
    found = {one.norm.name: one for one in pairs(network(layers, 3))}
    assert [found[f"n{number}"].context for number in range(1, 6)] == list(Context)
    assert (found["n1"].scope, found["n4"].scope) == ("d", "n4")
    assert len({context.sentence for context in Context}) == 5


def test_boxes_that_are_none_are_refused_with_the_place():
    """Different lengths, low above high and NaN: the message says which input."""
    with pytest.raises(UsageError, match=r"shapes \(2,\) and \(3,\)"):
        Box(np.zeros(2), np.zeros(3))
    with pytest.raises(UsageError, match="input 1 goes from 2 to 1"):
        Box(np.array([0.0, 2.0]), np.array([1.0, 1.0]))
    with pytest.raises(UsageError, match="input 0 goes from nan"):
        Box(np.array([np.nan]), np.ones(1))


@given(seeds, st.integers(1, 6))
def test_affine_maxima_and_corners_agree(seed, width):
    """The maximum of an affine function over a box is its maximum over the corners."""
    generator = generator_of(seed)
    low = generator.normal(size=width)
    box = Box(low, low + generator.uniform(0, 2, width))
    kernel, bias = generator.normal(size=(width, 4)), generator.normal(size=4)
    corners = np.array(list(product(*np.stack([box.low, box.high], axis=1))))
    assert len(corners) == 2**box.extended
    values = corners @ kernel + bias
    np.testing.assert_allclose(box.affine_maximum(kernel, bias), values.max(axis=0), atol=1e-12)
    np.testing.assert_allclose(box.largest(kernel, bias), np.abs(values).max(axis=0), atol=1e-12)
    inside = np.hstack([corners, np.ones((len(corners), 1))])
    assert (box.cone() @ inside.T <= 1e-12).all()


def test_a_chosen_box_fits_its_input_or_says_so():
    """Two numbers for all, arrays for each, a missing side is open, a wrong width is named."""
    net = normalised_network(generator_of(0), (3, 4, 1))
    assert box_of_numbers(net, -1, 2)["x"].high.tolist() == [2, 2, 2]
    chosen = box_of_arrays(net, {"low": np.zeros(3)}, "b.npz")["x"]
    assert chosen.low.tolist() == [0, 0, 0]
    assert np.isinf(chosen.high).all()
    both = box_of_arrays(net, {"box": np.array([[0, 1, 2], [3, 4, 5]])}, "b.npy")["x"]
    assert both.high.tolist() == [3, 4, 5]
    with pytest.raises(UsageError, match="holds 2 numbers, input x is 3 wide"):
        box_of_arrays(net, {"low": np.zeros(2), "high": np.ones(2)}, "b.npz")
    with pytest.raises(UsageError, match="holds no box for network net; it holds: other"):
        box_of_arrays(net, {"other": np.zeros(3)}, "b.npz")


def seen(layers, read=None):
    (pair,) = pairs(network(layers, layers[0].kernel.shape[0]))
    return {one.sign for one in signs(pair, read)}


def test_an_untrained_layer_shows_it():
    """Exactly 1 and exactly 0 everywhere; one number off and nothing is said."""
    kernel = generator_of(0).normal(size=(2, 4))
    fresh = [dense("d", "x", kernel, np.zeros(4)), norm("n", "d", np.ones(4), np.zeros(4))]
    assert seen(fresh) == {Sign.GAMMA_ONE, Sign.BETA_ZERO, Sign.BIAS_ZERO}
    almost = np.array([1, 1, 1, 1 + 1e-7])
    trained = [dense("d", "x", kernel, almost), norm("n", "d", almost, almost)]
    assert seen(trained) == set()


def test_damage_disguise_and_vanishing_gains_are_seen():
    """NaN, an epsilon far above the variance, and a gamma of 0."""
    kernel = generator_of(0).normal(size=(2, 4))
    bias = np.array([np.nan, 1, 2, 3])
    assert Sign.NOT_FINITE in seen([dense("d", "x", kernel, bias), norm("n", "d", None, None)])
    read = generator_of(1).normal(size=(50, 4))
    layers = [dense("d", "x", kernel, None), norm("n", "d", np.array([0, 1, 2, 3.0]), None, 1e12)]
    assert seen(layers, read) == {Sign.AFFINE_IN_DISGUISE, Sign.GAMMA_VANISHES}
    assert disguise_error(layers[1], read) < 1 / DISGUISED


@given(seeds)
def test_a_layer_in_disguise_is_affine_to_half_the_ratio(seed):
    """With epsilon far above the variance the error of the affine form is var/(2·epsilon)."""
    y = generator_of(seed).normal(size=(50, 6))
    layer = norm("n", "y", None, None, 1e4)
    centred = y - y.mean(axis=1, keepdims=True)
    exact = centred / np.sqrt(np.square(centred).mean(axis=1, keepdims=True) + 1e4)
    off = np.abs(centred / 100 - exact) / np.abs(exact)
    assert off.max() == pytest.approx(disguise_error(layer, y), rel=1e-3)


def test_one_and_two_units_are_seen():
    """LayerNorm of one unit delivers beta; of two, a sign; a constant kernel moves nothing."""
    for units, sign in ((1, Sign.ONE_UNIT), (2, Sign.TWO_UNITS)):
        kernel = generator_of(0).normal(size=(3, units))
        assert sign in seen([dense("d", "x", kernel, None), norm("n", "d", None, None)])
    same = [dense("d", "x", np.ones((3, 4)), None), norm("n", "d", None, None)]
    assert Sign.CONSTANT_KERNEL in seen(same)


def test_copies_are_compared_with_their_source():
    """Equal, apart by the largest difference, and of another shape: not compared."""
    from dataclasses import replace

    source = replace(normalised_network(generator_of(0), (2, 4, 1)), name="actor")
    same = replace(source, name="target_actor")
    other = replace(normalised_network(generator_of(0), (2, 4, 1)), name="noise_actor")
    layers = list(other.layers)
    kernel = layers[0].kernel.array.copy()
    kernel[0, 0] += 0.25
    layers[0] = dense("dense0", "x", kernel, layers[0].bias.array)
    other = replace(other, layers=tuple(layers))
    wider = replace(normalised_network(generator_of(0), (2, 5, 1)), name="old_actor")
    found = {one.copy: one for one in copy_differences([source, same, other, wider])}
    assert set(found) == {"target_actor", "noise_actor"}
    assert found["target_actor"].equal
    assert found["noise_actor"].largest == pytest.approx(0.25)
    assert not found["noise_actor"].equal


def test_a_copy_with_an_activation_more_is_compared_by_its_parameters():
    """The layers that have none need not be as many."""
    from dataclasses import replace

    from lnfold.network.facts.evidence import Fact, Source
    from lnfold.network.records.layers import Activation

    source = replace(normalised_network(generator_of(0), (2, 4, 1)), name="actor")
    end = source.outputs[0]
    more = Activation("end", (end,), "end", Fact("tanh", Source.GRAPH, "end"), None)
    copy = replace(source, name="target_actor", layers=(*source.layers, more), outputs=("end",))
    (found,) = copy_differences([source, copy])

    assert (found.copy, found.source, found.equal) == ("target_actor", "actor", True)


def test_statistics_count_as_initial_only_where_all_of_them_are():
    """A mean of zeros and a variance of ones: both, and every unit of both."""
    generator = generator_of(3)
    given = batch_norm("n", "d", generator, 4)
    zeros, ones = np.zeros(4), np.ones(4)
    moved, spread_out = np.array([0, 0, 0, 0.1]), np.array([1, 1, 1, 1.5])
    for mean, variance, initial in (
        (zeros, ones, True),
        (moved, ones, False),
        (zeros, spread_out, False),
    ):
        layer = replace(
            given, moving_mean=parameter(mean, "mean"), moving_variance=parameter(variance, "var")
        )
        kernel = generator.normal(size=(3, 4))
        net = network([dense("d", "x", kernel, None), layer], 3)
        (pair,) = pairs(net)
        seen = {one.sign for one in signs(pair, None)}
        assert (Sign.STATISTICS_INITIAL in seen) == initial


def test_a_box_may_reach_to_the_largest_float32_and_no_further():
    """The largest number is an input like any other; the next one of float64 is not."""
    largest = float(np.finfo(np.float32).max)
    net = network([dense("d", "x", np.ones((2, 1)), None)], 2)
    for low, high in ((-largest, -largest), (largest, largest), (-largest, largest)):
        box_of_numbers(net, low, high)
    for low, high in ((-np.inf, -2 * largest), (2 * largest, np.inf)):
        with pytest.raises(UsageError):
            box_of_numbers(net, low, high)
