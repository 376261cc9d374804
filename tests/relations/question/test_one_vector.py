"""One vector in the place of bias, gamma and beta: against formulas written out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lnfold.network.facts.evidence import Fact, Source
from lnfold.network.records.layers import LSTM, LayerNorm, Parameter
from lnfold.network.records.pairs import pairs
from lnfold.network.running.run import run
from lnfold.relations.question.one_vector import (
    Candidate,
    candidates_for,
    measurable,
    measure_layer,
    measure_network,
    rows_needed,
    with_candidate,
)
from tests.relations.random_networks import (
    activation,
    batch_norm,
    dense,
    generator_of,
    kinds,
    network,
    norm,
    normalised_network,
    seeds,
)

EPS = np.finfo(np.float64).eps


def written_out(candidate, x, kernel, bias, gamma, beta, delivered, fit, centred):
    """The candidate's layer on inputs x, from the formula alone; fitted on the rows ``fit``."""
    y = x @ kernel + bias
    if candidate is Candidate.BIAS_PLUS_BETA:
        return x @ kernel + (bias + beta)
    if candidate is Candidate.SCALED_BIAS_PLUS_BETA:
        return x @ kernel * gamma + (gamma * bias + beta)
    if candidate is Candidate.SUM_OF_ALL:
        return x @ kernel + (bias + gamma + beta)
    if candidate is Candidate.BEST_BIAS:
        return x @ kernel + (delivered - x @ kernel)[fit].mean(axis=0)
    gained = gamma * (y - y.mean(axis=1, keepdims=True) if centred else y)
    if candidate is Candidate.FROZEN_DEVIATION:
        target = delivered - beta
        return gained * (gained * target)[fit].sum() / np.square(gained[fit]).sum() + beta
    ones = np.hstack([x, np.ones((len(x), 1))])
    # the normal equations, where the fit itself goes by an orthogonal factorisation
    return ones @ np.linalg.solve(ones[fit].T @ ones[fit], ones[fit].T @ delivered[fit])


@given(seeds, kinds, st.integers(1, 4), st.integers(3, 10))
@settings(max_examples=30)
def test_every_candidate_is_its_formula(seed, kind, inputs, units):
    """Errors and R² of all candidates on held-out rows, and in sample, are the formulas'."""
    generator = generator_of(seed)
    net = normalised_network(generator, (inputs, units, 2), kind=kind, epsilon=1e-3)
    (pair,) = pairs(net)
    values = run(net, generator.normal(size=(64, inputs)), np.float64, trace=True)
    x, delivered = values["x"], values["norm0"]
    arrays = [pair.dense.kernel, pair.dense.bias, pair.norm.gamma, pair.norm.beta]
    fit, held = slice(0, 32), slice(32, None)
    checked = 0
    for rows, in_sample in ((held, False), (fit, True)):
        for measured in measure_layer(pair, values, in_sample=in_sample):
            found = written_out(
                measured.candidate, x, *(one.array for one in arrays), delivered, fit,
                kind is LayerNorm,
            )  # fmt: skip
            error = (found - delivered)[rows]
            spread = np.square(delivered[rows] - delivered[rows].mean(axis=0)).sum()
            limit = 1e-9 * (1 + np.abs(found).max())
            assert measured.layer_max_abs == pytest.approx(np.abs(error).max(), rel=1e-9, abs=limit)
            expected = 1 - np.square(error).sum() / spread
            assert measured.r2 == pytest.approx(expected, rel=1e-9, abs=1e-9 * (1 + abs(expected)))
            checked += 1
    assert checked == 12


@given(seeds)
@settings(max_examples=10)
def test_outputs_are_those_of_the_network_with_the_layers_replaced(seed):
    """The error of the outputs is that of running the network with every layer replaced."""
    generator = generator_of(seed)
    net = normalised_network(generator, (3, 6, 5, 2))
    values = run(net, generator.normal(size=(64, 3)), np.float64, trace=True)
    by_pair = {pair.norm.name: measure_layer(pair, values) for pair in pairs(net)}
    for measured in measure_network(net, pairs(net), by_pair, values):
        changed = with_candidate(net, pairs(net), measured.candidate, values)
        assert not pairs(changed)
        off = run(changed, values["x"][32:], np.float64)["out"] - values["out"][32:]
        assert measured.output_max_abs == np.abs(off).max()


@given(seeds)
def test_batch_norm_is_one_vector_exactly(seed):
    """W·g and (b − mean)·g + beta deliver BatchNorm to rounding."""
    generator = generator_of(seed)
    layers = [
        dense("d", "x", generator.normal(size=(4, 6)), generator.normal(size=6)),
        batch_norm("b", "d", generator, 6),
        activation("a", "b", "relu"),
        dense("e", "a", generator.normal(size=(6, 2)), None),
    ]
    net = network(layers, 4)
    values = run(net, generator.normal(size=(64, 4)), np.float64, trace=True)
    (pair,) = pairs(net)
    (measured,) = measure_layer(pair, values)
    assert measured.candidate is Candidate.STORED_STATISTICS
    assert measured.layer_max_abs <= 256 * EPS * (1 + np.abs(values["b"]).max())


def test_too_few_rows_leave_the_affine_fit_out():
    """A fit through all its rows would say nothing: 2·(inputs + 1) rows are needed."""
    net = normalised_network(generator_of(0), (5, 8, 1))
    (pair,) = pairs(net)
    assert rows_needed(pair) == 12
    for rows, there in ((11, False), (12, True)):
        values = run(net, generator_of(1).normal(size=(rows, 5)), np.float64, trace=True)
        assert (Candidate.BEST_AFFINE_FIT in measurable(pair, values)) is there
        assert len(measure_layer(pair, values)) == 5 + there


def test_a_norm_that_reads_no_dense_layer_has_no_candidates():
    """Behind an activation one dense layer cannot take the norm's place."""
    net = network(
        [
            dense("d", "x", np.eye(3), None),
            activation("a", "d", "relu"),
            norm("n", "a", np.ones(3), np.zeros(3)),
        ],
        3,
    )
    assert candidates_for(pairs(net)[0]) == ()


def test_a_single_row_and_constant_rows_are_measured_without_a_warning():
    """One row has nothing to vary, and constant inputs make R² undefined, not NaN."""
    net = normalised_network(generator_of(0), (2, 4, 1))
    for x in (np.ones((1, 2)), np.ones((20, 2))):
        values = run(net, x, np.float64, trace=True)
        for measured in measure_layer(pairs(net)[0], values):
            assert measured.r2 is None or measured.layer_max_abs < 1e-9
            assert np.isfinite(measured.layer_max_abs)


@pytest.mark.parametrize(("steps", "last"), [(5, True), (5, False), (None, False)])
def test_steps_in_time_are_halved_by_whole_sequences(steps, last):
    """An LSTM before and after: candidates are run on whole sequences, and later ones compared."""
    generator = generator_of(13)
    tanh, sigmoid = (Fact(name, Source.GRAPH) for name in ("tanh", "sigmoid"))

    def lstm(name, reads, taken, **more):
        kernel, recurrent = (Parameter(generator.normal(size=(n, 16))) for n in (taken, 4))
        return LSTM(name, (reads,), name, kernel, recurrent, None, tanh, sigmoid, **more)

    layers = [
        lstm("before", "x", 3, steps=steps),
        dense("d", "before", generator.normal(size=(4, 6)), generator.normal(size=6)),
        norm("n", "d", generator.uniform(0.5, 2, 6), generator.normal(size=6), 1e-3),
        lstm("y", "n", 6, steps=steps, last=last),
    ]
    net = network(layers, 3)
    values = run(net, generator.normal(size=(100, 3)), np.float64, trace=True)
    (pair,) = pairs(net)
    found = measure_network(net, (pair,), {"n": measure_layer(pair, values)}, values)
    assert len(found) == len(candidates_for(pair)) == 6
    for one in found:
        changed = with_candidate(net, (pair,), one.candidate, values)
        rows = run(changed, {"x": values["x"]}, np.float64)["y"] - values["y"]
        assert one.output_max_abs == np.abs(rows[len(rows) // 2 :]).max() > 0
