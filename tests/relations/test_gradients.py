"""Derivatives of a network's outputs, against small differences."""

from __future__ import annotations

import numpy as np
import pytest

from lnfold.network.activations import FUNCTIONS
from lnfold.network.layers import (
    Add,
    Affine,
    Clip,
    Concat,
    LayerNorm,
    Network,
    Opaque,
    RMSNorm,
    Standardize,
)
from lnfold.network.run import run
from lnfold.relations.gradients import NotDifferentiableError, gradients
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


def test_a_layer_without_a_rule_is_named():
    """What is not differentiated says so instead of counting as 0."""
    layers = [Opaque("o", ("x",), "o", "Mystery")]
    net = network(layers, 2)
    values = {"x": np.zeros((1, 2)), "o": np.zeros((1, 2))}
    with pytest.raises(NotDifferentiableError, match="opaque"):
        gradients(net, values, "o", 0)
