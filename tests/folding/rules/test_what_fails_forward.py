"""What goes wrong when folding is done the obvious way, and that lnfold's does not.

Each test does the obvious thing first and shows that it fails, then folds. Numbers E01 … are
those of the identities in the rules' docstrings.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lnfold.folding.editing.rewrite import bias_of, dense_with, matrix, replaced, vector
from lnfold.folding.editing.steps import Form
from lnfold.folding.editing.storing import stored
from lnfold.folding.fold import Choice, fold
from lnfold.folding.rules.batch_norm import BATCH_NORM
from lnfold.folding.rules.centre import CENTRE, centred_rows
from lnfold.folding.rules.constant_units import CONSTANT_UNITS
from lnfold.folding.rules.gamma_forward import GAMMA_FORWARD
from lnfold.folding.rules.sign import SIGN
from lnfold.network.records.layers import (
    BatchNorm,
    Dense,
    LayerNorm,
    Network,
    Norm,
    Parameter,
    RMSNorm,
)
from lnfold.network.running.differences import largest_difference
from lnfold.network.running.run import run
from tests.folding.build import Builder, actor, observations
from tests.folding.cases import FREE, STOCK, apply, assert_same, reasons
from tests.folding.naive import error_of, first, layer_block, naive_gamma


def test_e01_centring_before_an_activation_changes_the_network() -> None:
    """A dense layer whose activation comes before the norm is not centred."""
    build = Builder()
    y = build.dense(build.input(5), 32)
    build.dense(build.norm(build.act(y)), 3)
    network = build.network()
    dense, norm = first(network, Dense), first(network, LayerNorm)
    assert isinstance(dense, Dense)
    assert isinstance(norm, LayerNorm)
    centred = dense_with(dense, centred_rows(matrix(dense)), centred_rows(bias_of(dense)))
    rms = RMSNorm(norm.name, norm.inputs, norm.scope, norm.gamma, norm.beta, norm.epsilon)

    assert error_of(network, replaced(network, {dense.name: centred, norm.name: rms})) > 0.1
    assert reasons(apply(network, CENTRE, FREE)[1]) == ["NOT_DENSE"]


def test_e01b_a_common_offset_ruins_the_original_but_not_the_folded_network() -> None:
    """With 1e4 added to every unit, float32 loses the variance; centred, nothing is lost."""
    network = actor(0, (5, 64, 1), offset=1e4, epsilon=1e-5)
    inputs = observations(network, 200)
    exact = run(network, inputs, np.float64)
    folded = stored(apply(network, CENTRE, FREE)[0], network, False)

    assert largest_difference(run(network, inputs, np.float32), exact) > 1e-5
    assert largest_difference(run(folded, inputs, np.float32), exact) < 1e-6
    y = run(network, inputs, np.float32, trace=True)[network.layers[0].name]
    one_pass = np.square(y).mean(axis=1) - np.square(y.mean(axis=1))
    assert np.abs(one_pass - y.astype(np.float64).var(axis=1)).max() > 1


def test_e03_scaling_the_layer_needs_epsilon_scaled_too() -> None:
    """Kernel and bias at a thousandth with epsilon kept are another network; no rule does it."""
    network = layer_block(epsilon=1e-3)
    dense = first(network, Dense)
    assert isinstance(dense, Dense)
    scaled = dense_with(dense, matrix(dense) * 1e-3, bias_of(dense) * 1e-3)

    assert error_of(network, replaced(network, {dense.name: scaled})) > 0.5
    for form in (Form.STOCK, Form.RMS):
        norm = first(fold(network, Choice(form)).network, Norm)
        assert isinstance(norm, Norm)
        assert norm.epsilon.value == 1e-3


@pytest.mark.parametrize("activation", ["tanh", "elu", "swish", "sigmoid", "gelu", "softplus"])
def test_e04_gamma_does_not_pass_an_activation_that_is_not_homogeneous(activation: str) -> None:
    """Moving it all the same changes the outputs; lnfold names the activation."""
    gamma = np.linspace(0.3, 3, 32)
    network = layer_block(activation=activation, gamma=gamma)
    answers = apply(network, GAMMA_FORWARD, STOCK)[1]

    assert error_of(network, naive_gamma(network, gamma)) > 0.05
    assert reasons(answers) == ["ACTIVATED"]
    assert answers[0].by.startswith(activation)  # type: ignore[attr-defined]


def test_e04_relu6_needs_its_clip_moved() -> None:
    """With the clip left at 6 the outputs change; at 6/gamma they do not."""
    gamma = np.linspace(0.2, 8, 32)
    network = layer_block(activation="relu6", gamma=gamma)

    assert error_of(network, naive_gamma(network, gamma)) > 0.5
    folded, _ = apply(network, GAMMA_FORWARD, FREE)
    assert_same(network, folded)


def test_e04_a_negative_gamma_does_not_pass_a_relu() -> None:
    """Pulled through with its sign, it fires the unit where it was off; the sign stays."""
    gamma = np.linspace(-2, -0.5, 32)
    network = layer_block(gamma=gamma)

    assert error_of(network, naive_gamma(network, gamma)) > 0.1
    folded, _ = apply(network, GAMMA_FORWARD, STOCK)
    assert_same(network, folded)


def test_e04b_a_tiny_gamma_overflows_what_beta_is_divided_by() -> None:
    """beta/1e-40 is infinite in float32; lnfold makes the unit a constant."""
    gamma = np.where(np.arange(32) % 2, 1.0, 1e-40)
    network = layer_block(gamma=gamma)
    naive = first(naive_gamma(network, gamma), Norm)
    assert isinstance(naive, Norm)

    with np.errstate(over="ignore"):
        assert np.isinf(vector(naive.beta, 32, 0.0).astype(np.float32)).any()
    folded = fold(network)
    outputs = run(folded.network, observations(network), np.float32)
    assert all(np.isfinite(one).all() for one in outputs.values())


def test_e04b_half_precision_overflows_much_sooner() -> None:
    """beta/gamma beyond 65504 does not fit float16: such units keep their gamma."""
    gamma = np.where(np.arange(32) % 2, 1.0, 2e-3)
    build = Builder(0, np.float16)
    y = build.dense(build.input(5), 32)
    build.dense(build.act(build.norm(y, gamma=gamma, beta=np.full(32, 300.0), epsilon=1e-3)), 3)
    network = build.network()

    assert float(np.finfo(np.float16).max) < 300 / 2e-3
    setting = replace(STOCK, storage=np.dtype(np.float16))
    folded, answers = apply(network, GAMMA_FORWARD, setting)
    assert_same(network, folded)
    assert [one.reason.name for one in answers if hasattr(one, "reason")] == ["PRECISION"]


def test_e05_a_sign_flips_only_in_a_centred_layer_before_an_rms_norm() -> None:
    """Not centred, or with LayerNorm kept, flipped units change the mean of all others."""
    gamma = np.where(np.arange(32) % 3, 1.0, -1.0)
    network = layer_block(gamma=gamma)
    dense, norm = first(network, Dense), first(network, LayerNorm)
    assert isinstance(dense, Dense)
    assert isinstance(norm, LayerNorm)
    flipped = dense_with(dense, matrix(dense) * gamma, bias_of(dense) * gamma)
    ones = replace(norm, gamma=Parameter(np.ones(32)))

    assert error_of(network, replaced(network, {dense.name: flipped, norm.name: ones})) > 0.1
    assert apply(network, SIGN, STOCK)[1] == []
    centred, _ = apply(network, CENTRE, FREE)
    folded, answers = apply(centred, SIGN, FREE)
    assert len(answers) == 1
    assert_same(network, folded)


def test_e06_a_unit_without_gamma_stays_in_the_statistics() -> None:
    """Deleting its kernel column as well changes mean and variance of all other units."""
    gamma = np.where(np.arange(32) < 4, 0.0, 1.0)
    network = layer_block(gamma=gamma)
    folded, _ = apply(network, CONSTANT_UNITS, STOCK)
    dense = first(folded, Dense)
    assert isinstance(dense, Dense)
    deleted = dense_with(dense, matrix(dense) * gamma, bias_of(dense) * gamma)

    assert error_of(network, replaced(folded, {dense.name: deleted})) > 0.01
    assert_same(network, folded)


def test_e09_every_consumer_takes_gamma_or_none() -> None:
    """With one of two readers forgotten, its outputs are wrong; a residual blocks by name."""
    build = Builder()
    z = build.norm(build.dense(build.input(5), 32), gamma=np.linspace(0.2, 3, 32))
    build.dense(z, 3)
    build.dense(z, 3)
    network = replace(build.network(), outputs=tuple(one.name for one in build.layers[-2:]))
    forgetful = naive_gamma(network, np.linspace(0.2, 3, 32))

    assert error_of(network, forgetful) > 0.5
    assert_same(network, apply(network, GAMMA_FORWARD, STOCK)[0])


def test_e11_the_bias_is_scaled_with_the_kernel_and_epsilon_counts() -> None:
    """A bias left unscaled, or epsilon left out, is not BatchNorm."""
    build = Builder()
    build.dense(build.act(build.batch_norm(build.dense(build.input(5), 16), epsilon=0.1)), 3)
    network = build.network()
    dense, norm = first(network, Dense), first(network, BatchNorm)
    assert isinstance(dense, Dense)
    assert isinstance(norm, BatchNorm)

    def folded_with(epsilon: float, scale_bias: bool) -> Network:
        gain = vector(norm.gamma, 16, 1) / np.sqrt(vector(norm.moving_variance, 16, 1) + epsilon)
        shift = vector(norm.beta, 16, 0) - vector(norm.moving_mean, 16, 0) * gain
        bias = bias_of(dense) * (gain if scale_bias else 1) + shift
        one = replace(dense_with(dense, matrix(dense) * gain, bias), name=norm.name)
        return replaced(network, {dense.name: (), norm.name: one})

    assert error_of(network, folded_with(0.1, scale_bias=False)) > 0.1
    assert error_of(network, folded_with(0.0, scale_bias=True)) > 0.01
    assert_same(network, apply(network, BATCH_NORM, FREE)[0])
