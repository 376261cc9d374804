"""The records and the NumPy re-run."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from lnfold.errors import GraphError, IncompleteNetworkError, UnknownNameError, UsageError
from lnfold.network.facts.evidence import Fact, Source
from lnfold.network.operations.activations import FUNCTIONS
from lnfold.network.records.layers import (
    Activation,
    Add,
    Centre,
    Clip,
    Concat,
    Dense,
    Gap,
    Input,
    LayerNorm,
    Multiply,
    Network,
    Parameter,
    Rearrange,
    Slice,
)
from lnfold.network.running.run import run

GRAPH = Fact("edges", Source.GRAPH)


def parameter(*shape: int, name: str = "v") -> Parameter:
    return Parameter(np.ones(shape, np.float32), (name,))


def network(*layers: Any, widths: tuple[int, ...] = (3,), gaps: tuple[Gap, ...] = ()) -> Network:
    inputs = tuple(Input(f"x{index}", (None, width)) for index, width in enumerate(widths))
    return Network("n", inputs, (layers[-1].name,), layers, GRAPH, gaps)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_an_activation_is_tensorflows(tensorflow: Any, name: str):
    """Within some ulps of what TensorFlow computes in float64, and of the same dtype."""
    tf = tensorflow
    x = np.linspace(-9, 9, 361).reshape(19, 19)
    ours = FUNCTIONS[name].apply(x, FUNCTIONS[name].alpha)
    theirs = {
        "identity": tf.identity,
        "swish": tf.nn.silu,
        "abs": tf.abs,
        "exp": tf.exp,
        "gelu": lambda v: tf.nn.gelu(v, approximate=False),
        "gelu_tanh": lambda v: tf.nn.gelu(v, approximate=True),
        "mish": lambda v: v * tf.tanh(tf.nn.softplus(v)),
        "hard_sigmoid": lambda v: tf.nn.relu6(v + 3) / 6,
        "hard_swish": lambda v: v * tf.nn.relu6(v + 3) / 6,
    }.get(name) or getattr(tf.nn, name)
    expected = theirs(tf.constant(x)).numpy()

    # These three take constants that TensorFlow holds in float32, even for a float64 x: half an
    # ulp of 2^-24, times |x| up to 9, times a slope below 1.2.
    coarse = name in ("gelu", "gelu_tanh", "leaky_relu")
    close = 2.0**-24 * 9 * 1.2 if coarse else 16 * np.finfo(float).eps
    np.testing.assert_allclose(ours, expected, rtol=close, atol=close)
    single = FUNCTIONS[name].apply(x.astype(np.float32), FUNCTIONS[name].alpha)
    assert single.dtype == np.float32


def test_leaky_relu_without_a_slope_takes_tensorflows():
    """A slope that nothing says is 0.2, not 1."""
    layer = Activation("y", ("x0",), "", Fact("leaky_relu", Source.OPTION))

    np.testing.assert_allclose(
        run(network(layer, widths=(1,)), np.array([[-1.0], [2.0]]))["y"].ravel(), [-0.2, 2.0]
    )


def test_layers_that_combine_values():
    """Sums, products, slices, centring and joins are computed row by row."""
    layers = (
        Add("sum", ("x0", "x1"), ""),
        Multiply("product", ("x0", "sum"), ""),
        Centre("centred", ("product",), ""),
        Slice("part", ("centred",), "", 1, 3),
        Concat("joined", ("part", "x0"), ""),
    )
    made = network(*layers, widths=(3, 1))
    x, y = np.array([[1.0, 2.0, 3.0]]), np.array([[1.0]])
    values = run(made, {"x0": x, "x1": y}, np.float64, trace=True)

    np.testing.assert_array_equal(values["product"], [[2.0, 6.0, 12.0]])
    np.testing.assert_allclose(values["joined"], [[-2 / 3, 16 / 3, 1, 2, 3]])
    assert made.width("joined") == 5


def test_shuffling_changes_only_the_rounding():
    """In float64 any order of summation gives the same layer norm to 1e-12."""
    random = np.random.default_rng(0)
    norm = LayerNorm("y", ("x0",), "", None, None, Fact(1e-5, Source.GRAPH))
    x = random.standard_normal((7, 64))
    made = network(norm, widths=(64,))
    plain = run(made, x, np.float64)["y"]
    shuffled = run(made, x, np.float64, shuffle=random)["y"]

    np.testing.assert_allclose(plain, shuffled, atol=1e-12)


def test_sequences_and_images_are_rows():
    """[batch, time, inputs] gives [batch, time, units]; an image as wide as an input is a row."""
    made = network(Dense("y", ("x0",), "", parameter(6, 2)), widths=(6,))

    assert run(made, np.ones((4, 3, 6)))["y"].shape == (4, 3, 2)
    assert run(made, np.ones((4, 2, 3)))["y"].shape == (4, 2)
    assert run(made, np.ones(6))["y"].shape == (1, 2)


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        (np.ones((2, 4)), r"is \[rows, 3\]"),
        ({"other": np.ones((2, 3))}, "needs an input called x0"),
        (np.array([["a", "b", "c"]]), "not real numbers"),
    ],
)
def test_inputs_that_do_not_fit_are_named(inputs: Any, said: str):
    """Width, name and type are checked before anything is computed."""
    with pytest.raises(UsageError, match=said):
        run(network(Dense("y", ("x0",), "", parameter(3, 2))), inputs)


def test_an_incomplete_network_is_not_run():
    """The first gap and its remedy are the error."""
    gaps = (Gap("epsilon is not known", "Give --epsilon."),)
    with pytest.raises(IncompleteNetworkError, match="Give --epsilon"):
        run(network(Dense("y", ("x0",), "", parameter(3, 2)), gaps=gaps), np.ones((1, 3)))


def test_records_are_frozen_and_their_arrays_read_only():
    """Neither a field nor an element can be set."""
    made = parameter(2, 2)
    with pytest.raises(dataclasses.FrozenInstanceError):
        made.where = "elsewhere"  # type: ignore[misc]
    with pytest.raises(ValueError, match="read-only"):
        made.array[0, 0] = 5


def test_shapes_are_checked_on_construction():
    """The message names the variable that does not fit."""
    with pytest.raises(GraphError, match="bias"):
        Dense("d", ("x",), "", parameter(3, 2), parameter(3, name="bias"))
    with pytest.raises(GraphError, match="two dimensions"):
        Dense("d", ("x",), "", parameter(3))
    with pytest.raises(GraphError, match="beta"):
        LayerNorm("n", ("x",), "", parameter(3), parameter(2, name="beta"), Fact(1, Source.GRAPH))
    clash = network(Dense("y", ("x0",), "", parameter(4, 2, name="kernel")))
    with pytest.raises(GraphError, match="kernel"):
        clash.widths()


def test_layers_stand_in_topological_order():
    """A layer that reads a later one is a bug, not an input error."""
    with pytest.raises(ValueError, match="out of order"):
        network(Add("a", ("b", "x0"), ""), Add("b", ("x0", "x0"), ""))
    with pytest.raises(UnknownNameError):
        network(Add("a", ("x0", "x0"), "")).layer("b")


def test_inputs_can_be_renamed():
    """The node that an input is read from is kept."""
    made = network(Dense("y", ("x0",), "", parameter(3, 2))).with_inputs_named({"x0": "obs"})

    assert made.inputs == (Input("obs", (None, 3), "x0"),)
    assert made.layers[0].inputs == ("obs",)


@pytest.mark.parametrize(("low", "high"), [(-1.0, None), (None, 1.0), (-1.0, 1.0), (None, None)])
def test_a_clip_bounds_the_sides_that_it_has(low: float | None, high: float | None):
    """One bound, both, or none."""
    bounds = [None if one is None else Parameter(np.float32(one)) for one in (low, high)]
    net = network(Clip("c", ("x0",), "c", *bounds))
    x = np.linspace(-3, 3, 30, dtype=np.float32).reshape(10, 3)
    (found,) = run(net, x).values()
    np.testing.assert_array_equal(found, x if low is high else np.clip(x, low, high))


def test_rows_that_are_no_whole_number_of_observations_are_refused():
    """A layout that takes two rows at a time has nothing to do with a third."""
    net = network(Rearrange("r", ("x0",), "r", (2, 3), (1, 0), (3, 2)))
    x = np.arange(12, dtype=np.float32).reshape(4, 3)
    (found,) = run(net, x).values()
    np.testing.assert_array_equal(found, x.reshape(2, 2, 3).transpose(0, 2, 1))
    with pytest.raises(UsageError, match="3 rows are no whole number of observations"):
        run(net, x[:3])
