"""The branch of a conditional that inference takes."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lnfold.checkpoint import open_checkpoint
from lnfold.network.running.run import run
from lnfold.recovery.recover import recover
from tests.recovery.made import recovered
from tests.recovery.proto import BOOL, constant, node, placeholder, variable

ARRAYS = {"a/kernel": np.ones((3, 2), np.float32)}
UNFED = placeholder("p", (), BOOL)
FLAGS = {
    "false": ((constant("flag", False, "?"),), "tanh"),
    "true": ((constant("flag", True, "?"),), "relu"),
    "unfed": ((placeholder("flag", (), BOOL),), "tanh"),
    "default": (
        (constant("d", False, "?"), node("flag", "PlaceholderWithDefault", "d")),
        "tanh",
    ),
    "default on": (
        (constant("d", True, "?"), node("flag", "PlaceholderWithDefault", "d")),
        "relu",
    ),
    "negated": ((constant("d", False, "?"), node("flag", "LogicalNot", "d")), "relu"),
    "both": (
        (constant("d", True, "?"), UNFED, node("flag", "LogicalAnd", "d", "p")),
        "tanh",
    ),
    "either": (
        (constant("d", True, "?"), UNFED, node("flag", "LogicalOr", "d", "p")),
        "relu",
    ),
}


def with_flag(*flag: bytes) -> tuple[bytes, ...]:
    """tf.cond(flag, relu, tanh) of a dense layer, as TensorFlow 1 writes it."""
    return (
        placeholder("x", (None, 3)),
        variable("a/kernel", (3, 2)),
        node("a/MatMul", "MatMul", "x", "a/kernel"),
        *flag,
        node("pred_id", "Identity", "flag"),
        node("s", "Switch", "a/MatMul", "pred_id"),
        node("on", "Relu", "s:1"),
        node("off", "Tanh", "s"),
        node("a/Merge", "Merge", "off", "on"),
    )


@pytest.mark.parametrize("name", FLAGS)
def test_the_branch_follows_the_flag(tmp_path: Path, name: str):
    """Constants decide, defaults stand, and a flag that nobody feeds is off."""
    flag, function = FLAGS[name]
    (network,) = recovered(tmp_path, ARRAYS, *with_flag(*flag)).networks

    assert network.complete
    assert [layer.kind for layer in network.layers] == ["dense", "activation"]
    assert network.layers[1].function.value == function


def test_a_flag_that_is_computed_is_not_guessed(tmp_path: Path):
    """A branch that depends on a value makes the network incomplete, or ends before it."""
    axis = constant("axis", 0, "i4")
    flag = (placeholder("z", (None,)), axis, node("flag", "Any", "z", "axis"))
    (network,) = recovered(tmp_path, ARRAYS, *with_flag(*flag)).networks

    assert "activation" not in [layer.kind for layer in network.layers]


NAMED = {
    "unfed": "flag 'flag' is taken as off, as at inference",
    "both": "flag 'p' is taken as off, as at inference",
    "default": "flag 'flag' is taken as off, its default",
    "default on": "flag 'flag' is taken as on, its default",
}


@pytest.mark.parametrize("name", FLAGS)
def test_a_flag_that_a_program_may_feed_otherwise_is_named(tmp_path: Path, name: str):
    """What a placeholder is fed with stands in no file: where it decides, a note says so."""
    notes = recovered(tmp_path, ARRAYS, *with_flag(*FLAGS[name][0])).notes
    found = [NAMED[name]] if name in NAMED else []
    assert len(notes) == len(found)
    assert all(note.startswith(one) for note, one in zip(notes, found, strict=True))


def cond(name: str, flag: str, value: str, off: str, on: str, *between: str) -> list[bytes]:
    """tf.cond(flag, on, off) of a value; ``between`` are operations in front of ``on``."""
    nodes = [node(f"{name}/s", "Switch", value, flag)]
    latest = f"{name}/s:1"
    for number, op in enumerate(between):
        nodes.append(node(f"{name}/{number}", op, latest))
        latest = f"{name}/{number}"
    nodes += [node(f"{name}/on", on, latest), node(f"{name}/off", off, f"{name}/s")]
    return [*nodes, node(name, "Merge", f"{name}/off", f"{name}/on")]


def flag(name: str, on: bool) -> tuple[bytes, bytes]:
    """A flag with a default."""
    return constant(f"{name}/default", on, "?"), node(
        name, "PlaceholderWithDefault", f"{name}/default"
    )


def kinds(folder: Path, *nodes: bytes) -> list[str]:
    """The activations of a dense layer, and of what follows it."""
    dense = (
        placeholder("x", (None, 3)),
        variable("a/kernel", (3, 2)),
        node("a/MatMul", "MatMul", "x", "a/kernel"),
    )
    (network,) = recovered(folder, ARRAYS, *dense, *nodes).networks
    assert network.complete
    return [one.function.value for one in network.layers if one.kind == "activation"]


@pytest.mark.parametrize("on", [False, True])
def test_one_flag_may_decide_one_conditional_after_another(tmp_path: Path, on: bool):
    """As is_training does of every norm and dropout of a network."""
    nodes = [*cond("b", "flag", "a/MatMul", "Tanh", "Relu"), *cond("c", "flag", "b", "Elu", "Selu")]
    taken = ["relu", "selu"] if on else ["tanh", "elu"]
    last = node("last", "Sigmoid", "c")
    assert kinds(tmp_path, *flag("flag", on), *nodes, last) == [*taken, "sigmoid"]


@pytest.mark.parametrize("outer", [False, True])
@pytest.mark.parametrize("inner", [False, True])
@pytest.mark.parametrize("inside", [False, True])
def test_a_constant_of_a_branch_does_not_make_the_flag_of_another_decide(
    tmp_path: Path, outer: bool, inner: bool, inside: bool
):
    """A conditional inside a branch, one of whose own branches is a constant, decides itself.

    tf.cond(outer, relu, lambda: tf.cond(inner, constant, elu)), and with the two exchanged.
    """
    flags = (*flag("outer", outer), *flag("inner", inner))
    nodes = [
        node("s", "Switch", "a/MatMul", "outer"),
        node("on", "Relu", "s:1" if not inside else "s"),
        node("t", "Switch", "s" if not inside else "s:1", "inner"),
        node("elu", "Elu", "t"),
        constant("zeros", np.zeros((1, 2), np.float32)),
        node("m", "Merge", "elu", "zeros"),
        node("b", "Merge", *(("m", "on") if not inside else ("on", "m"))),
        node("c", "Tanh", "b"),
    ]
    if outer is inside:
        if inner:
            return  # a constant is no network
        assert kinds(tmp_path, *flags, *nodes) == ["elu", "tanh"]
    else:
        assert kinds(tmp_path, *flags, *nodes) == ["relu", "tanh"]


@pytest.mark.parametrize("on", [False, True])
@pytest.mark.parametrize("long", [10, 5000])
def test_a_branch_may_be_of_any_length(tmp_path: Path, on: bool, long: int):
    """The conditionals that lie in it do not decide in the place of its own flag."""
    flags = (*flag("flag", on), *flag("inner", not on))
    nodes = [
        node("s", "Switch", "a/MatMul", "flag"),
        *cond("in", "inner", "s", "Identity", "Identity", *["Identity"] * long),
        node("on", "Relu", "s:1"),
        node("off", "Tanh", "in"),
        node("b", "Merge", "off", "on"),
        node("last", "Sigmoid", "b"),
    ]
    assert kinds(tmp_path, *flags, *nodes) == ["relu" if on else "tanh", "sigmoid"]


def in_a_row(v1: Any, y: Any, flag: Any, other: Any) -> Any:
    y = v1.cond(flag, lambda: v1.nn.relu(y), lambda: v1.nn.elu(y))
    z = v1.sigmoid(y)
    return v1.cond(flag, lambda: v1.tanh(z), lambda: v1.nn.selu(z))


def inside(v1: Any, y: Any, flag: Any, other: Any) -> Any:
    def inner() -> Any:
        return v1.cond(other, lambda: v1.constant(np.zeros((1, 4), "f4")), lambda: v1.nn.elu(y))

    return v1.cond(flag, lambda: v1.nn.relu(y), inner)


def inside_on(v1: Any, y: Any, flag: Any, other: Any) -> Any:
    def inner() -> Any:
        return v1.cond(other, lambda: v1.nn.elu(y), lambda: v1.constant(np.zeros((1, 4), "f4")))

    return v1.cond(flag, inner, lambda: v1.nn.relu(y))


@pytest.mark.parametrize("flags", [*itertools.product([False, True], repeat=2)])
@pytest.mark.parametrize("built", [in_a_row, inside, inside_on])
def test_what_tensorflow_runs_is_what_is_found(
    tensorflow: Any, tmp_path: Path, built: Any, flags: tuple[bool, bool]
):
    """tf.cond of TensorFlow 1 under flags with defaults, judged by its own session.

    Where a constant arrives there is no network behind it, and none is told.
    """
    v1 = tensorflow.compat.v1
    new = v1.control_flow_v2_enabled()
    v1.disable_control_flow_v2()
    try:
        with v1.Graph().as_default(), v1.Session() as session:
            x = v1.placeholder(v1.float32, [None, 3], "x")
            given = [v1.placeholder_with_default(one, ()) for one in flags]
            y = built(v1, v1.matmul(x, v1.get_variable("a/kernel", [3, 4])), *given)
            y = v1.tanh(v1.matmul(y, v1.get_variable("b/kernel", [4, 2])), "end")
            session.run(v1.global_variables_initializer())
            prefix = v1.train.Saver().save(session, str(tmp_path / "m.ckpt"))
            rows = np.random.default_rng(0).standard_normal((8, 3)).astype(np.float32)
            expected = session.run(y, {x: rows})
    finally:
        if new:
            v1.enable_control_flow_v2()
    with open_checkpoint(prefix) as held:
        networks = recover(held).networks

    if (built, flags) in ((inside, (False, True)), (inside_on, (True, False))):
        assert "end" not in [name for one in networks for name in one.outputs if one.complete]
    else:
        (network,) = networks
        assert np.abs(run(network, {"x": rows})["end"] - expected).max() < 1e-6
