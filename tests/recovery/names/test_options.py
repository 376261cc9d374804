"""Options, contradictions and the surroundings of norms."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from lnfold.errors import UnknownNameError, UsageError
from lnfold.network.facts.evidence import Source
from lnfold.network.facts.order import Order
from lnfold.network.facts.settings import Settings
from lnfold.network.records.context import Context, norm_contexts, order_of
from lnfold.network.records.layers import Activation, Norm
from tests.recovery.recovered import FIXTURES, recovery, without_graph

SAMPLE = "cartpole_actor/actor.ckpt-12000"


@pytest.mark.parametrize(
    ("settings", "shown"),
    [
        (Settings(epsilon=1e-3), ["--epsilon 0.001", "batchnorm/add/y", "1e-12"]),
        (Settings(activation="tanh"), ["--activation tanh", "says relu"]),
        (Settings(output_activation="relu"), ["--output-activation relu", "says tanh"]),
        (Settings(order=Order.DENSE_ACT_NORM), ["--order dense-act-norm", "dense-norm-act"]),
    ],
)
def test_an_option_that_contradicts_the_graph_is_an_error_that_shows_both(
    samples: Path, settings: Settings, shown: list[str]
):
    """What was given, where the graph says otherwise, and what it says."""
    with pytest.raises(UsageError) as caught:
        recovery(samples / SAMPLE, settings)

    text = str(caught.value).replace("9.999999960041972e-13", "1e-12")
    assert all(one in text for one in shown)


@pytest.mark.parametrize(
    ("chain", "network", "settings", "shown"),
    [
        ("contrib_layer_norm", None, Settings(output_activation="tanh"), "says identity"),
        ("norm_dense_activation", None, Settings(order=Order.DENSE_NORM_ACT), "says norm-dense"),
        ("critic_of_actor", "critic", Settings(output_activation="tanh"), "of network critic says"),
    ],
)
def test_what_the_graph_does_not_do_contradicts_too(
    chain: str, network: str | None, settings: Settings, shown: str
):
    """A head without an activation, and norms that stand in several orders, are read as well."""
    with pytest.raises(UsageError, match=shown):
        recovery(FIXTURES / "tf1" / chain, replace(settings, network=network))


def test_a_scaled_head_agrees_with_its_activation():
    """tanh times a limit is a tanh; so it is in front of a clip."""
    meant = Settings(output_activation="tanh", network="scaled")

    assert recovery(FIXTURES / "tf1" / "heads", meant).named("scaled").complete


def test_an_option_is_held_against_the_network_that_is_meant():
    """An actor's tanh says nothing of its critic."""
    meant = Settings(output_activation="tanh", network="actor")
    names = [one.name for one in recovery(FIXTURES / "tf1" / "critic_of_actor", meant).networks]

    assert names == ["actor", "critic"]


def test_an_option_that_agrees_with_the_graph_is_no_error(samples: Path):
    """Epsilons are compared as float32, as the graph holds them."""
    agreed = Settings(1e-12, Order.DENSE_NORM_ACT, "relu", "tanh")
    (network,) = recovery(samples / SAMPLE, agreed).networks

    assert network.complete


def test_options_win_over_conventions_and_are_shown_as_given(samples: Path):
    """Without a graph each option takes effect and is its own evidence."""
    given = Settings(1e-5, Order.DENSE_ACT_NORM, "elu", "sigmoid")
    (network,) = without_graph(samples / SAMPLE, given).networks
    facts = [fact for layer in network.layers for _, fact in layer.facts()]

    assert {fact.source for fact in facts} == {Source.OPTION}
    assert network.wiring.source is Source.OPTION
    assert [layer.kind for layer in network.layers[:3]] == ["dense", "activation", "layer_norm"]
    assert all(layer.epsilon.value == 1e-5 for layer in network.layers if isinstance(layer, Norm))
    functions = [one.function.value for one in network.layers if isinstance(one, Activation)]
    assert functions == ["elu", "elu", "sigmoid"]


def test_an_unknown_activation_lists_the_known_ones(samples: Path):
    """The error says what there is."""
    with pytest.raises(UsageError, match="relu"):
        recovery(samples / SAMPLE, Settings(activation="rilu"))


def test_an_output_node_ends_the_network_there(samples: Path):
    """--output-node chooses the end; a wrong name suggests near ones; no graph, no node."""
    (network,) = recovery(samples / SAMPLE, Settings(output="actor/dense_1/BiasAdd")).networks

    assert network.outputs == ("actor/dense_1/BiasAdd",)
    assert len(network.layers) == 4
    with pytest.raises(UnknownNameError, match="Did you mean"):
        recovery(samples / SAMPLE, Settings(output="actor/dense_1/BiasAd"))
    with pytest.raises(UsageError, match="no graph could be read"):
        without_graph(samples / SAMPLE, Settings(output="actor/Tanh"))


@pytest.mark.parametrize(
    ("chain", "contexts", "order"),
    [
        ("contrib_layer_norm", [Context.DENSE], Order.DENSE_NORM_ACT),
        ("dense_activation_norm", [Context.ACTIVATION], Order.DENSE_ACT_NORM),
        ("residual_then_norm", [Context.RESIDUAL], Order.NORM_DENSE),
        ("norm_inside_residual", [Context.DENSE], Order.NORM_DENSE),
        ("norm_dense_activation", [Context.INPUT, Context.ACTIVATION], None),
    ],
)
def test_the_surroundings_of_norms_are_told(
    chain: str, contexts: list[Context], order: Order | None
):
    """Pre-norm, post-norm, after a dense layer or an activation, on the input."""
    (network,) = recovery(FIXTURES / "tf1" / chain / "model.ckpt").networks
    found = norm_contexts(network)

    assert [one.context for one in found] == contexts
    assert all(one.context.sentence in one.sentence for one in found)
    assert [one.pre_norm for one in found] == [chain == "norm_inside_residual"] * len(found)
    assert [one.post_norm for one in found] == [chain == "residual_then_norm"] * len(found)
    if order is not None:
        assert order_of(network) is order


def test_what_reads_a_norm_is_named():
    """The activation behind it, and that its value is no output."""
    (network,) = recovery(FIXTURES / "tf1" / "contrib_layer_norm" / "model.ckpt").networks
    (found,) = norm_contexts(network)

    assert found.readers == ("actor/Relu",)
    assert not found.fetched
