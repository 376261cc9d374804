"""What folding says of its steps: figures, costs, and the numbers that are left."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lnfold.folding.editing.steps import Applied, Form, Reason, Refused
from lnfold.folding.editing.storing import storage_of
from lnfold.folding.fold import Choice, fold
from lnfold.folding.proof.cost import multiplications
from lnfold.folding.rules.frozen_std import freeze_deviations
from lnfold.folding.rules.gamma_forward import gamma_forward
from lnfold.folding.rules.observation import observation
from lnfold.folding.rules.side_channel import cheap_side_channel, side_channel, triangle_entries
from lnfold.network.records.layers import (
    Dense,
    LayerNorm,
    Parameter,
)
from tests.folding.build import Builder, actor, observations
from tests.folding.cases import FREE, STOCK


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


def test_every_step_says_what_it_measured() -> None:
    """The figures of a certificate are those of the parameters, each by its formula."""
    build = Builder(0)
    normed = build.norm(build.dense(build.input(2), 3), gamma=np.array([2.0, -3.0, 0.5]))
    build.dense(build.act(normed, "relu"), 2)
    network = build.network()
    taken = gamma_forward(network, network.layer(normed), STOCK)
    assert isinstance(taken, Applied)
    assert dict(taken.preconditions) == {
        "smallest |gamma| moved": 0.5,
        "largest |gamma| moved": 3.0,
        "negative gammas": 1.0,
        "units that keep their gamma": 0.0,
    }
    build = Builder(0)
    value = build.standardize(build.input(3), np.array([1.0, -6, 0]), np.array([0.5, 2, 4]))
    build.dense(value, 2)
    network = build.network()
    taken = observation(network, network.layers[0], FREE)
    assert isinstance(taken, Applied)
    assert dict(taken.preconditions) == {
        "largest |mean|/deviation": 3.0,
        "smallest deviation": 0.5,
    }


def test_the_constant_of_a_frozen_deviation_is_the_one_that_is_put_in_its_place() -> None:
    """The record's c is that of the dense layer: kernel·gamma/c."""
    network = actor(widths=(3, 8, 2))
    dense = network.layers[0]
    norm = network.layers[1]
    assert isinstance(dense, Dense)
    assert isinstance(norm, LayerNorm)
    found = freeze_deviations(network, observations(network))
    one = found.network.layer(norm.name)
    assert isinstance(one, Dense)
    centred = dense.kernel.array - dense.kernel.array.mean(axis=1, keepdims=True)
    expected = centred * norm.gamma.array / found.layers[0].deviation
    np.testing.assert_allclose(one.kernel.array, expected, rtol=1e-5)
