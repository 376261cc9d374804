"""Where names alone mislead: each case comes out right, assumed and marked so, or refused."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from lnfold.network.facts.evidence import Source
from lnfold.network.facts.settings import Settings
from lnfold.network.records.claims import PLACEMENT
from lnfold.network.records.layers import Activation, Dense, Network, Norm
from lnfold.network.records.norms import (
    BatchNorm,
    GroupNorm,
    InstanceNorm,
    LayerNorm,
    OtherNorm,
    RMSNorm,
)
from lnfold.recovery.names.scopes import VariableRole, variable_roles
from lnfold.recovery.record import Recovery
from lnfold.recovery.recover import recover
from tests.recovery.made import checkpoint


def arrays(*named: tuple[str, tuple[int, ...]], dtype: str = "float32") -> dict[str, np.ndarray]:
    random = np.random.default_rng(1)
    return {name: np.abs(random.standard_normal(shape)).astype(dtype) for name, shape in named}


def dense(scope: str, inputs: int, units: int, leaves: str = "kernel bias") -> Sequence:
    kernel, *bias = leaves.split()
    shapes = [(f"{scope}/{kernel}", (inputs, units)), *((f"{scope}/{b}", (units,)) for b in bias)]
    return shapes


def norm(scope: str, units: int, leaves: str = "gamma beta") -> Sequence:
    return [(f"{scope}/{leaf}", (units,)) for leaf in leaves.split()]


def found(*named: tuple[str, tuple[int, ...]], dtype: str = "float32") -> Recovery:
    return recover(checkpoint(arrays(*named, dtype=dtype)))


def norms(recovery: Recovery) -> list[Norm]:
    return [one for network in recovery.networks for one in network.layers if isinstance(one, Norm)]


def only(recovery: Recovery) -> Network:
    (network,) = recovery.networks
    return network


def said(recovery: Recovery) -> str:
    return " ".join(gap.what for network in recovery.networks for gap in network.gaps)


def marked(recovery: Recovery) -> bool:
    """Whether every fact of every complete network says that it is assumed, or that shapes or
    scopes tell it."""
    facts = [
        fact
        for network in recovery.networks
        if network.complete
        for fact in (
            network.wiring,
            *(claim.fact for claim in network.claims),
            *(one for layer in network.layers for _, one in layer.facts()),
        )
    ]
    told = (Source.SHAPES, Source.NAMES)
    return all(fact.source in told or (fact.source.assumed and fact.confidence) for fact in facts)


@pytest.mark.parametrize(
    ("members", "kind"),
    [
        (norm("net/LayerNorm", 4), LayerNorm),
        (norm("net/GroupNorm", 4), GroupNorm),
        (norm("net/InstanceNorm", 4), InstanceNorm),
        (norm("net/norm", 4, "gamma beta moving_mean moving_variance"), BatchNorm),
        (norm("net/bn", 4), OtherNorm),  # its averages are kept elsewhere
        (norm("net/norm", 4), OtherNorm),
        (norm("net/BatchNorm", 4, "beta moving_mean moving_variance"), BatchNorm),
        (norm("net/layer_norm", 4, "scale"), RMSNorm),
        (norm("net/norm", 4, "scale offset"), OtherNorm),  # LayerNorm and GroupNorm of Sonnet
    ],
)
def test_gamma_and_beta_alone_say_no_kind(members: Sequence, kind: type[Norm]):
    """LayerNorm, BatchNorm, GroupNorm and InstanceNorm share names: the scope tells, or nothing."""
    (one,) = norms(found(*dense("net/dense", 3, 4), *members, *dense("net/dense_1", 4, 2)))

    assert type(one) is kind


def test_a_gate_of_one_number_is_no_norm():
    """zero_add/gamma is a scalar."""
    recovery = found(*dense("net/dense", 3, 4), ("net/zero_add/gamma", ()))

    assert norms(recovery) == []
    assert recovery.unused == ("net/zero_add/gamma",)


@pytest.mark.parametrize(
    ("members", "epsilon", "confidence"),
    [
        ([*dense("a/l", 3, 4, "w b"), *norm("a/layer_norm", 4)], 1e-5, "low"),
        ([*dense("a/dense", 3, 4), *norm("a/layer_norm", 4)], 1e-12, "low"),
        ([*dense("a/dense", 3, 4), *norm("a/layer_normalization", 4)], 1e-3, "medium"),
        ([*dense("a/dense", 3, 4), *norm("a/LayerNorm", 4)], 1e-12, "medium"),
        ([*dense("a/dense", 3, 4), *norm("a/ln", 4)], None, ""),
    ],
)
def test_an_epsilon_that_libraries_share_a_name_for_is_assumed_or_asked_for(
    members: Sequence, epsilon: float | None, confidence: str
):
    """Keras, contrib, Sonnet and others name alike: the assumption says how far it goes."""
    (one,) = norms(found(*members))

    assert one.epsilon.value == epsilon
    assert one.epsilon.confidence == confidence
    assert one.epsilon.source.assumed == (epsilon is not None)


def test_half_precision_has_another_epsilon():
    """contrib takes 1e-3 where gamma is float16."""
    members = [*dense("actor/dense", 3, 4), *norm("actor/LayerNorm", 4)]
    (one,) = norms(found(*members, *dense("actor/dense_1", 4, 2), dtype="float16"))

    assert one.epsilon.value == 1e-3


@pytest.mark.parametrize(
    ("scope", "first", "last", "order"),
    [
        ("actor", "dense", "dense_1", "dense-norm-act"),
        ("net/mlp", "hidden_0", "output", "dense-act-norm"),
        ("net", "dense", "dense_1", None),
    ],
)
def test_the_order_is_a_librarys_habit_or_not_known(
    scope: str, first: str, last: str, order: str | None
):
    """The same names stand for both orders: baselines against garage."""
    recovery = found(
        *dense(f"{scope}/{first}", 3, 4),
        *norm(f"{scope}/LayerNorm", 4),
        *dense(f"{scope}/{last}", 4, 2),
    )
    network = only(recovery)

    assert network.wiring.value == order
    if order is None:
        assert "--order" in " ".join(gap.remedy for gap in network.gaps)
    assert marked(recovery)


@pytest.mark.parametrize(
    ("layers", "functions"),
    [
        (("actor/mlp_fc0", "actor/mlp_fc1", "actor/dense"), ["tanh", "tanh", "tanh"]),
        (("ppo2_model/vf/mlp_fc0", "ppo2_model/vf/mlp_fc1"), ["tanh"]),
        (("main/q/dense", "main/q/dense_1"), ["relu"]),
        (("main/pi/dense", "main/pi/dense_1"), ["relu", None]),
        (("net/dense", "net/dense_1"), [None, None]),
    ],
)
def test_activations_and_heads_are_a_librarys_or_not_known(
    layers: tuple[str, ...], functions: list[str | None]
):
    """mlp_fc betrays tanh; Spinning Up's head is scaled by a constant of its graph."""
    widths = [3, *[4] * (len(layers) - 1), 2]
    members: list = []
    for scope, inputs, units in zip(layers, widths, widths[1:], strict=False):
        leaves = "w b" if "mlp_fc" in scope else "kernel bias"
        members += dense(scope, inputs, units, leaves)
    recovery = found(*members)
    network = only(recovery)

    shown = [one.function.value for one in network.layers if isinstance(one, Activation)]
    assert shown == functions
    assert network.complete == (None not in functions)
    assert marked(recovery)


def test_two_heads_are_not_two_layers():
    """mu and log_std of one hidden layer: their shapes tell, and which is activated is asked."""
    recovery = found(
        *dense("main/pi/dense", 3, 8),
        *dense("main/pi/dense_1", 8, 2),
        *dense("main/pi/dense_2", 8, 2),
    )

    assert len(only(recovery).outputs) == 2
    assert "second head" in said(recovery)


def test_two_heads_as_wide_as_the_hidden_layer_look_like_layers():
    """Nothing tells them from a sequence: the order of the layers is shown as assumed."""
    recovery = found(
        *dense("main/q/dense", 3, 2), *dense("main/q/dense_1", 2, 2), *dense("main/q/dense_2", 2, 2)
    )

    assert only(recovery).wiring.source.assumed
    assert marked(recovery)


def test_branches_of_a_dueling_network_are_networks_of_their_own():
    """action_value and state_value number their layers alike, and a note says that they join."""
    recovery = found(
        *(
            shape
            for branch, units in (("action_value", 3), ("state_value", 1))
            for shape in (
                *dense(f"deepq/q_func/{branch}/fully_connected", 2, 8, "weights biases"),
                *norm(f"deepq/q_func/{branch}/LayerNorm", 8),
                *dense(f"deepq/q_func/{branch}/fully_connected_1", 8, units, "weights biases"),
            )
        )
    )

    names = sorted(network.name for network in recovery.networks)
    assert names == ["deepq/q_func/action_value", "deepq/q_func/state_value"]
    assert any("dueling" in note and "deepq/q_func" in note for note in recovery.notes)
    assert marked(recovery)


def test_numbers_that_begin_late_and_go_past_nine_are_ranked():
    """Keras counts in a process, and dense_10 comes after dense_9."""
    members: list = []
    for number in range(8, 12):
        members += dense(f"model/dense_{number}", 4, 4)
        members += norm(f"model/layer_normalization_{number + 5}", 4)
    network = only(found(*members))

    order = [one.scope for one in network.layers if isinstance(one, Dense)]
    assert order == [f"model/dense_{number}" for number in range(8, 12)]
    assert [one.scope for one in network.layers if isinstance(one, Norm)] == [
        f"model/layer_normalization_{number}" for number in range(13, 17)
    ]


def test_a_norm_on_the_input_is_seen_by_its_width():
    """LayerNorm as wide as the observation stands in front of the first layer."""
    recovery = found(
        *norm("actor/LayerNorm", 5),
        *dense("actor/dense", 5, 8),
        *norm("actor/LayerNorm_1", 8),
        *dense("actor/dense_1", 8, 2),
    )

    network = only(recovery)
    kinds = [layer.kind for layer in network.layers]
    assert kinds == ["layer_norm", "dense", "layer_norm", "activation", "dense", "activation"]
    placed = [claim.fact for claim in network.claims if claim.what == PLACEMENT]
    assert {fact.source for fact in placed} == {Source.SHAPES}
    assert [fact.value for fact in placed] == ["in front of 'actor/dense'", "behind 'actor/dense'"]


def test_kernels_of_other_forms_are_turned_or_refused():
    """GPT-2 keeps [1, inputs, units], BERT's head [units, inputs]; a convolution is none."""
    network = only(found(("net/fc/w", (1, 3, 4)), ("net/fc/b", (4,))))
    assert [one.kernel.shape for one in network.layers if isinstance(one, Dense)] == [(3, 4)]
    head = only(found(("cls/output_weights", (2, 5)), ("cls/output_bias", (2,))))
    assert [one.kernel.shape for one in head.layers if isinstance(one, Dense)] == [(5, 2)]
    assert "convolution" in said(found(("net/conv/w", (3, 3, 4, 8)), ("net/conv/b", (8,))))


def test_a_gamma_of_another_length_is_refused():
    """magenta keeps four gates in one gamma; Keras may normalise several axes."""
    recovery = found(*dense("net/dense", 3, 4), *norm("net/ln_all", 16, "ln_gamma ln_beta"))

    assert not only(recovery).complete
    assert "16 numbers for 4 units" in said(recovery)


@pytest.mark.parametrize(
    ("name", "shape", "role"),
    [
        ("net/W_wn/g", (4,), VariableRole.GAMMA),  # a gain, of a norm of unknown kind
        ("lnlstm/gx", (16,), VariableRole.OTHER),
        ("lnlstm/bh", (16,), VariableRole.OTHER),
        ("hyper/beta/super_linear_w", (4, 4), VariableRole.OTHER),
        ("dense_1/beta", (), VariableRole.OTHER),
        ("gdn/reparam_gamma", (4, 4), VariableRole.OTHER),
        ("o_stats/mean", (4,), VariableRole.OBSERVATION_STATISTICS),
        ("optimizer/beta_1", (), VariableRole.COUNTER),
        ("Identity/ExponentialMovingAverage", (4,), VariableRole.MOVING_AVERAGE),
    ],
)
def test_what_is_called_like_a_parameter_is_not_taken_for_one(
    name: str, shape: tuple[int, ...], role: VariableRole
):
    """The gains of recurrent cells, constants of swish, statistics and optimizers."""
    variable = checkpoint(arrays((name, shape)))[name]

    assert variable_roles([variable])[name] is role


def test_recurrent_cells_are_refused_and_their_norms_kept():
    """A kernel of four gates is no dense layer; a bias that is never added is no one's."""
    recovery = found(
        ("rnn/layer_norm_lstm_cell/kernel", (7, 16)),
        ("rnn/layer_norm_lstm_cell/bias", (16,)),
        *norm("rnn/layer_norm_lstm_cell/input", 4),
    )

    assert "recurrent cell" in said(recovery)
    assert all(not network.complete for network in recovery.networks)


def test_copies_and_dead_variables_are_told_from_the_network():
    """Targets are networks of their own; what nobody reads is listed."""
    recovery = found(
        *dense("main/q/dense", 3, 1), *dense("target/q/dense", 3, 1), ("stray/embedding", (4, 2))
    )

    assert [network.name for network in recovery.networks] == ["main/q", "target/q"]
    assert recovery.unused == ("stray/embedding",)


def test_moving_averages_are_never_mixed_with_the_variables():
    """The averages of parameters are those of a network of their own."""
    recovery = found(
        *dense("main/q/dense", 3, 1),
        ("main/q/dense/kernel/ExponentialMovingAverage", (3, 1)),
        ("main/q/dense/bias/ExponentialMovingAverage", (1,)),
    )

    network, averaged = recovery.networks
    assert network.variables() == ("main/q/dense/kernel", "main/q/dense/bias")
    assert averaged.name == "main/q/moving_average"
    assert averaged.variables() == (
        "main/q/dense/kernel/ExponentialMovingAverage",
        "main/q/dense/bias/ExponentialMovingAverage",
    )
    assert recovery.unused == ()


def test_a_batch_norm_without_gamma_and_beta_is_still_one():
    """Its statistics alone tell it."""
    (one,) = norms(
        found(
            *dense("net/dense", 3, 4),
            *norm("net/batch_normalization", 4, "moving_mean moving_variance"),
            *dense("net/dense_1", 4, 2),
        )
    )

    assert isinstance(one, BatchNorm)
    assert one.gamma is one.beta is None


@pytest.mark.parametrize(
    "stranger", ["normalization/mean", "p_re_lu/alpha", "embedding/embeddings"]
)
def test_a_layer_of_unknown_kind_beside_the_others_is_a_gap(stranger: str):
    """Options for the dense layers do not make a network complete that has more in it."""
    members = [*dense("net/dense", 3, 4), *dense("net/dense_1", 4, 2), (f"net/{stranger}", (4,))]
    given = Settings(activation="relu", output_activation="tanh")
    recovery = recover(checkpoint(arrays(*members)), given)

    assert not only(recovery).complete
    assert stranger.partition("/")[0] in said(recovery)
    assert recovery.unused == (f"net/{stranger}",)


def test_unnamed_variables_are_not_guessed():
    """ln/Variable and ln/Variable_1 are beta and gamma, in this order, as nothing says."""
    recovery = found(
        *dense("net/dense", 3, 4), ("net/ln/Variable", (4,)), ("net/ln/Variable_1", (4,))
    )

    assert norms(recovery) == []
    assert recovery.unused == ("net/ln/Variable", "net/ln/Variable_1")
    assert (
        not recover(checkpoint(arrays(*dense("net/dense", 3, 4))), Settings()).networks[0].complete
    )
