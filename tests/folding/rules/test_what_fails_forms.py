"""What goes wrong when folding is done the obvious way, and that lnfold's does not.

Each test does the obvious thing first and shows that it fails, then folds. Numbers E01 … are
those of the identities in the rules' docstrings.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lnfold.errors import IncompleteNetworkError
from lnfold.folding.editing.rewrite import bias_of, dense_with, matrix, replaced
from lnfold.folding.editing.steps import Form
from lnfold.folding.editing.storing import stored
from lnfold.folding.fold import Choice, fold
from lnfold.folding.rules.carry import CARRY
from lnfold.folding.rules.centre import CENTRE, centred_rows
from lnfold.folding.rules.constant_units import CONSTANT_UNITS
from lnfold.folding.rules.gamma_forward import GAMMA_FORWARD
from lnfold.folding.rules.norm_norm import NORM_NORM
from lnfold.folding.rules.observation import OBSERVATION
from lnfold.folding.rules.proven_units import PROVEN_UNITS
from lnfold.folding.rules.side_channel import SIDE_CHANNEL, triangle_of
from lnfold.folding.rules.sign import SIGN
from lnfold.network.records.deferred import Deviation, TriangleDeviation
from lnfold.network.records.layers import (
    Clip,
    Dense,
    Gap,
    LayerNorm,
    Parameter,
    RMSNorm,
)
from lnfold.network.running.differences import largest_difference
from lnfold.network.running.run import run
from tests.folding.build import Builder, actor, observations
from tests.folding.cases import FREE, STOCK, apply, assert_same, reasons
from tests.folding.naive import error_of, first, layer_block


def test_e12_the_gram_matrix_gives_negative_variances() -> None:
    """Near a zero of s the Gram matrix in float32 is useless; the triangle is not."""
    random = np.random.default_rng(0)
    kernel = centred_rows(random.standard_normal((5, 64)))
    root = random.standard_normal(5) * 10
    bias = -root @ kernel  # s(root) = 0
    x = root + 1e-4 * random.standard_normal((2000, 5))
    exact = np.square(x @ kernel + bias).mean(axis=1)
    table = np.vstack([kernel, bias])
    ones = np.hstack([x, np.ones((2000, 1))]).astype(np.float32)
    gram = (table @ table.T / 64).astype(np.float32)
    triangle = triangle_of(kernel, bias, 0.0).astype(np.float32)

    by_gram = ((ones @ gram) * ones).sum(axis=1)
    by_triangle = np.square(ones @ triangle).sum(axis=1)
    assert (by_gram < 0).any()
    assert (by_triangle >= 0).all()
    worst = np.abs(by_triangle / exact - 1).max()
    assert worst < np.abs(by_gram / exact - 1).max() / 100


def test_e13_nothing_is_proven_where_the_inputs_span_all_units() -> None:
    """With more inputs than units every unit can take both signs: nothing is pruned."""
    build = Builder()
    y = build.dense(build.input(40), 16)
    build.dense(build.act(build.norm(y)), 2)
    network, _ = apply(build.network(), SIDE_CHANNEL, FREE)

    assert reasons(apply(network, PROVEN_UNITS, FREE)[1]) == ["UNPROVEN"]


@pytest.mark.parametrize("epsilon", [1e-5, 1e-3, 0.1])
def test_e16_epsilon_is_carried_along(epsilon: float) -> None:
    """epsilon·s², not epsilon, under the second root; without it the network is another."""
    network = actor(0, (5, 32, 32, 2), epsilon=epsilon)
    for rule in (CENTRE, SIGN, GAMMA_FORWARD):
        network, _ = apply(network, rule, FREE)
    folded, _ = apply(network, CARRY, FREE)
    forgetful = replaced(
        folded,
        {
            one.name: replace(one, epsilon=replace(one.epsilon, value=0.0))
            for one in folded.layers
            if isinstance(one, Deviation) and len(one.inputs) > 1
        },
    )

    assert error_of(network, forgetful) > 1e-3 * epsilon
    assert_same(network, folded)


def test_e17_the_first_norm_cancels_but_for_its_epsilon() -> None:
    """Without beta and next bias, dropping the norm is only approximate; carrying is exact."""
    build = Builder()
    x = build.input(5)
    for _ in range(2):
        x = build.dense(x, 32, bias=False)
        x = build.act(build.norm(x, beta=None, epsilon=1e-3))
    build.dense(x, 2)
    network, _ = apply(build.network(), CENTRE, FREE)
    network, _ = apply(network, SIGN, FREE)
    network, _ = apply(network, GAMMA_FORWARD, FREE)
    norm = first(network, RMSNorm)
    dropped = replaced(network, {norm.name: ()}, {norm.name: norm.inputs[0]})
    folded, _ = apply(network, CARRY, FREE)

    assert error_of(network, dropped) > 1e-5
    assert_same(network, folded)
    assert folded.producer(norm.name) is None


def test_e20_one_unit_is_beta_and_without_epsilon_nothing() -> None:
    """The single unit of a LayerNorm is a constant, but 0/0 where epsilon is 0."""
    network = layer_block(units=1, epsilon=1e-12)
    folded, answers = apply(network, CONSTANT_UNITS, STOCK)
    assert len(answers) == 1
    assert_same(network, folded)

    undefined = layer_block(units=1, epsilon=0.0)
    found = run(undefined, observations(undefined), np.float64)[undefined.outputs[0]]
    assert np.isnan(found).all()
    assert apply(undefined, CONSTANT_UNITS, STOCK)[1] == []


def test_e21_a_clip_is_moved_to_raw_units() -> None:
    """Left at normalised bounds it clips raw observations at the wrong places."""
    build = Builder()
    x = build.input(4)
    x = build.clip(build.standardize(x, np.full(4, 3.0), np.full(4, 0.25)), -1, 1)
    build.dense(x, 2)
    network = build.network()
    folded, _ = apply(network, OBSERVATION, FREE)
    clip = first(network, Clip)
    wrong = replace(clip, inputs=(network.inputs[0].name,))

    assert error_of(network, replaced(folded, {clip.name: wrong})) > 0.5
    assert_same(network, folded)


def test_e23_pruning_without_the_side_channel_changes_the_deviation() -> None:
    """The dead units' columns are part of s; only the triangle lets them go."""
    build = Builder(3)
    y = build.dense(build.input(3), 48)
    beta = build.random.normal(0, 3, 48)
    build.dense(build.act(build.norm(y, beta=beta, gamma=None)), 2)
    network = build.network()
    channel, _ = apply(network, SIDE_CHANNEL, FREE)
    pruned, answers = apply(channel, PROVEN_UNITS, FREE)
    kept = first(pruned, Dense)
    assert isinstance(kept, Dense)
    dense = first(network, Dense)
    assert isinstance(dense, Dense)
    values = run(network, observations(network, 500), np.float64, trace=True)
    alive = values[network.layers[2].name].any(axis=0)

    assert len(answers) == 1
    assert kept.units < alive.sum() < 48
    without = dense_with(dense, matrix(dense) * alive, bias_of(dense) * alive)
    assert error_of(network, replaced(network, {dense.name: without})) > 0.01
    assert_same(network, pruned)


def test_e32_the_first_of_two_norms_leaves_its_epsilon() -> None:
    """Dropping it is only approximate; the one norm that is left has an epsilon of both."""
    build = Builder()
    y = build.dense(build.input(5), 32, bias=False)
    z = build.norm(y, gamma=np.full(32, 0.1), beta=None, epsilon=1e-3)
    build.norm(z, epsilon=1e-3)
    network = build.network()
    norm = first(network, LayerNorm)
    dropped = replaced(network, {norm.name: ()}, {norm.name: norm.inputs[0]})

    assert error_of(network, dropped) > 1e-3
    folded, answers = apply(network, NORM_NORM, FREE)
    assert len(answers) == 1
    assert_same(network, folded)


def test_e38_constant_rows_are_noise_in_the_original_and_zero_once_centred() -> None:
    """Equal units far from 0 divide rounding noise by sqrt(epsilon); centred they give 0."""
    build = Builder()
    x = build.input(5)
    column = build.random.standard_normal((5, 1))
    y = build.dense(x, 60, kernel=np.repeat(column, 60, axis=1), bias=np.full(60, 10.1))
    build.norm(y, gamma=None, beta=None, epsilon=1e-12)
    network = build.network()
    inputs = observations(network, 200)

    assert np.abs(run(network, inputs, np.float32)[network.outputs[0]]).max() > 0.01
    # float64 is not sure of the outputs either, so that nothing proves the fold
    assert not fold(network, Choice(Form.RMS)).certificates
    folded = stored(apply(network, CENTRE, FREE)[0], network, False)
    assert np.abs(run(folded, inputs, np.float32)[network.outputs[0]]).max() == 0


@pytest.mark.parametrize("gamma", ["with zero", "negative"])
def test_e43_the_side_channel_holds_for_a_kernel_of_deficient_rank(gamma: str) -> None:
    """Equal inputs leave no invertible triangle; none is needed."""
    build = Builder()
    kernel = np.repeat(build.random.standard_normal((1, 24)), 4, axis=0)
    y = build.dense(build.input(4), 24, kernel=kernel)
    values = np.where(np.arange(24) % 2, 0.0 if gamma == "with zero" else -1.0, 1.5)
    build.act(build.norm(y, gamma=values, epsilon=1e-3), "tanh")
    network = build.network()
    folded, _ = apply(network, SIDE_CHANNEL, FREE)
    triangle = first(folded, TriangleDeviation)
    assert isinstance(triangle, TriangleDeviation)

    assert np.linalg.cond(triangle.triangle.array) > 1e14
    assert_same(network, folded)


def test_e44_an_activation_before_the_norm_keeps_its_producer_as_it_is() -> None:
    """Centring the dense layer before the activation changes the outputs: it is refused."""
    build = Builder()
    y = build.dense(build.input(5), 32)
    build.dense(build.norm(build.act(y, "relu")), 3)
    network = build.network()
    dense = first(network, Dense)
    assert isinstance(dense, Dense)
    centred = dense_with(dense, centred_rows(matrix(dense)), centred_rows(bias_of(dense)))

    assert error_of(network, replaced(network, {dense.name: centred})) > 0.1
    folded = fold(network)
    assert "centre" not in {one.rule for one in folded.certificates}
    assert {one.rule for one in folded.certificates} == {"beta-forward", "gamma-forward"}


def test_e45_gamma_in_its_own_kernel_needs_the_side_channel() -> None:
    """The norm divides a scaled unit's scale away again; a deviation from outside does not."""
    gamma = np.linspace(0.2, 3, 32)
    network = layer_block(activation="tanh", gamma=gamma)
    dense, norm = first(network, Dense), first(network, LayerNorm)
    assert isinstance(dense, Dense)
    assert isinstance(norm, LayerNorm)
    scaled = dense_with(dense, matrix(dense) * gamma, bias_of(dense) * gamma)
    naive = replaced(network, {dense.name: scaled, norm.name: replace(norm, gamma=None)})

    assert error_of(network, naive) > 0.1
    assert_same(network, apply(network, SIDE_CHANNEL, FREE)[0])


def test_e46_folding_in_half_precision_rounds_twice() -> None:
    """Half precision weights folded in half precision lose more than folded in float64."""
    network = actor(0, (5, 64, 64, 1), dtype=np.float16, epsilon=1e-3)
    exact = run(network, observations(network, 300), np.float64)
    folded = fold(network, Choice(Form.RMS))
    found = run(folded.network, observations(network, 300), np.float32)
    halved = replace(
        folded.network,
        layers=tuple(
            replace(
                layer,
                **{
                    role: Parameter(parameter.array.astype(np.float16))
                    for role, parameter in layer.parameters()
                },
            )
            for layer in folded.network.layers
        ),
    )

    in_half = largest_difference(run(halved, observations(network, 300), np.float64), exact)
    assert in_half > 1e-4
    assert largest_difference(found, exact) < 1e-6


def test_what_is_unknown_is_not_folded_around() -> None:
    """A network with a gap is refused with the gap, not folded by a guess."""
    network = replace(layer_block(), gaps=(Gap("epsilon is not known", "Give --epsilon."),))

    with pytest.raises(IncompleteNetworkError, match="epsilon is not known"):
        fold(network)
