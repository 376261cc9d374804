"""LSTM layers of Keras configs, against Keras."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lnfold.network.facts.evidence import Source
from lnfold.network.records.layers import LSTM
from tests.recovery.recovered import error_and_tolerance, recovery

STEPS, WIDTH = 4, 3
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation")  # Keras and h5py


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize(
    ("steps", "first", "second"),
    [
        (STEPS, {"return_sequences": True}, {}),
        (STEPS, {"return_sequences": True, "use_bias": False}, {"return_sequences": True}),
        (None, {"return_sequences": True}, {"activation": "relu"}),
        (STEPS, {"return_sequences": True, "recurrent_activation": "hard_sigmoid"}, {}),
        (STEPS, {"return_sequences": True}, {"activation": "linear"}),
    ],
)
def test_two_lstms_answer_as_keras_does(
    tensorflow: Any, tmp_path: Path, suffix: str, steps: int | None, first: Any, second: Any
) -> None:
    """A norm, an LSTM that hands on every step, one that may not, and a head."""
    from keras import Input, Model, layers

    x = Input((steps, WIDTH))
    within = layers.LayerNormalization()(layers.Dense(6)(x))
    within = layers.LSTM(5, bias_initializer="random_normal", **first)(within)
    within = layers.LSTM(4, bias_initializer="random_normal", **second)(within)
    model = Model(x, layers.Dense(2, activation="tanh")(within))
    model.save(tmp_path / f"model{suffix}")
    (network,) = recovery(tmp_path / f"model{suffix}").networks
    assert network.gaps == ()
    found = [layer for layer in network.layers if isinstance(layer, LSTM)]
    assert [layer.units for layer in found] == [5, 4]
    assert [layer.last for layer in found] == [False, not second.get("return_sequences", False)]
    assert {fact.source for layer in found for _, fact in layer.facts()} == {Source.CONFIG}
    sequences = 1 if steps is None else 7
    rows = np.random.default_rng(1).standard_normal((sequences, STEPS, WIDTH)).astype(np.float32)
    expected = np.asarray(model(rows)).reshape(-1, 2)
    (observed,) = network.inputs
    error, tolerance = error_and_tolerance(network, {observed.name: rows}, expected)
    assert error <= tolerance


@pytest.mark.parametrize(
    ("arguments", "mask", "reason"),
    [
        ({"go_backwards": True}, False, "backwards"),
        ({"stateful": True}, False, "keeps its state"),
        ({}, True, "Masking"),
    ],
)
def test_what_an_lstm_would_need_more_for_is_named(
    tensorflow: Any, tmp_path: Path, arguments: Any, mask: bool, reason: str
) -> None:
    """No step is computed where the config leaves its order, start or presence to more."""
    from keras import Input, Model, layers

    x = Input(batch_shape=(2, STEPS, WIDTH))
    within = layers.Masking()(x) if mask else x
    model = Model(x, layers.Dense(2)(layers.LSTM(5, **arguments)(within)))
    model.save(tmp_path / "model.keras")
    (network,) = recovery(tmp_path / "model.keras").networks
    assert any(reason in gap.what for gap in network.gaps)
    assert not any(isinstance(layer, LSTM) for layer in network.layers)
