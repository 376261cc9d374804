"""Several networks in one graph, told apart by their variables, and each counted once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lnfold.network.records.layers import Dense, Network
from tests.recovery.recovered import error_and_tolerance, recovery

ROWS = 12
Built = dict[str, Any]  # the truth: network → its output tensor


class Graph:
    """A TensorFlow graph of perceptrons; the same scope entered twice is the same variables."""

    def __init__(self, tf: Any) -> None:
        self.v1 = tf.compat.v1
        self.tf = tf
        self.inputs: dict[str, Any] = {}
        self._random = np.random.default_rng(11)
        self._variables: dict[str, Any] = {}

    def input(self, name: str, width: int) -> Any:
        self.inputs[name] = self.v1.placeholder(self.tf.float32, [None, width], name=name)
        return self.inputs[name]

    def _variable(self, name: str, *shape: int) -> Any:
        if name not in self._variables:
            values = self._random.standard_normal(shape).astype(np.float32)
            self._variables[name] = self.v1.Variable(values, name=name, use_resource=False)
        return self._variables[name]

    def perceptron(self, scope: str, x: Any, *widths: int, last: Any = None) -> Any:
        """Dense layers with relu between them, the last with a function of its own."""
        for number, units in enumerate(widths):
            name = f"{scope}/layer_{number}"
            kernel = self._variable(f"{name}/kernel", x.shape[-1], units)
            bias = self._variable(f"{name}/bias", units)
            with self.v1.name_scope(f"{scope}_run/"):
                x = self.tf.nn.bias_add(self.tf.matmul(x, kernel), bias)
                if number < len(widths) - 1:
                    x = self.tf.nn.relu(x)
        with self.v1.name_scope(f"{scope}_run/"):
            return x if last is None else last(x)


def adversarial(g: Graph) -> Built:
    """The second network is applied to data and to what the first one makes of noise."""
    made = g.perceptron("first", g.input("noise", 4), 8, 6, last=g.tf.tanh)
    behind = g.perceptron("second", made, 8, 1)
    alone = g.perceptron("second", g.input("data", 6), 8, 1)
    _ = behind - alone
    return {"first": made, "second": alone}


def adversarial_with_data_first(g: Graph) -> Built:
    alone = g.perceptron("second", g.input("data", 6), 8, 1)
    made = g.perceptron("first", g.input("noise", 4), 8, 6, last=g.tf.tanh)
    _ = g.perceptron("second", made, 8, 1) - alone
    return {"first": made, "second": alone}


def judge_of_two_inputs(g: Graph) -> Built:
    """Without names that tell roles: a value of (x, a), with a given and with a made of x."""
    x, a = g.input("x", 3), g.input("a", 2)
    made = g.perceptron("first", x, 8, 2, last=g.tf.tanh)
    given = g.perceptron("second", g.tf.concat([x, a], -1), 8, 1)
    _ = given + g.perceptron("second", g.tf.concat([x, made], -1), 8, 1)
    return {"first": made, "second": given}


def named_apart(g: Graph) -> Built:
    """A generator and a discriminator that is never applied to anything else."""
    made = g.perceptron("generator", g.input("noise", 4), 8, 6, last=g.tf.tanh)
    return {"generator": made, "discriminator": g.perceptron("discriminator", made, 8, 1)}


def autoencoder(g: Graph) -> Built:
    code = g.perceptron("ae/encoder", g.input("x", 6), 8, 3)
    return {"ae/encoder": code, "ae/decoder": g.perceptron("ae/decoder", code, 8, 6)}


def one_network_of_two_scopes(g: Graph) -> Built:
    """Layers in two scopes that no other input enters between are one network."""
    hidden = g.perceptron("torso", g.input("x", 4), 8, 8, last=g.tf.nn.relu)
    return {"": g.perceptron("head", hidden, 3)}


def encoder_of_an_actor(g: Graph) -> Built:
    """An encoder that feeds an actor is the actor's first layers."""
    hidden = g.perceptron("agent/encoder", g.input("x", 4), 8, 8, last=g.tf.nn.relu)
    return {"agent": g.perceptron("agent/pi", hidden, 3)}


def twins_and_targets(g: Graph) -> Built:
    """Two critics, an actor, and a target of each, as TD3 has them."""
    obs, act = g.input("obs", 3), g.input("act", 2)
    built: Built = {}
    for copy, action in (("main", act), ("target", None)):
        pi = g.perceptron(f"{copy}/pi", obs, 8, 2, last=g.tf.tanh)
        x = g.tf.concat([obs, pi if action is None else action], -1)
        built[f"{copy}/pi"] = pi
        for critic in ("q1", "q2"):
            built[f"{copy}/{critic}"] = g.perceptron(f"{copy}/{critic}", x, 8, 1)
    again = g.tf.concat([obs, built["main/pi"]], -1)
    _ = g.perceptron("main/q1", again, 8, 1) - built["target/q1"]
    return built


def torso_with_two_heads(g: Graph) -> Built:
    hidden = g.perceptron("model/torso", g.input("obs", 4), 8, 8, last=g.tf.nn.relu)
    policy = g.perceptron("model/pi", hidden, 3)
    return {"model": (policy, g.perceptron("model/vf", hidden, 1))}


def three_members(g: Graph) -> Built:
    x = g.input("x", 4)
    built = {f"member_{n}": g.perceptron(f"member_{n}", x, 8, 2) for n in range(3)}
    g.tf.reduce_mean(g.tf.stack(list(built.values())), 0)
    return built


CASES: list[Callable[[Graph], Built]] = [
    adversarial,
    adversarial_with_data_first,
    judge_of_two_inputs,
    named_apart,
    autoencoder,
    one_network_of_two_scopes,
    encoder_of_an_actor,
    twins_and_targets,
    torso_with_two_heads,
    three_members,
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_every_network_is_found_once_and_answers_as_tensorflow_does(
    tensorflow: Any, tmp_path: Path, case: Callable[[Graph], Built]
):
    """As many networks as were built, each reading its own variables, none left over."""
    tf = tensorflow
    v1 = tf.compat.v1
    random = np.random.default_rng(3)
    with v1.Graph().as_default(), v1.Session() as session:
        graph = Graph(tf)
        built = case(graph)
        session.run(v1.global_variables_initializer())
        v1.train.Saver().save(session, str(tmp_path / "model.ckpt"))
        fed = {
            name: random.standard_normal((ROWS, one.shape[-1])).astype(np.float32)
            for name, one in graph.inputs.items()
        }
        values = {graph.inputs[name]: array for name, array in fed.items()}
        outputs = {name: one if isinstance(one, tuple) else (one,) for name, one in built.items()}
        answers = {name: session.run(list(one), values) for name, one in outputs.items()}
        tensors = {
            tensor.op.name: array
            for name, one in outputs.items()
            for tensor, array in zip(one, answers[name], strict=True)
        }
    found = recovery(tmp_path / "model.ckpt")
    expected = {name or "network" for name in built}

    assert {one.name for one in found.networks} == expected
    assert len(found.networks) == len(expected)
    assert found.unused == ()
    kernels = [kernel for one in found.networks for kernel in _kernels(one)]
    assert len(kernels) == len(set(kernels))
    for network in found.networks:
        inputs = {one.name: fed.get(one.name, tensors.get(one.name)) for one in network.inputs}
        for output in network.outputs:
            error, tolerance = error_and_tolerance(network, inputs, tensors[output], output)
            assert error <= tolerance


def _kernels(network: Network) -> list[str]:
    return [layer.kernel.name for layer in network.layers if isinstance(layer, Dense)]
