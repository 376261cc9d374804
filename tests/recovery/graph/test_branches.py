"""The branch of a conditional that inference takes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

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
