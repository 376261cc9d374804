"""What names alone say: roles, groups, kinds of norms, conventions, orders."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lnfold.network.facts.evidence import Source
from lnfold.network.facts.order import Order
from lnfold.network.records.layers import LayerNorm, Norm, OtherNorm, RMSNorm
from lnfold.network.records.norms import BatchNorm, GroupNorm, InstanceNorm
from lnfold.recovery.names.conventions import CONVENTIONS, convention_of
from lnfold.recovery.names.norm_names import norm_kind
from lnfold.recovery.names.roles import Role, role_of, shared_scope
from lnfold.recovery.names.scopes import (
    Group,
    VariableRole,
    groups,
    layer_scope,
    scope_of,
    variable_roles,
)
from lnfold.recovery.recover import recover
from tests.recovery.made import checkpoint


@dataclass(frozen=True)
class Named:
    name: str
    shape: tuple[int, ...] = (4,)
    dtype: str = "float32"

    @property
    def key(self) -> str:
        return self.name


@pytest.mark.parametrize(
    ("name", "shape", "role"),
    [
        ("actor/dense/kernel", (3, 4), VariableRole.KERNEL),
        ("actor/dense/bias", (4,), VariableRole.BIAS),
        ("actor/LayerNorm/beta", (4,), VariableRole.BETA),
        ("beta1_power", (), VariableRole.COUNTER),
        ("opt/beta2_power_1", (), VariableRole.COUNTER),
        ("optimizer/beta_1", (), VariableRole.COUNTER),
        ("global_step", (), VariableRole.COUNTER),
        ("a/dense/kernel/Adam_1", (3, 4), VariableRole.OPTIMIZER_SLOT),
        ("wi/kernel_slot_vr", (3,), VariableRole.OPTIMIZER_SLOT),
        ("adam/dense_kernel_momentum", (3, 4), VariableRole.OPTIMIZER_SLOT),
        ("obs_rms/count", (), VariableRole.OBSERVATION_STATISTICS),
        ("o_stats/mean", (4,), VariableRole.OBSERVATION_STATISTICS),
        ("bn/moving_mean", (4,), VariableRole.MOVING_MEAN),
        ("a/w/ExponentialMovingAverage", (3, 4), VariableRole.MOVING_AVERAGE),
    ],
)
def test_a_name_has_the_role_that_its_writer_meant(
    name: str, shape: tuple[int, ...], role: VariableRole
):
    """beta1_power is no beta, and an optimizer's copy of a kernel is no kernel."""
    assert variable_roles([Named(name, shape)])[name] is role


words = st.from_regex(r"[A-Za-z][A-Za-z0-9_]{0,8}", fullmatch=True)


@given(scope=words, optimizer=words, prefix=words)
def test_a_slot_of_any_optimizer_is_a_slot(scope: str, optimizer: str, prefix: str):
    """Whatever an optimizer is called, what stands below a variable of its shape is its slot."""
    kernel = Named(f"{scope}/kernel", (3, 4))
    below = Named(f"{scope}/kernel/{optimizer}", (3, 4))
    prefixed = Named(f"{prefix}/{scope}/kernel/{optimizer}", (3, 4))
    roles = variable_roles([kernel, below, prefixed])

    assert roles[kernel.name] is VariableRole.KERNEL
    assert not roles[below.name].is_parameter
    assert not roles[prefixed.name].is_parameter


def test_gpt2_calls_beta_b():
    """b beside g is a beta; b beside w is a bias."""
    roles = variable_roles([Named("ln/g"), Named("ln/b"), Named("fc/w", (4, 4)), Named("fc/b")])

    assert roles["ln/b"] is VariableRole.BETA
    assert roles["fc/b"] is VariableRole.BIAS
    assert set(groups(roles)) == {"ln", "fc"}


@pytest.mark.parametrize(
    ("scope", "members", "kind"),
    [
        ("a/LayerNorm_1", "gb", LayerNorm),
        ("layer_normalization_2", "gb", LayerNorm),
        ("h0/ln_1", "gb", LayerNorm),
        ("self_attention_layer_norm", "gb", LayerNorm),
        ("block/layer_norm", "s", RMSNorm),
        ("rms_normalization", "s", RMSNorm),
        ("GroupNorm", "gb", GroupNorm),
        ("group_normalization_1", "gb", GroupNorm),
        ("InstanceNorm", "gb", InstanceNorm),
        ("batch_normalization", "gbmv", BatchNorm),
        ("anything", "gbmv", BatchNorm),
        ("BatchNorm", "gb", OtherNorm),
        ("bn", "b", OtherNorm),
        ("module", "gb", OtherNorm),
        ("norm1", "gb", OtherNorm),
    ],
)
def test_the_kind_of_a_norm_is_told_by_its_scope_or_not_at_all(
    scope: str, members: str, kind: type[Norm]
):
    """gamma and beta alone do not say LayerNorm."""
    roles = {
        "g": (VariableRole.GAMMA, "gamma"),
        "s": (VariableRole.GAMMA, "scale"),
        "b": (VariableRole.BETA, "beta"),
        "m": (VariableRole.MOVING_MEAN, "moving_mean"),
        "v": (VariableRole.MOVING_VARIANCE, "moving_variance"),
    }
    group = Group(scope, {roles[one][0]: f"{scope}/{roles[one][1]}" for one in members})

    assert norm_kind(group) is kind


@pytest.mark.parametrize(
    ("variable", "scope"),
    [
        ("actor/dense/kernel", "actor/dense"),
        ("actor/LayerNorm/gamma", "actor/LayerNorm"),
        ("pi/w1", "pi/w1"),
        ("kernel", "kernel"),
        ("Variable_3", "Variable_3"),
    ],
)
def test_a_layer_is_called_by_what_tells_it_from_others(variable: str, scope: str):
    """Its scope, unless that holds several layers or is empty: then the variable's own name."""
    assert layer_scope(variable) == scope


def test_a_group_without_a_scope_is_called_by_its_kernel():
    """Nothing is called ''."""
    roles = {"b": VariableRole.BIAS, "w": VariableRole.KERNEL}
    assert groups(roles)[""].label == "w"
    assert Group("fc", {VariableRole.KERNEL: "fc/w"}).label == "fc"


def test_roles_and_scopes():
    """The innermost telling component counts; shared scopes are whole components."""
    assert role_of("target_actor/dense_1") == Role("actor", "target")
    assert role_of("policy/value_net/dense") == Role("critic", "")
    assert shared_scope(["a/bc/d", "a/bd/d"]) == "a"
    assert shared_scope([]) == ""
    assert scope_of("a/b/c") == "a/b"


LIBRARIES = {
    "garage (TensorFlow, since 2020)": "p/mlp/hidden_0/kernel p/mlp/layer_normalization_3/gamma",
    "garage (TensorFlow, 2019)": "p/mlp/hidden_0/kernel p/mlp/LayerNorm/gamma",
    "RLlib DDPG": "default_policy/actor_hidden_0/kernel default_policy/LayerNorm_0/gamma",
    "h-baselines": "model/pi/fc0/kernel model/pi/LayerNorm/gamma model/pi/output/kernel",
    "stable-baselines DDPG, TD3, SAC": "model/pi/fc0/kernel model/pi/LayerNorm/gamma",
    "tf.contrib.layers.fully_connected (normalizer_fn=layer_norm)": (
        "q/fully_connected/weights q/fully_connected/LayerNorm/gamma"
    ),
    "baselines DQN": "deepq/q_func/fully_connected/weights deepq/q_func/LayerNorm/gamma",
    "baselines PPO2, A2C": "ppo2_model/pi/mlp_fc0/w ppo2_model/pi/mlp_fc0/b",
    "baselines DDPG (since August 2018)": "target_actor/mlp_fc0/w target_actor/LayerNorm/gamma",
    "baselines DDPG (tf.contrib layer_norm)": (
        "actor/dense/kernel actor/dense/bias actor/LayerNorm/gamma"
    ),
    "tf.contrib.layers.layer_norm": "albert/group_0/LayerNorm_1/gamma",
    "Keras LayerNormalization": "dense/kernel layer_normalization_1/gamma",
    "BatchNormalization (Keras, tf.layers)": "dense/kernel batch_normalization/moving_variance",
    "tf.contrib.layers.batch_norm": "dense/kernel BatchNorm/moving_variance",
    "Coach (tf.layers.batch_normalization)": "main/online/Dense_0_batchnorm/moving_variance",
    "Acme LayerNormMLP": "p/_layers/0/w p/_layers/1/scale p/_layers/1/offset",
    "Sonnet 2": "module/scale module/offset",
    "T5 (RMS norm)": "encoder/block_000/layer_000/layer_norm/scale",
    "Keras RMSNormalization": "rms_normalization/scale",
    "BERT": "bert/encoder/layer_0/attention/output/LayerNorm/gamma",
    "tensor2tensor": "body/layer_0/layer_prepostprocess/layer_norm/layer_norm_scale",
    "OpenAI GPT-2": "model/h0/ln_1/g",
    "rllab": "gru/x_ru_ln/scale gru/x_ru_ln/bias",
    "magenta SketchRNN": "rnn/LayerNormLSTMCell/ln_all/ln_gamma",
    "Sonnet 1": "mlp/linear_0/w layer_norm/gamma",
    "tf.contrib.layers.layer_norm in a scope of another name": "dense/kernel layer_norm/gamma",
    "Spinning Up (TensorFlow)": "main/pi/dense/kernel main/pi/dense_1/kernel",
    "HER (baselines)": "ddpg/main/pi/_0/kernel",
    "TF-Agents": "ActorNetwork/input_mlp/dense0/kernel",
    "Tensorforce": "agent/policy/network/dense0/weights agent/policy/network/dense0/bias",
}
# the libraries whose habits a reader of their names may rely on, as they are in their code
HABITS = {
    "garage (TensorFlow, since 2020)": (1e-3, Order.DENSE_ACT_NORM, None),
    "garage (TensorFlow, 2019)": (1e-12, Order.DENSE_ACT_NORM, None),
    "RLlib DDPG": (1e-3, Order.DENSE_ACT_NORM, "relu"),
    "baselines DDPG (since August 2018)": (1e-12, Order.DENSE_NORM_ACT, "tanh"),
    "baselines DDPG (tf.contrib layer_norm)": (1e-12, Order.DENSE_NORM_ACT, "relu"),
    "stable-baselines DDPG, TD3, SAC": (1e-12, Order.DENSE_NORM_ACT, "relu"),
    "Acme LayerNormMLP": (1e-5, Order.DENSE_NORM_ACT, None),
    "Keras LayerNormalization": (1e-3, None, None),
    "T5 (RMS norm)": (1e-6, Order.NORM_DENSE, None),
    "OpenAI GPT-2": (1e-5, Order.NORM_DENSE, "gelu_tanh"),
    "tensor2tensor": (1e-6, None, None),
    "magenta SketchRNN": (1e-3, None, None),
    "Spinning Up (TensorFlow)": (None, None, "relu"),
}


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_library_is_known_by_its_names(library: str):
    """Each row of the table is the first that matches names which its library leaves."""
    row = convention_of(LIBRARIES[library].split())

    assert row is not None
    assert row.library == library
    if library in HABITS:
        assert (row.epsilon, row.order, row.activation) == HABITS[library]


def test_every_convention_is_reached_and_names_its_source_and_its_confidence():
    """No habit stands in the table without the place where it was read."""
    assert [row.library for row in CONVENTIONS if row.library not in LIBRARIES] == []
    for row in CONVENTIONS:
        assert row.source.endswith(".py")
        assert {row.confidence, row.epsilon_confidence} <= {"high", "medium", "low"}
        if row.epsilon == 1e-12:
            assert row.half_epsilon == 1e-3  # tf.contrib's, where gamma is float16


def norm_network(dtype: str, library: str = "LayerNorm") -> Norm:
    arrays = {
        "actor/dense/kernel": np.ones((3, 4), dtype),
        "actor/dense/bias": np.ones(4, dtype),
        f"actor/{library}/gamma": np.ones(4, dtype),
        f"actor/{library}/beta": np.ones(4, dtype),
        "actor/dense_1/kernel": np.ones((4, 2), dtype),
        "actor/dense_1/bias": np.ones(2, dtype),
    }
    (network,) = recover(checkpoint(arrays)).networks
    return next(layer for layer in network.layers if isinstance(layer, Norm))


@pytest.mark.parametrize(("dtype", "epsilon"), [("float32", 1e-12), ("float16", 1e-3)])
def test_half_precision_changes_the_assumed_epsilon(dtype: str, epsilon: float):
    """contrib takes 1e-3 instead of 1e-12 where gamma is float16, and says so as an assumption."""
    norm = norm_network(dtype)

    assert norm.epsilon.value == epsilon
    assert norm.epsilon.source is Source.CONVENTION
    assert norm.epsilon.confidence == "high"


def test_a_norm_of_unknown_name_keeps_the_network_incomplete():
    """Nothing tells LayerNorm from GroupNorm here, so nothing is claimed."""
    assert isinstance(norm_network("float32", "module"), OtherNorm)


def test_parameters_that_no_network_reads_are_listed():
    """An LSTM's bias beside an actor belongs to none of the networks."""
    arrays = {
        "actor/dense/kernel": np.ones((3, 4), np.float32),
        "stray/bias": np.ones(4, np.float32),
        "global_step": np.zeros((), np.int64),
    }

    assert recover(checkpoint(arrays)).unused == ("stray/bias",)


def test_transposed_heads_are_turned():
    """BERT's output_weights are [units, inputs]; a bias that fits no side is a gap."""
    arrays = {
        "cls/output_weights": np.ones((2, 5), np.float32),
        "cls/output_bias": np.ones(2, np.float32),
        "odd/kernel": np.ones((3, 4), np.float32),
        "odd/bias": np.ones(7, np.float32),
    }
    found = recover(checkpoint(arrays))
    shapes = {
        layer.kernel.shape
        for network in found.networks
        for layer in network.layers
        if layer.kind == "dense"
    }

    assert shapes == {(5, 2), (3, 4)}
    assert any("does not fit" in gap.what for network in found.networks for gap in network.gaps)


def test_a_scale_with_an_offset_is_sonnets_and_alone_it_is_t5s():
    """The two libraries share a name and differ in epsilon: the offset tells them apart."""
    sonnet = convention_of(["layer_norm/scale", "layer_norm/offset"])
    t5 = convention_of(["encoder/block_000/layer_000/layer_norm/scale"])

    assert (sonnet.library, sonnet.epsilon) == ("Sonnet 2", 1e-5)
    assert (t5.library, t5.epsilon) == ("T5 (RMS norm)", 1e-6)
