"""The exact error of a constant in the place of s(x)."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lnfold.relations.question.frozen import frozen_error
from lnfold.relations.ranges.box import Box
from lnfold.relations.ranges.homogeneous import Lifted, lift
from lnfold.relations.ranges.unit_ranges import normalised_ranges
from tests.relations.random_networks import dense, epsilons, generator_of, kinds, norm, seeds

EPS = np.finfo(np.float64).eps


@given(seeds, st.integers(1, 5), st.integers(3, 16), kinds, epsilons)
def test_the_error_is_the_formula_s_and_below_the_bound(seed, inputs, units, kind, epsilon):
    """gamma·z·(s/σ̄ − 1) is the error to rounding, and no row passes the certificate."""
    generator = generator_of(seed)
    layer = dense("d", "x", generator.normal(size=(inputs, units)), generator.normal(size=units))
    after = norm("n", "d", generator.normal(1, 0.7, units), None, epsilon, kind)
    lifted = lift(layer, after)
    x = generator.normal(size=(128, inputs))
    low, high = normalised_ranges(lifted, Box.of_everything(inputs))
    frozen = frozen_error(lifted, x, np.maximum(-low.values, high.values))
    assert frozen is not None
    ratio = lifted.deviations(x) / frozen.deviation
    scale = np.abs(lifted.gamma).max() * np.sqrt(units) * (1 + ratio.max())
    assert frozen.formula_off <= 32 * EPS * units * scale
    assert frozen.largest <= frozen.bound * (1 + 1e-9)
    # no other constant fits gamma·z better, in squares
    y, s = lifted.centred(x) * lifted.gamma, lifted.deviations(x)[:, None]
    errors = [np.square(y / (frozen.deviation * k) - y / s).sum() for k in (0.99, 1.0, 1.01)]
    assert errors[1] <= min(errors)


def test_a_layer_without_gain_has_nothing_to_freeze():
    """Where gamma is 0 every constant fits."""
    lifted = Lifted(generator_of(0).normal(size=(3, 4)), 1e-12, np.zeros(4), np.zeros(4))
    assert frozen_error(lifted, np.ones((5, 2)), np.ones(4)) is None
