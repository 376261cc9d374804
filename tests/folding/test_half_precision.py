"""Weights stored in float16 or bfloat16: folded in float64, rounded once to what they were."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lnfold.checking.checks import Checking
from lnfold.checking.observations import drawn
from lnfold.checkpoint import open_checkpoint
from lnfold.checkpoint.write import write_checkpoint
from lnfold.cli.check import command as check_command
from lnfold.cli.fold import command as fold_command
from lnfold.folding.editing.steps import Form, Reason
from lnfold.folding.fold import Choice, fold
from lnfold.network.facts.evidence import Fact, Source
from lnfold.network.operations.float_types import FLOATS, float_type, is_float, limits_of
from lnfold.network.records.layers import LayerNorm, Network
from tests.folding.build import Builder, actor
from tests.folding.cases import assert_same
from tests.folding.test_commands import invoke

HALVES = [np.float16, ml_dtypes.bfloat16]


def stated(network: Network, precision: str) -> Network:
    """The same with a graph that says what the program computes in."""
    return replace(network, wiring=Fact("graph", Source.GRAPH), precision=precision)


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize("form", [Form.STOCK, Form.RMS])
def test_what_is_certified_in_half_precision_agrees(dtype: type, form: Form) -> None:
    """Whatever computes it: the identity holds in float64, and what is stored agrees."""
    seen: Counter[str] = Counter()

    @settings(max_examples=12)
    @given(
        st.integers(0, 2**16),
        st.lists(st.integers(2, 64), min_size=1, max_size=2),
        st.sampled_from(["relu", "leaky_relu", "tanh", "identity"]),
        st.sampled_from([1e-3, 0.1]),
        st.sampled_from(["float32", np.dtype(dtype).name]),
    )
    def check(seed: int, hidden: list[int], function: str, epsilon: float, what: str) -> None:
        network = stated(actor(seed, (5, *hidden, 2), function, epsilon, dtype), what)
        folded = fold(network, Choice(form))
        assert_same(network, folded.exact)
        assert folded.rounding_ratio <= 4
        checking = Checking.of(network, drawn(network, 256))
        assert checking.with_network(folded.network).differing == 0
        if folded.certificates:
            assert checking.with_network(folded.network).passed
        seen["steps"] += len(folded.certificates)
        seen["refused"] += len(folded.refusals)

    check()

    # what is rounded to half precision again is not the same; arrays of its own need not be
    assert seen["steps" if form is Form.RMS else "refused"] >= 20


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize("source", [Source.GRAPH, Source.OPTION])
def test_what_does_not_say_that_it_computes_in_half_is_held_to_float32(
    dtype: type, source: Source
) -> None:
    """Its program may lose 1e-7, not 1e-3: what is rounded to half precision again is refused."""
    network = actor(0, (5, 64, 64, 1), epsilon=1e-3, dtype=dtype)
    folded = fold(replace(network, wiring=Fact("wiring", source), precision="float32"))

    assert not any(
        one.rule in ("centre", "gamma-forward") and one.changed for one in folded.certificates
    )
    refused = [one for one in folded.refusals if one.reason.name == "ROUNDING"]
    assert {one.rule for one in refused} == {"centre", "gamma-forward"}
    assert all((one.measured or 0) > 10 for one in refused)


@pytest.mark.parametrize(
    ("dtype", "beta", "bias"),
    [(np.float16, 1.0, np.inf), (np.float16, 1 / 16, 30000.0), (ml_dtypes.bfloat16, 1.0, 480000.0)],
)
def test_a_result_that_the_stored_type_cannot_hold_is_refused_by_name(
    dtype: type, beta: float, bias: float
) -> None:
    """A bias of -480,000 is -inf in float16, of which relu makes 0 as before: no run shows it.

    One that float16 holds is taken, and so is the same in bfloat16.
    """
    build = Builder(0, dtype)
    y = build.dense(build.input(3), 8)
    z = build.norm(y, gamma=None, beta=np.full(8, -beta), epsilon=1e-3)
    kernel = build.random.integers(-1, 2, (8, 4)).astype(np.float64)
    kernel[:, 0] = 60000.0
    y = build.dense(z, 4, kernel=kernel, bias=np.zeros(4))
    build.dense(build.act(y), 2)
    folded = fold(stated(build.network(), "float32"), Choice(only=["beta-forward"]))

    refused = [(one.reason, one.by) for one in folded.refusals if one.rule == "beta-forward"]
    found = np.asarray(folded.network.layer(y).bias.array, np.float64)
    if np.isinf(bias):
        assert refused == [(Reason.OVERFLOW, f"{y}/bias")]
        assert not folded.certificates
        assert not found.any()
    else:
        assert not refused
        assert [one.rule for one in folded.certificates] == ["beta-forward"]
        assert found[0] == pytest.approx(-bias, rel=2**-8)


def written(network: Network, prefix: Path) -> Path:
    """A checkpoint of names only: actor/dense, actor/LayerNorm, actor/dense_1."""
    norm = next(one for one in network.layers if isinstance(one, LayerNorm))
    scopes = {norm.scope: "actor/LayerNorm"}
    dense = [one for one in network.layers if one.kind == "dense"]
    scopes.update(
        {
            one.scope: f"actor/dense{f'_{number}' if number else ''}"
            for number, one in enumerate(dense)
        }
    )
    items = [
        (f"{scopes[layer.scope]}/{role}", parameter.array)
        for layer in network.layers
        for role, parameter in layer.parameters()
    ]
    write_checkpoint(str(prefix), items)
    return prefix


FACTS = ["--activation", "relu", "--output-activation", "tanh", "--epsilon", "1e-3", "--assume"]


@pytest.mark.parametrize("dtype", HALVES)
def test_check_agrees_with_every_fold_of_half_precision_that_is_written(
    dtype: type, tmp_path: Path
) -> None:
    """Through real files, random networks and such as fold exactly: powers of two as gammas."""
    seen: Counter[bool] = Counter()
    for seed in range(8):
        network = actor(seed, (5, 16, 1), epsilon=1e-3, dtype=dtype)
        exactly = seed % 2 == 0
        if exactly:
            powers = 2.0 ** np.random.default_rng(seed).integers(-2, 3, 16)
            layers = tuple(
                replace(one, gamma=replace(one.gamma, array=powers.astype(dtype)))
                if isinstance(one, LayerNorm) and one.gamma is not None
                else one
                for one in network.layers
            )
            network = replace(network, layers=layers)
        source = written(network, tmp_path / f"half{seed}")
        output = tmp_path / f"out{seed}"
        result = invoke(fold_command, source, "--output", output, *FACTS)
        assert (result.exception, result.return_value) == (None, 0)
        assert ("✓ gamma-forward" in result.stdout) == exactly
        compared = invoke(check_command, source, output, *FACTS)
        assert (compared.exception, compared.return_value) == (None, 0), compared.stdout
        with open_checkpoint(output) as folded:
            assert {one.dtype for one in folded.values()} == {np.dtype(dtype).name}
            gamma = folded["actor/LayerNorm/gamma"].read().astype(np.float64)
        assert np.isin(gamma, (-1, 0, 1)).all() == exactly
        seen[exactly] += 1

    assert seen == {True: 4, False: 4}


@pytest.mark.parametrize("name", FLOATS)
def test_the_limits_of_a_float_type_are_its_own(name: str) -> None:
    """1 + eps is the next number after 1, and the largest number is finite."""
    dtype = float_type(name)
    eps, tiny, largest = limits_of(dtype)

    assert is_float(dtype)
    assert dtype.type(1 + eps) > 1
    assert dtype.type(1 + eps / 4) == 1
    assert 0 < dtype.type(tiny) < 1 < dtype.type(largest) < np.inf
