"""Graphs made to cost much: they end soon, in a network or in a note that says what is too much."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.recovery.made import recovered
from tests.recovery.proto import call, constant, function, node, placeholder, variable

ARRAYS = {"a/kernel": np.ones((3, 2), np.float32), "a/bias": np.ones(2, np.float32)}
DEPTH = 20_000
# Seconds of processor time. Each takes one to two; before it was bounded, 20 to 90.
LONG = 12


def dense(source: str) -> tuple[bytes, ...]:
    """A dense layer that reads a value."""
    return (
        placeholder("x", (None, 3)),
        variable("a/kernel", (3, 2)),
        variable("a/bias", (2,)),
        node("a/MatMul", "MatMul", source, "a/kernel"),
        node("a/BiasAdd", "BiasAdd", "a/MatMul", "a/bias"),
    )


def chain(start: str, steps: tuple[tuple[str, str], ...], depth: int = DEPTH) -> Iterator[bytes]:
    """Operations on what the one before delivers, ``n``, and what that one read, ``p``."""
    before, latest = start, start
    for number in range(depth):
        operation, read = steps[number % len(steps)]
        names = {"n": latest, "p": before}
        before, latest = latest, f"n{number}"
        yield node(latest, operation, *(names.get(one, one) for one in read.split()))


@pytest.mark.parametrize("operation", ["AddV2", "Mul"])
def test_a_value_combined_with_itself_again_and_again_is_recovered_soon(
    tmp_path: Path, operation: str
):
    """n + n and n·n spell no activation, however many there are."""
    started = time.process_time()
    nodes = chain("x", ((operation, "n n"),))
    found = recovered(tmp_path, ARRAYS, *dense(f"n{DEPTH - 1}"), *nodes)

    (network,) = found.networks
    assert len(network.layers) == DEPTH + 1
    assert time.process_time() - started < LONG


@pytest.mark.parametrize(
    "steps",
    [
        (("Tanh", "n"), ("AddV2", "n p")),
        (("Erf", "n"), ("Mul", "n p")),
        (("Exp", "n"), ("RealDiv", "p n")),
        (("Maximum", "n n"),),
    ],
    ids=["tanh", "erf", "exp", "maximum"],
)
def test_arithmetic_without_end_is_a_note(tmp_path: Path, steps: tuple[tuple[str, str], ...]):
    """What each operation could be a function of is looked for so often, and no more."""
    started = time.process_time()
    found = recovered(tmp_path, ARRAYS, *dense(f"n{DEPTH - 1}"), *chain("x", steps))

    assert "longer than any network's activations" in " ".join(found.notes)
    assert not found.networks[0].complete
    assert time.process_time() - started < LONG


def test_an_operation_with_too_many_operands_changes_nothing(tmp_path: Path):
    """NumPy would take a third operand for the place to write to."""
    for _ in range(2):
        found = recovered(
            tmp_path,
            ARRAYS,
            *dense("s"),
            node("r", "Relu", "x"),
            node("m", "Maximum", "r", "r", "x"),
            node("s", "AddV2", "m", "r"),
        )
        assert not found.networks[0].complete

    alone = recovered(
        tmp_path, ARRAYS, *dense("s"), constant("zero", 0.0), node("s", "Maximum", "x", "zero")
    )
    assert [layer.kind for layer in alone.networks[0].layers] == ["activation", "dense"]


def test_units_that_double_again_and_again_are_a_note(tmp_path: Path):
    """2^20000 units are not even counted, the more so not made."""
    nodes = chain("a/BiasAdd", (("ConcatV2", "n n axis"),))
    found = recovered(
        tmp_path,
        {**ARRAYS, "b/kernel": np.ones((2, 2), np.float32)},
        *dense("x"),
        constant("axis", -1, "i4"),
        *nodes,
        variable("b/kernel", (2, 2)),
        node("b/MatMul", "MatMul", f"n{DEPTH - 1}", "b/kernel"),
    )

    assert "units side by side" in " ".join(found.notes)


@pytest.mark.parametrize("kind", ["f4", "i4"])
def test_constants_that_double_again_and_again_are_a_note(tmp_path: Path, kind: str):
    """A constant joined to itself is refused before it fills the memory."""
    nodes = chain("one", (("ConcatV2", "n n axis"),), depth=60)
    start = (constant("one", [1, 2, 3], kind), constant("axis", 0, "i4"), *nodes)
    scaled = node("scaled", "Mul" if kind == "f4" else "Reshape", "x", "n59")
    found = recovered(tmp_path, ARRAYS, *dense("scaled"), *start, scaled)

    assert "numbers are computed before it" in " ".join(found.notes)


def test_integers_that_are_squared_again_and_again_are_not_known(tmp_path: Path):
    """2^(2^1000) is no length of an axis."""
    nodes = chain("two", (("Mul", "n n"),), depth=1000)
    found = recovered(
        tmp_path,
        ARRAYS,
        *dense("laid"),
        constant("two", [2], "i4"),
        *nodes,
        node("laid", "Reshape", "x", "n999"),
    )

    assert found.networks


def test_axes_without_end_are_not_counted(tmp_path: Path):
    """A value of 20,000 axes is none of TensorFlow's: 254 are its most."""
    started = time.process_time()
    nodes = chain("x", (("ExpandDims", "n axis"),))
    found = recovered(tmp_path, ARRAYS, *dense(f"n{DEPTH - 1}"), constant("axis", 0, "i4"), *nodes)

    assert not found.networks or not found.networks[0].complete
    assert time.process_time() - started < LONG


def test_a_parameter_of_thousands_of_variables_is_a_note(tmp_path: Path):
    """Sets of variables that grow along a sum would take the square of its length."""
    count = 2000
    arrays = {**ARRAYS, **{f"v{i}": np.ones(3, np.float32) for i in range(count)}}
    sums = [node("s1", "AddV2", "v0", "v1")]
    sums += [node(f"s{i}", "AddV2", f"s{i - 1}", f"v{i}") for i in range(2, count)]
    found = recovered(
        tmp_path,
        arrays,
        *dense("scaled"),
        *(variable(f"v{i}", (3,)) for i in range(count)),
        *sums,
        node("scaled", "Mul", "x", f"s{count - 1}"),
    )

    assert "is computed from more than" in " ".join(found.notes)


def test_many_ends_behind_many_layers_are_a_note_that_says_what_to_choose(tmp_path: Path):
    """Each end is followed to the inputs: 2,000 heads on 2,000 layers are four million steps."""
    count = 2000
    arrays, nodes, source = {}, [placeholder("x", (None, 3))], "x"
    for name in (*(f"trunk{i}" for i in range(count)), *(f"head{i}" for i in range(count))):
        arrays[f"{name}/kernel"] = np.ones((3, 3), np.float32)
        nodes += [
            variable(f"{name}/kernel", (3, 3)),
            node(f"{name}/MatMul", "MatMul", source, f"{name}/kernel"),
        ]
        source = f"{name}/MatMul" if name.startswith("trunk") else source
    started = time.process_time()
    found = recovered(tmp_path, arrays, *nodes)

    assert "too many networks share their layers" in " ".join(found.notes)
    assert "--output-node" in " ".join(found.notes)
    assert time.process_time() - started < LONG


@pytest.mark.parametrize("operation", ["Relu", "Identity", "AddV2"])
def test_fifty_thousand_readers_of_a_value_are_looked_at_once(tmp_path: Path, operation: str):
    """What reads a network's output is no part of it, however much it is."""
    started = time.process_time()
    operands = ["a/BiasAdd"] * (2 if operation == "AddV2" else 1)
    readers = [node(f"a/r{i}", operation, *operands) for i in range(50_000)]
    found = recovered(tmp_path, ARRAYS, *dense("x"), *readers)

    (network,) = found.networks
    assert [layer.kind for layer in network.layers] == ["dense"]
    assert time.process_time() - started < LONG


def test_functions_that_call_each_other_twice_in_a_row_are_a_note(tmp_path: Path):
    """Forty of them, each calling the one before behind itself, are 2^40 operations."""
    functions = [function("f0", ["x"], {"y": "r:activations:0"}, node("r", "Relu", "x"))]
    functions += [
        function(
            f"f{i}",
            ["x"],
            {"y": "b:output:0"},
            call("a", f"f{i - 1}", "x"),
            call("b", f"f{i - 1}", "a:output:0"),
        )
        for i in range(1, 40)
    ]
    started = time.process_time()
    found = recovered(
        tmp_path, ARRAYS, *dense("net"), call("net", "f39", "x"), functions=tuple(functions)
    )

    assert "unfold to more than" in " ".join(found.notes)
    assert time.process_time() - started < LONG


def test_thousands_of_networks_are_told_apart_soon(tmp_path: Path):
    """2,000 networks of one dense layer each."""
    count = 2000
    arrays, nodes = {}, []
    for i in range(count):
        arrays[f"net{i}/kernel"] = np.ones((3, 3), np.float32)
        nodes += [
            placeholder(f"net{i}/x", (None, 3)),
            variable(f"net{i}/kernel", (3, 3)),
            node(f"net{i}/MatMul", "MatMul", f"net{i}/x", f"net{i}/kernel"),
        ]
    started = time.process_time()
    found = recovered(tmp_path, arrays, *nodes)

    assert len(found.networks) == count
    assert all(network.complete for network in found.networks)
    assert time.process_time() - started < LONG
