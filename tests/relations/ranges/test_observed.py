"""The safety net: a proved figure that an observation passes is withdrawn."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import lnfold.relations.detail as detail_module
import lnfold.relations.ranges.units as units_module
from lnfold.network.running.run import run
from lnfold.relations.detail import detail
from lnfold.relations.question.relate import relate
from lnfold.relations.ranges.min_std import LeastDeviation
from lnfold.relations.ranges.observed import held_least, passed
from lnfold.relations.ranges.units import Verdict
from lnfold.relations.sensitivity.lipschitz import Steepness
from lnfold.relations.sensitivity.network_lipschitz import NetworkSlope
from lnfold.relations.sensitivity.observed import held_slope, held_steepness
from tests.relations.random_networks import generator_of, normalised_network


def detailed():
    network = normalised_network(generator_of(0), (3, 8, 6, 2))
    x = generator_of(1).normal(size=(300, 3))
    values = run(network, x, np.float64, trace=True)
    return detail(network, relate(network, values), values)


def test_a_true_bound_is_left_alone():
    """Of a real network nothing is withdrawn."""
    for layer in detailed().layers:
        assert layer.units is not None
        assert np.isfinite(layer.units.infimum).all()
        assert np.isfinite(layer.units.supremum).all()


def test_a_range_that_an_observation_leaves_proves_nothing(monkeypatch: pytest.MonkeyPatch):
    """A supremum planted too low is not shown, and the unit is neither dead nor on."""
    real = units_module._bounds

    def too_low(pair, reaches):
        low, high, free = real(pair, reaches)
        values = high.values.copy()
        values[:3] = -5.0
        return (
            replace(low, values=np.full_like(low.values, -9.0)),
            replace(high, values=values),
            free,
        )

    monkeypatch.setattr(units_module, "_bounds", too_low)
    units = detailed().layers[0].units
    assert units is not None
    for unit in range(3):
        assert not np.isfinite(units.infimum[unit])
        assert not np.isfinite(units.supremum[unit])
        assert not units.exact_supremum[unit]
        assert units.verdicts[unit] is Verdict.MIXED
    assert np.isfinite(units.supremum[3:]).all()


def test_a_least_deviation_that_was_seen_below_is_none(monkeypatch: pytest.MonkeyPatch):
    """Nor is a slope that rests on it shown."""
    monkeypatch.setattr(detail_module, "least_deviation", lambda lifted, box: LeastDeviation(9, 9))
    for layer in detailed().layers:
        assert layer.least is not None
        assert layer.least.bound == 0
        assert layer.steepness is not None
        assert layer.steepness.bound is None


def test_each_figure_is_withdrawn_only_where_it_is_passed():
    """By more than rounding, at the side where it is passed."""
    one = np.array([1.0])
    none = np.zeros(1)
    for lowest, highest, wrong in ((-1, 1, False), (-1.1, 0, True), (0, 1.1, True)):
        found = passed(-one, one, lowest * one, highest * one, none)
        assert found[0] == wrong
    assert not passed(-one, one, None, None, none)[0]
    least = LeastDeviation(0.5, 0.6)
    assert held_least(least, np.array([0.5, 0.7, np.nan])) is least
    assert held_least(least, np.array([0.4])).bound == 0
    steep = Steepness(1.0, 2.0, 0.5, 3.9)
    assert held_steepness(steep) is steep
    assert held_steepness(replace(steep, found=4.1)).bound is None
    slope = NetworkSlope(4.0, 3.9, None)
    assert held_slope(slope) is slope
    assert held_slope(replace(slope, found=4.1)).bound is None
    assert held_slope(replace(slope, found=None)).bound == 4.0
