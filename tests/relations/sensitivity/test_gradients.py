"""Derivatives of a network's outputs, against small differences."""

from __future__ import annotations

import numpy as np
import pytest

from lnfold.network.operations.activations import FUNCTIONS
from lnfold.network.records.layers import (
    LSTM,
    Add,
    Affine,
    Centre,
    Clip,
    Concat,
    LayerNorm,
    Multiply,
    Network,
    Opaque,
    Parameter,
    PRelu,
    Rearrange,
    RMSNorm,
    Slice,
    Standardize,
)
from lnfold.network.running.deferred_steps import DEFERRED_STEPS
from lnfold.network.running.run import _STEPS, run, run_rows
from lnfold.relations.sensitivity.gradients import _RULES, NotDifferentiableError, gradients
from tests.relations.random_networks import (
    activation,
    batch_norm,
    dense,
    generator_of,
    network,
    norm,
    parameter,
)

STEP = 1e-6


def check(net: Network, x: np.ndarray) -> int:
    """Compares ∂output/∂x with central differences; returns how many numbers it compared."""
    values = run(net, x, np.float64, trace=True)
    output = net.outputs[0]
    compared = 0
    for unit in range(values[output].shape[1]):
        found = gradients(net, values, output, unit)["x"]
        for column in range(x.shape[1]):
            step = np.zeros_like(x)
            step[:, column] = STEP
            up = run(net, x + step, np.float64)[output][:, unit]
            down = run(net, x - step, np.float64)[output][:, unit]
            # truncation is STEP² times a third derivative, rounding an ulp over STEP
            scale = 1 + np.abs(found[:, column]) + np.abs(values[output][:, unit])
            off = np.abs((up - down) / (2 * STEP) - found[:, column])
            assert (off <= 2e-7 * scale).all(), (unit, column, off.max())
            compared += x.shape[0]
    return compared


def away_from_kinks(values: np.ndarray, places=(-3.0, 0.0, 3.0, 6.0)) -> np.ndarray:
    return np.all([np.abs(values - one).min(axis=1) > 1e-3 for one in places], axis=0)


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_every_activation_has_its_derivative(name):
    """Dense and activation, at inputs that stand on no kink."""
    generator = generator_of(3)
    alpha = 0.3 if name in ("leaky_relu", "swish") else None
    layers = [
        dense("d", "x", generator.normal(0, 2, (3, 4)), generator.normal(size=4)),
        activation("a", "d", name, alpha),
    ]
    x = generator.normal(size=(64, 3))
    net = network(layers, 3)
    x = x[away_from_kinks(run(net, x, np.float64, trace=True)["d"])]
    assert check(net, x) >= 400


@pytest.mark.parametrize("kind", [LayerNorm, RMSNorm])
@pytest.mark.parametrize("epsilon", [1e-12, 0.1])
def test_norms_have_their_derivatives(kind, epsilon):
    """Dense, norm, tanh, dense."""
    generator = generator_of(5)
    layers = [
        dense("d", "x", generator.normal(size=(3, 5)), generator.normal(size=5)),
        norm("n", "d", generator.normal(1, 0.5, 5), generator.normal(size=5), epsilon, kind),
        activation("a", "n", "tanh"),
        dense("e", "a", generator.normal(size=(5, 2)), None),
    ]
    assert check(network(layers, 3), generator.normal(size=(64, 3))) == 64 * 3 * 2


def test_the_other_layers_have_their_derivatives():
    """Standardize, clip, affine, BatchNorm, concat and add in one network."""
    generator = generator_of(7)
    layers = [
        Standardize("s", ("x",), "s", parameter(np.ones(3), "m"), parameter(np.full(3, 2.0), "v")),
        Clip(
            "c", ("s",), "c", parameter(np.float64(-1.5), "low"), parameter(np.float64(1.5), "hi")
        ),
        dense("d", "c", generator.normal(size=(3, 4)), None),
        batch_norm("b", "d", generator, 4),
        Affine("f", ("b",), "f", parameter(np.arange(1.0, 5), "w"), None),
        Concat("j", ("f", "c"), "j"),
        dense("e", "j", generator.normal(size=(7, 4)), None),
        Add("p", ("e", "f"), "p"),
        activation("a", "p", "sigmoid"),
    ]
    x = generator.normal(1, 2, (200, 3))
    x = x[away_from_kinks((x - 1) / 2, (-1.5, 1.5))]
    assert check(network(layers, 3), x) >= 400


def dueling(generator: np.random.Generator) -> Network:
    """Advantages minus their mean, plus a value; a gate of a slice, itself and one unit."""
    layers = [
        dense("d", "x", generator.normal(size=(3, 6)), generator.normal(size=6)),
        norm("n", "d", generator.normal(1, 0.5, 6), generator.normal(size=6), 1e-3),
        Slice("left", ("n",), "left", 0, 3),
        Slice("right", ("n",), "right", 2, 5),
        Slice("one", ("n",), "one", 5, 6),
        activation("gate", "right", "sigmoid"),
        Multiply("m", ("left", "gate", "left", "one"), "m"),
        Centre("c", ("m",), "c"),
        Add("q", ("c", "one"), "q"),
    ]
    return network(layers, 3)


def test_slices_gates_and_centred_advantages_have_their_derivatives():
    """A product that reads one value twice and a single unit spread over all."""
    generator = generator_of(11)
    assert check(dueling(generator), generator.normal(size=(64, 3))) == 64 * 3 * 3


def test_derivatives_are_those_of_tensorflow_s_tape(tensorflow):
    """The same dueling head written in TensorFlow, differentiated by its GradientTape."""
    tf = tensorflow
    generator = generator_of(13)
    net = dueling(generator)
    x = generator.normal(size=(32, 3))
    layers = {layer.name: layer for layer in net.layers}
    parameters = {
        role: tf.constant(np.asarray(one.array, np.float64))
        for layer in (layers["d"], layers["n"])
        for role, one in layer.parameters()
    }
    read = tf.constant(x)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(read)
        y = read @ parameters["kernel"] + parameters["bias"]
        mean, variance = tf.nn.moments(y, [1], keepdims=True)
        n = tf.nn.batch_normalization(
            y, mean, variance, parameters["beta"], parameters["gamma"], 1e-3
        )
        left, one = n[:, :3], n[:, 5:]
        m = left * tf.sigmoid(n[:, 2:5]) * left * one
        q = m - tf.reduce_mean(m, 1, keepdims=True) + one
        units = [q[:, unit] for unit in range(3)]
    values = run(net, x, np.float64, trace=True)
    np.testing.assert_allclose(values["q"], q.numpy(), rtol=0, atol=1e-12)
    for unit in range(3):
        found = gradients(net, values, "q", unit)
        for name, theirs in (("x", read), ("d", y), ("n", n)):
            expected = tape.gradient(units[unit], theirs).numpy()
            scale = 1 + np.abs(expected).max()
            # both are float64; sums of six units in different orders
            np.testing.assert_allclose(found[name], expected, rtol=0, atol=1e-12 * scale)


def test_leaky_relu_without_a_slope_has_tensorflow_s():
    """A slope that nothing says is the one that the run uses, 0.2, not 1."""
    net = network([activation("a", "x", "leaky_relu")], 2)
    assert check(net, np.array([[-1.0, 2.0], [-3.0, -4.0]])) == 8


def test_every_unit_of_a_prelu_has_its_slope():
    """Below zero each unit moves by its own slope, or all by the one there is."""
    generator = generator_of(6)
    x = generator.normal(size=(4, 3))
    assert away_from_kinks(x).all()
    for slopes in (np.array([0.1, -0.5, 2.0]), np.array([0.3])):
        net = network([PRelu("p", ("x",), "p", Parameter(slopes))], 3)
        assert check(net, x) == 36


def test_a_rearrangement_is_taken_back():
    """Transposed units move as they did; other numbers of rows are named instead."""
    generator = generator_of(5)
    layers = [
        dense("d", "x", generator.normal(size=(6, 12)), None),
        Rearrange("r", ("d",), "r", (3, 2, 2), (2, 0, 1), (12,)),
        activation("a", "r", "tanh"),
        dense("e", "a", generator.normal(size=(12, 2)), None),
    ]
    assert check(network(layers, 6), generator.normal(size=(3, 6))) > 0
    layers[1] = Rearrange("r", ("d",), "r", (12,), None, (3, 4))
    layers[3] = dense("e", "a", generator.normal(size=(4, 2)), None)
    net = network(layers, 6)
    values = run_rows(net, np.ones((2, 6)), np.float64, trace=True)
    with pytest.raises(NotDifferentiableError, match="rows"):
        gradients(net, values, "e", 0)


def test_every_layer_that_runs_has_a_derivative():
    """What the re-run computes row by row, reverse accumulation takes back.

    The rows of an LSTM move each other, so it has no derivative of a row, and is named.
    """
    ours = _STEPS.keys() - DEFERRED_STEPS.keys() - {LSTM}
    assert len(ours) >= 13
    assert ours <= set(_RULES)


def test_a_layer_without_a_rule_is_named():
    """What is not differentiated says so instead of counting as 0."""
    layers = [Opaque("o", ("x",), "o", "Mystery")]
    net = network(layers, 2)
    values = {"x": np.zeros((1, 2)), "o": np.zeros((1, 2))}
    with pytest.raises(NotDifferentiableError, match="opaque"):
        gradients(net, values, "o", 0)
