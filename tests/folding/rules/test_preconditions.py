"""What must hold before a step is taken: each guard is one that a network needs."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from lnfold.errors import UsageError
from lnfold.folding.editing.rewrite import finite
from lnfold.folding.editing.steps import Applied, Form, Reason, Refused
from lnfold.folding.fold import Choice, fold
from lnfold.folding.rules.batch_norm import batch_norm
from lnfold.folding.rules.beta_forward import beta_forward
from lnfold.folding.rules.carry import carry
from lnfold.folding.rules.frozen_std import freeze_deviations
from lnfold.folding.rules.observation import observation
from lnfold.folding.rules.sign import sign
from lnfold.folding.survey import survey
from lnfold.network.records.deferred import Carried
from lnfold.network.records.layers import (
    Affine,
    BatchNorm,
    Gap,
    LayerNorm,
    Network,
    Opaque,
    Parameter,
    RMSNorm,
)
from lnfold.network.running.run import run
from tests.folding.build import Builder, actor, observations
from tests.folding.cases import FREE, STOCK
from tests.folding.test_wild_networks import wild_network


@pytest.mark.parametrize("form", [Form.STOCK, Form.RMS, Form.CARRY, Form.SIDE_CHANNEL])
def test_every_value_that_is_delivered_stays_what_it_was(form: Form) -> None:
    """Whatever value a network delivers besides its last one, no step changes it."""
    steps = Counter[bool]()
    made = (_stacked(), _batch_normed(), _summed(), _sparse(), _normed_twice())
    for network in (*made, *map(wild_network, range(12))):
        inputs = observations(network)
        for layer in network.layers[:-1]:
            delivered = replace(
                network, outputs=tuple(dict.fromkeys((*network.outputs, layer.name)))
            )
            folded = fold(delivered, Choice(form))
            before = run(delivered, inputs, np.float64)
            after = run(folded.exact, inputs, np.float64)
            for name, expected in before.items():
                scale = np.abs(expected).max(initial=1e-300)
                np.testing.assert_allclose(after[name], expected, rtol=0, atol=1e-11 * scale)
            steps[bool(folded.certificates)] += 1
    assert steps[True] >= 25


def _stacked() -> Network:
    """A normalised observation, its clip, three normed layers, the middle one linear."""
    build = Builder(3)
    value = build.standardize(build.input(4), np.arange(4.0), np.arange(1.0, 5.0))
    value = build.clip(value, -5, 5)
    for function in ("relu", "identity", "leaky_relu"):
        value = build.act(build.norm(build.dense(value, 12), epsilon=1e-3), function)
    build.dense(value, 2)
    return build.network()


def _batch_normed() -> Network:
    build = Builder(4)
    value = build.input(3)
    for function in ("relu", "tanh"):
        value = build.act(build.batch_norm(build.dense(value, 8)), function)
    build.dense(value, 2)
    return build.network()


def _summed() -> Network:
    """Two dense layers write a sum that a LayerNorm reads."""
    build = Builder(5)
    value = build.input(3)
    summed = build.sum(build.dense(value, 8), build.dense(value, 8))
    build.dense(build.act(build.norm(summed, epsilon=1e-3), "relu"), 2)
    return build.network()


def _sparse() -> Network:
    """Units that one of two columns multiplies by zero, and units that both do."""
    build = Builder(6)
    normed = build.norm(build.dense(build.input(3), 6), epsilon=1e-3)
    kernel = np.array([[1.0, 2], [0, 3], [4, 0], [0, 0], [5, 6], [0, 7]])
    build.dense(build.act(normed, "relu"), 2, kernel=kernel)
    return build.network()


def _normed_twice() -> Network:
    """A norm of a norm, which is one norm with another epsilon."""
    build = Builder(8)
    first = build.norm(
        build.dense(build.input(3), 6), gamma=np.full(6, 2.0), beta=np.ones(6), epsilon=0.1
    )
    build.dense(build.act(build.norm(first, epsilon=1e-3), "tanh"), 2)
    return build.network()


def test_a_normaliser_is_moved_only_where_all_that_reads_it_moves_along() -> None:
    """A clip of raw observations is right only where the clip alone reads the normaliser."""
    for alone in (True, False):
        build = Builder(0)
        normalised = build.standardize(build.input(3), np.ones(3), np.full(3, 2.0))
        clipped = build.clip(normalised, -1, 1)
        build.dense(clipped, 2)
        network = build.network(*([] if alone else [normalised]), build.layers[-1].name)
        outcome = observation(network, network.layers[0], FREE)
        assert isinstance(outcome, Applied if alone else Refused)


def test_beta_is_left_alone_where_there_is_none() -> None:
    """A norm without beta is no step of beta-forward in any form; one with beta says how large."""
    for setting in (STOCK, FREE):
        for beta in (None, np.array([0.5, -3.0, 1.0])):
            build = Builder(0)
            value = build.norm(build.dense(build.input(2), 3), beta=beta)
            build.dense(value, 2)
            network = build.network()
            outcome = beta_forward(network, network.layer(value), setting)
            if beta is None:
                assert outcome is None
                continue
            assert isinstance(outcome, Applied)
            assert dict(outcome.preconditions) == {"largest |beta|": 3.0}


def test_one_number_that_is_not_finite_is_enough() -> None:
    """Among many parameters, the absent ones aside."""
    good, bad = Parameter(np.ones(3)), Parameter(np.array([1.0, np.inf]))
    assert finite(good, None)
    assert not finite(good, bad)
    assert not finite(bad, None)


def test_a_deviation_is_frozen_only_where_the_dense_layer_is_read_by_its_norm_alone() -> None:
    """A value that is delivered, or read twice, or not finite, keeps its norm."""
    network = actor(widths=(3, 8, 2))
    inputs = observations(network)
    assert freeze_deviations(network, inputs).layers
    dense, norm = network.layers[:2]
    assert isinstance(norm, LayerNorm)
    delivered = replace(network, outputs=(*network.outputs, dense.name))
    infinite = replace(norm, beta=Parameter(np.full(8, np.inf, np.float32), ("beta",)))
    broken = replace(network, layers=(dense, infinite, *network.layers[2:]))
    for refused in (delivered, broken):
        with pytest.raises(UsageError, match="no norm whose deviation could be frozen"):
            freeze_deviations(refused, inputs)


def test_a_survey_names_the_first_gap_and_asks_the_rules_of_the_form() -> None:
    """Networks that cannot be run are told what is missing, and what would hold otherwise."""
    build = Builder(0)
    build.dense(build.norm(build.dense(build.input(3), 8)), 2, bias=False)
    network = build.network()
    broken = replace(
        network,
        layers=(*network.layers, Opaque("o", (network.outputs[0],), "o", "Mystery")),
        gaps=(Gap("the first is missing"), Gap("the second is missing")),
    )
    found = {form: survey(broken, form) for form in (Form.STOCK, Form.RMS)}
    assert {one.why for one in found.values()} == {"the first is missing"}
    reasons = {form: {one.rule: one for one in found[form].refusals} for form in found}
    centre = reasons[Form.STOCK]["centre"]
    assert (centre.reason, centre.by) == (Reason.NOT_RUN, "the first is missing")
    # without a bias to go into, beta could go forward in every form but the stock one
    assert reasons[Form.STOCK]["beta-forward"].reason is Reason.NO_BIAS
    assert reasons[Form.RMS]["beta-forward"].reason is Reason.NOT_RUN


@pytest.mark.parametrize("factor", [1.0, 0.0, -1.0])
def test_a_clip_moves_to_raw_observations_only_behind_positive_factors(factor: float) -> None:
    """A negative factor would turn the bounds round, and zero has no raw observation for them."""
    build = Builder(0)
    scale = build.parameter(np.array([2.0, factor]), "scale")
    value = build.add(Affine("scaled", (build.input(2),), "scaled", scale), 2)
    build.dense(build.clip(value, -1, 1), 2)
    network = build.network()
    outcome = observation(network, network.layers[0], FREE)
    if factor > 0:
        assert isinstance(outcome, Applied)
    else:
        assert isinstance(outcome, Refused)
        assert outcome.reason is Reason.NOT_POSITIVE


@pytest.mark.parametrize("what", ["nan mean", "negative variance", "infinite beta"])
def test_statistics_that_are_no_numbers_keep_their_batch_norm(what: str) -> None:
    """One number that is not finite, or one variance that is not positive, is a refusal."""
    build = Builder(0)
    value = build.batch_norm(build.dense(build.input(2), 3))
    network = build.network()
    layer = network.layer(value)
    assert isinstance(layer, BatchNorm)
    assert isinstance(batch_norm(network, layer, STOCK), Applied)
    bad = {
        "nan mean": ("moving_mean", np.nan),
        "negative variance": ("moving_variance", -1.0),
        "infinite beta": ("beta", np.inf),
    }
    role, number = bad[what]
    held = getattr(layer, role)
    array = held.array.copy()
    array[1] = number
    broken = replace(layer, **{role: Parameter(array, held.variables)})
    outcome = batch_norm(network, broken, STOCK)
    assert isinstance(outcome, Refused)
    assert outcome.reason is Reason.NOT_FINITE


@pytest.mark.parametrize("scale", [True, False])
def test_a_batch_norm_without_gamma_stays_without_in_stock_form(scale: bool) -> None:
    """The folded norm has the vectors that it had, doing nothing, and the dense layer the rest."""
    build = Builder(0)
    value = build.batch_norm(build.dense(build.input(2), 3), scale=scale)
    build.dense(build.act(value, "tanh"), 2)
    network = build.network()
    folded = fold(network, Choice(Form.STOCK))
    assert [step.rule for step in folded.certificates] == ["batch-norm"]
    norm = folded.exact.layer(value)
    assert isinstance(norm, BatchNorm)
    assert (norm.gamma is not None) is scale
    assert norm.gamma is None or bool((norm.gamma.array == 1).all())
    assert norm.beta is not None
    assert not norm.beta.array.any()
    assert not norm.moving_mean.array.any()
    inputs = observations(network)
    before, after = (run(one, inputs, np.float64) for one in (network, folded.exact))
    np.testing.assert_allclose(after[network.outputs[0]], before[network.outputs[0]], atol=1e-12)


def test_nothing_is_carried_where_a_true_value_is_due_at_once() -> None:
    """A norm whose gamma stays, or that an activation such as tanh reads, divides where it is."""
    for function, beta, told in (("relu", True, True), ("tanh", True, False), ("relu", None, True)):
        build = Builder(2)
        normed = build.norm(build.dense(build.input(3), 6), kind=RMSNorm, gamma=None, beta=beta)
        build.dense(build.act(normed, function), 2)
        network = build.network()
        outcome = carry(network, network.layer(normed), FREE)
        assert isinstance(outcome, Applied) is told, function
        assert carry(network, network.layer(normed), STOCK) is None
        assert carry(network, network.layers[0], FREE) is None
        if told:
            inputs = observations(network)
            before, after = (run(one, inputs, np.float64) for one in (network, outcome.network))
            for name in network.outputs:
                np.testing.assert_allclose(after[name], before[name], atol=1e-12)


def test_a_bias_is_carried_only_where_a_norm_follows() -> None:
    """Elsewhere the product is divided and the bias added as it is, which costs nothing more."""
    for normed, carried in ((False, set()), (True, {"dense3/carried"})):
        build = Builder(2)
        value = build.norm(build.dense(build.input(3), 6), kind=RMSNorm, gamma=None, beta=None)
        value = build.dense(build.act(value, "relu"), 4)
        if normed:
            value = build.norm(value, kind=RMSNorm, gamma=None, beta=None)
        build.dense(build.act(value, "tanh"), 2)
        network = build.network()
        outcome = carry(network, network.layers[1], FREE)
        assert isinstance(outcome, Applied)
        found = {one.name for one in outcome.network.layers if isinstance(one, Carried)}
        assert found == carried


def test_a_beta_of_zeros_is_left_out_where_the_form_is_free() -> None:
    """In stock form zeros stay where they are, and there is no step to take."""
    build = Builder(0)
    value = build.norm(build.dense(build.input(2), 3), beta=np.zeros(3))
    build.dense(build.act(value, "tanh"), 2)
    network = build.network()
    outcome = beta_forward(network, network.layer(value), FREE)
    assert isinstance(outcome, Applied)
    left = outcome.network.layer(value)
    assert isinstance(left, LayerNorm)
    assert left.beta is None
    assert beta_forward(network, network.layer(value), STOCK) is None


def test_a_row_that_a_deviation_is_nothing_for_does_not_keep_it_from_being_frozen() -> None:
    """One row of zeros, without a bias, among others: c is that of the others."""
    build = Builder(1)
    normed = build.norm(build.dense(build.input(3), 8, bias=False), epsilon=1e-3)
    build.dense(normed, 2)
    network = build.network()
    rows = np.random.default_rng(0).normal(size=(20, 3))
    (alone,) = freeze_deviations(network, {"x": rows}).layers
    (more,) = freeze_deviations(network, {"x": np.vstack([rows, np.zeros((1, 3))])}).layers
    assert more.deviation == pytest.approx(alone.deviation)
    assert not 0.99 < alone.deviation < 1.01


def test_what_is_delivered_is_divided_where_it_is() -> None:
    """A norm that is delivered is not carried; nor is the bias of a dense layer that is."""
    build = Builder(2)
    first = build.norm(build.dense(build.input(3), 6), kind=RMSNorm, gamma=None)
    second = build.dense(build.act(first, "relu"), 4)
    last = build.norm(second, kind=RMSNorm, gamma=None, beta=None)
    build.dense(build.act(last, "tanh"), 2)
    network = build.network()
    for delivered, told in (((), True), ((second,), False)):
        shown = replace(network, outputs=(*network.outputs, *delivered))
        outcome = carry(shown, shown.layer(first), FREE)
        assert isinstance(outcome, Applied)
        layers = outcome.network.layers
        carried = {one.name for one in layers if isinstance(one, Carried)}
        assert (f"{second}/carried" in carried) is told
        assert f"{first}/carried" in carried
    shown = replace(network, outputs=(*network.outputs, first))
    outcome = carry(shown, shown.layer(first), FREE)
    assert isinstance(outcome, Refused)
    assert outcome.by == first


def test_signs_are_turned_only_where_there_are_negative_ones() -> None:
    """With positive gammas there is no step to take, and none to refuse."""
    for gamma, outcome in ((np.array([1.0, -2, 3]), Applied), (np.array([1.0, 2, 3]), type(None))):
        build = Builder(0)
        value = build.norm(build.dense(build.input(2), 3), kind=RMSNorm, gamma=gamma)
        build.dense(build.act(value, "tanh"), 2)
        network = build.network()
        assert isinstance(sign(network, network.layer(value), FREE), outcome)
