"""Keras configs layer by layer: what each kind of layer computes, and what is refused by name."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lnfold.network.facts.evidence import Source
from lnfold.network.facts.settings import Settings
from lnfold.network.records.layers import Network
from lnfold.network.rounding.measured import measure_rounding
from lnfold.recovery.keras.config import read_model
from lnfold.recovery.keras.nodes import class_of
from lnfold.recovery.recover import recover
from tests.recovery.made import checkpoint
from tests.recovery.recovered import FIXTURES, recovery

# Keras and h5py do not follow NumPy 2 yet; rms_scaling is deprecated, and still read
pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation"),
    pytest.mark.filterwarnings("ignore:You passed `rms_scaling"),
]

KERAS2 = sorted(path.stem for path in (FIXTURES / "keras2").glob("*.npz"))


def reproduces(network: Network, inputs: list[np.ndarray], outputs: list[np.ndarray]) -> None:
    """The outputs in their order, within the network's own rounding."""
    assert network.gaps == ()
    given = {one.name: array for one, array in zip(network.inputs, inputs, strict=True)}
    rounding = measure_rounding(network, given)
    for name, expected in zip(network.outputs, outputs, strict=True):
        assert (np.abs(expected - rounding.double[name]) <= rounding.estimate[name]).all()


@pytest.mark.parametrize("container", ["keras", "h5"])
@pytest.mark.parametrize("name", KERAS2)
def test_a_model_of_keras_2_is_recovered(name: str, container: str):
    """Files that Keras 2 wrote answer as it did."""
    folder = FIXTURES / "keras2"
    found = recovery(folder / f"{name}.{container}")
    with np.load(folder / f"{name}.npz") as arrays:
        inputs = [arrays[one] for one in arrays.files if one.startswith("in")]
        outputs = [arrays[one] for one in arrays.files if one.startswith("out")]

    assert len(KERAS2) == 7
    assert found.notes == ()
    (network,) = found.networks
    reproduces(network, inputs, outputs)
    assert found.unused == ()


def layered(*kinds: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A sequential model of dense layers around the layers given."""

    def build(keras: Any) -> Any:
        layers = keras.layers
        inside = [kind(layers) for kind in kinds]
        return keras.Sequential([keras.Input((5,)), layers.Dense(6), *inside, layers.Dense(2)])

    return build


def two_towers(keras: Any) -> Any:
    """Two models of the same names inside, each with a model of its own inside."""
    layers = keras.layers
    x = keras.Input((5,), name="obs")

    def tower(name: str) -> Any:
        trunk = keras.Sequential(
            [
                keras.Input((5,)),
                layers.Dense(4, name="dense"),
                layers.LayerNormalization(name="ln"),
            ],
            name="trunk",
        )
        return keras.Sequential(
            [keras.Input((5,)), trunk, layers.Dense(1, name="dense")], name=name
        )

    return keras.Model(x, [tower("q1")(x), tower("q2")(x)], name="twin")


def chosen_output(keras: Any) -> Any:
    """Only the second output of an inner model is read."""
    layers = keras.layers
    x, y = keras.Input((5,)), keras.Input((5,), name="obs")
    inner = keras.Model(x, [layers.Dense(2)(x), layers.Dense(3)(x)], name="multi")
    return keras.Model(y, layers.Dense(1)(inner(y)[1]))


def combined(keras: Any) -> Any:
    layers = keras.layers
    x = keras.Input((5,), name="obs")
    a, b, c = (layers.Dense(4)(x) for _ in range(3))
    parts = [layers.Average()([a, b, c]), layers.Multiply()([a, b]), layers.Subtract()([a, c])]
    return keras.Model(x, layers.Dense(2)(layers.Add()(parts)))


def arithmetic(keras: Any) -> Any:
    x = keras.Input((5,), name="obs")
    h = keras.layers.Dense(5)(x)
    return keras.Model(x, keras.layers.Dense(2)((h * 2.0 + x - 1.0) / 4.0 - (1.0 - h)))


def shared_layer(keras: Any) -> Any:
    """Called twice in a row, and on two inputs."""
    layers = keras.layers
    x, goal = keras.Input((5,), name="obs"), keras.Input((5,), name="goal")
    dense, norm = layers.Dense(5, activation="tanh"), layers.LayerNormalization()
    both = layers.Concatenate()([norm(dense(dense(x))), norm(dense(goal))])
    return keras.Model([x, goal], layers.Dense(1)(both))


RUN: dict[str, Callable[[Any], Any]] = {
    "two towers": two_towers,
    "chosen output": chosen_output,
    "combined": combined,
    "arithmetic": arithmetic,
    "shared layer": shared_layer,
    "PReLU": layered(lambda layers: layers.PReLU(alpha_initializer="random_normal")),
    "ELU of another alpha": layered(lambda layers: layers.ELU(0.5)),
    "ReLU with slope and bound": layered(lambda layers: layers.ReLU(1.0, 0.2)),
    "LeakyReLU": layered(lambda layers: layers.LeakyReLU(0.07)),
    "hard tanh": layered(lambda layers: layers.Activation("hard_tanh")),
    "hard sigmoid": layered(lambda layers: layers.Activation("hard_sigmoid")),
    "one group": layered(lambda layers: layers.GroupNormalization(1)),
    "axis by its number": layered(lambda layers: layers.LayerNormalization(axis=1, scale=False)),
    "no affine": layered(lambda layers: layers.BatchNormalization(center=False, scale=False)),
    "noise": layered(
        lambda layers: layers.GaussianNoise(0.1), lambda layers: layers.AlphaDropout(0.1)
    ),
    "stated normalisation": layered(
        lambda layers: layers.Normalization(mean=1.5, variance=4.0, axis=None)
    ),
    "inverted normalisation": layered(
        lambda layers: layers.Normalization(mean=[1.0] * 6, variance=[2.0] * 6, invert=True)
    ),
    "rescaling": layered(lambda layers: layers.Rescaling([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 0.5)),
}

REFUSED: dict[str, tuple[Callable[[Any], Any], str]] = {
    "rms_scaling": (
        layered(lambda layers: layers.LayerNormalization(rms_scaling=True)),
        "rms_scal",
    ),
    "groups": (layered(lambda layers: layers.GroupNormalization(2)), "group norm"),
    "unit norm": (layered(lambda layers: layers.UnitNormalization()), "UnitNormalization"),
    "threshold": (layered(lambda layers: layers.ReLU(threshold=0.5)), "threshold"),
    "function": (layered(lambda layers: layers.Activation("celu")), "activation celu"),
}


def with_random_weights(model: Any) -> Any:
    """The same model, its variables drawn from a normal distribution."""
    random = np.random.default_rng(3)
    for variable in model.weights:
        values = random.standard_normal(variable.shape)
        if "variance" in variable.path:
            values = np.abs(values) + 0.5
        variable.assign(values.astype(np.float32))
    return model


@pytest.mark.parametrize("container", ["keras", "h5"])
@pytest.mark.parametrize("name", RUN)
def test_a_model_of_keras_3_is_recovered(
    tensorflow: Any, tmp_path: Path, name: str, container: str
):
    """Every kind of layer answers as Keras does."""
    import keras

    model = with_random_weights(RUN[name](keras))
    path = tmp_path / f"model.{container}"
    model.save(path)
    random = np.random.default_rng(4)
    inputs = [random.standard_normal((8, one.shape[-1])).astype("f4") for one in model.inputs]
    outputs = model(inputs if len(inputs) > 1 else inputs[0], training=False)
    (network,) = recovery(path).networks

    reproduces(network, inputs, [np.asarray(one) for one in tensorflow.nest.flatten(outputs)])


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_run_is_refused_by_name(tensorflow: Any, tmp_path: Path, name: str):
    """The layers around it are recovered."""
    import keras

    build, reason = REFUSED[name]
    path = tmp_path / "model.keras"
    build(keras).save(path)
    (network,) = recovery(path).networks

    assert not network.complete
    assert [reason in gap.what for gap in network.gaps] == [True]
    assert sum(layer.kind == "dense" for layer in network.layers) == 2


def test_half_precision_is_held_to_its_own_rounding(tensorflow: Any, tmp_path: Path):
    """A policy of mixed_float16 says that the model computes in half precision."""
    import keras

    layers, half = keras.layers, "mixed_float16"
    model = with_random_weights(
        keras.Sequential(
            [
                keras.Input((5,)),
                layers.Dense(8, dtype=half),
                layers.LayerNormalization(dtype=half),
                layers.Dense(2, dtype="float32"),
            ]
        )
    )
    path = tmp_path / "model.keras"
    model.save(path)
    inputs = np.random.default_rng(5).standard_normal((8, 5)).astype("f4")
    (network,) = recovery(path).networks

    assert network.precision == "float16"
    reproduces(network, [inputs], [np.asarray(model(inputs))])


def test_an_image_that_is_flattened_first_is_a_row(tensorflow: Any, tmp_path: Path):
    """Flatten of an input is nothing but its shape."""
    import keras

    layers = keras.layers
    model = keras.Sequential([keras.Input((3, 4)), layers.Flatten(), layers.Dense(2)])
    path = tmp_path / "model.keras"
    model.save(path)
    inputs = np.random.default_rng(6).standard_normal((8, 3, 4)).astype("f4")
    (network,) = recovery(path).networks

    assert [one.width for one in network.inputs] == [12]
    reproduces(network, [inputs], [np.asarray(model(inputs))])


@pytest.mark.parametrize(
    ("layer", "found"),
    [
        (
            {"class_name": "Dense", "module": "keras.layers", "config": {"dtype": "float32"}},
            "Dense",
        ),
        ({"class_name": "Dense", "config": {"trainable": True}}, "Dense"),
        (
            {"class_name": "Dense", "registered_name": "mine>Dense", "config": {"dtype": ""}},
            "mine>Dense",
        ),
        (
            {"class_name": "Dense", "module": "agent.nets", "config": {"dtype": ""}},
            "agent.nets.Dense",
        ),
        (
            {"class_name": "Multiply", "config": {"name": "multiply"}, "inbound_nodes": []},
            "Operation Multiply",
        ),
        ({"class_name": "Add", "module": "keras.src.ops.numpy", "config": {}}, "Operation Add"),
        (
            {"class_name": "TFOpLambda", "config": {"function": "math.truediv", "dtype": ""}},
            "Operation Divide",
        ),
    ],
)
def test_a_class_of_the_same_name_is_not_taken_for_keras_own(layer: dict[str, Any], found: str):
    """A program's own Dense may compute anything; an operation is no layer."""
    assert class_of(layer) == found


def test_the_version_is_told_by_the_form_of_the_config():
    """Keras 2 and 3 call the shape of an input by different names."""
    for key, version in (("batch_input_shape", 2), ("batch_shape", 3)):
        layers = [
            {"class_name": "InputLayer", "config": {key: [None, 3], "name": "x"}},
            {"class_name": "Dense", "config": {"name": "d", "dtype": "float32", "units": 2}},
        ]
        text = json.dumps({"class_name": "Sequential", "config": {"name": "s", "layers": layers}})
        model = read_model(text)

        assert model.version == version
        assert [call.place for call in model.calls] == ["layers/input_layer", "layers/dense"]


def test_an_epsilon_that_the_config_lacks_is_taken_from_the_option():
    """keras_layer_normalization keeps none in its config; its own default is 1e-14."""
    layers = [
        {"class_name": "InputLayer", "config": {"batch_input_shape": [None, 3], "name": "x"}},
        {"class_name": "LayerNormalization", "config": {"name": "ln", "trainable": True}},
        {"class_name": "Dense", "config": {"name": "d", "dtype": "float32", "units": 2}},
    ]
    config = json.dumps({"class_name": "Sequential", "config": {"name": "s", "layers": layers}})
    shapes = {"ln/gamma": (3,), "ln/beta": (3,), "d/kernel": (3, 2), "d/bias": (2,)}
    arrays = {name: np.ones(shape, np.float32) for name, shape in shapes.items()}
    (open_network,) = recover(checkpoint(arrays, config=config)).networks
    (network,) = recover(checkpoint(arrays, config=config), Settings(epsilon=1e-14)).networks

    assert ["--epsilon" in gap.remedy for gap in open_network.gaps] == [True]
    assert network.complete
    (epsilon,) = (fact for layer in network.layers for name, fact in layer.facts())
    assert (epsilon.value, epsilon.source) == (1e-14, Source.OPTION)
