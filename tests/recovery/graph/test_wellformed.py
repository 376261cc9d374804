"""Graphs that TensorFlow could not have written are refused where they are read, with the node."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lnfold.network.facts.evidence import Source
from lnfold.network.facts.settings import Settings
from lnfold.recovery.graph.wellformed import LEAST, OPERANDS
from lnfold.recovery.recover import recover
from tests.recovery.made import checkpoint, recovered
from tests.recovery.proto import block, constant, integer, node, placeholder, variable

ARRAYS = {"a/kernel": np.ones((3, 2), np.float32), "a/bias": np.ones(2, np.float32)}


def graph(*nodes: bytes, reads: str = "x") -> tuple[bytes, ...]:
    """A dense layer that reads a value, and other nodes."""
    return (
        placeholder("x", (None, 3)),
        variable("a/kernel", (3, 2)),
        node("a/MatMul", "MatMul", reads, "a/kernel"),
        *nodes,
    )


def test_the_operands_are_those_of_tensorflow(tensorflow):
    """Every operation of the table takes as many inputs as TensorFlow's registry says."""
    from tensorflow.python.framework import op_def_registry

    for name, count in OPERANDS.items():
        arguments = op_def_registry.get(name).input_arg
        assert len(arguments) == count, name
        assert not any(one.number_attr or one.type_list_attr for one in arguments), name
    for name in LEAST:
        arguments = op_def_registry.get(name).input_arg
        assert any(one.number_attr or one.type_list_attr for one in arguments), name
    assert len(OPERANDS) > 90


@pytest.mark.parametrize("name", sorted(OPERANDS))
@pytest.mark.parametrize("more", [-1, 1])
def test_a_wrong_number_of_operands_is_a_note_that_names_the_node(
    tmp_path: Path, name: str, more: int
):
    """The graph is not used, whatever part of it the node is."""
    inputs = ["x"] * (OPERANDS[name] + more)
    found = recovered(tmp_path, ARRAYS, *graph(node("odd", name, *inputs)))

    assert f"node 'odd' ({name}) has {len(inputs)} inputs" in " ".join(found.notes)
    assert all(one.wiring.source is not Source.GRAPH for one in found.networks)


@pytest.mark.parametrize(
    "reference", ["x:y", "x:", ":0", "", "x:-1", "x:01", "x:²", "x:1:2", "x:9999999999", ":"]
)
def test_a_reference_that_names_no_output_is_a_note(tmp_path: Path, reference: str):
    """``name:x`` is none; TensorFlow writes ``name`` and ``name:k``."""
    found = recovered(tmp_path, ARRAYS, *graph(reads=reference))

    assert "which names no output" in " ".join(found.notes)


@pytest.mark.parametrize("name", ["", "name:x", "^x", ":"])
def test_a_name_that_no_node_can_have_is_a_note(tmp_path: Path, name: str):
    """An input called ``name:x`` could not be told from output x of ``name``."""
    found = recovered(tmp_path, ARRAYS, *graph(placeholder(name, (None, 3))))

    assert "no name of one" in " ".join(found.notes)


def test_an_output_that_an_operation_does_not_deliver_is_a_note(tmp_path: Path):
    """A Relu has one output, a Split as many as it says."""
    axis = constant("axis", 1, "i4")
    split = node("s", "Split", "axis", "x", num_split=integer(3, 3))
    for reads, others in (("r:1", (node("r", "Relu", "x"),)), ("s:3", (axis, split))):
        found = recovered(tmp_path, ARRAYS, *graph(*others, reads=reads))

        assert "does not deliver" in " ".join(found.notes)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1.5])
def test_a_float_where_an_integer_belongs_is_a_note(tmp_path: Path, value: float):
    """A cast to DataType NaN is none."""
    number = np.float32(value).tobytes()
    cast = node("c", "Cast", "x", DstT=bytes([4 << 3 | 5]) + number)
    found = recovered(tmp_path, ARRAYS, *graph(cast, reads="c"))

    assert "no integer" in " ".join(found.notes)


def test_texts_are_no_numbers(tmp_path: Path):
    """A constant of strings in the place of a kernel."""
    text = block(8, integer(1, 7) + block(2, block(2, integer(1, 1))) + block(8, b"words"))
    words = node("words", "Const", value=text, dtype=integer(6, 7))
    use = node("use", "MatMul", "a/MatMul", "words")
    found = recovered(tmp_path, ARRAYS, *graph(words, use))

    assert "'words' holds object where numbers belong" in " ".join(found.notes)
    assert all(one.wiring.source is not Source.GRAPH for one in found.networks)


@pytest.mark.parametrize("epsilon", [-1e-3, float("nan"), float("inf")])
def test_a_fused_norm_of_an_impossible_epsilon_is_not_run(tmp_path: Path, epsilon: float):
    """Neither is it another norm."""
    arrays = {**ARRAYS, **{f"bn/{one}": np.ones(2, np.float32) for one in "gbmv"}}
    fused = node(
        "bn/f",
        "FusedBatchNormV3",
        "a/MatMul",
        *(f"bn/{one}" for one in "gbmv"),
        epsilon=bytes([4 << 3 | 5]) + np.float32(epsilon).tobytes(),
        is_training=integer(5, 0),
    )
    found = recovered(
        tmp_path, arrays, *graph(*(variable(f"bn/{one}", (2,)) for one in "gbmv"), fused)
    )
    whole = recover(
        checkpoint(arrays, tmp_path / "made.meta"), Settings(output="a/MatMul")
    ).networks

    assert whole[0].complete
    assert not any(layer.kind == "batch_norm" for one in found.networks for layer in one.layers)
