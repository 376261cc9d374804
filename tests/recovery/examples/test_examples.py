"""Examples settle what names leave open, or say why they do not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lnfold.checkpoint.variables.variable import Variable
from lnfold.errors import UsageError
from lnfold.network.facts.evidence import Source
from lnfold.network.facts.order import Order
from lnfold.network.facts.settings import Examples, Settings
from lnfold.network.records.layers import Activation, Network, Norm
from lnfold.network.running.run import run
from lnfold.recovery.recover import recover
from tests.recovery.made import _Held, checkpoint
from tests.recovery.recovered import error_and_tolerance, without_graph

SETTLED = [
    "cartpole_actor/actor.ckpt-12000",
    "cartpole_actor_batchnorm/actor.ckpt",
    "cartpole_actor_keras/actor",
]


def examples(path: Path, rows: int = 64) -> Examples:
    arrays = np.load(path.parent / "expected_actor.npz")
    return Examples({"inputs": arrays["inputs"][:rows]}, {"outputs": arrays["outputs"][:rows]})


@pytest.mark.parametrize("sample", SETTLED)
def test_examples_settle_order_activations_and_epsilon(samples: Path, sample: str):
    """The one candidate that reproduces them is taken, marked as settled, and runs."""
    given = examples(samples / sample)
    found = without_graph(samples / sample, Settings(examples=given))
    (network,) = found.networks

    assert network.complete
    assert network.wiring.value == "dense-norm-act"
    assert network.wiring.source is Source.EXAMPLES
    assert {fact.source for layer in network.layers for _, fact in layer.facts()} == {
        Source.EXAMPLES
    }
    error, tolerance = error_and_tolerance(network, given.inputs, given.outputs["outputs"])
    assert error <= tolerance
    assert any("next candidate" in note for note in found.notes)


def test_the_epsilons_that_cannot_be_told_apart_are_named(samples: Path):
    """1e-12 and 1e-8 round alike: the note says so."""
    path = samples / SETTLED[0]
    notes = " ".join(without_graph(path, Settings(examples=examples(path))).notes)

    assert "do not tell these epsilons apart" in notes
    assert "1e-12" in notes


def test_what_the_user_gives_is_not_varied(samples: Path):
    """A wrong epsilon on the command line leaves no candidate, and the error names the closest."""
    path = samples / SETTLED[0]
    with pytest.raises(UsageError, match="no candidate reproduces") as caught:
        without_graph(path, Settings(examples=examples(path), epsilon=1e-2))

    assert "0.01" in str(caught.value)


def test_outputs_that_fit_nothing_are_refused(samples: Path):
    """Random outputs match no candidate."""
    path = samples / SETTLED[0]
    given = examples(path)
    wrong = Examples(given.inputs, {"outputs": given.outputs["outputs"] + 0.5})
    with pytest.raises(UsageError, match="no candidate"):
        without_graph(path, Settings(examples=wrong))


def test_examples_that_fit_several_candidates_are_refused():
    """Where every hidden unit is off, any activation that is 0 there fits."""
    arrays = {
        "pi/fc0/kernel": np.zeros((2, 3), np.float32),
        "pi/fc0/bias": np.zeros(3, np.float32),
        "pi/fc1/kernel": np.ones((3, 1), np.float32),
        "pi/fc1/bias": np.zeros(1, np.float32),
    }
    given = Examples({"x": np.ones((4, 2), np.float32)}, {"y": np.zeros((4, 1), np.float32)})
    with pytest.raises(UsageError, match="several candidates"):
        recover(checkpoint(arrays), Settings(examples=given))


def random_layers(widths: list[tuple[str, int, int]], norm: bool = True) -> dict[str, np.ndarray]:
    """Dense layers pi/NAME of the given (name, inputs, units), with norms but for heads."""
    random = np.random.default_rng(5)
    arrays = {}
    for name, inputs, units in widths:
        arrays[f"pi/{name}/kernel"] = random.standard_normal((inputs, units)).astype(np.float32)
        arrays[f"pi/{name}/bias"] = random.standard_normal(units).astype(np.float32)
        if norm and units > 4:
            scope = f"pi/{name}".replace("dense", "LayerNorm")
            arrays[f"{scope}/gamma"] = 1 + random.standard_normal(units).astype(np.float32) / 4
            arrays[f"{scope}/beta"] = random.standard_normal(units).astype(np.float32)
    return arrays


TWO_HEADS = [("dense", 5, 16), ("dense_1", 16, 8), ("dense_2", 8, 2), ("dense_3", 8, 2)]


def hidden_of(arrays: dict[str, np.ndarray], x: np.ndarray, epsilon: float) -> np.ndarray:
    """dense-act-norm with elu, in float64."""
    for suffix in ("", "_1"):
        x = x @ arrays[f"pi/dense{suffix}/kernel"].astype(float) + arrays[f"pi/dense{suffix}/bias"]
        x = np.where(x > 0, x, np.expm1(np.minimum(x, 0)))
        x = x - x.mean(1, keepdims=True)
        x = x / np.sqrt(np.square(x).mean(1, keepdims=True) + epsilon)
        x = x * arrays[f"pi/LayerNorm{suffix}/gamma"] + arrays[f"pi/LayerNorm{suffix}/beta"]
    return x


def two_heads() -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray, np.ndarray]:
    """Variables, inputs, and the outputs: the first by tanh, the second as it is."""
    arrays = random_layers(TWO_HEADS)
    x = np.random.default_rng(6).standard_normal((40, 5))
    hidden = hidden_of(arrays, x, 1e-3)
    first, second = (
        hidden @ arrays[f"pi/dense_{one}/kernel"] + arrays[f"pi/dense_{one}/bias"] for one in (2, 3)
    )
    return arrays, x, np.tanh(first), second


def heads_of(network: Network) -> list[str]:
    kinds = {layer.name: layer for layer in network.layers}
    found = [kinds[name] for name in network.outputs]
    return [one.function.value if isinstance(one, Activation) else one.kind for one in found]


@pytest.mark.parametrize(
    "names", [("outputs/dense_2", "outputs/dense_3"), ("outputs_a", "outputs_b")]
)
def test_two_heads_are_settled_each_by_its_own_outputs(names: tuple[str, str]):
    """Names tell which is which, or the order in the file; each head has its own activation."""
    arrays, x, first, second = two_heads()
    found = recover(
        checkpoint(arrays),
        Settings(examples=Examples({"x": x}, dict(zip(names, (first, second), strict=True)))),
    )
    (network,) = found.networks
    out = run(network, x)

    assert network.complete
    assert network.wiring.value == "dense-act-norm"
    assert heads_of(network) == ["tanh", "dense"]
    assert {one.epsilon.value for one in network.layers if isinstance(one, Norm)} == {1e-3}
    for name, expected in zip(network.outputs, (first, second), strict=True):
        assert np.abs(out[name] - expected).max() < 1e-5


def test_outputs_in_the_other_order_are_told_by_the_examples():
    """Equal widths and no names: the assignment that reproduces them is taken."""
    arrays, x, first, second = two_heads()
    given = Examples({"x": x}, {"outputs_b": second, "outputs_a": first})
    (network,) = recover(checkpoint(arrays), Settings(examples=given)).networks

    assert heads_of(network) == ["tanh", "dense"]


def test_an_output_without_examples_stays_open():
    """The other head is settled, and what is missing is named."""
    arrays, x, first, _ = two_heads()
    given = Examples({"x": x}, {"outputs": first})
    (network,) = recover(checkpoint(arrays), Settings(examples=given)).networks

    assert not network.complete
    assert heads_of(network)[0] == "tanh"
    assert ["no output 'pi/dense_3" in gap.what for gap in network.gaps] == [True]


def test_a_critic_takes_its_two_inputs_by_name_or_by_width():
    """Observation and action join after the first hidden layer."""
    random = np.random.default_rng(7)
    layers = random_layers([("dense", 5, 16), ("dense_1", 19, 8), ("dense_2", 8, 1)])
    arrays = {name.replace("pi/", "critic/"): one for name, one in layers.items()}
    observation, action = random.standard_normal((30, 5)), random.standard_normal((30, 3))
    truth = Settings(1e-5, Order.DENSE_NORM_ACT, "tanh", "identity")
    (network,) = recover(checkpoint(arrays), truth).networks
    inputs = {"observation": observation, "action": action}
    (expected,) = run(network, inputs, np.float64).values()

    for given in (inputs, {"u": action, "o": observation}):
        examples_of = Examples(given, {"outputs": expected})
        (found,) = recover(checkpoint(arrays), Settings(examples=examples_of)).networks
        assert found.wiring.value == "dense-norm-act"
        assert heads_of(found) == ["dense"]


def test_without_norms_the_order_is_no_question():
    """One candidate is one candidate, whatever the order would be."""
    arrays = random_layers([("dense", 4, 8), ("dense_1", 8, 2)], norm=False)
    (network,) = recover(checkpoint(arrays), Settings(None, None, "selu", "sigmoid")).networks
    x = np.random.default_rng(8).standard_normal((20, 4))
    (expected,) = run(network, x, np.float64).values()
    (found,) = recover(
        checkpoint(arrays), Settings(examples=Examples({"x": x}, {"outputs": expected}))
    ).networks

    functions = [one.function.value for one in found.layers if isinstance(one, Activation)]
    assert functions == ["selu", "sigmoid"]


def test_examples_of_another_shape_say_what_the_networks_take():
    """A refusal names the network's inputs and what was given."""
    arrays = random_layers([("dense", 4, 8), ("dense_1", 8, 2)])
    given = Examples({"x": np.zeros((3, 7))}, {"outputs": np.zeros((3, 2))})
    with pytest.raises(UsageError, match=r"x \[3, 7\].*pi: it takes observation \[4\]"):
        recover(checkpoint(arrays), Settings(examples=given))


def test_each_variable_is_read_once(monkeypatch: pytest.MonkeyPatch):
    """However many candidates there are: a wide network takes seconds, not minutes."""
    read: list[str] = []
    plainly = _Held.read

    def counted(self: _Held, variable: Variable) -> np.ndarray:
        read.append(variable.name)
        return plainly(self, variable)

    monkeypatch.setattr(_Held, "read", counted)
    arrays = random_layers([("dense", 20, 256), ("dense_1", 256, 256), ("dense_2", 256, 4)])
    truth = Settings(1e-3, Order.DENSE_NORM_ACT, "swish", "tanh")
    (network,) = recover(checkpoint(arrays), truth).networks
    x = np.random.default_rng(9).standard_normal((1000, 20)).astype(np.float32)
    (expected,) = run(network, x, np.float64).values()
    read.clear()
    (found,) = recover(
        checkpoint(arrays), Settings(examples=Examples({"x": x}, {"outputs": expected}))
    ).networks

    functions = [one.function.value for one in found.layers if isinstance(one, Activation)]
    assert functions == ["swish", "swish", "tanh"]
    assert sorted(read) == sorted(arrays)


def test_one_network_under_two_descriptions_is_one_network():
    """A norm behind the last dense layer stands there in either order of activation and norm."""
    random = np.random.default_rng(6)
    arrays = {}
    for suffix in ("", "_1", "_2"):
        arrays[f"dense{suffix}/kernel"] = random.standard_normal((8, 8)).astype(np.float32)
        arrays[f"dense{suffix}/bias"] = random.standard_normal(8).astype(np.float32)
    arrays["layer_normalization/gamma"] = 1 + random.standard_normal(8).astype(np.float32) / 4
    arrays["layer_normalization/beta"] = random.standard_normal(8).astype(np.float32)
    x = random.standard_normal((64, 8))
    y = x
    for suffix in ("", "_1", "_2"):
        y = y @ arrays[f"dense{suffix}/kernel"].astype(float) + arrays[f"dense{suffix}/bias"]
        y = np.maximum(y, 0) if suffix != "_2" else y
    y = y - y.mean(1, keepdims=True)
    y = y / np.sqrt(np.square(y).mean(1, keepdims=True) + 1e-3)
    y = y * arrays["layer_normalization/gamma"] + arrays["layer_normalization/beta"]

    (found,) = recover(
        checkpoint(arrays), Settings(examples=Examples({"x": x}, {"outputs": y}))
    ).networks
    kinds = [layer.kind for layer in found.layers if layer.kind != "activation"]
    assert kinds == ["dense", "dense", "dense", "layer_norm"]
    np.testing.assert_allclose(run(found, x, np.float64)[found.outputs[0]], y, atol=1e-5)
