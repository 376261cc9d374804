"""Far from the origin a layer forgets its bias and epsilon, as fast as the formula says."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lnfold.relations.ranges.asymptotics import TIMES, far_out
from lnfold.relations.ranges.homogeneous import Lifted
from tests.relations.random_networks import epsilons, generator_of, kinds, seeds
from tests.relations.ranges.test_unit_ranges import lifted_of


@given(seeds, st.integers(1, 6), st.integers(2, 20), kinds, epsilons)
def test_the_difference_stays_within_its_bound_and_falls_as_one_over_t(
    seed, inputs, units, kind, epsilon
):
    """At ten times the length it is about a tenth, once it is small."""
    lifted = lifted_of(seed, inputs, units, kind, epsilon)
    found = far_out(lifted, generator_of(seed + 1).normal(size=(64, inputs)))
    assert found.times == TIMES
    for seen, bound in zip(found.found, found.bound, strict=True):
        assert seen <= bound * (1 + 1e-9) + 1e-12
    for near, far in zip(found.found, found.found[1:], strict=False):
        if near < 0.01:
            assert far <= 0.2 * near + 1e-12


def test_without_bias_and_epsilon_the_limit_is_the_layer():
    """Then length never mattered: every difference is rounding."""
    lifted = lifted_of(0, 3, 8, epsilon=0.0)
    rows = lifted.rows.copy()
    rows[-1] = 0
    found = far_out(
        Lifted(rows, 0.0, lifted.gamma, lifted.beta), generator_of(1).normal(size=(9, 3))
    )
    assert found.bound == (0.0,) * 4
    assert max(found.found) <= 1e-13


def test_the_question_s_layer_forgets_its_bias(real):
    """From a tenth or more at unit length to a hundredth of that at a thousand times."""
    from lnfold.checkpoint import open_checkpoint
    from lnfold.network.records.pairs import pairs
    from lnfold.recovery.recover import recover
    from lnfold.relations.ranges.homogeneous import lift

    with open_checkpoint(real / "question_actor") as checkpoint:
        pair = pairs(recover(checkpoint).named("actor"))[0]
    x = generator_of(0).normal(size=(1000, 5))
    found = far_out(lift(pair.dense, pair.norm), x / np.linalg.norm(x, axis=1, keepdims=True))
    assert found.found[0] > 0.1
    assert found.found[3] == pytest.approx(found.found[2] / 10, rel=0.2)
    assert found.found[3] < found.found[0] / 100


def test_rows_without_a_direction_have_no_limit():
    """Inputs of zeros, or a kernel of zeros, leave only the bias."""
    lifted = lifted_of(2, 3, 5)
    assert far_out(lifted, np.zeros((4, 3))) is None
    rows = lifted.rows.copy()
    rows[:-1] = 0
    assert far_out(Lifted(rows, 1e-3, lifted.gamma, lifted.beta), np.ones((4, 3))) is None
