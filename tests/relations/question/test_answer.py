"""The answer: yes, no and why, with the figures it quotes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lnfold.checkpoint import open_checkpoint
from lnfold.network.facts.evidence import Fact
from lnfold.network.records.layers import Add, Gap, GroupNorm, Input, Opaque, OtherNorm, RMSNorm
from lnfold.network.running.run import run
from lnfold.recovery.recover import recover
from lnfold.relations.question.answer import answer
from lnfold.relations.question.one_vector import Candidate
from lnfold.relations.question.relate import relate
from tests.relations.random_networks import (
    activation,
    batch_norm,
    dense,
    generator_of,
    network,
    norm,
    normalised_network,
)


def answered(net, x=None):
    values = None if x is None else run(net, x, np.float64, trace=True)
    return answer(net, relate(net, values), values)


def test_a_network_without_norms_needs_one_vector_only():
    """Nothing is normalised, so a bias is all there is."""
    net = network([dense("d", "x", np.eye(3), np.ones(3))], 3)
    found = answered(net, np.zeros((4, 3)))
    assert found.one_vector
    assert found.sentence.startswith("Yes: nothing is normalised")
    assert found.best is None


@pytest.mark.parametrize("function", ["relu", "tanh"])
def test_layer_norm_before_an_activation_needs_more(function):
    """No, and the sentence quotes the best candidate's own error."""
    net = normalised_network(generator_of(0), (3, 8, 6, 2), function=function)
    found = answered(net, generator_of(1).normal(size=(200, 3)))
    assert not found.one_vector
    assert found.sentence.startswith("No: beta is a bias multiplied by")
    best = min(found.candidates, key=lambda one: one.output_max_abs)
    assert found.best is best
    assert f"({best.candidate.value})" in found.sentence


def test_batch_norm_needs_one_vector_only():
    """Yes, exactly, and the error of doing it is rounding."""
    generator = generator_of(2)
    layers = [
        dense("d", "x", generator.normal(size=(3, 5)), generator.normal(size=5)),
        batch_norm("b", "d", generator, 5),
        activation("a", "b", "relu"),
        dense("e", "a", generator.normal(size=(5, 2)), None),
    ]
    found = answered(network(layers, 3), generator.normal(size=(100, 3)))
    assert found.one_vector
    assert found.sentence.startswith("Yes: BatchNorm's statistics are stored")
    assert [one.candidate for one in found.candidates] == [Candidate.STORED_STATISTICS]
    assert found.candidates[0].output_max_abs < 1e-12


def test_a_norm_that_the_next_dense_layer_absorbs_needs_one_vector():
    """Without an activation gamma and beta go into the next layer: yes, though not in place."""
    generator = generator_of(3)
    layers = [
        dense("d", "x", generator.normal(size=(3, 5)), generator.normal(size=5)),
        norm("n", "d", generator.normal(1, 0.5, 5), generator.normal(size=5)),
        dense("e", "n", generator.normal(size=(5, 2)), generator.normal(size=2)),
    ]
    found = answered(network(layers, 3), generator.normal(size=(100, 3)))
    assert found.one_vector
    assert "not in place" in found.sentence


def test_rms_norm_and_residuals_are_answered_without_a_run():
    """Without inputs the answer stands, with no measured figures in it."""
    generator = generator_of(4)
    layers = [
        dense("d", "x", generator.normal(size=(4, 4)), generator.normal(size=4)),
        Add("p", ("d", "x"), "p"),
        norm("n", "p", generator.normal(1, 0.5, 4), generator.normal(size=4), kind=RMSNorm),
        activation("a", "n", "relu"),
        dense("e", "a", generator.normal(size=(4, 2)), None),
    ]
    found = answered(network(layers, 4))
    assert not found.one_vector
    assert found.candidates == ()
    assert "over the inputs used" not in found.sentence


def test_constant_inputs_and_nan_are_answered_without_a_warning():
    """Inputs that never vary, and a NaN among the parameters, still get an answer."""
    net = normalised_network(generator_of(0), (2, 6, 1))
    assert not answered(net, np.ones((30, 2))).one_vector
    kernel = net.layers[0].kernel.array.copy()
    kernel[0, 0] = np.nan
    damaged = (dense("dense0", "x", kernel, net.layers[0].bias.array), *net.layers[1:])
    broken = replace(net, inputs=(Input("x", (None, 2)),), layers=damaged)
    found = answered(broken, generator_of(1).normal(size=(30, 2)))
    assert not found.one_vector
    assert found.candidates == ()


def test_the_question_s_network_is_answered_with_its_figures(real):
    """No; 130 of the 384 numbers absorbed; naive sum R² below 0, best affine fit 0.92."""
    path = real / "question_actor"
    with open_checkpoint(path) as checkpoint:
        net = recover(checkpoint).named("actor")
    x = np.load(path / "expected_actor.npz")["inputs"]
    values = run(net, x, np.float64, trace=True)
    relations = relate(net, values)
    found = answer(net, relations, values)
    assert not found.one_vector
    assert "130 of the 384 numbers" in found.sentence
    layer = {one.candidate: one.r2 for one in relations[0].candidates}
    # the reference's figures are in-sample on the same 256 rows; these are held-out halves
    assert layer[Candidate.SUM_OF_ALL] == pytest.approx(-0.75, abs=0.1)
    assert layer[Candidate.BEST_BIAS] == pytest.approx(0.59, abs=0.05)
    assert layer[Candidate.FROZEN_DEVIATION] == pytest.approx(0.87, abs=0.05)
    assert layer[Candidate.BEST_AFFINE_FIT] == pytest.approx(0.92, abs=0.03)


def test_no_answer_rests_on_what_is_not_known():
    """A norm of unknown kind, or of unknown readers, leaves the answer unknown and says why."""
    generator = generator_of(11)
    net = normalised_network(generator, (3, 6, 2))
    layers = list(net.layers)
    normed = layers[1]
    place = (normed.name, normed.inputs, normed.scope, normed.gamma, normed.beta, normed.epsilon)
    layers[1] = OtherNorm(*place)
    kindless = answered(replace(net, layers=tuple(layers)))
    assert kindless.one_vector is None
    assert f"'{normed.scope}'" in kindless.sentence
    layers[1] = OtherNorm(*place, axes=(1, 2), rank=3)
    assert answered(replace(net, layers=tuple(layers))).one_vector is False
    # without an activation behind the norm the next layer would take both, if it reads it
    linear = normalised_network(generator, (3, 6, 2), function="identity")
    assert answered(linear).one_vector is True
    unread = answered(replace(linear, wiring=Fact.unknown("--order")))
    assert unread.one_vector is None
    assert "not known" in unread.sentence


def test_a_batch_norm_is_not_answered_as_a_layer_norm():
    """Between two activations its factor and shift stay, but they are no function of s(x)."""
    generator = generator_of(12)
    layers = [
        dense("d", "x", generator.normal(size=(3, 5)), generator.normal(size=5)),
        activation("a", "d", "relu"),
        batch_norm("b", "a", generator, 5),
        activation("t", "b", "tanh"),
        dense("e", "t", generator.normal(size=(5, 2)), None),
    ]
    net = network(layers, 3)
    found = answered(net, generator.normal(size=(50, 3)))
    assert found.one_vector is False
    assert "'b'" in found.sentence
    assert "s(x)" not in found.sentence
    unwired = answered(replace(net, wiring=Fact.unknown("--order")))
    assert unwired.one_vector is None
    assert "s(x)" not in unwired.sentence


def test_a_yes_is_not_said_of_a_part_that_may_leave_out_a_norm():
    """A root that is not run may be another norm's; a convolution or a sum cannot be."""
    generator = generator_of(13)
    for operation, told in (("Rsqrt", None), ("PyFunc", None), ("Conv2D", True), ("Sum", True)):
        layers = [
            Opaque("o", ("x",), "o", operation, (), 3),
            dense("d", "o", generator.normal(size=(3, 5)), generator.normal(size=5)),
            batch_norm("b", "d", generator, 5),
            activation("t", "b", "tanh"),
        ]
        net = replace(network(layers, 3), gaps=(Gap(f"{operation} is not run"),))
        found = answered(net)
        assert found.one_vector is told, operation
        assert ("'o'" in found.sentence) is (told is None)


def test_candidates_are_compared_within_the_kind_that_the_answer_is_about():
    """With both norms in one network what is exact for BatchNorm is no answer for the other."""
    generator = generator_of(14)
    layers = [
        dense("d", "x", generator.normal(size=(3, 5)), generator.normal(size=5)),
        batch_norm("b", "d", generator, 5),
        activation("t", "b", "relu"),
        dense("e", "t", generator.normal(size=(5, 6)), generator.normal(size=6)),
        norm("n", "e", generator.normal(1, 0.5, 6), generator.normal(size=6)),
        activation("u", "n", "relu"),
        dense("f", "u", generator.normal(size=(6, 2)), None),
    ]
    found = answered(network(layers, 3), generator.normal(size=(200, 3)))
    assert found.one_vector is False
    assert Candidate.STORED_STATISTICS not in [one.candidate for one in found.candidates]
    assert found.best is not None
    assert found.best.output_max_abs > 1e-3


def test_a_group_norm_is_not_answered_in_the_words_of_a_layer_norm():
    """Its standard deviation is that of a group of units, not of the layer."""
    net = normalised_network(generator_of(15), (3, 6, 2))
    layers = list(net.layers)
    one = layers[1]
    place = (one.name, one.inputs, one.scope, one.gamma, one.beta, one.epsilon)
    layers[1] = GroupNorm(*place)
    found = answered(replace(net, layers=tuple(layers)))
    assert found.one_vector is None  # a group may be one unit, of which the bias is nothing
    assert "of each group of units" in found.sentence
    assert "the layer's own" not in found.sentence
