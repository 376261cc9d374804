"""prelu, with a slope of its own for every unit: as homogeneous as relu, in every rule."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lnfold.checkpoint import open_checkpoint
from lnfold.folding.editing.steps import Form, Reason
from lnfold.folding.fold import Choice, fold
from lnfold.folding.rules.constant_units import CONSTANT_UNITS
from lnfold.folding.rules.gamma_forward import GAMMA_FORWARD
from lnfold.network.records.layers import LayerNorm, Network, PRelu, RMSNorm
from lnfold.network.rounding.measured import measure_rounding
from lnfold.network.running.compiled import compiled
from lnfold.recovery.recover import recover
from tests.folding.build import Builder, observations
from tests.folding.cases import FREE, STOCK, apply, assert_same, reasons


def prelu_actor(seed: int, hidden: list[int], epsilon: float) -> Network:
    build = Builder(seed)
    value = build.input(4)
    for units in hidden:
        gamma = build.random.normal(0.5, 1, units) * (build.random.random(units) > 0.2)
        value = build.prelu(build.norm(build.dense(value, units), gamma=gamma, epsilon=epsilon))
    build.dense(value, 2)
    return build.network()


@pytest.mark.parametrize("form", list(Form))
def test_every_form_folds_through_prelu(form: Form) -> None:
    """Slopes of either sign, gammas of either sign and zero, one to three norms."""
    seen: Counter[str] = Counter()

    @settings(max_examples=30, deadline=None, derandomize=True)
    @given(
        st.integers(0, 2**16),
        st.lists(st.integers(1, 64), min_size=1, max_size=3),
        st.sampled_from([1e-12, 1e-5, 0.1]),
    )
    def check(seed: int, hidden: list[int], epsilon: float) -> None:
        network = prelu_actor(seed, hidden, epsilon)
        folded = fold(network, Choice(form))
        assert_same(network, folded.exact)
        for norm in folded.network.layers:
            # a triangle that reads the value keeps gamma where it is
            alone = form in (Form.STOCK, Form.RMS, Form.CARRY)
            # one unit over a tiny epsilon is lost in rounding, and then nothing is folded
            told = all(one.reason is not Reason.UNTOLD for one in folded.refusals)
            if alone and told and isinstance(norm, LayerNorm | RMSNorm) and norm.gamma is not None:
                assert np.isin(norm.gamma.array, (-1, 0, 1)).all()
        seen.update(one.rule for one in folded.certificates)

    check()

    if form is Form.AUTO:
        return
    expected = "side-channel" if form is Form.SIDE_CHANNEL else "gamma-forward"
    assert seen[expected] >= 30
    assert form is not Form.CARRY or seen["carry"] >= 20


def test_slopes_behind_a_concatenation_let_gamma_through_but_no_constants() -> None:
    """Which slope is a constant unit's is not followed there: it is refused, gamma is not."""
    build = Builder()
    gamma = np.where(np.arange(12) % 3 == 0, 0.0, 1.5)
    z = build.norm(build.dense(build.input(5), 12), gamma=gamma)
    build.dense(build.prelu(build.concat(build.input(3, "action"), z)), 2)
    network = build.network()

    refused = apply(network, CONSTANT_UNITS, STOCK)[1]
    assert reasons(refused) == ["CONCATENATED"]
    folded, answers = apply(network, GAMMA_FORWARD, FREE)
    assert len(answers) == 1
    assert_same(network, folded)


def test_the_compiled_run_computes_prelu() -> None:
    """One row and many."""
    network = prelu_actor(3, [9, 7], 1e-3)
    for rows in (1, 40):
        inputs = observations(network, rows)
        rounding = measure_rounding(network, inputs)
        found = compiled(network, np.float32, 16)(inputs)
        for name, array in rounding.double.items():
            assert (np.abs(found[name] - array) <= rounding.estimate[name]).all()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_keras_prelu_is_recovered_and_folded(tensorflow: Any, tmp_path: Path) -> None:
    """A saved Keras model with PReLU gives the same outputs before and after."""
    keras = tensorflow.keras
    random = np.random.default_rng(0)
    layers = keras.layers
    norm, prelu = layers.LayerNormalization(), layers.PReLU()
    model = keras.Sequential(
        [keras.Input((5,)), layers.Dense(16), norm, prelu, layers.Dense(2, activation="tanh")]
    )
    model.set_weights([random.normal(0.3, 0.7, one.shape) for one in model.get_weights()])
    model.save(tmp_path / "model.keras")
    with open_checkpoint(tmp_path / "model.keras") as checkpoint:
        (network,) = recover(checkpoint).networks
    x = random.standard_normal((256, 5)).astype(np.float32)
    folded = fold(network)
    rounding = measure_rounding(folded.network, {network.inputs[0].name: x})
    ((found, allowed),) = zip(rounding.double.values(), rounding.estimate.values(), strict=True)

    assert any(isinstance(one, PRelu) for one in network.layers)
    assert "gamma-forward" in {one.rule for one in folded.certificates}
    assert (np.abs(found - np.asarray(model(x))) <= 2 * allowed).all()
