"""Values laid out otherwise: observations stay apart, and no row is broadcast in silence."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lnfold.errors import GraphError, UsageError
from lnfold.network.facts.evidence import Fact, Source
from lnfold.network.records.layers import Add, Input, Network, Rearrange
from lnfold.network.running.compiled import compiled
from lnfold.network.running.run import run
from lnfold.network.running.run_inputs import observations_at_a_time
from tests.network.kept import kept
from tests.recovery.made import patterns, recovered
from tests.recovery.proto import constant, integer, node, placeholder, variable


def made(width: int, *layers: Rearrange) -> Network:
    wiring = Fact("edges of the graph", Source.GRAPH)
    return Network("made", (Input("x", (None, width)),), (layers[-1].name,), layers, wiring)


@st.composite
def arranged(draw: st.DrawFn) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, int]]:
    """The axes of an observation, an order of them, and two axes of as many numbers."""
    shape = tuple(draw(st.lists(st.integers(1, 4), min_size=1, max_size=4)))
    order = tuple(draw(st.permutations(range(len(shape)))))
    size = math.prod(shape)
    units = draw(st.sampled_from([one for one in range(1, size + 1) if size % one == 0]))
    return shape, order, (size // units, units)


@given(arranged(), st.integers(1, 5), st.booleans())
def test_a_rearrangement_is_numpys_for_every_observation(case, observations: int, turned: bool):
    """Each observation gives what reshape and transpose make of it alone, and it is JSON.

    As a tensor or as rows that follow each other.
    """
    shape, order, given = case
    layer = Rearrange("y", ("x",), "", shape, order if turned else None, given)
    network = made(shape[-1], layer)
    x = np.random.default_rng(1).standard_normal((observations, *shape))
    expected = [(one.transpose(order) if turned else one).reshape(given) for one in x]
    rows = x.reshape(-1, shape[-1])

    for inputs in (x, rows):
        assert np.array_equal(run(network, inputs, np.float64)["y"], np.stack(expected))
        assert np.array_equal(compiled(network, np.float64)(inputs)["y"], np.stack(expected))
    assert np.array_equal(run(kept(network), x, np.float64)["y"], np.stack(expected))


def test_there_and_back_again_changes_nothing():
    """Rows that are cut and joined, or turned twice, are what they were, for any number."""
    cut = Rearrange("cut", ("x",), "", (6,), None, (3, 2))
    joined = Rearrange("joined", ("cut",), "", (3, 2), None, (6,))
    x = np.random.default_rng(2).standard_normal((1100, 6))

    assert np.array_equal(run(made(6, cut, joined), x, np.float64)["joined"], x)


def test_rows_that_are_no_whole_observations_are_an_error():
    """The message says what the layer takes at a time."""
    network = made(2, Rearrange("joined", ("x",), "", (3, 2), None, (6,)))
    with pytest.raises(UsageError, match=r"takes \(3, 2\) at a time"):
        run(network, np.zeros((4, 2)))


@pytest.mark.parametrize(
    ("shape", "order", "given"),
    [((4,), None, (3,)), ((2, 3), (0, 0), (6,)), ((2, 0), None, (0,)), ((2, 3), None, ())],
)
def test_what_fills_no_axes_is_refused(shape, order, given: tuple[int, ...]):
    """The record checks that its axes, their order and what they become fit."""
    with pytest.raises(GraphError):
        Rearrange("y", ("x",), "", shape, order, given)


def test_a_value_of_another_width_is_refused():
    """A network whose rows do not fill what is rearranged is a contradiction."""
    with pytest.raises(GraphError):
        made(5, Rearrange("y", ("x",), "", (2, 3), None, (6,))).widths()


@pytest.mark.parametrize(("steps", "runs"), [(1, False), (4, False), (None, True)])
def test_one_row_is_not_added_to_several_in_silence(tmp_path: Path, steps: int | None, runs: bool):
    """[batch, 1, units] + [batch, open, units] would be broadcast, so it is not run as a sum."""
    found = patterns(
        tmp_path,
        {},
        placeholder("one", (None, steps, 3)),
        placeholder("several", (None, None, 3)),
        node("sum", "AddV2", "one", "several"),
    ).layer("sum")

    assert isinstance(found, Add) == (runs or steps == 4)


def test_the_batch_is_never_joined(tmp_path: Path):
    """A reshape to rows longer than an observation is named, and the network is incomplete."""
    found = recovered(
        tmp_path,
        {"k": np.ones((3, 4), np.float32), "l": np.ones((8, 2), np.float32)},
        placeholder("x", (None, 3)),
        variable("k", (3, 4)),
        variable("l", (8, 2)),
        node("h", "MatMul", "x", "k"),
        constant("shape", [-1, 8], "i4"),
        node("r", "Reshape", "h", "shape"),
        node("y", "MatMul", "r", "l"),
    )
    (network,) = found.networks

    assert not network.complete
    assert "Reshape" in network.gaps[0].what


@given(st.data())
def test_rows_at_a_time_are_the_fewest_that_can_be_run(data: st.DataObject):
    """Any multiple of them is run, and no smaller number of rows is."""
    width = data.draw(st.integers(1, 6))
    layers: list[Rearrange] = []
    name, units = "x", width
    for number in range(data.draw(st.integers(1, 3))):
        rows = data.draw(st.integers(1, 4))
        size = rows * units
        cut = data.draw(st.sampled_from([one for one in range(1, size + 1) if size % one == 0]))
        layers.append(Rearrange(f"y{number}", (name,), "", (rows, units), None, (size // cut, cut)))
        name, units = f"y{number}", cut
    network = made(width, *layers)
    least = observations_at_a_time(network)

    assert run(network, np.zeros((3 * least, width)))[name].shape[-1] == units
    for fewer in range(1, least):
        with pytest.raises(UsageError):
            run(network, np.zeros((fewer, width)))


def flattened(sizes: tuple[int | None, ...], *target: str) -> tuple[bytes, ...]:
    """tf.layers.flatten: a reshape to [tf.shape(x)[0], -1], from the graph's own nodes."""
    return (
        placeholder("x", sizes),
        node("shape", "Shape", "x"),
        constant("zero", [0], "i4"),
        constant("one", [1], "i4"),
        constant("rest", -1, "i4"),
        node(
            "batch", "StridedSlice", "shape", "zero", "one", "one", shrink_axis_mask=integer(3, 1)
        ),
        node("target", "Pack", *target),
        node("flat", "Reshape", "x", "target"),
    )


@pytest.mark.parametrize(
    ("sizes", "target", "found"),
    [
        ((None, 4, 3), ("batch", "rest"), (None, 12)),
        ((None, 5), ("batch", "rest"), (None, 5)),
        ((None, None, 3), ("batch", "rest"), (None, None)),
        ((None, 4, 3), ("rest", "batch"), (12, None)),
        ((None, 4, 3), ("batch", "batch"), (None, None)),
        ((None, 4, 3), ("rest", "rest"), (None, None)),
    ],
)
def test_what_is_left_for_minus_one_is_what_the_other_axes_hold(
    tmp_path: Path, sizes, target, found
):
    """Where all open axes are named in the target, and each of them once."""
    read = patterns(tmp_path, {}, *flattened(sizes, *target))

    assert read.constants.passage.shapes.shape("flat") == found
