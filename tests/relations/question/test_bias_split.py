"""What becomes of a bias in front of a norm."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lnfold.checkpoint import open_checkpoint
from lnfold.network.records.layers import Dense, LayerNorm, Norm
from lnfold.network.records.pairs import pairs
from lnfold.network.running.run import run
from lnfold.recovery.recover import recover
from lnfold.relations.question.bias_split import split_bias
from tests.relations.random_networks import (
    dense,
    epsilons,
    generator_of,
    kinds,
    network,
    norm,
    seeds,
)

EPS = np.finfo(np.float64).eps
sizes = st.integers(1, 9)


def layer_of(seed: int, inputs: int, units: int, kind: type[Norm], epsilon: float = 1e-12):
    generator = generator_of(seed)
    kernel, bias = generator.normal(size=(inputs, units)), generator.normal(size=units)
    gamma, beta = generator.normal(1, 0.7, units), generator.normal(0, 0.5, units)
    return dense("d", "x", kernel, bias), norm("n", "d", gamma, beta, epsilon, kind)


def rounding(layer: Dense) -> float:
    """What a least-squares solution may be off by: ulps of ‖b‖ times the kernel's condition."""
    kernel = layer.kernel.array
    singular = np.linalg.svd(kernel - kernel.mean(axis=1, keepdims=True), compute_uv=False)
    kept = singular[singular > singular[0] * EPS * max(kernel.shape)]
    condition = singular[0] / kept[-1] if kept.size else 1.0
    return 64 * EPS * max(kernel.shape) * condition**2 * (1 + np.linalg.norm(layer.bias.array))


@given(seeds, sizes, sizes, kinds)
def test_the_squares_of_the_three_parts_add_up_to_the_square_of_the_bias(seed, inputs, units, kind):
    """The parts are orthogonal, so Pythagoras holds."""
    layer, after = layer_of(seed, inputs, units, kind)
    split = split_bias(layer, after)
    bias = layer.bias.array
    total = split.dead**2 + split.shift**2 + split.residual**2
    assert total == pytest.approx(bias @ bias, rel=0, abs=rounding(layer) * (1 + bias @ bias))


@given(seeds, sizes, sizes, kinds)
def test_the_three_parts_rebuild_the_bias(seed, inputs, units, kind):
    """mean + origin·kernel + the rest is the bias, and the rest is as long as reported."""
    layer, after = layer_of(seed, inputs, units, kind)
    split = split_bias(layer, after)
    kernel, bias = layer.kernel.array, layer.bias.array
    mean = bias.mean() if kind is LayerNorm else 0.0
    centred = kernel - kernel.mean(axis=1, keepdims=True) if kind is LayerNorm else kernel
    rest = bias - mean - split.origin @ centred
    limit = rounding(layer)
    assert np.linalg.norm(rest) == pytest.approx(split.residual, rel=0, abs=limit)
    assert np.abs(centred @ rest).max(initial=0) <= limit * (1 + np.abs(centred).max(initial=0))


@given(seeds, sizes, st.integers(2, 9), epsilons)
def test_the_dead_part_changes_nothing(seed, inputs, units, epsilon):
    """A LayerNorm delivers the same without the bias's mean."""
    layer, after = layer_of(seed, inputs, units, LayerNorm, epsilon)
    x = generator_of(seed).normal(size=(16, inputs))
    bias = layer.bias.array
    without = dense("d", "x", layer.kernel.array, bias - bias.mean())
    read = run(network([layer], inputs), x, np.float64)["d"]
    smallest = np.sqrt(np.square(read - read.mean(axis=1, keepdims=True)).mean(axis=1) + epsilon)
    left = run(network([layer, after], inputs), x, np.float64)["n"]
    right = run(network([without, after], inputs), x, np.float64)["n"]
    # the mean subtracted rounds by ulps of |y|, which the division by s enlarges
    limit = 32 * EPS * (1 + np.abs(read).max()) / smallest.min() * (1 + np.abs(left).max())
    assert np.abs(left - right).max() <= limit


@given(seeds, sizes, st.integers(2, 9), kinds, epsilons)
def test_the_shift_is_a_shift_of_the_origin(seed, inputs, units, kind, epsilon):
    """Taking the shift out of the bias and adding x₀ to the inputs delivers the same."""
    layer, after = layer_of(seed, inputs, units, kind, epsilon)
    split = split_bias(layer, after)
    kernel = layer.kernel.array
    centred = kernel - kernel.mean(axis=1, keepdims=True) if kind is LayerNorm else kernel
    moved = dense("d", "x", kernel, layer.bias.array - split.origin @ centred)
    x = generator_of(seed).normal(size=(16, inputs))
    read = run(network([layer], inputs), x, np.float64)["d"]
    if kind is LayerNorm:
        read = read - read.mean(axis=1, keepdims=True)
    smallest = np.sqrt(np.square(read).mean(axis=1) + epsilon).min()
    left = run(network([layer, after], inputs), x, np.float64)["n"]
    right = run(network([moved, after], inputs), x + split.origin, np.float64)["n"]
    size = 1 + np.abs(x).max() + np.abs(split.origin).max()
    limit = 64 * EPS * max(kernel.shape) * size * np.abs(kernel).max() / smallest
    assert np.abs(left - right).max() <= limit * (1 + np.abs(left).max())


@given(seeds, sizes, st.integers(2, 9), kinds, epsilons)
def test_no_input_has_a_smaller_deviation_than_the_smallest(seed, inputs, units, kind, epsilon):
    """s(x) stays above the smallest deviation, and the input −x₀ reaches it."""
    layer, after = layer_of(seed, inputs, units, kind, epsilon)
    split = split_bias(layer, after)
    x = np.vstack([generator_of(seed).normal(size=(64, inputs)) * 3, -split.origin])
    y = run(network([layer], inputs), x, np.float64)["d"]
    if kind is LayerNorm:
        y = y - y.mean(axis=1, keepdims=True)
    s = np.sqrt(np.square(y).mean(axis=1) + epsilon)
    limit = rounding(layer)
    assert s.min() >= split.smallest_deviation - limit
    assert s[-1] == pytest.approx(split.smallest_deviation, rel=0, abs=limit)


def test_a_kernel_that_spans_all_units_leaves_no_rest():
    """With as many inputs as units every bias is a shift; the rest is exactly nothing."""
    layer, after = layer_of(1, 7, 5, LayerNorm)
    assert split_bias(layer, after).residual == 0.0
    assert split_bias(layer, after).effective_epsilon == 0.0


def test_a_singular_kernel_takes_the_shortest_origin():
    """Two equal rows share the shift equally; a row of zeros takes none of it."""
    row = np.array([1.0, -2.0, 0.5, 3.0])
    layer = dense("d", "x", np.vstack([row, row, 0 * row]), 0.6 * (row - row.mean()))
    split = split_bias(layer, norm("n", "d", None, None))
    np.testing.assert_allclose(split.origin, [0.3, 0.3, 0.0], atol=1e-15)
    assert split.residual == pytest.approx(0, abs=1e-14)


def test_a_kernel_of_zeros_leaves_all_but_the_mean():
    """Without a kernel nothing can be shifted, and the deviation is a constant."""
    bias = np.array([1.0, 2.0, 3.0, 6.0])
    split = split_bias(dense("d", "x", np.zeros((2, 4)), bias), norm("n", "d", None, None, 0.0))
    assert split.shift == 0
    assert split.dead == pytest.approx(6.0)
    assert split.smallest_deviation == pytest.approx(bias.std())


def test_one_unit_is_all_dead():
    """The mean over one unit is the unit."""
    split = split_bias(
        dense("d", "x", np.ones((3, 1)), np.array([2.5])), norm("n", "d", None, None)
    )
    assert (split.dead, split.shift, split.residual) == (2.5, 0.0, 0.0)


def test_a_missing_bias_is_a_bias_of_zeros():
    """Nothing to split, and only epsilon keeps the deviation from zero."""
    split = split_bias(dense("d", "x", np.eye(3), None), norm("n", "d", None, None, 1e-4))
    assert (split.dead, split.shift, split.residual) == (0.0, 0.0, 0.0)
    assert split.smallest_deviation == pytest.approx(1e-2)


def test_nan_gives_nan():
    """A damaged bias is reported as such, not as zero."""
    layer = dense("d", "x", np.ones((2, 3)), np.array([1.0, np.nan, 0.0]))
    split = split_bias(layer, norm("n", "d", None, None))
    assert np.isnan([split.dead, split.shift, split.residual, split.effective_epsilon]).all()


def test_the_question_s_network_has_the_known_split(real):
    """Layer 1 of the question's network: dead 0.02, shift 0.085, rest 1.10, epsilon 0.0189."""
    with open_checkpoint(real / "question_actor") as checkpoint:
        first, second = pairs(recover(checkpoint).named("actor"))
    split = split_bias(first.dense, first.norm)
    assert split.dead == pytest.approx(0.02, abs=5e-4)
    assert split.shift == pytest.approx(0.085, abs=5e-4)
    assert split.residual == pytest.approx(1.10, abs=5e-3)
    assert split.effective_epsilon == pytest.approx(0.0189, abs=5e-5)
    assert split.smallest_deviation == pytest.approx(0.137, abs=5e-4)
    assert split_bias(second.dense, second.norm).residual == 0.0


def test_wide_kernels_are_split_by_the_gram_matrix_as_well():
    """Beyond 512 units the same origin is found, and a kernel that lacks rank is noticed."""
    generator = generator_of(8)
    kernel, bias = generator.normal(size=(600, 520)), generator.normal(size=520)
    after = norm("n", "d", None, None)
    split = split_bias(dense("d", "x", kernel, bias), after)
    centred = kernel - kernel.mean(axis=1, keepdims=True)
    expected = np.linalg.lstsq(centred.T, bias - bias.mean(), rcond=None)[0]
    np.testing.assert_allclose(split.origin, expected, atol=1e-9 * np.abs(expected).max())
    assert split.residual == 0.0
    singular = kernel.copy()
    singular[:, 5] = singular[:, 4]
    assert split_bias(dense("d", "x", singular, bias), after).residual > 0.01
