"""LSTM layers: loops that TensorFlow saves, recovered as cells and run step by step in NumPy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lnfold.errors import GraphError, UsageError
from lnfold.network.facts.evidence import Fact, Source
from lnfold.network.records.layers import LSTM, Input, LayerNorm, Network, Opaque, Parameter
from lnfold.network.running.compiled import compiled
from lnfold.network.running.run import run
from lnfold.recovery.recover import Recovery
from tests.network.kept import kept
from tests.recovery.recovered import error_and_tolerance, recovery

TAKEN, UNITS, STEPS = 7, 6, 5
RANDOM = np.random.default_rng(7)


def saved(tf: Any, folder: Path, model: Any, shape: tuple[int | None, ...]) -> Recovery:
    """What is recovered of a Keras model or a module with a function y(x)."""
    module = tf.Module()
    module.model = model
    module.held = model.variables

    @tf.function(input_signature=[tf.TensorSpec(shape, tf.float32, name="x")])
    def serve(x: Any) -> dict[str, Any]:
        return {"y": model(x)}

    tf.saved_model.save(module, str(folder / "saved"), {"serving_default": serve})
    return recovery(folder / "saved")


def keras_lstm(tf: Any, shape: tuple[int | None, ...], **arguments: Any) -> Any:
    """LayerNorm → LSTM → Dense with random weights, behind an input of this whole shape."""
    from keras import Input as Placed
    from keras import Model, initializers, layers

    x = Placed(batch_shape=shape)
    lstm = layers.LSTM(UNITS, bias_initializer="random_normal", **arguments)
    gamma = initializers.RandomUniform(0.5, 2.0, seed=1)
    beta = initializers.RandomNormal(seed=2)
    norm = layers.LayerNormalization(gamma_initializer=gamma, beta_initializer=beta)
    return Model(x, layers.Dense(2)(lstm(norm(x))))


def lstm_of(network: Network) -> LSTM:
    found = [layer for layer in network.layers if isinstance(layer, LSTM)]
    assert len(found) == 1
    return found[0]


@pytest.mark.parametrize(
    ("arguments", "last", "hidden"),
    [
        ({"return_sequences": True}, False, "tanh"),
        ({}, True, "tanh"),
        ({"activation": "relu", "recurrent_activation": "hard_sigmoid"}, True, "relu"),
        ({"return_sequences": True, "use_bias": False}, False, "tanh"),
        ({"return_sequences": True, "activation": "softsign"}, False, "softsign"),
    ],
)
def test_a_keras_lstm_is_recovered_and_agrees_with_tensorflow(
    tensorflow: Any, tmp_path: Path, arguments: dict[str, Any], last: bool, hidden: str
):
    """Sequences of fixed length: the record says their length, and NumPy answers as TensorFlow."""
    model = keras_lstm(tensorflow, (None, STEPS, TAKEN), **arguments)
    (network,) = saved(tensorflow, tmp_path, model, (None, STEPS, TAKEN)).networks
    x = RANDOM.standard_normal((4, STEPS, TAKEN)).astype(np.float32)

    assert network.gaps == ()
    assert [layer.kind for layer in network.layers] == ["layer_norm", "lstm", "dense"]
    lstm = lstm_of(network)
    assert (lstm.steps, lstm.last, lstm.gates) == (STEPS, last, "ifco")
    assert lstm.activation.value == hidden
    assert (lstm.bias is None) == (arguments.get("use_bias") is False)
    error, tolerance = error_and_tolerance(network, {"x": x}, model(x).numpy())
    assert error <= tolerance


def test_the_rows_of_an_open_sequence_are_all_its_steps(tensorflow: Any, tmp_path: Path):
    """Where the graph leaves the length open, rows are one sequence, and several have an axis."""
    model = keras_lstm(tensorflow, (None, None, TAKEN), return_sequences=True)
    (network,) = saved(tensorflow, tmp_path, model, (None, None, TAKEN)).networks
    x = RANDOM.standard_normal((1, 700, TAKEN)).astype(np.float32)

    assert lstm_of(network).steps is None
    error, tolerance = error_and_tolerance(network, {"x": x[0]}, model(x).numpy())
    assert error <= tolerance
    several = RANDOM.standard_normal((3, 7, TAKEN)).astype(np.float32)
    error, tolerance = error_and_tolerance(network, {"x": several}, model(several).numpy())
    assert error <= tolerance


def test_rows_are_calls_where_the_state_is_kept(tensorflow: Any, tmp_path: Path):
    """A stateful LSTM goes on from call to call, from the state that the checkpoint holds."""
    model = keras_lstm(tensorflow, (1, 1, TAKEN), return_sequences=True, stateful=True)
    for state in model.layers[2].states:
        state.assign(RANDOM.standard_normal((1, UNITS)).astype(np.float32))
    (network,) = saved(tensorflow, tmp_path, model, (1, 1, TAKEN)).networks
    loaded = tensorflow.saved_model.load(str(tmp_path / "saved")).signatures["serving_default"]
    calls = RANDOM.standard_normal((9, TAKEN)).astype(np.float32)
    answers = [loaded(x=tensorflow.constant(row[None, None]))["y"].numpy() for row in calls]

    lstm = lstm_of(network)
    assert lstm.steps is None
    assert lstm.hidden is not None
    assert lstm.cell is not None
    assert np.any(lstm.hidden.array)
    error, tolerance = error_and_tolerance(network, {"x": calls}, np.concatenate(answers))
    assert error <= tolerance


class _Cell:
    """A loop over time around TensorFlow 1's cell: [x, h] times one kernel, gates i, c, f, o."""

    def __init__(self, tf: Any, steps: int, takes_state: bool = False) -> None:
        def drawn(name: str, *shape: int) -> Any:
            return tf.Variable(RANDOM.standard_normal(shape).astype(np.float32), name=name)

        self.tf = tf
        self.kernel = drawn("lstm/kernel", TAKEN + UNITS, 4 * UNITS)
        self.bias = drawn("lstm/bias", 4 * UNITS)
        self.variables = [self.kernel, self.bias]

    def __call__(self, x: Any) -> Any:
        tf = self.tf
        rows = tf.transpose(x, [1, 0, 2])
        length = rows.shape[0]
        read = tf.TensorArray(tf.float32, length).unstack(rows)
        zeros = tf.zeros([tf.shape(x)[0], UNITS])

        def body(time: Any, written: Any, h: Any, c: Any) -> tuple[Any, ...]:
            z = tf.matmul(tf.concat([read.read(time), h], 1), self.kernel) + self.bias
            i, j, f, o = tf.split(z, 4, axis=1)
            c = c * tf.sigmoid(f + 1.0) + tf.sigmoid(i) * tf.tanh(j)
            h = tf.tanh(c) * tf.sigmoid(o)
            return time + 1, written.write(time, h), h, c

        _, written, _, _ = tf.while_loop(
            lambda time, *_: time < length,
            body,
            (tf.constant(0), tf.TensorArray(tf.float32, length), zeros, zeros),
        )
        return tf.transpose(written.stack(), [1, 0, 2])


def test_a_cell_with_one_kernel_and_a_forget_bias_agrees_with_tensorflow(
    tensorflow: Any, tmp_path: Path
):
    """The order of the gates and what is added to the forget gate are read from the graph."""
    cell = _Cell(tensorflow, STEPS)
    (network,) = saved(tensorflow, tmp_path, cell, (None, STEPS, TAKEN)).networks
    x = RANDOM.standard_normal((3, STEPS, TAKEN)).astype(np.float32)

    lstm = lstm_of(network)
    assert (lstm.gates, lstm.forget_bias, lstm.recurrent_kernel) == ("icfo", 1.0, None)
    assert lstm.taken == TAKEN
    error, tolerance = error_and_tolerance(network, {"x": x}, cell(x).numpy())
    assert error <= tolerance


def _wrong_loops(tf: Any) -> dict[str, Callable[[Any], Any]]:
    """Loops that look like an LSTM and are none."""
    from keras import layers

    reversing = layers.LSTM(UNITS, return_sequences=True, go_backwards=True)
    masked = layers.LSTM(UNITS, return_sequences=True)
    return {
        "GRU": layers.GRU(UNITS, return_sequences=True),
        "SimpleRNN": layers.SimpleRNN(UNITS, return_sequences=True),
        "backwards": reversing,
        "masked": lambda x: masked(x, mask=tf.reduce_any(x > 0, -1)),
    }


@pytest.mark.parametrize("kind", ["GRU", "SimpleRNN", "backwards", "masked"])
def test_a_loop_that_is_no_plain_lstm_is_named_and_not_run(
    tensorflow: Any, tmp_path: Path, kind: str
):
    """Its variables stay known, and the network is not complete."""
    from keras import Input as Placed
    from keras import Model, layers

    x = Placed((STEPS, TAKEN))
    loop = _wrong_loops(tensorflow)[kind]
    wrapped = layers.Lambda(loop) if kind == "masked" else loop
    if kind == "masked":
        wrapped.held = loop.__closure__[0].cell_contents
    model = Model(x, layers.Dense(2)(wrapped(x)))
    (network,) = saved(tensorflow, tmp_path, model, (None, STEPS, TAKEN)).networks

    assert not network.complete
    named = [layer.operation for layer in network.layers if isinstance(layer, Opaque)]
    assert "While" in named or "ReverseV2" in named
    assert any(one in network.gaps[0].what for one in named)


# ── the record ───────────────────────────────────────────────────────────────────────────────


def made(steps: int | None, last: bool = False, delivers: str = "hidden", **other: Any) -> Network:
    """A network of one LSTM."""

    def drawn(name: str, *shape: int) -> Parameter:
        return Parameter(np.random.default_rng(3).standard_normal(shape), (f"lstm/{name}",))

    layer = LSTM(
        "lstm",
        ("x",),
        "lstm",
        kernel=drawn("kernel", TAKEN, 4 * UNITS),
        recurrent_kernel=drawn("recurrent_kernel", UNITS, 4 * UNITS),
        bias=drawn("bias", 4 * UNITS),
        activation=Fact("tanh", Source.GRAPH),
        recurrent_activation=Fact("sigmoid", Source.GRAPH),
        steps=steps,
        last=last,
        delivers=delivers,
        **other,
    )
    wiring = Fact("edges of the graph", Source.GRAPH)
    return Network("made", (Input("x", (None, TAKEN)),), ("lstm",), (layer,), wiring)


def test_sequences_do_not_know_of_each_other():
    """A run over several sequences is the runs over each, and a sequence is all its steps."""
    x = RANDOM.standard_normal((6 * STEPS, TAKEN))
    together = run(made(STEPS), x, np.float64)["lstm"].reshape(6, STEPS, UNITS)
    apart = [run(made(None), one, np.float64)["lstm"] for one in x.reshape(6, STEPS, TAKEN)]
    last = run(made(STEPS, last=True), x, np.float64)["lstm"]

    assert np.allclose(together, apart, rtol=0, atol=1e-15)
    assert np.array_equal(last, together[:, -1])
    assert not np.allclose(together, run(made(1), x, np.float64)["lstm"].reshape(together.shape))
    assert run(made(STEPS), np.zeros((0, TAKEN)))["lstm"].shape == (0, UNITS)
    with pytest.raises(UsageError, match="no whole number of sequences"):
        run(made(STEPS), x[:-1])


def test_a_state_carries_a_sequence_on():
    """The rest of a sequence, started from h and c of its first part, is what it was."""
    x = RANDOM.standard_normal((STEPS, TAKEN))
    whole = run(made(None), x, np.float64)["lstm"]
    h, c = (
        Parameter(run(made(None, True, one), x[:2], np.float64)["lstm"][0])
        for one in ("hidden", "cell")
    )
    rest = run(made(None, hidden=h, cell=c), x[2:], np.float64)["lstm"]

    assert np.allclose(rest, whole[2:], rtol=0, atol=1e-15)


def test_a_compiled_network_keeps_the_order_of_time():
    """It answers as run does, for more rows than a block holds."""
    x = RANDOM.standard_normal((1300, TAKEN)).astype(np.float32)
    network = made(None)

    assert np.array_equal(compiled(network)(x)["lstm"], run(network, x)["lstm"])


def test_an_lstm_is_written_as_json_and_read_again():
    """Structure, shapes and numbers survive."""
    network = made(STEPS, last=True)
    again = kept(network)
    x = RANDOM.standard_normal((2 * STEPS, TAKEN))

    assert np.array_equal(run(again, x)["lstm"], run(network, x)["lstm"])


@pytest.mark.parametrize(
    ("role", "shape"),
    [
        ("kernel", (TAKEN, 4 * UNITS + 1)),
        ("kernel", (4 * UNITS,)),
        ("recurrent_kernel", (UNITS + 1, 4 * UNITS)),
        ("bias", (UNITS,)),
        ("hidden", (UNITS + 1,)),
    ],
)
def test_shapes_that_make_no_lstm_are_refused(role: str, shape: tuple[int, ...]):
    """The error names the variable."""
    from dataclasses import replace

    with pytest.raises(GraphError) as found:
        replace(made(None).layers[0], **{role: Parameter(np.zeros(shape), ("wrong",))})
    assert found.value.variable == "wrong"


# ── a public checkpoint ──────────────────────────────────────────────────────────────────────


def test_the_norms_of_dtln_stand_straight_before_its_lstms(real: Path):
    """The four LSTMs keep their state from call to call; two read a trained layer norm."""
    (network,) = recovery(real / "dtln_savedmodel").networks
    lstms = [layer for layer in network.layers if isinstance(layer, LSTM)]

    assert [layer.kernel.shape for layer in lstms] == [
        (257, 512),
        (128, 512),
        (256, 512),
        (128, 512),
    ]
    assert all(layer.hidden is not None and layer.steps is None for layer in lstms)
    read = [network.producer(layer.input) for layer in lstms]
    assert [isinstance(layer, LayerNorm) for layer in read] == [True, False, True, False]
    assert not network.complete
    assert "RFFT" in network.gaps[0].what


def between(network: Network, first: str, last: str) -> Network:
    """The layers of a straight part of a network, from the one called first to the last."""
    layers = list(network.layers)
    names = [layer.name for layer in layers]
    part = layers[names.index(first) : names.index(last) + 1]
    width = network.width(part[0].input)
    begin = Input(part[0].input, (None, width))
    return Network("part", (begin,), (last,), tuple(part), network.wiring)


@pytest.mark.parametrize(("norm", "end"), [(0, "model/activation/"), (5, "model/activation_1/")])
def test_a_core_of_dtln_answers_as_its_own_functions_do(
    tensorflow: Any, real: Path, norm: int, end: str
):
    """Norm, two LSTMs that keep their state from call to call, a dense layer and a sigmoid.

    The judge is what TensorFlow runs of the SavedModel: the functions that each of the model's
    own layers was saved with.
    """
    folder = real / "dtln_savedmodel"
    (network,) = recovery(folder).networks
    norms = [layer.name for layer in network.layers if isinstance(layer, LayerNorm)]
    last = next(layer.name for layer in network.layers if layer.name.startswith(end))
    core = between(network, norms[norm > 0], last)
    kinds = ["layer_norm", "lstm", "lstm", "dense", "activation"]
    calls = np.random.default_rng(6).standard_normal((40, core.inputs[0].width))
    calls = np.log(np.abs(calls) + 1e-3).astype(np.float32)
    model = tensorflow.saved_model.load(str(folder))
    places = (norm, norm + 1, norm + 2, norm + 3 if norm == 0 else 8)
    saved_layers = [getattr(model, f"layer_with_weights-{place}") for place in places]
    answers = []
    for row in calls:
        y = tensorflow.constant(row[None, None])
        for number, layer in enumerate(saved_layers):
            y = layer(y, training=False) if number in (1, 2) else layer(y)
        answers.append(tensorflow.sigmoid(y).numpy().reshape(1, -1))

    assert [layer.kind for layer in core.layers] == kinds
    error, tolerance = error_and_tolerance(core, {"x": calls}, np.concatenate(answers))
    assert error <= tolerance
    apart = run(core, calls[::-1])[last][::-1]
    assert np.abs(apart - np.concatenate(answers)).max() > 100 * tolerance  # the order matters
