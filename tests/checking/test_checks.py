"""A network checked: what agrees, what differs, what cannot be told, and what would be seen."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lnfold.checking.checks import Checking, unsaid_half
from lnfold.checking.comparison import Against
from lnfold.checking.observations import drawn
from lnfold.checking.observations import given as given_inputs
from lnfold.checking.planted import noticed
from lnfold.checking.verdict import Allowance, Mark, Verdict
from lnfold.errors import UsageError
from lnfold.export.comparisons import comparison_record, comparison_text
from lnfold.network.facts.evidence import Fact, Source
from lnfold.network.operations.float_types import FLOATS, float_type
from lnfold.network.records.layers import Activation, Dense, Input, LayerNorm, Network, Parameter
from lnfold.network.running.run import run
from lnfold.report.page.notebook import comparison_html


def network(seed: int = 0, units: int = 16, offset: float = 0.0) -> Network:
    """x [4] → Dense → LayerNorm → relu → Dense 2, random."""
    random = np.random.default_rng(seed)

    def drawn_parameter(*shape: int) -> Parameter:
        return Parameter(random.standard_normal(shape).astype(np.float32) + np.float32(offset))

    return Network(
        "net",
        (Input("x", (None, 4)),),
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


def test_the_float32_run_agrees_with_float64():
    """It never differs; where a norm divides by almost nothing nobody can tell, else it agrees."""
    seen: Counter[Verdict] = Counter()

    @settings(max_examples=40)
    @given(st.integers(0, 2**32 - 1), st.integers(2, 96), st.sampled_from([0, 10]))
    def check(seed: int, units: int, offset: float) -> None:
        found = checking(network(seed, units, offset)).with_float64()
        assert found.differing == found.marks[Mark.BETWEEN] == 0
        seen[found.verdict] += 1

    check()

    assert seen[Verdict.AGREES] >= 25
    assert seen[Verdict.DIFFERS] == 0


def checking(one: Network, rows: int = 256) -> Checking:
    return Checking.of(one, drawn(one, rows))


def with_kernel(one: Network, place: int, kernel: np.ndarray) -> Network:
    """The network with the kernel of one of its layers replaced."""
    layers = list(one.layers)
    layers[place] = replace(layers[place], kernel=Parameter(kernel))
    return replace(one, layers=tuple(layers))


@pytest.mark.parametrize("place", [0, 3])
def test_what_would_have_been_noticed_is_noticed(place):
    """A kernel changed by some times as much differs, in any direction; by far less it agrees."""
    one = network()
    found = checking(one)
    agreed = found.with_network(one)
    assert agreed.verdict is Verdict.AGREES
    assert agreed.noticed is not None
    assert 1e-8 < agreed.noticed.change < 1e-2
    for seed in range(5):
        kernel = one.layers[place].kernel.array.astype(np.float64)
        random = np.random.default_rng(seed).standard_normal(kernel.shape)
        random *= np.linalg.norm(kernel) / np.linalg.norm(random)
        larger = with_kernel(one, place, kernel + 4 * agreed.noticed.change * random)
        smaller = with_kernel(one, place, kernel + agreed.noticed.change / 1e3 * random)
        assert found.with_network(larger).verdict is Verdict.DIFFERS
        assert found.with_network(smaller).verdict is not Verdict.DIFFERS


def test_a_check_that_could_not_have_failed_has_not_passed():
    """Where no change of any kernel changes the outputs, equal outputs say nothing."""
    one = network()
    silent = with_kernel(one, 3, np.zeros_like(one.layers[3].kernel.array))
    dead = replace(one.layers[1], gamma=Parameter(np.zeros(16)), beta=Parameter(-np.ones(16)))
    blind = replace(one, layers=(one.layers[0], dead, *one.layers[2:]))

    found = checking(silent).with_float64()
    assert found.verdict is Verdict.AGREES  # what stands in the silent kernel would be seen
    assert found.noticed.unseen == ("",) or found.noticed.unseen == ("a",)
    found = checking(blind).with_float64()
    assert (found.verdict, found.noticed.change) == (Verdict.CANNOT_TELL, None)
    assert found.agreeing == found.count
    assert found.reason == "no change of a kernel would have been seen"


def test_half_precision_with_nothing_that_says_what_computes_may_be_either():
    """float32 has to agree like float32; what float16 explains is no difference."""
    one = network()
    halves = replace(
        one,
        layers=tuple(
            replace(
                layer,
                **{role: Parameter(p.array.astype(np.float16)) for role, p in layer.parameters()},
            )
            for layer in one.layers
        ),
        wiring=Fact("names", Source.NAMES),
    )
    found = checking(halves)
    exact = found.rounding.double["y"]
    scale = float(exact.std())

    assert found.with_float64().verdict is Verdict.AGREES
    assert found.with_outputs({"y": exact + 1e-3 * scale}, Against.EXPECTED).untold
    assert found.with_outputs({"y": exact + 1e-3 * scale}, Against.EXPECTED).differing == 0
    assert found.with_outputs({"y": exact + scale}, Against.EXPECTED).differing
    said = replace(halves, wiring=Fact("edges", Source.GRAPH))
    stated = checking(said).with_outputs({"y": exact + 1e-3 * scale}, Against.EXPECTED)
    assert stated.verdict is Verdict.DIFFERS


def test_expected_outputs_of_another_shape_are_refused():
    """The message shows both shapes."""
    found = checking(network(), 8)

    with pytest.raises(UsageError, match=r"\(8, 3\).*\(8, 2\)"):
        found.with_outputs({"outputs": np.zeros((8, 3))}, Against.EXPECTED)


def test_outputs_in_any_type_of_numbers_are_taken_and_what_is_none_is_named():
    """bfloat16 among them, which NumPy does not know."""
    found = checking(network(), 8)
    single = found.rounding.single["y"]
    for name in FLOATS:
        array = single.astype(float_type(name))
        assert found.with_outputs({"y": array}, Against.EXPECTED).count == 16
    with pytest.raises(UsageError, match="holds <U1, which is no type of numbers"):
        found.with_outputs({"y": np.full((8, 2), "a")}, Against.EXPECTED)


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


def test_changes_are_planted_from_the_first_kernel_to_the_last():
    """Of many dense layers some are tried, those at either end among them."""
    names = [f"d{place}" for place in range(40)]
    one = network()
    layers = tuple(replace(one.layers[0], name=name, scope=name) for name in names)
    one = replace(one, layers=layers, outputs=tuple(names))
    inputs = drawn(one, 64).inputs
    exact = run(one, inputs, np.float64)
    for blind in (0, 39):
        allowed = {name: np.full(array.shape, 1e-3) for name, array in exact.items()}
        allowed[names[blind]] = np.full(exact[names[blind]].shape, np.inf)
        found = noticed(one, inputs, exact, Allowance(allowed, allowed))
        assert found is not None
        assert found.unseen == (names[blind],)


def test_of_several_kernels_the_change_is_that_of_the_one_that_takes_most():
    """Two outputs, of which one is allowed a hundred times as much."""
    one = network()
    layers = tuple(replace(one.layers[0], name=name, scope=name) for name in ("p", "q"))
    one = replace(one, layers=layers, outputs=("p", "q"))
    inputs = drawn(one, 64).inputs
    exact = run(one, inputs, np.float64)
    for large in ("p", "q"):
        allowed = {
            name: np.full(array.shape, 1e-3 if name == large else 1e-5)
            for name, array in exact.items()
        }
        found = noticed(one, inputs, exact, Allowance(allowed, allowed))
        assert found is not None
        assert found.kernel == large
        # as much as reaches the allowance, and a quarter more
        kernel = one.layers[0].kernel.array
        moved = np.linalg.norm(kernel) * np.abs(inputs["x"]).max()
        assert 1e-3 / moved < found.change < 1e-3


def test_what_is_doubted_is_more_than_the_estimate_though_nothing_is_proved():
    """Without a proved bound no change is seen; with an estimate one would not have agreed."""
    one = network()
    inputs = drawn(one, 64).inputs
    exact = run(one, inputs, np.float64)
    unbounded = {name: np.full(array.shape, np.inf) for name, array in exact.items()}
    estimate = {name: np.full(array.shape, 1e-3) for name, array in exact.items()}
    for allowed, doubted in ((estimate, True), (unbounded, False)):
        found = noticed(one, inputs, exact, Allowance(allowed, unbounded))
        assert found is not None
        assert (found.change, found.unseen, found.doubted) == (None, ("a", "y"), doubted)


@pytest.mark.parametrize("order", [("float16", "bfloat16"), ("bfloat16", "float16")])
def test_of_two_half_precisions_a_program_may_compute_in_the_coarser(order):
    """Whichever is stored first; float32 alone leaves nothing to ask."""
    one = replace(network(), wiring=Fact("names", Source.NAMES))
    assert unsaid_half(one) == ""
    for place, name in zip((0, 3), order, strict=True):
        kernel = one.layers[place].kernel.array
        one = with_kernel(one, place, kernel.astype(float_type(name)))
        assert unsaid_half(one) == (order[0] if place == 0 else "bfloat16")
    assert unsaid_half(replace(one, wiring=Fact("edges", Source.GRAPH))) == ""


@pytest.mark.parametrize("precision", FLOATS)
def test_the_type_that_was_run_is_named_in_every_view_of_a_check(precision: str):
    """In Python, text, JSON and a notebook, and float32 only where that was run."""
    found = checking(replace(network(), precision=precision)).with_float64()
    compared = comparison_record(found)["compared"]
    views = [repr(found), comparison_text("net", found, 200), compared, comparison_html(found)]

    for view in views:
        assert f"NumPy {precision} against float64" in view
        assert precision == "float32" or "float32" not in view
    assert found.other_side == f"the network's own run in {precision}"
