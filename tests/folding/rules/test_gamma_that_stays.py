"""Where gamma-forward must leave gamma: what bends it, and what float32 cannot hold."""

from __future__ import annotations

import numpy as np
import pytest

from lnfold.folding.editing.steps import Applied, Reason, Refused
from lnfold.folding.rules.gamma_forward import gamma_forward
from lnfold.network.records.layers import Dense, LayerNorm
from tests.folding.build import Builder
from tests.folding.cases import FREE, STOCK


@pytest.mark.parametrize(
    ("behind", "free"),
    [
        (("relu6",), None),
        (("relu", "relu6"), Reason.ACTIVATED),
        (("relu6", "relu6"), Reason.ACTIVATED),
        (("relu6", "tanh"), Reason.ACTIVATED),
    ],
)
def test_gamma_passes_a_relu6_only_where_its_clip_can_move(
    behind: tuple[str, ...], free: Reason | None
) -> None:
    """The one activation that bends, right behind the norm, in a form that may change it."""
    build = Builder(3)
    value = normed = build.norm(build.dense(build.input(3), 8), gamma=np.linspace(0.5, 4, 8))
    for function in behind:
        value = build.act(value, function)
    build.dense(value, 2)
    network = build.network()
    for setting, reason in ((FREE, free), (STOCK, free or Reason.CLIP_FIXED)):
        outcome = gamma_forward(network, network.layer(normed), setting)
        assert isinstance(outcome, Refused if reason else Applied)
        if isinstance(outcome, Refused):
            assert outcome.reason is reason


@pytest.mark.parametrize(
    ("gamma", "beta", "row"),
    [(1e-30, 1e10, 1.0), (1e30, 1.0, 1e10), (1e-35, 0.0, 1.0)],
    ids=["beta over gamma overflows", "gamma times kernel overflows", "digits are lost"],
)
def test_a_gamma_that_float32_cannot_move_stays_while_the_others_go(
    gamma: float, beta: float, row: float
) -> None:
    """One unit of three; its beta and its row of the next kernel stay as well."""
    build = Builder(4)
    first = build.dense(build.input(2), 3)
    normed = build.norm(first, gamma=np.array([2.0, gamma, 4]), beta=np.array([1.0, beta, 1]))
    kernel = np.array([[1.0, 1], [row, row], [1, 1]])
    last = build.dense(build.act(normed, "relu"), 2, kernel=kernel)
    network = build.network()
    outcome = gamma_forward(network, network.layer(normed), STOCK)
    assert isinstance(outcome, Applied)
    assert dict(outcome.preconditions)["units that keep their gamma"] == 1
    left, dense = outcome.network.layer(normed), outcome.network.layer(last)
    assert isinstance(left, LayerNorm)
    assert isinstance(dense, Dense)
    assert left.gamma is not None
    assert left.beta is not None
    np.testing.assert_allclose(left.gamma.array, [1, gamma, 1], rtol=1e-6)
    np.testing.assert_allclose(left.beta.array, [0.5, beta, 0.25], rtol=1e-6)
    np.testing.assert_allclose(dense.kernel.array[:, 0], [2, row, 4], rtol=1e-6)
