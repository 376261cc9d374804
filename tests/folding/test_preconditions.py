"""What must hold before a step is taken, and what is said of it afterwards."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from lnfold.errors import UsageError
from lnfold.folding.beta_forward import beta_forward
from lnfold.folding.cost import multiplications
from lnfold.folding.fold import Choice, fold
from lnfold.folding.frozen_deviation import freeze_deviations
from lnfold.folding.observation import observation
from lnfold.folding.rewrite import finite
from lnfold.folding.side_channel import cheap_side_channel, side_channel, triangle_entries
from lnfold.folding.steps import Applied, Form, Reason, Refused
from lnfold.folding.storing import storage_of
from lnfold.folding.survey import survey
from lnfold.network.layers import Affine, Gap, LayerNorm, Network, Opaque, Parameter
from lnfold.network.run import run
from tests.folding.build import Builder, actor, observations
from tests.folding.cases import FREE, STOCK
from tests.folding.test_wild_networks import wild_network


@pytest.mark.parametrize("form", [Form.STOCK, Form.RMS, Form.CARRY, Form.SIDE_CHANNEL])
def test_every_value_that_is_delivered_stays_what_it_was(form: Form) -> None:
    """Whatever value a network delivers besides its last one, no step changes it."""
    steps = Counter[bool]()
    made = (_stacked(), _batch_normed(), _summed(), _sparse())
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


@pytest.mark.parametrize("form", [Form.STOCK, Form.RMS, Form.CARRY, Form.SIDE_CHANNEL])
def test_the_numbers_that_are_left_are_those_that_the_folded_network_holds(form: Form) -> None:
    """A centred bias has one number less than units; a beta has those that are not zero."""
    build = Builder(7)
    value = build.input(3)
    for beta in (np.arange(-2.0, 4.0), np.linspace(0.1, 0.9, 9)):
        value = build.act(build.norm(build.dense(value, beta.size), beta=beta), "leaky_relu")
    build.dense(value, 2)
    folded = fold(build.network(), Choice(form))
    first, second = folded.left
    assert (first.before, second.before) == (18, 27)
    assert (first.bias, second.bias) == (5, 8)
    assert (first.gamma, second.gamma) == (0, 0)
    assert (first.beta, second.beta) == (5, 9)


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


@pytest.mark.parametrize("inputs", [1, 2, 5, 9])
def test_the_cost_of_a_side_channel_is_that_of_its_triangle(inputs: int) -> None:
    """Entries but for the last row, and a square a column; it is cheap below the units' squares."""
    assert triangle_entries(inputs) == sum(range(1, inputs + 1)) + inputs + 1
    for units in (triangle_entries(inputs), triangle_entries(inputs) + 1):
        build = Builder(1)
        norm = build.norm(build.dense(build.input(inputs), units))
        build.dense(build.act(norm, "tanh"), 1)
        network = build.network()
        outcome = cheap_side_channel(network, network.layer(norm), FREE)
        cheap = units > triangle_entries(inputs)
        assert isinstance(outcome, Applied) is cheap
        assert cheap or (isinstance(outcome, Refused) and outcome.reason is Reason.COSTLIER)
        assert isinstance(side_channel(network, network.layer(norm), FREE), Applied)
        assert side_channel(network, network.layer(norm), STOCK) is None


def test_units_are_merged_only_where_that_is_cheaper() -> None:
    """The form that prunes and merges proven units never takes more multiplications for it."""
    merged = 0
    for seed in range(30):
        build = Builder(seed)
        width = int(np.random.default_rng(seed).integers(1, 12))
        shifted = build.norm(build.dense(build.input(2), 40), beta=np.linspace(-4, 4, 40))
        build.dense(build.act(shifted, "relu"), width)
        network = build.network()
        plain = fold(network, Choice(Form.SIDE_CHANNEL, skip=["proven-units"]))
        pruned = fold(network, Choice(Form.SIDE_CHANNEL))
        assert multiplications(pruned.exact) <= multiplications(plain.exact)
        steps = [one for one in pruned.certificates if one.rule == "proven-units"]
        merged += sum(dict(one.preconditions)["never negative, merged"] > 0 for one in steps)
    assert merged >= 5


def test_the_narrowest_parameter_is_what_the_stock_form_is_rounded_to() -> None:
    """Whichever layer holds it; the other forms are float32, or float64 where that is read."""
    kernels = {dtype: np.ones((2, 2), dtype) for dtype in (np.float16, np.float32, np.float64)}
    for first in kernels:
        for second in kernels:
            build = Builder(0)
            value = build.dense(build.input(2), 2, bias=False)
            build.dense(value, 2, bias=False)
            network = build.network()
            layers = tuple(
                replace(layer, kernel=Parameter(kernels[dtype], (f"{layer.name}/kernel",)))
                for layer, dtype in zip(network.layers, (first, second), strict=True)
            )
            network = replace(network, layers=layers)
            narrowest = min(first, second, key=lambda dtype: np.dtype(dtype).itemsize)
            assert storage_of(network, True) == narrowest
            widest = np.float64 if np.float64 in (first, second) else np.float32
            assert storage_of(network, False) == widest


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


def test_auto_chooses_among_what_its_rules_allow() -> None:
    """Without a rule it is still the cheapest of the forms without that rule."""
    network = actor(widths=(3, 40, 40, 1))
    for skipped in ("side-channel", "gamma-forward", "carry"):
        chosen = fold(network, Choice(Form.AUTO, skip=[skipped]))
        assert all(one.rule != skipped for one in chosen.certificates)
        for form in (Form.RMS, Form.CARRY):
            other = fold(network, Choice(form, skip=[skipped]))
            assert multiplications(chosen.exact) <= multiplications(other.exact)


def test_a_carried_deviation_costs_its_squares_and_two_products() -> None:
    """sqrt(mean(v²) + epsilon·s²): a square a unit, and epsilon·s·s where s is carried."""
    network = actor(widths=(3, 8, 8, 1))
    folded = fold(network, Choice(Form.CARRY)).exact
    first = 3 * 8 + 8 + 8  # kernel, squares, s·beta
    second = 8 * 8 + 8 + (8 + 2) + 8  # kernel, s·b, squares with epsilon·s·s, s·beta
    last = 8 * 1 + 1  # kernel, the one division
    assert multiplications(folded) == first + second + last


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
