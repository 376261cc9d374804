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

from lnfold.checkpoint.write import write_checkpoint
from lnfold.cli.fold import command as fold_command
from lnfold.folding.certificate import ROUNDING_LIMIT
from lnfold.folding.fold import Choice, fold
from lnfold.folding.steps import Form
from lnfold.network.evidence import Fact, Source
from lnfold.network.float_types import FLOATS, float_type, is_float, limits_of
from lnfold.network.layers import LayerNorm
from tests.folding.build import actor
from tests.folding.cases import assert_same
from tests.folding.test_commands import invoke

HALVES = [np.float16, ml_dtypes.bfloat16]


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize("form", [Form.STOCK, Form.RMS])
def test_half_precision_folds_where_its_rounding_stays_within_the_limit(
    dtype: type, form: Form
) -> None:
    """The identity holds in float64; stored, every step stays below four times the original's."""
    seen: Counter[str] = Counter()

    @settings(max_examples=15, deadline=None, derandomize=True)
    @given(
        st.integers(0, 2**16),
        st.lists(st.integers(2, 64), min_size=1, max_size=2),
        st.sampled_from(["relu", "leaky_relu", "tanh", "identity"]),
        st.sampled_from([1e-3, 0.1]),
    )
    def check(seed: int, hidden: list[int], function: str, epsilon: float) -> None:
        network = actor(seed, (5, *hidden, 2), function, epsilon, dtype)
        folded = fold(network, Choice(form))
        assert_same(network, folded.exact)
        assert folded.rounding_ratio <= ROUNDING_LIMIT
        stored = {
            parameter.array.dtype
            for layer in folded.network.layers
            for _, parameter in layer.parameters()
        }
        assert form is not Form.STOCK or stored == {np.dtype(dtype)}
        seen["steps"] += len(folded.certificates)

    check()

    assert seen["steps"] >= 30


@pytest.mark.parametrize("dtype", HALVES)
def test_half_precision_that_the_graph_widens_is_held_to_float32(dtype: type) -> None:
    """Its program loses 1e-7, not 1e-3: what is rounded to half precision again is refused."""
    network = actor(0, (5, 64, 64, 1), epsilon=1e-3, dtype=dtype)
    widened = replace(network, wiring=Fact("graph", Source.GRAPH), precision="float32")
    folded = fold(widened)

    assert folded.rounding_ratio <= ROUNDING_LIMIT
    assert not any(
        one.rule in ("centre", "gamma-forward") and one.changed for one in folded.certificates
    )
    refused = [one for one in folded.refusals if one.reason.name == "ROUNDING"]
    assert {one.rule for one in refused} == {"centre", "gamma-forward"}
    assert all((one.measured or 0) > 10 for one in refused)
    assert fold(network).certificates


def test_bfloat16_variables_are_written_as_such(tmp_path: Path) -> None:
    """Names alone say what the network is; the folded checkpoint holds bfloat16 again."""
    network = actor(0, (5, 16, 1), epsilon=1e-3, dtype=ml_dtypes.bfloat16)
    norm = next(one for one in network.layers if isinstance(one, LayerNorm))
    scopes = {norm.scope: "actor/LayerNorm"}
    dense = [one for one in network.layers if one.kind == "dense"]
    scopes.update({one.scope: f"actor/dense{number or ''}" for number, one in enumerate(dense)})
    items = [
        (f"{scopes[layer.scope]}/{role}", parameter.array)
        for layer in network.layers
        for role, parameter in layer.parameters()
    ]
    write_checkpoint(str(tmp_path / "half"), items)
    facts = ["--activation", "relu", "--output-activation", "tanh", "--epsilon", "1e-3"]
    facts += ["--order", "dense-norm-act"]
    result = invoke(fold_command, tmp_path / "half", "--output", tmp_path / "out", *facts)

    assert (result.exception, result.return_value) == (None, 0)
    assert "✓ gamma-forward" in result.stdout
    from lnfold.checkpoint import open_checkpoint

    with open_checkpoint(tmp_path / "out") as folded:
        assert {one.dtype for one in folded.values()} == {"bfloat16"}
        gamma = folded["actor/LayerNorm/gamma"].read().astype(np.float64)
    assert np.isin(gamma, (-1, 0, 1)).all()


@pytest.mark.parametrize("name", FLOATS)
def test_the_limits_of_a_float_type_are_its_own(name: str) -> None:
    """1 + eps is the next number after 1, and the largest number is finite."""
    dtype = float_type(name)
    eps, tiny, largest = limits_of(dtype)

    assert is_float(dtype)
    assert dtype.type(1 + eps) > 1
    assert dtype.type(1 + eps / 4) == 1
    assert 0 < dtype.type(tiny) < 1 < dtype.type(largest) < np.inf
