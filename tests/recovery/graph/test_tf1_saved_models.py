"""SavedModels of TensorFlow 1.15: tags, signatures, and graphs without either."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from lnfold.errors import NotACheckpointError
from tests.recovery.recovered import FIXTURES, error_and_tolerance, recovery

SAVED = FIXTURES / "tf1_saved"
HIDDEN = ["dense", "layer_norm", "activation"] * 2
MODELS = {
    "simple_save": ("actor", [*HIDDEN, "dense", "activation"]),
    "several_tags_and_signatures": ("model", [*HIDDEN, "dense", "activation", "dense"]),
    "no_signature": ("critic", [*HIDDEN, "dense"]),
}


@pytest.mark.parametrize("model", MODELS)
def test_a_model_is_read_as_it_was_built(model: str):
    """One network, with every output of its signatures, that answers as its session did."""
    name, kinds = MODELS[model]
    found = recovery(SAVED / model)
    with np.load(SAVED / model / "expected.npz") as arrays:
        expected = dict(arrays)
    obs = expected.pop("obs")
    (network,) = found.networks

    assert found.notes == ()
    assert (network.name, [layer.kind for layer in network.layers]) == (name, kinds)
    assert network.gaps == ()
    assert len(network.outputs) == len(expected)
    for key, output in zip(sorted(expected), sorted(network.outputs), strict=True):
        error, tolerance = error_and_tolerance(network, {"obs": obs}, expected[key], output)
        assert error <= tolerance


def test_the_graph_for_serving_is_read_and_not_the_one_for_training(tmp_path: Path):
    """Random numbers of the training graph's dropout are in no network."""
    content = (SAVED / "several_tags_and_signatures" / "saved_model.pb").read_bytes()
    assert b"RandomUniform" in content
    (network,) = recovery(SAVED / "several_tags_and_signatures").networks
    assert all(layer.kind != "opaque" for layer in network.layers)


def test_a_frozen_graph_is_refused_with_what_to_take_instead(tmp_path: Path):
    """It holds no variables, and the error says so."""
    folder = tmp_path / "frozen"
    shutil.copytree(SAVED / "frozen", folder)
    with pytest.raises(NotACheckpointError, match="frozen"):
        recovery(folder)
