"""Small SavedModels made to cost much: the work they make has a limit, whatever makes it."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from lnfold.checkpoint.variables.object_graph import Paths
from lnfold.recovery.recover import Recovery, recover
from tests.recovery.made import checkpoint
from tests.recovery.proto import block, call, function, graph, integer, node, placeholder, variable

ARRAYS = {"a/kernel": np.ones((3, 2), np.float32), "a/bias": np.ones(2, np.float32)}
INPUT = (placeholder("x", (None, 3)), variable("a/kernel", (3, 2)), variable("a/bias", (2,)))
RELU = function("f", ["x"], {"y": "r:activations:0"}, node("r", "Relu", "x"))
CHAIN, MANY = 20_000, 4_000
# Seconds of processor time and megabytes. Each takes less than three and a hundred; without limits
# they were minutes and gigabytes.
LONG, MUCH = 12, 400


def product(source: str) -> tuple[bytes, bytes]:
    """A dense layer that reads a value."""
    return (
        node("a/MatMul", "MatMul", source, "a/kernel"),
        node("a/BiasAdd", "BiasAdd", "a/MatMul", "a/bias"),
    )


def objects(*held: bytes, bound: tuple[int, ...] = ()) -> bytes:
    """A SavedObjectGraph whose one concrete function is f."""
    concrete = block(1, "f") + block(2, b"".join(integer(2, one) for one in bound))
    return block(7, b"".join(block(1, one) for one in held) + block(2, concrete))


def signature(*tensors: str) -> bytes:
    """A signature for serving that delivers tensors."""
    outputs = (block(1, f"o{i}") + block(2, block(1, one)) for i, one in enumerate(tensors))
    return block(
        5, block(1, "serving_default") + block(2, b"".join(block(2, one) for one in outputs))
    )


def recovered(folder: Path, meta_graph: bytes) -> Recovery:
    """What is recovered of a SavedModel, in time."""
    path = folder / "saved_model.pb"
    path.write_bytes(block(2, block(1, block(4, "serve")) + meta_graph))
    started = time.process_time()
    found = recover(checkpoint(ARRAYS, path))
    assert time.process_time() - started < LONG
    return found


def test_a_chain_of_objects_is_followed_by_its_steps(tmp_path: Path):
    """Every object of 20,000 in a row has a function; whole paths would be 200 million names."""
    held = [
        block(1, integer(1, i + 1) + block(2, f"n{i}")) + block(6, block(1, "f"))
        for i in range(CHAIN)
    ]
    meta = block(2, graph(*INPUT, *product("x"), functions=(RELU,))) + objects(*held, b"")
    tracemalloc.start()
    try:
        found = recovered(tmp_path, meta)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < MUCH << 20

    assert "its objects' functions were read" in " ".join(found.notes)


def test_a_path_is_put_together_when_it_is_asked_for():
    """Of a chain, of a circle, and of what refers to nothing."""
    paths = Paths([{"a": 1, "gone": 9}, {"b": 2, "back": 0}, {"self": 2}, {}])

    assert paths == {0: (), 1: ("a",), 2: ("a", "b")}
    assert paths.length(2) == 2
    assert paths.last(2) == "b"
    assert 3 not in paths
    assert len(Paths([])) == 0
    long = Paths([{str(i): i + 1} for i in range(CHAIN)] + [{}])
    assert len(long[CHAIN]) == CHAIN


def test_captures_of_one_name_are_told_apart_by_counting_on(tmp_path: Path):
    """A function that captures 30,000 variables called alike, and one with arguments alike."""
    count = 30_000
    for names in (["x", *(f"c{i}" for i in range(count))], ["x"] * count):
        f = function("f", names, {"y": "r:activations:0"}, node("r", "Relu", "x"))
        bound = tuple(range(1, count + 1)) if len(names) > count else ()
        held = (block(7, block(6, "v")) for _ in bound)
        root = block(1, integer(1, len(bound) + 1) + block(2, "call"))
        meta = block(2, graph(*INPUT, *product("x"), functions=(f,)))
        found = recovered(
            tmp_path, meta + objects(root, *held, block(8, block(1, "f")), bound=bound)
        )

        assert found.networks


def calls_of_many_results() -> Iterator[bytes]:
    many = function("f", ["x"], {f"y{i}": "x" for i in range(MANY)})
    calls = (call(f"c{i}", "f", "x") for i in range(MANY))
    yield block(2, graph(*INPUT, *calls, *product(f"c{MANY - 1}"), functions=(many,)))
    yield signature(*(f"c{i}" for i in range(MANY)))


def loop_of_many_values() -> Iterator[bytes]:
    names = [f"a{i}" for i in range(MANY)]
    sums = (node(f"s{i}", "AddV2", one, one) for i, one in enumerate(names))
    body = function("body", names, {f"y{i}": f"s{i}:z:0" for i in range(MANY)}, *sums)
    cond = function("cond", names, {"c": "l:z:0"}, node("l", "Less", "a0", "a1"))
    called = {key: block(10, block(1, key)) for key in ("body", "cond")}
    loop = node("w", "While", *["x"] * MANY, **called)
    yield block(2, graph(*INPUT, *product("x"), loop, functions=(body, cond)))
    yield signature(*(f"w:{i}" for i in range(1, MANY)))


def conditionals_inside_each_other() -> Iterator[bytes]:
    nodes, latest = list[bytes](), "x"
    for i in range(MANY):
        nodes += [placeholder(f"flag{i}", (), 10), node(f"s{i}", "Switch", latest, f"flag{i}")]
        latest = f"s{i}"
    for i in reversed(range(MANY)):
        nodes += [node(f"r{i}", "Relu", f"s{i}:1"), node(f"m{i}", "Merge", latest, f"r{i}")]
        latest = f"m{i}"
    yield block(2, graph(*INPUT, *nodes, *product(latest)))


def loops_of_one_body() -> Iterator[bytes]:
    nodes = [node("n0", "Relu", "x")]
    nodes += [node(f"n{i}", "Relu", f"n{i - 1}") for i in range(1, MANY)]
    for i in range(MANY // 4):
        nodes += [
            node(f"e{i}", "Enter", "x"),
            node(f"m{i}", "Merge", f"e{i}", f"i{i}"),
            node(f"s{i}", "Switch", f"m{i}", f"l{i}"),
            node(f"i{i}", "NextIteration", f"n{MANY - 1}"),
            node(f"c{i}", "Less", f"m{i}", "x"),
            node(f"l{i}", "LoopCond", f"c{i}"),
        ]
    yield block(2, graph(*INPUT, *nodes, *product("x")))


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (calls_of_many_results, "take, read and return more than"),
        (loop_of_many_values, "deliver many values of many"),
        (conditionals_inside_each_other, "too many conditionals"),
        (loops_of_one_body, "too many loops"),
    ],
)
def test_work_that_grows_with_the_square_of_a_graph_is_a_note(tmp_path: Path, made, said: str):
    """The graph is not used, and the note says what there is too much of."""
    found = recovered(tmp_path, b"".join(made()))

    assert said in " ".join(found.notes)
    assert found.networks
