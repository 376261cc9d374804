"""SavedModels without signatures: networks read from the functions of their objects."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lnfold.network.records.layers import Network
from tests.recovery.recovered import error_and_tolerance, recovery

OBSERVED, HIDDEN, ACTIONS = 5, 16, 2


def modules(tf: Any) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Classes of a linear layer and of a layer norm, with the names that Sonnet gives."""
    random = np.random.default_rng(4)

    def drawn(name: str, *shape: int) -> Any:
        return tf.Variable(random.standard_normal(shape).astype(np.float32), name=name)

    class Linear(tf.Module):
        def __init__(self, taken: int, units: int, name: str) -> None:
            super().__init__(name=name)
            with self.name_scope:
                self.w, self.b = drawn("w", taken, units), drawn("b", units)

        def __call__(self, x: Any) -> Any:
            return x @ self.w + self.b

    class LayerNorm(tf.Module):
        def __init__(self, units: int, name: str) -> None:
            super().__init__(name=name)
            with self.name_scope:
                self.scale, self.offset = drawn("scale", units), drawn("offset", units)

        def __call__(self, x: Any) -> Any:
            mean, variance = tf.nn.moments(x, -1, keepdims=True)
            return tf.nn.batch_normalization(x, mean, variance, self.offset, self.scale, 1e-5)

    return Linear, LayerNorm


def agent(tf: Any) -> Any:
    """A module of a policy and a critic, each a function of its own, and a training step."""
    linear, layer_norm = modules(tf)

    class Policy(tf.Module):
        def __init__(self) -> None:
            super().__init__(name="policy")
            self.first = linear(OBSERVED, HIDDEN, "linear_0")
            self.norm = layer_norm(HIDDEN, "layer_norm")
            self.second = linear(HIDDEN, ACTIONS, "linear_1")

        @tf.function
        def __call__(self, x: Any, training: bool = False) -> Any:
            h = tf.tanh(self.norm(self.first(x)))
            if training:
                h = h + tf.random.normal(tf.shape(h))
            return tf.tanh(self.second(h))

    class Critic(tf.Module):
        def __init__(self) -> None:
            super().__init__(name="critic")
            self.first = linear(OBSERVED + ACTIONS, HIDDEN, "linear_0")
            self.second = linear(HIDDEN, 1, "linear_1")

        @tf.function
        def __call__(self, x: Any, action: Any) -> dict[str, Any]:
            h = tf.nn.elu(self.first(tf.concat([x, action], -1)))
            return {"q": tf.squeeze(self.second(h), -1)}

    class Agent(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            self.policy, self.critic, self.steps = Policy(), Critic(), tf.Variable(0)

        @tf.function
        def train_step(self, x: Any) -> Any:
            self.steps.assign_add(1)
            return -tf.reduce_mean(self.critic(x, self.policy(x, training=True))["q"])

    return Agent()


def saved(tf: Any, folder: Path, made: Any) -> tuple[list[Network], tuple[str, ...]]:
    tf.saved_model.save(made, str(folder / "saved"))
    found = recovery(folder / "saved")
    return list(found.networks), found.notes


def test_each_functions_network_is_recovered_and_agrees_with_tensorflow(
    tensorflow: Any, tmp_path: Path
):
    """A policy and a critic of one module are two networks; the training step is none."""
    tf = tensorflow
    made = agent(tf)
    random = np.random.default_rng(0)
    x = random.standard_normal((9, OBSERVED)).astype(np.float32)
    action = random.standard_normal((9, ACTIONS)).astype(np.float32)
    made.policy(tf.constant(x), training=True)
    expected = made.policy(tf.constant(x)).numpy()
    values = made.critic(tf.constant(x), tf.constant(action))["q"].numpy()
    made.train_step(tf.constant(x))
    networks, notes = saved(tf, tmp_path, made)

    assert sorted(one.name for one in networks) == ["critic", "policy"]
    assert all(one.gaps == () for one in networks)
    policy = next(one for one in networks if one.name == "policy")
    critic = next(one for one in networks if one.name == "critic")
    kinds = ["dense", "layer_norm", "activation", "dense", "activation"]
    assert [layer.kind for layer in policy.layers] == kinds
    error, tolerance = error_and_tolerance(policy, {"x": x}, expected)
    assert error <= tolerance
    named = {"x": x, "action": action}
    inputs = {one.name: named[one.name.rpartition("/")[2]] for one in critic.inputs}
    error, tolerance = error_and_tolerance(critic, inputs, values)
    assert error <= tolerance
    assert any("offers no signature" in note and "'policy/__call__'" in note for note in notes)
    assert not any("train_step" in note for note in notes)


def test_a_captured_constant_is_part_of_the_network(tensorflow: Any, tmp_path: Path):
    """Tensors that a function captured beside its variables stand in the graph by name."""
    tf = tensorflow
    linear, _ = modules(tf)

    class Scaled(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = linear(OBSERVED, ACTIONS, "linear")
            self.scale = tf.constant([2.0, 0.5])

        @tf.function
        def act(self, x: Any) -> Any:
            return self.layer(x) * self.scale

    made = Scaled()
    x = np.random.default_rng(1).standard_normal((4, OBSERVED)).astype(np.float32)
    expected = made.act(tf.constant(x)).numpy()
    (network,), notes = saved(tf, tmp_path, made)

    assert [layer.kind for layer in network.layers] == ["dense", "affine"]
    error, tolerance = error_and_tolerance(network, {"x": x}, expected)
    assert error <= tolerance
    assert any("'act'" in note for note in notes)


def test_a_module_that_was_never_traced_is_read_by_its_names(tensorflow: Any, tmp_path: Path):
    """Without any function the next best evidence is used, and it is said."""
    linear, _ = modules(tensorflow)
    networks, notes = saved(tensorflow, tmp_path, linear(OBSERVED, ACTIONS, "linear"))

    assert len(networks) == 1
    assert not networks[0].complete
    assert notes


def test_what_keras_exports_is_read_by_its_signature(tensorflow: Any, tmp_path: Path):
    """An exported model offers a signature, which no function replaces."""
    from keras import Input, Model, layers

    x = Input((OBSERVED,))
    y = layers.Dense(ACTIONS, "tanh")(layers.LayerNormalization()(layers.Dense(HIDDEN)(x)))
    model = Model(x, y)
    model.export(str(tmp_path / "saved"), verbose=False)
    found = recovery(tmp_path / "saved")
    rows = np.random.default_rng(2).standard_normal((7, OBSERVED)).astype(np.float32)

    (network,) = found.networks
    assert found.notes == ()
    error, tolerance = error_and_tolerance(network, {"x": rows}, model(rows).numpy())
    assert error <= tolerance


@pytest.mark.parametrize("seed", range(4))
def test_damaged_objects_end_in_a_note_and_never_in_a_traceback(
    tensorflow: Any, tmp_path: Path, seed: int
):
    """Bytes of a SavedModel without signatures, changed at random: networks, or a note."""
    made = agent(tensorflow)
    made.policy(tensorflow.zeros([2, OBSERVED]))
    tensorflow.saved_model.save(made, str(tmp_path / "saved"))
    path = tmp_path / "saved" / "saved_model.pb"
    whole = path.read_bytes()
    random = np.random.default_rng(seed)
    kept = tried = 0
    for _ in range(60):
        damaged = bytearray(whole)
        for place in random.integers(0, len(whole), random.integers(1, 6)):
            damaged[place] = random.integers(0, 256)
        path.write_bytes(damaged)
        found = recovery(tmp_path / "saved")
        tried += 1
        kept += bool(found.networks)
        assert found.networks or found.notes
    assert tried == 60
    assert kept
