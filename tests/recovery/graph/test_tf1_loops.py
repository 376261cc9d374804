"""tf.nn.dynamic_rnn of TensorFlow 1.15: its LSTM cells are layers, its other loops are named."""

from __future__ import annotations

import numpy as np
import pytest

from lnfold.network.records.layers import LSTM, LayerNorm, Network, Opaque
from tests.recovery.recovered import FIXTURES, error_and_tolerance, recovery

LOOPS = FIXTURES / "tf1_loops"
STEPS = 4
CELLS = {  # steps, last, forget bias, activation
    "every_step": (STEPS, False, 1.0, "tanh"),
    "last_step": (STEPS, True, 1.0, "tanh"),
    "last_state": (STEPS, True, 1.0, "tanh"),
    "open_length": (None, False, 0.5, "relu"),
}


def only_network(loop: str) -> Network:
    (network,) = recovery(LOOPS / loop / "model.ckpt").networks
    return network


@pytest.mark.parametrize("loop", CELLS)
def test_a_cell_of_dynamic_rnn_answers_as_its_session_did(loop: str):
    """One kernel for x and h, gates in TensorFlow 1's order, and the forget bias of the cell."""
    network = only_network(loop)
    with np.load(LOOPS / loop / "expected.npz") as arrays:
        x, expected = arrays["x"], arrays["outputs"]
    lstms = [layer for layer in network.layers if isinstance(layer, LSTM)]
    steps, last, forget_bias, activation = CELLS[loop]

    assert network.gaps == ()
    assert len(lstms) == (2 if loop == "last_state" else 1)
    for lstm in lstms:
        assert (lstm.steps, lstm.last, lstm.forget_bias) == (steps, last, forget_bias)
        assert (lstm.gates, lstm.recurrent_kernel) == ("icfo", None)
        assert lstm.activation.value == activation
        assert isinstance(network.producer(lstm.input), LayerNorm)
    error, tolerance = error_and_tolerance(network, {"x": x}, expected)
    assert error <= tolerance


@pytest.mark.parametrize("loop", ["given_lengths", "gru"])
def test_another_loop_is_named_with_what_it_reads(loop: str):
    """The network is incomplete, its norm and its variables are known all the same."""
    network = only_network(loop)
    (while_,) = (
        layer
        for layer in network.layers
        if isinstance(layer, Opaque) and layer.operation == "While"
    )

    assert not network.complete
    assert any("While" in gap.what for gap in network.gaps)
    assert not any(isinstance(layer, LSTM) for layer in network.layers)
    assert any(isinstance(layer, LayerNorm) for layer in network.layers)
    assert any("kernel" in name for name in while_.reads)
    assert recovery(LOOPS / loop / "model.ckpt").unused == ()
