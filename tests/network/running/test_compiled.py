"""The compiled run computes what the plain run computes, for every layer and any rows."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lnfold.errors import UsageError
from lnfold.folding.editing.steps import Form
from lnfold.folding.fold import Choice, fold
from lnfold.network.records.layers import Network
from lnfold.network.running.compiled import compiled
from lnfold.network.running.run import run
from tests.folding.build import Builder, actor, observations
from tests.folding.cases import ACTIVATIONS


def assert_same_run(network: Network, rows: int, block_rows: int = 512) -> None:
    """Outputs of both runs in float64 agree to float64 noise."""
    inputs = observations(network, rows)
    found = compiled(network, np.float64, block_rows)(inputs)
    expected = run(network, inputs, np.float64)
    for name in network.outputs:
        assert found[name].shape == expected[name].shape
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("form", list(Form))
def test_it_computes_the_same_network_in_every_form(form: Form) -> None:
    """Original and folded, one row and many, every activation."""
    seen: Counter[int] = Counter()

    @settings(max_examples=40, deadline=None, derandomize=True)
    @given(
        st.integers(0, 999),
        ACTIVATIONS,
        st.sampled_from([1e-5, 1e-3, 0.1]),
        st.sampled_from([1, 2, 7, 16, 17, 40]),
    )
    def check(seed: int, function: str, epsilon: float, rows: int) -> None:
        network = actor(seed, (5, 16, 12, 2), function, epsilon)
        for one in (network, fold(network, Choice(form)).exact):
            assert_same_run(one, rows, block_rows=16)
            seen[rows] += 1

    check()

    assert seen[1] >= 2
    assert seen[40] >= 2


@pytest.mark.parametrize("rows", [0, 1, 5, 33])
def test_every_kind_of_layer_and_a_value_with_several_readers(rows: int) -> None:
    """Nothing is computed in place where somebody else still reads."""
    build = Builder()
    x = build.input(4)
    z = build.clip(build.standardize(x, np.ones(4), np.full(4, 2.0)), -1, 1)
    h = build.batch_norm(build.dense(z, 6, bias=False))
    first = build.act(h, "relu")
    second = build.act(h, "softmax")
    total = build.sum(first, second, h)
    joined = build.concat(total, x, build.input(2, "action"))
    last = build.act(build.norm(build.dense(joined, 5), epsilon=1e-3), "tanh")
    network = build.network(h, total, last)

    assert_same_run(network, rows, block_rows=8)


def test_its_outputs_are_not_overwritten_by_the_next_call() -> None:
    """Buffers are reused inside, never handed out."""
    network = actor(0)
    again = compiled(network)
    one, other = np.zeros((1, 5), np.float32), np.ones((1, 5), np.float32)
    kept = again(one)[network.outputs[0]]
    before = kept.copy()
    again(other)

    assert (kept == before).all()
    assert (one == 0).all()


def test_float32_agrees_with_the_plain_run_to_float32_noise() -> None:
    """Another order of sums, nothing else."""
    network = actor(0)
    inputs = observations(network, 700)
    found = compiled(network)(inputs)[network.outputs[0]]

    assert np.abs(found - run(network, inputs)[network.outputs[0]]).max() < 2e-6


def test_several_inputs_need_their_names_and_no_other_form() -> None:
    """One row as it comes, converted, in another order or among more: the same; one less: said."""
    build = Builder()
    joined = build.concat(build.input(3, "state"), build.input(2, "action"))
    network = build.network(build.act(build.dense(joined, 4), "tanh"))
    prepared = compiled(network)
    state, action = np.ones((1, 3), np.float32), np.full((1, 2), 0.5, np.float32)
    name = network.outputs[0]
    expected = prepared({"state": state, "action": action})[name]
    assert np.abs(expected - run(network, {"state": state, "action": action})[name]).max() < 1e-6
    for arrays in (
        {"action": action, "state": state},
        {"state": state.astype(np.float64), "action": [[0.5, 0.5]]},
        {"state": state, "action": action, "more": state},
    ):
        assert np.array_equal(prepared(arrays)[name], expected)
    with pytest.raises(UsageError, match="action"):
        prepared({"state": state})
