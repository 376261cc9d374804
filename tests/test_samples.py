"""The loop closed: the NumPy actor balances the pole as the original does."""

from __future__ import annotations

import importlib.util
import sys

import numpy as np
import pytest

from lnfold import Settings, open_checkpoint, recover, run


@pytest.fixture(scope="module")
def cart_pole(samples):
    """The task that the samples were trained on, from the script beside them."""
    spec = importlib.util.spec_from_file_location("cart_pole", samples / "cart_pole.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["cart_pole"] = module
    spec.loader.exec_module(module)
    return module


GIVEN = {"cartpole_actor_keras": Settings(activation="relu", output_activation="tanh")}


@pytest.mark.parametrize(
    "sample", ["cartpole_actor", "cartpole_actor_keras", "cartpole_actor_batchnorm"]
)
def test_the_re_run_balances_the_pole(samples, cart_pole, sample):
    """From 50 starts the pole stays up for 10 s; with no push it never does."""
    with open_checkpoint(samples / sample) as checkpoint:
        (network,) = recover(checkpoint, GIVEN.get(sample)).networks
    starts = cart_pole.random_states(50, seed=3)

    def policy(observations):
        return run(network, observations)[network.outputs[0]]

    assert cart_pole.balances(policy, starts, 10.0) == 1.0
    assert cart_pole.balances(lambda seen: np.zeros((len(seen), 1)), starts, 10.0) == 0.0


@pytest.mark.parametrize(
    "sample", ["cartpole_actor", "cartpole_actor_keras", "cartpole_actor_batchnorm"]
)
def test_samples_stay_small(samples, sample):
    """Each is below 300 KB, its expected arrays included."""
    assert 0 < sum(path.stat().st_size for path in (samples / sample).iterdir()) < 300_000
