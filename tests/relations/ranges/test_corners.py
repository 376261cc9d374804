"""The corners of a box, all of them: against trying each alone, in time, and watched."""

from __future__ import annotations

import time
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lnfold.relations.ranges.box import Box
from lnfold.relations.ranges.corners import CORNERS, corner_maxima
from lnfold.relations.ranges.unit_ranges import normalised_ranges
from tests.relations.random_networks import epsilons, generator_of, kinds, seeds
from tests.relations.ranges.test_unit_ranges import lifted_of, slack


@given(seeds, st.integers(1, 12), st.integers(2, 9), kinds, epsilons)
@settings(max_examples=30, deadline=None)
def test_the_greatest_corner_is_the_one_that_trying_each_finds(seed, inputs, units, kind, epsilon):
    """Any subset of units, with inputs held fixed, more and fewer than one table holds."""
    generator = generator_of(seed)
    lifted = lifted_of(seed, inputs, units, kind, epsilon)
    low = generator.normal(3, 1, inputs)
    high = low + generator.uniform(0.1, 1, inputs) * (generator.uniform(size=inputs) < 0.9)
    wanted = np.flatnonzero(generator.uniform(size=units) < 0.7)
    values, corners = corner_maxima(lifted, lifted.rows, Box(low, high), wanted)
    every = np.array(list(product(*np.stack([low, high], axis=1))))
    z = lifted.normalised(every)[:, wanted]
    np.testing.assert_allclose(values, z.max(axis=0), rtol=0, atol=slack(lifted))
    assert ((corners == low) | (corners == high)).all()
    at = lifted.normalised(corners)[np.arange(wanted.size), wanted] if wanted.size else values
    np.testing.assert_allclose(at, values, rtol=0, atol=slack(lifted))


def test_as_many_inputs_as_are_stated_are_exact():
    """CORNERS inputs: every bound exact, and as large as the best of many corners; one more is
    bounded soundly."""
    lifted = lifted_of(1, CORNERS, 32)
    box = Box(np.full(CORNERS, 2.0), np.full(CORNERS, 2.3))
    start = time.process_time()
    low, high = normalised_ranges(lifted, box)
    taken = time.process_time() - start
    assert low.exact.all()
    assert high.exact.all()
    falling = (high.values < 0) | (low.values > 0)
    assert falling.sum() >= 8  # corners were searched indeed
    some = np.where(generator_of(2).uniform(size=(20_000, CORNERS)) < 0.5, box.low, box.high)
    z = lifted.normalised(some)
    assert (z <= high.values + slack(lifted)).all()
    assert (z >= low.values - slack(lifted)).all()
    assert taken < 30  # 0.3 s on an idle machine
    more = lifted_of(1, CORNERS + 1, 32)
    wider = Box(np.full(CORNERS + 1, 2.0), np.full(CORNERS + 1, 2.3))
    assert not normalised_ranges(more, wider)[1].exact.all()


@pytest.mark.parametrize(("inputs", "watched"), [(6, False), (12, True)])
def test_a_long_search_is_watched_and_a_short_one_is_not(inputs, watched):
    """Counts rise to the number of corners; a single table of corners reports nothing."""
    told: list[tuple[int, int]] = []
    lifted = lifted_of(0, inputs, 8)
    box = Box(np.full(inputs, 5.0), np.full(inputs, 5.1))
    corner_maxima(lifted, lifted.rows, box, np.arange(8), lambda *one: told.append(one))
    assert bool(told) is watched
    if watched:
        assert told[-1] == (2**inputs, 2**inputs)
        assert [done for done, _ in told] == sorted(done for done, _ in told)
