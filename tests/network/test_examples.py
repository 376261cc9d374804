"""Examples settle what names leave open, or say why they do not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lnfold.errors import UsageError
from lnfold.network.evidence import Source
from lnfold.network.settings import Examples, Settings
from tests.network.made import checkpoint
from tests.network.recovered import error_and_tolerance, without_graph

SETTLED = [
    "cartpole_actor/actor.ckpt-12000",
    "cartpole_actor_batchnorm/actor.ckpt",
    "cartpole_actor_keras/actor",
]


def examples(path: Path, rows: int = 64) -> Examples:
    arrays = np.load(path.parent / "expected_actor.npz")
    return Examples({"inputs": arrays["inputs"][:rows]}, {"outputs": arrays["outputs"][:rows]})


@pytest.mark.parametrize("sample", SETTLED)
def test_examples_settle_order_activations_and_epsilon(samples: Path, sample: str):
    """The one candidate that reproduces them is taken, marked as settled, and runs."""
    given = examples(samples / sample)
    found = without_graph(samples / sample, Settings(examples=given))
    (network,) = found.networks

    assert network.complete
    assert network.wiring.value == "dense-norm-act"
    assert network.wiring.source is Source.EXAMPLES
    assert {fact.source for layer in network.layers for _, fact in layer.facts()} == {
        Source.EXAMPLES
    }
    error, tolerance = error_and_tolerance(network, given.inputs, given.outputs["outputs"])
    assert error <= tolerance
    assert any("next candidate" in note for note in found.notes)


def test_the_epsilons_that_cannot_be_told_apart_are_named(samples: Path):
    """1e-12 and 1e-8 round alike: the note says so."""
    path = samples / SETTLED[0]
    notes = " ".join(without_graph(path, Settings(examples=examples(path))).notes)

    assert "do not tell these epsilons apart" in notes
    assert "1e-12" in notes


def test_what_the_user_gives_is_not_varied(samples: Path):
    """A wrong epsilon on the command line leaves no candidate, and the error names the closest."""
    path = samples / SETTLED[0]
    with pytest.raises(UsageError, match="no candidate reproduces") as caught:
        without_graph(path, Settings(examples=examples(path), epsilon=1e-2))

    assert "0.01" in str(caught.value)


def test_outputs_that_fit_nothing_are_refused(samples: Path):
    """Random outputs match no candidate."""
    path = samples / SETTLED[0]
    given = examples(path)
    wrong = Examples(given.inputs, {"outputs": given.outputs["outputs"] + 0.5})
    with pytest.raises(UsageError, match="no candidate"):
        without_graph(path, Settings(examples=wrong))


def test_examples_that_fit_several_candidates_are_refused():
    """Where every hidden unit is off, any activation that is 0 there fits."""
    from lnfold.network.recover import recover

    arrays = {
        "pi/fc0/kernel": np.zeros((2, 3), np.float32),
        "pi/fc0/bias": np.zeros(3, np.float32),
        "pi/fc1/kernel": np.ones((3, 1), np.float32),
        "pi/fc1/bias": np.zeros(1, np.float32),
    }
    given = Examples({"x": np.ones((4, 2), np.float32)}, {"y": np.zeros((4, 1), np.float32)})
    with pytest.raises(UsageError, match="several candidates"):
        recover(checkpoint(arrays), Settings(examples=given))
