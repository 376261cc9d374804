"""The samples' task: a folded policy balances the pole as the original does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lnfold.checkpoint import open_checkpoint
from lnfold.folding.editing.steps import Form
from lnfold.folding.fold import Choice, fold
from lnfold.network.records.layers import Network
from lnfold.network.running.run import run
from lnfold.recovery.recover import recover
from sample_checkpoints.cart_pole import balances, random_states, simulate


def policy(network: Network) -> Any:
    return lambda observations: run(network, observations)[network.outputs[0]]


@pytest.mark.parametrize("form", list(Form))
@pytest.mark.parametrize("name", ["cartpole_actor", "cartpole_actor_batchnorm"])
def test_the_cart_balances_identically_after_every_form(
    samples: Path, name: str, form: Form
) -> None:
    """Every run that the original holds is held, on the same path to a hair."""
    with open_checkpoint(samples / name) as checkpoint:
        actor = recover(checkpoint).named("actor")
    folded = fold(actor, Choice(form)).network
    states = random_states(40, seed=1)

    assert balances(policy(actor), states, 5.0) == balances(policy(folded), states, 5.0) > 0.9
    paths = [simulate(policy(network), states, 2.0) for network in (actor, folded)]
    assert np.abs(paths[0] - paths[1]).max() < 1e-4
