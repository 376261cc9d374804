"""No program of a network is further from the exact outputs than its bounds say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lnfold.network.facts.evidence import Fact, Source
from lnfold.network.operations.activations import FUNCTIONS
from lnfold.network.operations.float_types import float_type
from lnfold.network.records.layers import (
    LSTM,
    Activation,
    Add,
    Dense,
    Input,
    Layer,
    LayerNorm,
    Network,
    Parameter,
    Rearrange,
)
from lnfold.network.rounding import measured as entry
from lnfold.network.rounding.activations import CURVES, activation
from lnfold.network.rounding.alike_units import alike_units
from lnfold.network.rounding.arithmetic import worst_and_independent
from lnfold.network.rounding.local_rounding import LOCAL_ROUNDING
from lnfold.network.rounding.measured import Rounding, measure_rounding
from lnfold.network.rounding.seen import Seen
from lnfold.network.running import run as running
from lnfold.network.running.run import step_of
from tests.network.rounding.adversary import worst_program
from tests.network.rounding.networks import GRAPH, STEPS, drawn
from tests.network.rounding.other_programs import tensorflow_program
from tests.network.rounding.programs import SPELLINGS, SUMS, program

Array = np.ndarray

NETWORKS = 12  # of each kind of layer
# the unit roundoff of each type: half the distance from 1 to the next number
ROUNDOFF = {"float32": 2.0**-24, "float16": 2.0**-11, "bfloat16": 2.0**-8}


def within(
    rounding: Rounding, outputs: Mapping[str, Array], of: object = "", *, expected: bool = True
) -> int:
    """How many numbers were judged; none is beyond what is proved, nor what is expected."""
    judged = 0
    for name, exact in rounding.double.items():
        off = np.nan_to_num(np.abs(outputs[name].astype(np.float64) - exact), nan=np.inf)
        for figure in (rounding.estimate[name], rounding.proved[name])[not expected :]:
            assert (off <= figure).all(), of
        judged += int(np.isfinite(rounding.estimate[name]).sum())
    return judged


def layers(*made: Layer, width: int, precision: str = "float32") -> Network:
    """A network of these layers, from one input called x to the last."""
    return Network(
        "n", (Input("x", (None, width)),), (made[-1].name,), made, GRAPH, precision=precision
    )


def test_every_layer_that_is_run_has_a_row():
    """Each kind of layer of ``run`` says what it rounds off."""
    kinds = set(running._STEPS)

    assert kinds == set(LOCAL_ROUNDING)
    assert kinds == set(STEPS)
    assert len(kinds) == 20


def test_every_activation_has_a_row():
    """Each of FUNCTIONS is a curve, or one of the four that are handled by themselves."""
    assert set(FUNCTIONS) == {*CURVES, "identity", "exp", "softmax", "log_softmax"}


@pytest.mark.parametrize("precision", ROUNDOFF)
@pytest.mark.parametrize("kind", STEPS, ids=lambda kind: kind.__name__)
def test_no_program_passes_the_bounds(kind: type[Layer], precision: str):
    """Every order of sums and every spelling of norms stays within both figures."""
    dtype = float_type(precision).type
    compared = 0
    for seed in range(NETWORKS):
        network, inputs = drawn(seed, kind, precision)
        rounding = measure_rounding(network, inputs)
        runs = [rounding.single]
        runs.append(running.run(network, inputs, dtype, shuffle=np.random.default_rng(seed)))
        kinds = list(zip(SUMS, (*SPELLINGS, SPELLINGS[0]), strict=True))
        runs += [program(network, inputs, dtype, *kind, summed_in=np.float32) for kind in kinds]
        compared += sum(within(rounding, one, (seed, network.layers)) for one in runs)
        if precision != "float32":  # partial sums in half: proved, but not expected
            coarse = [program(network, inputs, dtype, *kind) for kind in kinds]
            compared += sum(within(rounding, one, seed, expected=False) for one in coarse)
    assert compared > 1000


@pytest.mark.parametrize("alpha", [None, 0.3, 2.5])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_slopes_hold_every_secant(name: str, alpha: float | None):
    """For x̂ in the box, f(x̂) − f(x) is the slope's interval times x̂ − x, across kinks, too."""
    if alpha is not None and name not in ("leaky_relu", "swish"):
        return
    random = np.random.default_rng(5)
    x = random.uniform(-8, 8, (20_000, 1))
    box = 10 ** random.uniform(-4, 0.8, x.shape)
    other = x + box * random.uniform(-1, 1, x.shape)
    step = step_of(Activation("y", ("x",), "", Fact(name, Source.GRAPH), alpha), np.float64)
    worst = worst_and_independent("float32")[0]
    made = Activation("y", ("x",), "", Fact(name, Source.GRAPH), alpha)
    (slope,) = activation(made, worst, step(x), Seen(x, box, box)).slopes
    one: Array = np.ones(x.shape)
    centre, radius = slope.pull(one, np.zeros(x.shape))
    moved = step(other) - step(x)

    slack = 1e-12 * (1 + np.abs(step(x)) + np.abs(step(other)))
    assert (np.abs(moved - centre * (other - x)) <= radius * np.abs(other - x) + slack).all()
    assert (np.abs(moved) <= slope.push(np.abs(other - x), worst) + slack).all()


@pytest.mark.parametrize("name", FUNCTIONS)
def test_activations_of_tensorflow_stay_within(tensorflow, name: str):
    """Over all sizes of x, near kinks and where they saturate, the library's own functions do."""
    random = np.random.default_rng(3)
    x = random.standard_normal((400, 8)) * 10 ** random.uniform(-6, 1.9, (400, 1))
    x[:8] = np.array([[-3, 3, 0, 6, -0.0, 1e-30, 88, -100]]).T
    made = Activation("y", ("x",), "", Fact(name, Source.GRAPH))
    network = layers(made, width=8)
    inputs = {"x": x.astype(np.float32)}
    rounding = measure_rounding(network, inputs)
    found = tensorflow_program(tensorflow, network, inputs)

    assert found is not None
    assert within(rounding, found, name) > 3000


def test_tensorflows_programs_stay_within(tensorflow):
    """Networks of every kind that TensorFlow has an operation for, in single and in half."""
    compared = 0
    for place, kind in enumerate(STEPS):
        for precision in ROUNDOFF:
            network, inputs = drawn(100 + place, kind, precision)
            found = tensorflow_program(tensorflow, network, inputs)
            if found is not None:
                compared += within(measure_rounding(network, inputs), found, network.layers) > 0
    assert compared >= 35


@pytest.mark.parametrize("precision", ["float32", "float16"])
def test_the_worst_program_stays_within_what_is_proved_and_comes_near(precision: str):
    """Local roundings at their largest, all against one output, reach most of the bound."""
    worst = worst_and_independent(precision)[0]
    reached = []
    for seed in range(NETWORKS):
        for kind in STEPS:
            if kind in (LSTM, Rearrange):  # where rows join, only the running bound holds
                continue
            network, inputs = drawn(seed, kind, precision, rows=8)
            rounding = measure_rounding(network, inputs)
            (name,) = network.outputs
            unit = seed % rounding.double[name].shape[1]
            found = worst_program(network, inputs, name, unit, worst)[:, unit]
            off = np.abs(found - rounding.double[name][:, unit])
            bound = rounding.proved[name][:, unit]
            judged = np.isfinite(bound) & (bound > 0)
            assert (off[judged] <= bound[judged]).all(), (seed, kind)
            reached += list(off[judged] / bound[judged])

    assert len(reached) > 1000
    assert np.median(reached) > (0.99 if precision == "float32" else 0.7)


@pytest.mark.parametrize("precision", ROUNDOFF)
def test_a_single_rounding_is_counted_in_the_networks_own_type(precision: str):
    """x + x/3 is rounded once: by up to u, and the figures are no more than a few u."""
    u = ROUNDOFF[precision]
    dtype = float_type(precision)
    x = (1 + np.random.default_rng(0).random((500, 2))).astype(dtype).astype(np.float64)
    network = layers(Add("y", ("x", "x", "x"), ""), width=2, precision=precision)
    rounding = measure_rounding(network, {"x": x})
    off = np.abs(rounding.single["y"].astype(np.float64) - rounding.double["y"])

    assert within(rounding, rounding.single) == 1000
    assert off.max() > u  # so that half the bound would be passed
    assert (rounding.proved["y"] <= 2.01 * u * rounding.double["y"]).all()
    assert (rounding.proved["y"] >= 1.99 * u * rounding.double["y"]).all()
    assert (rounding.estimate["y"] >= u * rounding.double["y"]).all()


@pytest.mark.parametrize("precision", ["float16", "bfloat16"])
def test_parameters_and_inputs_that_half_cannot_hold_are_rounded(precision: str):
    """A kernel and an input of float32 are a rounding each, in a network of half precision."""
    u = ROUNDOFF[precision]
    kernel = Parameter(np.full((1, 1), 1 + u * 0.99, np.float32), ("k",))
    x = np.full((1, 1), 1 + u * 0.99)
    network = layers(Dense("y", ("x",), "", kernel), width=1, precision=precision)
    rounding = measure_rounding(network, {"x": x})

    # both are taken for 1, so the product is off by almost 2 u
    assert rounding.single["y"].astype(np.float64) == 1
    assert rounding.double["y"] - 1 > 1.97 * u
    assert within(rounding, rounding.single) == 1


@pytest.mark.parametrize("precision", ROUNDOFF)
@pytest.mark.parametrize("units", [1, 2])
def test_norms_of_one_and_two_units_are_told(units: int, precision: str):
    """A LayerNorm of one unit is beta, one of two has but one order: both have a close bound."""
    random = np.random.default_rng(1)
    gamma, beta = (
        Parameter(random.standard_normal(units).astype(np.float32), (name,)) for name in "gb"
    )
    network = layers(
        LayerNorm("y", ("x",), "", gamma, beta, Fact(1e-3, Source.GRAPH)),
        width=units,
        precision=precision,
    )
    x = random.standard_normal((50, units)) + 3 * np.arange(units)
    inputs = {"x": x.astype(np.float32)}
    rounding = measure_rounding(network, inputs)
    dtype = float_type(precision).type
    for spelling in SPELLINGS:
        assert within(rounding, program(network, inputs, dtype, SUMS[0], spelling)) == 50 * units
    assert np.median(rounding.proved["y"]) < 1000 * ROUNDOFF[precision]


def test_a_product_counts_the_terms_that_are_not_zero():
    """(terms + 1)·u·Σ|terms|: the bias is a term where it is not 0, and the kernel rounds once."""
    kernel = Parameter(np.array([[1, 2, 0], [4, 8, 0], [0, 1, 0]], np.float32), ("k",))
    bias = Parameter(np.array([2, 0, 5], np.float32), ("b",))
    network = layers(Dense("y", ("x",), "", kernel, bias), width=3)
    proved = measure_rounding(network, {"x": np.array([[1.0, -3, 2], [1, 0, 0]])}).proved["y"]

    u = ROUNDOFF["float32"]
    expected = np.array([[4 * 15, 4 * 28, 0], [3 * 3, 2 * 2, 0]]) * u
    np.testing.assert_allclose(proved, expected, rtol=1e-5)


def test_a_norm_counts_its_mean_and_tensorflows_spelling():
    """At z = 0 remain the mean, (N + 1)·u·mean|x|/s, and x·inv + (beta − mean·inv), 5·u·|x|/s."""
    units, middle = 33, 100.0
    norm = LayerNorm("y", ("x",), "", None, None, Fact(1e-5, Source.GRAPH))
    x = middle + np.arange(-16, 17)[None, :] / 8
    rounding = measure_rounding(layers(norm, width=units), {"x": x})

    s = np.sqrt(x.var() + 1e-5)
    expected = (units + 1 + 5) * ROUNDOFF["float32"] * middle / s
    assert rounding.double["y"][0, 16] == 0
    assert expected <= rounding.proved["y"][0, 16] <= 1.05 * expected


@pytest.mark.parametrize("units", [64, 256, 1024])
def test_units_that_round_alike_are_counted_together(units: int):
    """The sum of many equal units is off by many times one unit's rounding, not by the root."""
    random = np.random.default_rng(units)
    column = np.abs(random.standard_normal((16, 1)))
    once = Parameter(np.repeat(column, units, axis=1).astype(np.float32), ("a",))
    total = Parameter(np.ones((units, 1), np.float32), ("b",))
    network = layers(
        Dense("many", ("x",), "", once),
        Activation("soft", ("many",), "", Fact("softsign", Source.GRAPH)),
        Dense("y", ("soft",), "", total),
        width=16,
    )
    inputs = {"x": np.abs(random.standard_normal((200, 16))).astype(np.float32)}
    rounding = measure_rounding(network, inputs)
    for one in SUMS:
        assert within(rounding, program(network, inputs, np.float32, one)) == 200


@given(st.integers(0, 10**6), st.sampled_from(sorted(STEPS, key=lambda kind: kind.__name__)))
def test_rows_are_judged_alone(seed: int, kind: type[Layer]):
    """A row of zeros, a huge one and one of NaN among the others change no other's figures."""
    network, inputs = drawn(seed, kind, rows=8)
    if any(isinstance(layer, LSTM | Rearrange) for layer in network.layers):
        return
    x = np.array(inputs["x"])
    x[0], x[1], x[2] = 0, 1e30, np.nan
    alone = measure_rounding(network, {"x": x[3:]})
    among = measure_rounding(network, {"x": x})
    for name in network.outputs:
        for figure in ("estimate", "proved"):
            np.testing.assert_allclose(
                getattr(among, figure)[name][3:], getattr(alone, figure)[name], rtol=1e-6
            )


@pytest.mark.parametrize("by", [1e8, 1e38, np.nan])
def test_outputs_are_judged_alone(by: float):
    """A unit of the output times 1e8, beyond what is finite or NaN changes no other's figures."""
    checked = 0
    for seed in range(10):
        network, inputs = drawn(seed)
        last = network.layers[-1]
        if not isinstance(last, Dense) or last.units < 2:
            continue
        kernel = np.array(last.kernel.array)
        kernel[:, 0] *= np.float32(by)
        kernel[0, 0] = by
        louder = replace(last, kernel=replace(last.kernel, array=kernel))
        changed = replace(network, layers=(*network.layers[:-1], louder))
        before, after = measure_rounding(network, inputs), measure_rounding(changed, inputs)
        for figure in ("estimate", "proved"):
            one, other = getattr(before, figure)[last.name], getattr(after, figure)[last.name]
            np.testing.assert_allclose(other[:, 1:], one[:, 1:], rtol=1e-9)
            assert np.isinf(other[:, 0]).all() or not np.isnan(by)
        checked += 1
    assert checked >= 4


def test_what_may_overflow_has_no_bound():
    """Partial sums beyond the largest number may be infinite, though the whole sum is small."""
    kernel = Parameter(np.array([[3e38], [-3e38], [3e38]], np.float32), ("k",))
    network = layers(Dense("y", ("x",), "", kernel), width=3)
    rounding = measure_rounding(network, {"x": np.array([[1, 1, 1.0], [1e-3, 1e-3, 0], [0, 0, 0]])})

    assert np.isinf(rounding.proved["y"][0]).all()
    assert np.isinf(rounding.estimate["y"][0]).all()
    assert np.isfinite(rounding.proved["y"][1:]).all()
    assert rounding.proved["y"][2] == 0  # products with zero do not round


def test_many_outputs_are_estimated_by_random_roundings(monkeypatch: pytest.MonkeyPatch):
    """Where a pass for each output costs too much, the figures are as good within a factor."""
    ratios, looser = [], []
    for seed in range(NETWORKS):
        network, inputs = drawn(seed)
        exactly = measure_rounding(network, inputs)
        with monkeypatch.context() as patched:
            patched.setattr(entry, "BACKWARD_WORK", 0)
            probed = measure_rounding(network, inputs)
        (name,) = network.outputs
        judged = np.isfinite(exactly.estimate[name]) & (exactly.estimate[name] > 0)
        for figure, found in (("estimate", ratios), ("proved", looser)):
            one, other = getattr(exactly, figure)[name], getattr(probed, figure)[name]
            found.append(other[judged] / one[judged])
        within(probed, exactly.single)

    assert np.concatenate(ratios).size > 1000
    assert np.concatenate(ratios).min() > 0.6
    assert 1.2 < np.median(np.concatenate(ratios)) < 1.6
    assert np.concatenate(looser).min() >= 1 - 1e-9


@pytest.mark.parametrize("precision", ["float16", "bfloat16"])
def test_a_sum_in_half_precision_is_expected_to_be_rounded_once(precision: str):
    """Added in float32 and stored in half: with 1,024 products the estimate is no larger."""
    units = 1024
    random = np.random.default_rng(0)
    dtype = float_type(precision)
    x = random.normal(size=(64, units)).astype(dtype).astype(np.float64)
    kernel = Parameter(random.normal(size=(units, 8)).astype(dtype), ("kernel",))
    network = layers(Dense("d", ("x",), "d", kernel), width=units, precision=precision)
    rounding = measure_rounding(network, {"x": x})
    exact = rounding.double["d"]
    off = np.abs(exact.astype(dtype).astype(np.float64) - exact)

    assert (off <= rounding.estimate["d"]).all()
    # were every partial sum expected to be rounded, it would be √1,024 times as much
    sizes = np.abs(x) @ np.abs(kernel.array.astype(np.float64))
    assert (rounding.estimate["d"] < 8 * ROUNDOFF[precision] * sizes).all()
    assert (rounding.proved["d"] > 100 * ROUNDOFF[precision] * sizes).all()


@pytest.mark.parametrize("size", [1e-3, 1.0, 1e3])
def test_units_whose_kernels_are_multiples_by_a_power_of_two_round_alike(size: float):
    """Whatever their size: a column, its double, its negative half; another one does not."""
    column = np.array([0.5, -0.3, 0.7]) * size
    kernel = np.stack([column, 2 * column, -column / 2, column[::-1]], axis=1)
    network = layers(Dense("y", ("x",), "", Parameter(kernel, ("k",))), width=3)
    rounded = alike_units(network).rounded["y"]

    assert rounded[0] == rounded[1] == rounded[2] != rounded[3]
