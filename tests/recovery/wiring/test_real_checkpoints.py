"""Public and sample checkpoints: the networks in them are the known ones, and NumPy agrees."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lnfold.network.facts.evidence import Source
from lnfold.network.facts.settings import Settings
from lnfold.network.records.context import Context, norm_contexts
from lnfold.network.records.layers import Activation, LayerNorm, Network, Norm
from lnfold.network.records.norms import BatchNorm, GroupNorm, InstanceNorm
from tests.recovery.recovered import error_and_tolerance, facts_of, recovery, without_graph

EPSILON = float(np.float32(1e-12))


def actor(function: str = "relu", head: str | None = "tanh", epsilon: float = EPSILON) -> list[Any]:
    """dense, norm, activation, twice, and a head."""
    block = [("dense", None), ("layer_norm", epsilon), ("activation", function)]
    return [*block, *block, ("dense", None)] + ([("activation", head)] if head else [])


OBSERVED = [("standardize", None), ("clip", None)]
CRITIC = [*OBSERVED, *actor(head=None)[:3], ("concat", None), *actor(head=None)[3:]]
Q_NORMED = [*actor(head=None)[:3], ("dense", None)]
Q_PLAIN = [("dense", None), ("activation", "relu"), ("dense", None)]
PUBLIC: dict[tuple[str, str], tuple[str | None, list[Any]]] = {
    ("question_actor/actor.ckpt-500", "actor"): ("expected_actor", actor()),
    ("policy_tanh/model.ckpt-1000", "policy/policy_net"): (
        "expected_policy_net",
        [("dense", None), ("activation", "tanh")] * 3
        + [("affine", None), ("dense", None), ("activation", "softmax")],
    ),
    ("deepq_plain/model", "deepq/q_func"): ("expected_q_func", Q_PLAIN),
    ("deepq_plain/model", "deepq/target_q_func"): (None, Q_PLAIN),
    ("deepq_layernorm/model", "deepq/q_func"): ("expected_q_func", Q_NORMED),
    ("deepq_layernorm/model", "deepq/target_q_func"): (None, Q_NORMED),
    ("deepq_layernorm/model", "deepq/perturbed_q_func"): (None, Q_NORMED),
    ("deepq_layernorm/model", "deepq/adaptive_q_func"): (None, Q_NORMED),
    ("ddpg_layernorm/model.ckpt", "actor"): ("expected_actor", OBSERVED + actor()),
    ("ddpg_layernorm/model.ckpt", "critic"): ("expected_critic", CRITIC),
    ("ddpg_layernorm/model.ckpt", "target_actor"): (None, OBSERVED + actor()),
    ("ddpg_layernorm/model.ckpt", "target_critic"): (None, CRITIC),
    ("ddpg_layernorm/model.ckpt", "param_noise_actor"): (
        "expected_param_noise_actor",
        OBSERVED + actor(),
    ),
    ("ddpg_layernorm/model.ckpt", "adaptive_param_noise_actor"): (None, OBSERVED + actor()),
}
BATCHNORM = [
    (kind, float(np.float32(1e-3))) if kind == "layer_norm" else (kind, fact)
    for kind, fact in actor()
]
SAMPLES = {
    "cartpole_actor/actor.ckpt-12000": actor(),
    "cartpole_actor_batchnorm/actor.ckpt": [
        ("batch_norm" if kind == "layer_norm" else kind, fact) for kind, fact in BATCHNORM
    ],
}


def arrays(path: Path, name: str, network: Network) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """The inputs and the outputs that the original graph gave."""
    found = dict(np.load(path.parent / f"{name}.npz"))
    if len(network.inputs) == 1 and "inputs" in found:
        return {network.inputs[0].name: found["inputs"]}, found["outputs"]
    given = {one.name: found.get(one.name) for one in network.inputs}
    if any(array is None for array in given.values()):
        # without a graph nothing says what the inputs were called
        widths = {array.shape[-1]: array for key, array in found.items() if key != "outputs"}
        given = {one.name: widths[one.width] for one in network.inputs}
    return given, found["outputs"]


@pytest.mark.parametrize(("checkpoint", "name"), PUBLIC, ids=str)
def test_a_public_network_is_recovered_with_no_options(real: Path, checkpoint: str, name: str):
    """Kinds, epsilons, order and activations are the known ones; outputs agree where known."""
    expected, facts = PUBLIC[checkpoint, name]
    found = recovery(real / checkpoint)
    network = found.named(name)

    assert found.notes == ()
    assert network.complete
    assert facts_of(network.layers) == facts
    for layer in network.layers:
        for _, fact in layer.facts():
            assert fact.source is Source.GRAPH
            assert fact.where
    if expected is not None:
        inputs, outputs = arrays(real / checkpoint, expected, network)
        error, tolerance = error_and_tolerance(network, inputs, outputs)
        assert error <= tolerance


# what the training programs keep beside their networks: noise and exploration
BESIDE = {
    "deepq_layernorm/model": {
        "deepq/cond_4/Variable",
        "deepq/eps",
        "deepq/param_noise_scale",
        "deepq/param_noise_threshold",
    },
    "deepq_plain/model": {"deepq/eps"},
}


@pytest.mark.parametrize("checkpoint", sorted({checkpoint for checkpoint, _ in PUBLIC}))
def test_all_networks_of_a_public_checkpoint_are_found_and_no_others(real: Path, checkpoint: str):
    """Copies are networks of their own, re-entered scopes are not, and what is left is known."""
    found = recovery(real / checkpoint)
    names = {network.name for network in found.networks}
    known = {name for one, name in PUBLIC if one == checkpoint}

    assert known <= names
    assert len(names) == len(found.networks)
    assert names - known <= {"policy/value_net"}
    assert set(found.unused) == BESIDE.get(checkpoint, set())


@pytest.mark.parametrize("checkpoint", SAMPLES)
def test_a_sample_is_recovered_with_no_options(samples: Path, checkpoint: str):
    """The project's own actors come out as they were made."""
    (network,) = recovery(samples / checkpoint).networks
    inputs, outputs = arrays(samples / checkpoint, "expected_actor", network)
    error, tolerance = error_and_tolerance(network, inputs, outputs)

    assert facts_of(network.layers) == SAMPLES[checkpoint]
    assert error <= tolerance


@pytest.mark.parametrize(("checkpoint", "name"), PUBLIC, ids=str)
def test_without_its_graph_a_network_is_right_or_says_that_it_assumes(
    real: Path, checkpoint: str, name: str
):
    """Nothing is silently wrong: what is complete has every fact marked, and what differs from
    the truth is an assumption or a gap."""
    expected, facts = PUBLIC[checkpoint, name]
    network = without_graph(real / checkpoint).named(name)

    assert network.wiring.source.assumed or network.wiring.source is Source.SHAPES
    for layer in network.layers:
        for _, fact in layer.facts():
            assert fact.source.assumed or not fact.known
    if not network.complete:
        assert all(gap.what for gap in network.gaps)
        return
    assert [kind for kind, _ in facts_of(network.layers)] == [kind for kind, _ in facts]
    if expected is not None:
        inputs, outputs = arrays(real / checkpoint, expected, network)
        error, tolerance = error_and_tolerance(network, inputs, outputs)
        assert error <= tolerance


def test_options_complete_the_keras_sample(samples: Path):
    """Objects tell the order; the activations, which nothing tells, are given, and then it runs."""
    folder = samples / "cartpole_actor_keras"
    (open_network,) = recovery(folder).networks
    (network,) = recovery(folder, Settings(activation="relu", output_activation="tanh")).networks
    inputs, outputs = arrays(folder / "actor", "expected_actor", network)
    error, tolerance = error_and_tolerance(network, inputs, outputs)

    assert not open_network.complete
    assert any("--activation" in gap.remedy for gap in open_network.gaps)
    assert network.complete
    assert network.wiring.value == "dense-norm-act"
    assert error <= tolerance


def norms(network: Network) -> list[Norm]:
    return [layer for layer in network.layers if isinstance(layer, Norm)]


def test_the_autoencoder_is_dense_batch_norm_relu_nine_times(real: Path):
    """The Keras config of the .h5 gives every layer, epsilon 0.001 and the order."""
    (network,) = recovery(real / "autoencoder_batchnorm_h5" / "ad01.h5").networks
    epsilon = [("batch_norm", 1e-3)]
    block = [("dense", None), *epsilon, ("activation", "relu")]

    assert network.complete
    assert facts_of(network.layers) == [*block * 9, ("dense", None)]
    assert all(isinstance(norm, BatchNorm) for norm in norms(network))
    assert all(norm.epsilon.source is Source.CONFIG for norm in norms(network))
    assert network.width(network.outputs[0]) == 640


def test_bert_is_incomplete_but_its_norms_and_residuals_are_known(real: Path):
    """Six norms of epsilon 1e-12: four post-norms, one on the embeddings, one after gelu."""
    (network,) = recovery(real / "bert_tiny").networks
    found = norms(network)
    contexts = norm_contexts(network)

    assert not network.complete
    assert any("BatchMatMul" in gap.what for gap in network.gaps)
    assert len(found) == 6
    assert all(isinstance(norm, LayerNorm) for norm in found)
    assert {norm.epsilon.value for norm in found} == {EPSILON}
    assert sum(one.context is Context.ACTIVATION for one in contexts) == 1
    assert sum(one.post_norm for one in contexts) >= 4
    gelus = [layer for layer in network.layers if isinstance(layer, Activation)]
    assert sum(layer.function.value.startswith("gelu") for layer in gelus) == 3


def test_gpt2_is_pre_norm(real: Path):
    """Seven norms of epsilon 1e-5, six on the residual stream and one at its end."""
    (network,) = recovery(real / "gpt2_toy").networks
    found = norms(network)

    assert not network.complete
    assert len(found) == 7
    assert all(isinstance(norm, LayerNorm) for norm in found)
    assert {np.float32(norm.epsilon.value) for norm in found} == {np.float32(1e-5)}
    assert sum(one.pre_norm for one in norm_contexts(network)) == 6


def test_the_speech_model_has_two_norms_in_front_of_recurrent_cells(real: Path):
    """Custom layers of epsilon 1e-7 inside a TF 2.3 SavedModel are found by their algebra."""
    networks = recovery(real / "dtln_savedmodel").networks
    found = {norm.name: norm for network in networks for norm in norms(network)}

    assert all(not network.complete for network in networks)
    assert {norm.scope for norm in found.values()} == {
        "instant_layer_normalization",
        "instant_layer_normalization_1",
    }
    assert all(isinstance(norm, LayerNorm) for norm in found.values())
    assert {np.float32(norm.epsilon.value) for norm in found.values()} == {np.float32(1e-7)}
    functions = {
        layer.function.value
        for network in networks
        for layer in network.layers
        if isinstance(layer, Activation)
    }
    assert "leaky_relu" not in functions  # |x| + 1e-7 stands before the logarithm


def test_a_transformer_without_its_graph_is_listed_but_not_wired(real: Path):
    """Twelve norms of tensor2tensor's 1e-6, assumed, and no claim of what they read."""
    networks = recovery(real / "transformer_two_shards").networks
    found = [norm for network in networks for norm in norms(network)]

    assert len(found) == 12
    assert all(isinstance(norm, LayerNorm) for norm in found)
    assert {(norm.epsilon.value, norm.epsilon.source) for norm in found} == {
        (1e-6, Source.CONVENTION)
    }
    assert all(not network.complete for network in networks)


@pytest.mark.parametrize(
    ("checkpoint", "kind"),
    [
        ("layer_norm_1_1x3_2", LayerNorm),
        ("group_norm_2_1x3x4", GroupNorm),
        ("instance_norm_1_1x3_2", InstanceNorm),
        ("batch_norm_scale_offset_1x2x2x3", BatchNorm),
    ],
)
def test_sonnet_norms_are_not_taken_for_each_other(real: Path, checkpoint: str, kind: type[Norm]):
    """All four are called scale and offset; what is no LayerNorm is not called one."""
    found = [
        norm
        for network in recovery(real / "sonnet2" / checkpoint).networks
        for norm in norms(network)
    ]

    assert [type(norm) for norm in found] == [kind]


def test_a_checkpoint_of_many_types_has_plain_networks(real: Path):
    """Four dense networks, none with a norm, their activations unknown."""
    networks = recovery(real / "many_dtypes").networks

    assert len(networks) == 4
    assert not any(norms(network) for network in networks)
    assert all(not network.complete for network in networks)
