"""Verdicts rest on measured rounding, and can fail."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lnfold.checking.checks import Against, check_float64, check_outputs
from lnfold.checking.observations import drawn
from lnfold.checking.observations import given as given_inputs
from lnfold.errors import UsageError
from lnfold.network.evidence import Fact, Source
from lnfold.network.layers import Activation, Dense, Input, LayerNorm, Network, Parameter
from lnfold.network.rounding import largest_difference, measure_rounding


def network(seed: int = 0, units: int = 16, offset: float = 0.0) -> Network:
    """x [4] → Dense → LayerNorm → relu → Dense 2, random."""
    random = np.random.default_rng(seed)

    def drawn_parameter(*shape: int) -> Parameter:
        return Parameter(random.standard_normal(shape).astype(np.float32) + np.float32(offset))

    return Network(
        "net",
        (Input("x", 4),),
        ("y",),
        (
            Dense("a", ("x",), "a", drawn_parameter(4, units), drawn_parameter(units)),
            LayerNorm(
                "n",
                ("a",),
                "n",
                drawn_parameter(units),
                drawn_parameter(units),
                Fact(1e-5, Source.OPTION),
            ),
            Activation("r", ("n",), "r", Fact("relu", Source.OPTION)),
            Dense("y", ("r",), "y", drawn_parameter(units, 2), drawn_parameter(2)),
        ),
        Fact("test", Source.OPTION),
    )


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), units=st.integers(2, 96), offset=st.sampled_from([0, 10]))
def test_the_float32_run_passes_against_float64(seed, units, offset):
    """Rounding of the plain order stays below the tolerance that other orders set."""
    one = network(seed, units, offset)

    assert check_float64(measure_rounding(one, drawn(one).inputs)).passed


def test_a_small_change_of_one_weight_is_found():
    """A kernel entry that is off by 1e-3 exceeds the tolerance: the check can fail."""
    one = network()
    inputs = drawn(one).inputs
    rounding = measure_rounding(one, inputs)
    kernel = one.layers[0].kernel.array.copy()
    kernel[1, 2] += 1e-3
    changed = Network(
        "net",
        one.inputs,
        one.outputs,
        (Dense("a", ("x",), "a", Parameter(kernel), one.layers[0].bias), *one.layers[1:]),
        one.wiring,
    )
    from lnfold.network.run import run

    check = check_outputs(one, rounding, run(changed, inputs), Against.EXPECTED)

    assert not check.passed
    assert check.max_abs > 10 * check.tolerance


def test_nan_on_one_side_only_is_an_infinite_difference():
    """A NaN can hide nothing; the same NaN on both sides is no difference."""
    value = np.array([[1.0, np.nan]])

    assert largest_difference({"y": value}, {"y": value}) == 0
    assert largest_difference({"y": value}, {"y": np.array([[1.0, 2.0]])}) == np.inf


def test_expected_outputs_of_another_shape_are_refused():
    """The message shows both shapes."""
    one = network()
    rounding = measure_rounding(one, drawn(one, rows=8).inputs)

    with pytest.raises(UsageError, match=r"\(8, 3\).*\(8, 2\)"):
        check_outputs(one, rounding, {"outputs": np.zeros((8, 3))}, Against.EXPECTED)


def test_inputs_are_found_by_their_placeholder_or_as_inputs():
    """Both spellings give the same observations."""
    one = network()
    array = np.ones((3, 4), np.float32)
    for name in ("x", "inputs"):
        assert (given_inputs(one, {name: array}, "file").inputs["x"] == array).all()
    with pytest.raises(UsageError, match="'x'"):
        given_inputs(one, {"z": np.ones((3, 5), np.float32)}, "file")


def test_drawn_observations_are_the_same_every_time():
    """The draw is seeded and says so."""
    one = network()
    first, second = drawn(one), drawn(one)

    assert (first.inputs["x"] == second.inputs["x"]).all()
    assert "seed 0" in first.origin
