"""Real networks: what folds, what does not and why."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from lnfold.checking.observations import given
from lnfold.checkpoint import open_checkpoint
from lnfold.checkpoint.numpy_files.array_file import read_arrays
from lnfold.folding.editing.runnable_part import runnable_part
from lnfold.folding.editing.steps import Form
from lnfold.folding.fold import Choice, fold_together
from lnfold.folding.proof.certificate import ROUNDING_LIMIT
from lnfold.folding.survey import survey
from lnfold.network.records.layers import LayerNorm, Network
from lnfold.network.rounding.measured import measure_rounding
from lnfold.network.running.run import run
from lnfold.recovery.recover import recover

FOLDING = {
    "question_actor": 1,
    "deepq_layernorm": 4,
    "ddpg_layernorm": 6,
    "autoencoder_batchnorm_h5/ad01.h5": 1,
    "dtln_savedmodel": 1,
}


def networks(path: Path) -> list[Network]:
    with open_checkpoint(path) as checkpoint:
        return [one for one in recover(checkpoint).networks if runnable_part(one) is not None]


@pytest.mark.parametrize("form", list(Form))
@pytest.mark.parametrize("name", list(FOLDING))
def test_every_form_folds_every_network(real: Path, name: str, form: Form) -> None:
    """With steps taken, and within the limits of a certificate."""
    found = networks(real / name)
    folded = fold_together(found, Choice(form))

    assert len(folded) == FOLDING[name]
    for one in folded:
        assert one.certificates
        assert one.float64_error <= 1e-12
        assert one.rounding_ratio <= ROUNDING_LIMIT
        assert one.multiplications[1] <= one.multiplications[0] or form is Form.SIDE_CHANNEL


@pytest.mark.parametrize("form", list(Form))
def test_the_folded_networks_give_the_outputs_of_the_original_graph(real: Path, form: Form) -> None:
    """What TensorFlow 1 computed, within the original's own rounding."""
    cases = [
        ("question_actor", "expected_actor", "actor"),
        ("deepq_layernorm", "expected_q_func", "deepq/q_func"),
        ("ddpg_layernorm", "expected_actor", "actor"),
        ("ddpg_layernorm", "expected_critic", "critic"),
        ("ddpg_layernorm", "expected_param_noise_actor", "param_noise_actor"),
    ]
    for folder, expected, name in cases:
        network = next(one for one in networks(real / folder) if one.name == name)
        path = str(real / folder / f"{expected}.npz")
        arrays = read_arrays(path, "inputs")
        inputs = given(network, arrays, path).inputs
        (folded,) = fold_together([network], Choice(form))
        found = run(folded.network, inputs, np.float32)
        outputs = {name: arrays["outputs"].reshape(one.shape) for name, one in found.items()}
        # two programs, each as far from the exact outputs as rounding takes it
        allowed = measure_rounding(network, inputs).estimate
        for name, one in outputs.items():
            assert (np.abs(found[name] - one) <= 2 * allowed[name]).all()


def test_the_critics_concat_changes_only_its_own_rows(real: Path) -> None:
    """Of the second kernel, the rows of the action stay what they were but for their mean."""
    critic = next(one for one in networks(real / "ddpg_layernorm") if one.name == "critic")
    (folded,) = fold_together([critic])
    old, new = (
        dict(one.layer("critic/dense_1/BiasAdd").parameters())["kernel"].array
        for one in (critic, folded.network)
    )
    centred = old - old.mean(axis=1, keepdims=True)

    np.testing.assert_allclose(new[64:], centred[64:], rtol=1e-6, atol=1e-7)
    assert np.abs(new[:64] - centred[:64]).max() > 0.01


def test_a_network_without_norms_has_nothing_to_fold(real: Path) -> None:
    """No step, no refusal, and the same layers."""
    for one in fold_together(networks(real / "deepq_plain")):
        assert (one.certificates, one.refusals) == ((), ())
        assert one.network.layers == one.original.layers


def test_the_autoencoder_loses_its_batch_norms(real: Path) -> None:
    """Nine BatchNorms, all into the dense layers in front of them."""
    (folded,) = fold_together(networks(real / "autoencoder_batchnorm_h5/ad01.h5"), Choice(Form.RMS))

    assert [one.rule for one in folded.certificates] == ["batch-norm"] * 9
    assert {type(one).__name__ for one in folded.network.layers} == {"Dense", "Activation"}


def test_both_norms_in_front_of_an_lstm_lose_gamma_and_beta(real: Path) -> None:
    """Into the four gates' kernel and bias; the means stay, as no dense layer writes them alone."""
    (folded,) = fold_together(networks(real / "dtln_savedmodel"))

    steps = ["beta-forward", "beta-forward", "gamma-forward", "gamma-forward"]
    assert [one.rule for one in folded.certificates] == steps
    assert [one.reason.name for one in folded.refusals] == ["NOT_DENSE", "READ_ELSEWHERE"]
    assert [(one.before, one.after) for one in folded.left] == [(514, 0), (512, 0)]
    assert "RFFT" in folded.origin


def test_post_norm_refuses_with_the_reason_for_every_norm(real: Path) -> None:
    """A transformer's norms read a sum with what they deliver: all three rules say so."""
    with open_checkpoint(real / "bert_tiny") as checkpoint:
        (network,) = recover(checkpoint).networks
    found = survey(network).refusals
    norms = [one.name for one in network.layers if isinstance(one, LayerNorm)]

    assert runnable_part(network) is None
    assert len(norms) >= 5
    assert {one.layer for one in found} == set(norms)
    by_rule = Counter((one.rule, one.reason.name) for one in found)
    assert by_rule["centre", "NOT_DENSE"] >= 5
    assert by_rule["gamma-forward", "RESIDUAL"] == by_rule["beta-forward", "RESIDUAL"] == 3


def test_all_copies_of_the_actor_fold_alike(real: Path) -> None:
    """The same layers take the same steps in actor, target and noisy copies."""
    folded = fold_together(networks(real / "ddpg_layernorm"))
    actors = [one for one in folded if one.original.name.endswith("actor")]

    assert len(actors) == 4
    steps = {tuple(step.rule for step in one.certificates) for one in actors}
    assert steps == {("centre", "centre", "gamma-forward", "gamma-forward")}
    assert all(isinstance(one, LayerNorm) for fold in folded for one in _norms(fold.network))


def _norms(network: Network) -> list[LayerNorm]:
    return [one for one in network.layers if isinstance(one, LayerNorm)]
