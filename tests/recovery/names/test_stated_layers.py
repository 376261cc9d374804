"""--layers: the user states the layers in the order in which they run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lnfold.errors import UsageError
from lnfold.network.facts.evidence import Source
from lnfold.network.facts.order import Order
from lnfold.network.facts.settings import Settings
from lnfold.network.records.claims import PLACEMENT, SEQUENCE
from lnfold.network.records.layers import Network
from lnfold.network.running.run import run
from lnfold.recovery.recover import recover
from tests.recovery.made import checkpoint
from tests.recovery.recovered import recovery

WIDTH = 6
STATED = "fc2 ln relu fc1 bn tanh out"
Arrays = dict[str, np.ndarray]


def blocks(scope: str = "pi/", leaves: tuple[str, str] = ("kernel", "bias")) -> Arrays:
    """Layers fc1, fc2, out and norms ln (LayerNorm) and bn (BatchNorm), all equally wide."""
    random = np.random.default_rng(3)
    arrays: Arrays = {}
    for layer in ("fc1", "fc2", "out"):
        arrays[f"{scope}{layer}/{leaves[0]}"] = random.normal(size=(WIDTH, WIDTH))
        arrays[f"{scope}{layer}/{leaves[1]}"] = random.normal(size=WIDTH)
    for norm in ("ln", "bn"):
        arrays[f"{scope}{norm}/gamma"] = 1 + random.normal(size=WIDTH) / 4
        arrays[f"{scope}{norm}/beta"] = random.normal(size=WIDTH)
    arrays[f"{scope}bn/moving_mean"] = random.normal(size=WIDTH)
    arrays[f"{scope}bn/moving_variance"] = random.uniform(0.5, 2, size=WIDTH)
    return {name: one.astype(np.float32) for name, one in arrays.items()}


def truth(
    arrays: Arrays,
    x: np.ndarray,
    scope: str = "pi/",
    second: Callable[[np.ndarray], np.ndarray] = np.tanh,
) -> np.ndarray:
    """What STATED says, in float64, epsilon 1e-3; ``second`` is the activation behind bn."""
    arrays = {name: one.astype(float) for name, one in arrays.items()}

    def dense(layer: str, x: np.ndarray) -> np.ndarray:
        kernel, bias = (one for name, one in arrays.items() if f"{scope}{layer}/" in name)
        return x @ kernel + bias

    def scaled(norm: str, x: np.ndarray) -> np.ndarray:
        return x * arrays[f"{scope}{norm}/gamma"] + arrays[f"{scope}{norm}/beta"]

    y = dense("fc2", x)
    spread = np.sqrt(y.var(1, keepdims=True) + 1e-3)
    y = np.maximum(scaled("ln", (y - y.mean(1, keepdims=True)) / spread), 0)
    y = dense("fc1", y) - arrays[f"{scope}bn/moving_mean"]
    y = second(scaled("bn", y / np.sqrt(arrays[f"{scope}bn/moving_variance"] + 1e-3)))
    return dense("out", y)


def stated(arrays: Arrays, layers: str = STATED, **settings: object) -> Network:
    given = Settings(epsilon=1e-3, layers=layers, **settings)  # type: ignore[arg-type]
    return recover(checkpoint(arrays), given).networks[0]


@pytest.mark.parametrize("leaves", [("kernel", "bias"), ("0", "1")])
def test_the_layers_run_as_they_are_stated(leaves: tuple[str, str]):
    """Both kinds of norm, in another order than names have; dense layers that Keras numbers."""
    arrays = blocks(leaves=leaves)
    x = np.random.default_rng(4).normal(size=(16, WIDTH)).astype(np.float32)
    network = stated(arrays)
    (found,) = run(network, x, np.float64).values()

    assert [layer.kind for layer in network.layers] == [
        "dense", "layer_norm", "activation", "dense", "batch_norm", "activation", "dense",
    ]  # fmt: skip
    assert np.abs(found - truth(arrays, x)).max() < 1e-12


def test_all_but_epsilon_is_the_options_fact():
    """Sequence, placement, order, activations and the end; epsilon is the library's still."""
    arrays = {name.replace("/ln/", "/LayerNorm/"): one for name, one in blocks().items()}
    given = Settings(layers=STATED.replace("ln", "LayerNorm"))
    (network,) = recover(checkpoint(arrays), given).networks
    facts = [claim.fact for claim in network.claims]
    facts += [fact for layer in network.layers for name, fact in layer.facts() if name != "epsilon"]

    assert {fact.source for fact in [network.wiring, *facts]} == {Source.OPTION}
    assert [claim.what for claim in network.claims].count(PLACEMENT) == 2
    assert [claim.what for claim in network.claims].count(SEQUENCE) == 1
    assert [one.what for one in network.assumed] == ["epsilon"]


@pytest.mark.parametrize(
    ("layers", "said"),
    [
        ("fc2 ln relu fc1 bn tanh", "leaves out pi/out"),
        ("fc2 ln relu fc1 tanh out", "leaves out pi/bn"),
        ("fc2 ln relu fc1 bn tanh out fc1", "names a layer twice: pi/fc1"),
        ("fc2 ln rilu fc1 bn tanh out", "'rilu', which is neither a layer nor an activation"),
        ("fc2 ln:gamma relu fc1 bn tanh out", "'pi/ln' is no norm of one unnamed vector"),
        ("relu tanh", "names no dense layer"),
        ("", "names no dense layer"),
    ],
)
def test_what_does_not_name_the_network_is_one_error(layers: str, said: str):
    """Wrong names, layers left out or repeated: the error names what there is."""
    with pytest.raises(UsageError, match=said):
        stated(blocks(), layers)


def test_layers_that_do_not_fit_each_other_are_an_error_that_shows_both_widths():
    """fc1 takes 6, narrow delivers 4."""
    arrays = blocks()
    arrays["pi/narrow/kernel"] = np.ones((WIDTH, 4), np.float32)
    with pytest.raises(UsageError, match="'pi/fc1' takes 6 numbers, but 'pi/narrow' delivers 4"):
        stated(arrays, "fc2 ln relu narrow fc1 bn tanh out")
    with pytest.raises(UsageError, match="'pi/ln' holds 6 numbers, but 'pi/narrow' delivers 4"):
        stated(arrays, "fc2 relu narrow ln fc1 bn tanh out")


def test_an_ending_that_several_networks_share_needs_the_network():
    """pi/fc1 and q/fc1: --network tells, or more of the scope; the other network stays."""
    arrays = {**blocks("pi/"), **blocks("q/")}
    with pytest.raises(UsageError, match="several layers are called: pi/fc2, q/fc2"):
        stated(arrays)
    by_network = stated(arrays, network="q")
    by_scope = stated(
        arrays,
        " ".join(f"q/{one}" for one in STATED.split())
        .replace("q/relu", "relu")
        .replace("q/tanh", "tanh"),
    )

    assert by_network.name == by_scope.name == "q"
    assert by_network.variables() == by_scope.variables()
    assert (
        len(recover(checkpoint(arrays), Settings(1e-3, layers=STATED, network="q")).networks) == 2
    )


def test_layers_of_several_scopes_are_one_network():
    """One scope a block: without --layers each is a network of its own."""
    arrays = {
        f"net/{name.replace('fc1', 'a/fc').replace('bn', 'a/bn')}": one
        for name, one in blocks("").items()
    }
    network = stated(arrays, "fc2 ln relu a/fc a/bn tanh out")
    x = np.random.default_rng(4).normal(size=(16, WIDTH)).astype(np.float32)
    (found,) = run(network, x, np.float64).values()

    assert network.name == "net"
    assert np.abs(found - truth(blocks(""), x, "")).max() < 1e-12


def test_a_norm_of_one_vector_is_told_by_the_user():
    """A lone vector scales or shifts; without a word it is named as not placed, never dropped."""
    arrays = blocks()
    arrays["pi/ln/0"] = arrays.pop("pi/ln/gamma")
    del arrays["pi/ln/beta"]
    (plain,) = recover(checkpoint(arrays)).networks
    with pytest.raises(UsageError, match=r"Give pi/ln:gamma or pi/ln:beta"):
        stated(arrays)
    gamma, beta = (stated(arrays, STATED.replace("ln", f"ln:{one}")) for one in ("gamma", "beta"))

    assert any("'pi/ln' holds one vector" in gap.what for gap in plain.gaps)
    for network, role in ((gamma, "gamma"), (beta, "beta")):
        norm = network.layer("pi/ln")
        assert [name for name, _ in norm.parameters()] == [role]


def test_two_heads_stand_on_either_side_of_a_comma():
    """The second reads what the last dense layer in front of the comma reads."""
    network = stated(blocks(), "fc2 ln relu bn fc1 tanh, out")
    first, second = (network.layer(name) for name in ("pi/fc1", "pi/out"))

    assert network.outputs == ("pi/fc1/tanh", "pi/out")
    assert first.inputs == second.inputs == ("pi/bn",)


@pytest.mark.parametrize(
    ("option", "settings"),
    [
        ("--order", {"order": Order.DENSE_NORM_ACT}),
        ("--activation", {"activation": "relu"}),
        ("--output-activation", {"output_activation": "tanh"}),
    ],
)
def test_an_option_beside_layers_says_nothing_more(option: str, settings: dict[str, object]):
    """What the layers say already is not said twice."""
    with pytest.raises(UsageError, match=f"says already what {option} says"):
        stated(blocks(), **settings)


def test_a_graph_wins_over_stated_layers(samples: Path):
    """What agrees is no error; what contradicts the graph is one that shows both."""
    sample = samples / "cartpole_actor" / "actor.ckpt-12000"
    agreed = "dense LayerNorm relu dense_1 LayerNorm_1 relu dense_2 tanh"

    assert recovery(sample, Settings(layers=agreed)).networks[0].complete
    with pytest.raises(UsageError, match="contradicts the graph"):
        recovery(sample, Settings(layers=agreed.replace("tanh", "sigmoid")))
