"""Norms straight before an LSTM, and networks with operations that are not run."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lnfold.errors import IncompleteNetworkError
from lnfold.folding.editing.runnable_part import runnable_part
from lnfold.folding.editing.steps import Form
from lnfold.folding.fold import Choice, fold
from lnfold.folding.proof.certificate import ROUNDING_LIMIT
from lnfold.network.facts.evidence import Fact, Source
from lnfold.network.records.layers import (
    LSTM,
    Gap,
    LayerNorm,
    Network,
    Opaque,
    RMSNorm,
)
from tests.folding.build import GIVEN, Builder


def lstm(
    build: Builder,
    value: str,
    units: int,
    *,
    bias: bool = True,
    joined: bool = False,
    gates: str = "ifco",
    steps: int | None = None,
    state: tuple[str, ...] = (),
) -> str:
    """An LSTM on a value; ``joined`` as TensorFlow 1 stores it, one kernel for x and h."""
    name = f"lstm{len(build.layers)}"
    taken, draw = build.widths[value], build.random
    rows = taken + units if joined else taken
    kernel = build.parameter(draw.normal(0, 0.4, (rows, 4 * units)), f"{name}/kernel")
    recurrent = build.parameter(draw.normal(0, 0.3, (units, 4 * units)), f"{name}/recurrent")
    layer = LSTM(
        name,
        (value, *state),
        name,
        kernel,
        None if joined else recurrent,
        build.parameter(draw.normal(0, 0.5, 4 * units), f"{name}/bias") if bias else None,
        Fact("tanh", GIVEN),
        Fact("sigmoid", GIVEN),
        gates=gates,
        steps=steps,
    )
    return build.add(layer, units)


def with_an_opaque_operation(variables: tuple[str, ...] = ()) -> Network:
    """x → Dense → LayerNorm → Dense → an operation that is not run → LayerNorm → Dense."""
    build = Builder()
    z = build.norm(build.dense(build.input(5), 12))
    spectrum = build.add(
        Opaque("spectrum", (build.dense(z, 8),), "spectrum", "RFFT", variables, 9), 9
    )
    build.dense(build.norm(spectrum), 2)
    wiring: Fact[str] = Fact("built", Source.GRAPH)
    gap = Gap("RFFT is no operation that lnfold runs")
    return replace(build.network(), gaps=(gap,), wiring=wiring)


@pytest.mark.parametrize("form", [Form.STOCK, Form.RMS])
def test_gamma_and_beta_go_into_the_kernel_and_bias_of_every_lstm_that_reads(form: Form) -> None:
    """Equal for all orders of gates and both ways to store the kernels, one LSTM or more."""
    seen: Counter[str] = Counter()

    @settings(max_examples=60, deadline=None, derandomize=True)
    @given(
        st.integers(0, 2**16),
        st.integers(1, 24),
        st.integers(1, 12),
        st.sampled_from(["ifco", "icfo", "ocif"]),
        st.booleans(),
        st.booleans(),
        st.integers(1, 3),
        st.sampled_from([None, 4, 7]),
    )
    def check(
        seed: int,
        width: int,
        units: int,
        gates: str,
        joined: bool,
        bias: bool,
        readers: int,
        steps: int | None,
    ) -> None:
        build = Builder(seed)
        z = build.norm(build.act(build.input(width), "tanh"), epsilon=1e-3)
        read = [
            lstm(build, z, units, bias=bias, joined=joined, gates=gates, steps=steps)
            for _ in range(readers)
        ]
        folded = fold(build.network(*read), Choice(form))
        norm = next(one for one in folded.network.layers if isinstance(one, LayerNorm | RMSNorm))
        assert folded.float64_error <= 1e-12
        assert folded.rounding_ratio <= ROUNDING_LIMIT
        if form is Form.STOCK and not bias:
            assert "NO_BIAS" in {one.reason.name for one in folded.refusals}
            seen["no bias"] += 1
            return
        assert norm.gamma is None or (norm.gamma.array == 1).all() or width == 1
        assert norm.beta is None or not norm.beta.array.any()
        seen["folded"] += 1

    check()

    assert seen["folded"] >= 20
    assert form is not Form.STOCK or seen["no bias"] >= 10


def test_a_norm_that_is_an_lstms_state_too_stays() -> None:
    """h is multiplied by the other kernel: a factor there would be another network."""
    build = Builder()
    z = build.norm(build.act(build.input(6), "tanh"))
    lstm(build, z, 6, state=(z, build.input(6, "c")))
    folded = fold(build.network())

    assert folded.certificates == ()
    assert {one.reason.name for one in folded.refusals} >= {"READ"}


def test_a_network_folds_around_an_operation_that_is_not_run() -> None:
    """Its value is drawn, what it reads is compared, and the certificate says so."""
    network = with_an_opaque_operation()
    part = runnable_part(network)
    folded = fold(network)

    assert part is not None
    assert part.complete
    assert [one.name for one in part.inputs] == ["x", "spectrum"]
    assert set(part.outputs) == {network.outputs[0], network.layers[2].name}
    assert {one.rule for one in folded.certificates} == {"centre", "beta-forward", "gamma-forward"}
    assert len(folded.certificates) == 5
    assert folded.float64_error <= 1e-12
    assert "RFFT" in folded.origin
    assert any(isinstance(one, Opaque) for one in folded.network.layers)
    refused = [one for one in folded.refusals if one.rule == "centre"]
    assert [(one.reason.name, one.by) for one in refused] == [("NOT_DENSE", "spectrum")]


def test_a_norm_that_an_operation_reads_keeps_its_gamma() -> None:
    """Whatever the operation does with it, nobody could take the factor back."""
    build = Builder()
    z = build.norm(build.dense(build.input(5), 12))
    build.add(Opaque("fft", (z,), "fft", "RFFT", (), 7), 7)
    build.dense(z, 2)
    wiring: Fact[str] = Fact("built", Source.GRAPH)
    network = replace(build.network(), gaps=(Gap("RFFT"),), wiring=wiring)
    folded = fold(network)

    assert [one.rule for one in folded.certificates] == ["centre"]
    assert {(one.reason.name, one.by) for one in folded.refusals} == {("READ", "fft")}


@pytest.mark.parametrize("missing", ["wiring", "width", "epsilon"])
def test_a_network_with_anything_else_missing_is_not_folded(missing: str) -> None:
    """A wiring guessed from names, a width or an epsilon unknown: nothing could be proven."""
    network = with_an_opaque_operation()
    if missing == "wiring":
        network = replace(network, wiring=Fact("names", Source.CONVENTION))
    else:
        changed = []
        for layer in network.layers:
            if missing == "width" and isinstance(layer, Opaque):
                layer = replace(layer, units=0)
            if missing == "epsilon" and isinstance(layer, LayerNorm):
                layer = replace(layer, epsilon=Fact.unknown("--epsilon"))
            changed.append(layer)
        network = replace(network, layers=tuple(changed))

    assert runnable_part(network) is None
    with pytest.raises(IncompleteNetworkError, match="cannot be folded"):
        fold(network)


def test_what_is_drawn_for_sequences_is_whole_sequences() -> None:
    """256 rows are no multiple of 7 steps: a few more are drawn."""
    build = Builder()
    lstm(build, build.norm(build.input(4)), 3, steps=7)
    folded = fold(build.network())

    assert folded.origin.startswith("259 rows")
    assert np.isfinite(folded.rounding_ratio)
