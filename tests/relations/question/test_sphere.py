"""The exact form with one bias vector, on a sphere."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lnfold.network.records.layers import LayerNorm
from lnfold.network.running.run import run
from lnfold.relations.question.sphere import sphere_form
from lnfold.relations.ranges.homogeneous import Lifted, lift
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


@given(seeds, st.integers(1, 8), st.integers(2, 24), kinds, epsilons, st.booleans())
def test_the_form_delivers_what_the_layer_delivers(seed, inputs, units, kind, epsilon, zeros):
    """M·q(x) + beta equals dense and norm, zero gammas and singular kernels included."""
    generator = generator_of(seed)
    gamma, beta = generator.normal(1, 0.7, units), generator.normal(0, 0.5, units)
    gamma[:: 2 if zeros else units + 1] = 0
    layers = [
        dense("d", "x", generator.normal(size=(inputs, units)), generator.normal(size=units)),
        norm("n", "d", gamma, beta, epsilon, kind),
    ]
    x = generator.normal(0, 2, (64, inputs))
    form = sphere_form(lift(*layers))
    expected = run(network(layers, inputs), x, np.float64)["n"]
    s = lift(*layers).deviations(x).min()
    size = np.abs(layers[0].kernel.array).max() * np.abs(x).max() * inputs + 4
    limit = 64 * EPS * units * size / s * (1 + np.abs(expected).max())
    assert np.abs(form(x) - expected).max() <= limit
    np.testing.assert_allclose(np.linalg.norm(form.points(x), axis=1), 1, atol=4 * EPS)


def test_the_root_is_a_triangle_where_nothing_is_singular():
    """Five inputs and 64 units give a 6 × 6 upper triangle and a 6 × 64 matrix."""
    generator = generator_of(0)
    layer = dense("d", "x", generator.normal(size=(5, 64)), generator.normal(size=64))
    form = sphere_form(lift(layer, norm("n", "d", None, None)))
    assert form.root.shape == (6, 6)
    assert form.matrix.shape == (6, 64)
    assert np.array_equal(form.root, np.triu(form.root))


def test_a_singular_kernel_needs_fewer_dimensions():
    """An input given twice adds no dimension to the sphere."""
    generator = generator_of(1)
    row = generator.normal(size=(1, 12))
    layer = dense("d", "x", np.vstack([row, row]), generator.normal(size=12))
    form = sphere_form(lift(layer, norm("n", "d", None, None)))
    assert form.root.shape == (2, 3)
    assert form.condition < 1e6


def test_a_constant_row_is_the_centre():
    """Where s(x) is 0 (epsilon 0) the layer is taken as beta, not as NaN."""
    layer = dense("d", "x", np.ones((1, 3)), np.ones(3))
    lifted = lift(layer, norm("n", "d", None, np.arange(3.0), 0.0, LayerNorm))
    assert sphere_form(lifted)(np.array([[2.0]])).tolist() == [[0.0, 1.0, 2.0]]


def test_a_damaged_layer_has_no_form():
    """NaN cannot be factorised."""
    damaged = Lifted(np.full((3, 4), np.nan), 1e-12, np.ones(4), np.zeros(4))
    with pytest.raises(ValueError, match="NaN"):
        sphere_form(damaged)
