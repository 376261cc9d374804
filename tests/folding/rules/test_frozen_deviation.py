"""The one approximation: its error is measured, bounded, and never called exact."""

from __future__ import annotations

import numpy as np
import pytest

from lnfold.errors import UsageError
from lnfold.folding.rules.frozen_std import freeze_deviations
from lnfold.folding.sequences import RULE_NAMES
from lnfold.network.records.layers import Dense, LayerNorm
from lnfold.network.running.run import run
from tests.folding.build import Builder, actor, observations


def test_the_error_of_every_layer_stays_below_its_bound() -> None:
    """|gamma|·sup|z|·max|1 − s/c|, for every width, epsilon and gamma."""
    checked = 0
    for seed in range(60):
        epsilon = [1e-12, 1e-5, 1e-3, 0.1][seed % 4]
        network = actor(seed, (1 + seed % 7, 8 + seed, 20, 2), epsilon=epsilon)
        found = freeze_deviations(network, observations(network, 200))
        for layer in found.layers:
            # the rounding of the frozen kernel and of the proof
            assert layer.error <= layer.bound * (1 + 1e-6)
            checked += layer.error > 0

    assert checked == 120


def test_it_replaces_norms_by_one_vector_and_is_not_exact() -> None:
    """No norm is left, and the outputs differ by what is reported."""
    network = actor(0)
    inputs = observations(network, 300)
    found = freeze_deviations(network, inputs)
    name = network.outputs[0]
    error = np.abs(
        run(found.network, inputs, np.float64)[name] - run(network, inputs, np.float64)[name]
    ).max()

    assert not any(isinstance(one, LayerNorm) for one in found.network.layers)
    assert sum(isinstance(one, Dense) for one in found.network.layers) == 3
    assert found.output_error == error > 0.01
    assert not any("frozen" in rule for rule in RULE_NAMES)


def test_a_constant_deviation_is_hit_exactly() -> None:
    """Where s does not depend on the input nothing is lost but float32's digits."""
    build = Builder()
    y = build.dense(build.input(3), 6, kernel=np.zeros((3, 6)))
    build.dense(build.act(build.norm(y)), 2)
    network = build.network()
    found = freeze_deviations(network, observations(network))

    assert found.layers[0].variation < 1e-15
    assert found.output_error < 1e-6


def test_a_network_without_such_norms_is_refused() -> None:
    """With what would be needed."""
    build = Builder()
    build.dense(build.norm(build.act(build.dense(build.input(3), 6))), 2)

    with pytest.raises(UsageError, match="no norm whose deviation could be frozen"):
        freeze_deviations(build.network(), observations(build.network()))
