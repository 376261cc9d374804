"""The documented limits, by what they refuse: 1e-12 of the output's scale, 4 times the rounding."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lnfold.errors import CannotTellError
from lnfold.folding import fold as folding
from lnfold.folding import sequences
from lnfold.folding.editing.steps import Form, Reason
from lnfold.folding.fold import Choice, fold
from lnfold.folding.proof.certificate import FoldingLimitError
from lnfold.network.operations.float_types import float_type
from lnfold.network.records.layers import Parameter
from tests.folding.build import Builder, actor


@pytest.mark.parametrize(("error", "refused"), [(2e-12, True), (5e-13, False)])
def test_a_step_off_by_more_than_a_millionth_of_a_millionth_is_no_fold(
    monkeypatch: pytest.MonkeyPatch, error: float, refused: bool
) -> None:
    """Planted in the last bias, relative to the output's scale."""
    network = actor(0, (5, 16, 1), "identity", 1e-3)
    network = replace(network, layers=network.layers[:-1], outputs=(network.layers[-2].name,))
    rule = sequences.SEQUENCES[Form.STOCK][1]
    known = folding.reference(network, folding.observations_for(network).inputs, np.float32)
    (scale,) = known.scales.values()

    def wrong(network, layer, setting):  # type: ignore[no-untyped-def]
        outcome = rule.apply(network, layer, setting)
        if not hasattr(outcome, "network"):
            return outcome
        last = outcome.network.layers[-1]
        bias = replace(last.bias, array=last.bias.array.astype(np.float64) + error * scale)
        layers = (*outcome.network.layers[:-1], replace(last, bias=bias))
        return replace(outcome, network=replace(outcome.network, layers=layers))

    monkeypatch.setitem(sequences.SEQUENCES, Form.STOCK, (replace(rule, apply=wrong),))
    if refused:
        with pytest.raises(FoldingLimitError, match="changes the output by 2"):
            fold(network)
    else:
        assert 1e-13 < fold(network).float64_error < 1e-12


@pytest.mark.parametrize(("ratio", "refused"), [(4.5, True), (3.5, False)])
def test_a_step_whose_rounding_grows_more_than_four_times_is_refused(
    monkeypatch: pytest.MonkeyPatch, ratio: float, refused: bool
) -> None:
    """Whatever the step: the figure alone decides."""
    monkeypatch.setattr(folding, "rounding_ratio", lambda *_, **__: ratio)
    folded = fold(actor(0, (5, 16, 1), epsilon=1e-3), Choice(Form.RMS))

    assert bool(folded.certificates) != refused
    measured = {one.measured for one in folded.refusals if one.reason is Reason.ROUNDING}
    assert measured == ({4.5} if refused else set())


def test_float64_noise_of_the_original_is_no_excuse() -> None:
    """Equal columns: the norm divides by sqrt(epsilon), and float64 is not sure of the outputs."""
    build = Builder()
    column = build.random.standard_normal((5, 1))
    kernel = np.repeat(column, 60, axis=1)
    y = build.dense(build.input(5), 60, kernel=kernel, bias=np.full(60, 10.1))
    build.norm(y, gamma=None, beta=None, epsilon=1e-12)
    folded = fold(build.network())

    assert not folded.certificates
    assert [one.reason for one in folded.refusals] == [Reason.NOISY]
    assert (folded.refusals[0].measured or 0) > 1e-12


def test_outputs_that_are_not_finite_prove_nothing() -> None:
    """No figure is made of infinity over infinity."""
    network = actor(0, (5, 16, 1), "identity", 1e-3)
    network = replace(network, layers=network.layers[:-1], outputs=(network.layers[-2].name,))
    last = network.layers[-1]
    huge = replace(last, kernel=Parameter(np.full((16, 1), 3e38, np.float32), ("k",)))

    with pytest.raises(CannotTellError, match="not finite in float32"):
        fold(replace(network, layers=(*network.layers[:-1], huge)))


@pytest.mark.parametrize(
    ("precision", "roundoff"),
    [("float32", 2.0**-24), ("float16", 2.0**-11), ("bfloat16", 2.0**-8)],
)
def test_an_original_without_rounding_is_taken_to_round_by_half_an_ulp(
    precision: str, roundoff: float
) -> None:
    """Of its output's scale, in the type that it computes in: no fold is held against 0."""
    build = Builder()
    build.dense(build.input(2), 2, kernel=np.eye(2), bias=False)
    rows = np.array([[0.0, 1.0], [0.5, -2.0]])
    known = folding.reference(build.network(), {"x": rows}, float_type(precision).type)

    assert list(known.errors.values()) == [2.0 * roundoff]
