"""What keeps layers as they are: values that are delivered, numbers that cannot go back."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lnfold.folding.editing.steps import Applied, Reason, Refused
from lnfold.folding.editing.storing import unstorable
from lnfold.folding.rules.carry import carry
from lnfold.folding.rules.dense_dense import dense_dense
from lnfold.folding.rules.frozen_std import freeze_deviations
from lnfold.folding.rules.sign import sign
from lnfold.network.records.layers import Dense, RMSNorm
from lnfold.network.running.run import run
from tests.folding.build import Builder, observations
from tests.folding.cases import FREE


def test_units_of_a_delivered_dense_layer_are_not_turned_round() -> None:
    """Whoever takes them would see the signs of gamma in them."""
    build = Builder(0)
    first = build.dense(build.input(2), 3)
    value = build.norm(first, kind=RMSNorm, gamma=np.array([1.0, -2, 3]))
    build.dense(build.act(value, "tanh"), 2)
    network = build.network()
    assert isinstance(sign(network, network.layer(value), FREE), Applied)
    shown = replace(network, outputs=(*network.outputs, first))
    outcome = sign(shown, shown.layer(value), FREE)
    assert isinstance(outcome, Refused)
    assert (outcome.reason, outcome.by) == (Reason.READ_ELSEWHERE, first)


def test_a_delivered_dense_layer_is_not_merged_into_the_next() -> None:
    """Two products in a row are one, except where something takes the first."""
    build = Builder(0)
    first = build.dense(build.input(4), 2)
    build.dense(first, 3)
    network = build.network()
    assert isinstance(dense_dense(network, network.layer(first), FREE), Applied)
    shown = replace(network, outputs=(*network.outputs, first))
    assert dense_dense(shown, shown.layer(first), FREE) is None


def test_two_deviations_are_carried_past_a_norm_that_divides_at_once() -> None:
    """The second norm is of what the first one left undivided, epsilon times its square."""
    build = Builder(2)
    value = build.norm(build.dense(build.input(3), 6), kind=RMSNorm, gamma=None, epsilon=0.1)
    value = build.dense(build.act(value, "relu"), 4)
    for function in ("relu", "tanh"):
        value = build.norm(value, kind=RMSNorm, gamma=None, beta=None, epsilon=0.1)
        value = build.dense(build.act(value, function), 4)
    network = build.network()
    outcome = carry(network, network.layers[1], FREE)
    assert isinstance(outcome, Applied)
    inputs = observations(network)
    before, after = (run(one, inputs, np.float64) for one in (network, outcome.network))
    for name in network.outputs:
        np.testing.assert_allclose(after[name], before[name], atol=1e-12)


@pytest.mark.parametrize("epsilon", [1e-6, 0.5])
def test_the_frozen_deviation_has_epsilon_in_it(epsilon: float) -> None:
    """On a single row the constant is that row's own deviation, and nothing is off."""
    build = Builder(1)
    first = build.dense(build.input(3), 8)
    build.dense(build.norm(first, epsilon=epsilon), 2)
    network = build.network()
    row = {"x": np.ones((1, 3))}
    y = run(network, row, np.float64, trace=True)[first]
    (found,) = freeze_deviations(network, row).layers
    assert found.deviation == pytest.approx(np.sqrt(y.var() + epsilon))
    assert found.error < 1e-9


def test_a_tanh_behind_a_relu_keeps_a_deviation_from_being_carried() -> None:
    """However many stand in front of it that do."""
    build = Builder(2)
    value = build.norm(build.dense(build.input(3), 6), kind=RMSNorm, gamma=None)
    value = build.act(build.act(value, "relu"), "tanh")
    build.dense(value, 2)
    network = build.network()
    outcome = carry(network, network.layers[1], FREE)
    assert isinstance(outcome, Refused)
    assert (outcome.reason, outcome.by) == (Reason.ACTIVATED, value)


def test_a_changed_parameter_that_was_stored_as_integers_cannot_go_back() -> None:
    """An unchanged one may stay."""
    build = Builder(1)
    build.dense(build.input(2), 2, bias=False)
    network = build.network()
    (dense,) = network.layers
    assert isinstance(dense, Dense)
    whole = replace(dense, kernel=replace(dense.kernel, array=np.ones((2, 2), np.int32)))
    halved = replace(whole, kernel=replace(whole.kernel, array=np.full((2, 2), 0.5)))
    before, after = (replace(network, layers=(one,)) for one in (whole, halved))
    assert unstorable(before, before, frozenset()) is None
    outcome = unstorable(before, after, frozenset())
    assert outcome is not None
    assert outcome.reason is Reason.PRECISION
