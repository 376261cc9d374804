"""Graphs that are damaged, foreign, circular or deep: an error or a note, never a wrong network."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lnfold.errors import GraphError, LnfoldError
from lnfold.network.facts.evidence import Source
from lnfold.network.records.kinds import Opaque
from lnfold.recovery.graph.saved_model import read_meta_graph, read_saved_model
from lnfold.recovery.recover import Recovery, recover
from tests.conftest import SAMPLES
from tests.recovery.made import checkpoint, recovered
from tests.recovery.proto import call, constant, function, node, placeholder, variable
from tests.recovery.recovered import facts_of, recovery

SAMPLE = SAMPLES / "cartpole_actor_batchnorm" / "actor.ckpt"
ARRAYS = {
    "a/kernel": np.ones((3, 2), np.float32),
    "a/bias": np.ones(2, np.float32),
}
DENSE = (
    placeholder("x", (None, 3)),
    variable("a/kernel", (3, 2)),
    variable("a/bias", (2,)),
    node("a/MatMul", "MatMul", "x", "a/kernel"),
    node("a/BiasAdd", "BiasAdd", "a/MatMul", "a/bias"),
)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of a sample whose .meta may be overwritten."""
    folder = tmp_path_factory.mktemp("mutated")
    for file in SAMPLE.parent.glob("actor.ckpt.*"):
        shutil.copy(file, folder)
    return folder / "actor.ckpt"


META = (SAMPLE.parent / "actor.ckpt.meta").read_bytes()
TRUTH = facts_of(recovery(SAMPLE).networks[0].layers)


def with_meta(bundle: Path, data: bytes) -> Recovery:
    Path(f"{bundle}.meta").write_bytes(data)
    return recovery(bundle)


def is_honest(found: Recovery) -> bool:
    """Whether every network either is what the sample is, or owns up to what it lacks.

    A changed byte may also make another graph, sound in itself: another placeholder's name,
    epsilon or activation. Then it is what the graph says.
    """
    for network in found.networks:
        if network.wiring.source is not Source.GRAPH and not found.notes:
            return False
        network.widths()
    return True


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(st.integers(0, len(META) - 1), st.integers(0, 255), st.integers(1, 8))
def test_a_changed_byte_never_crashes(bundle: Path, place: int, value: int, run: int):
    """Any byte, or run of bytes, overwritten in a .meta ends in a network or a note."""
    data = bytearray(META)
    data[place : place + run] = bytes([value]) * run

    assert is_honest(with_meta(bundle, bytes(data)))


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(st.integers(0, len(META) - 1))
def test_a_cut_graph_is_noted_or_holds_the_whole_network(bundle: Path, length: int):
    """A .meta cut anywhere is refused with a note, and the names speak instead."""
    found = with_meta(bundle, META[:length])

    if found.networks[0].wiring.source is Source.GRAPH:
        assert facts_of(found.networks[0].layers) == TRUTH
    else:
        assert "graph" in " ".join(found.notes)
        assert not found.networks[0].complete


@pytest.mark.parametrize(
    "data", [b"", b"\0" * 64, b'model_checkpoint_path: "model"\n', bytes(range(256)) * 8]
)
def test_a_foreign_file_is_no_graph(bundle: Path, data: bytes):
    """Whatever else is called .meta is named in a note, with its path."""
    found = with_meta(bundle, data)

    assert found.notes
    assert f"{bundle}.meta" in " ".join(found.notes)
    assert all(network.wiring.source is not Source.GRAPH for network in found.networks)


def test_a_missing_file_is_a_graph_error(tmp_path: Path):
    """Both readers say which file cannot be read."""
    for read in (read_meta_graph, read_saved_model):
        with pytest.raises(GraphError, match="cannot be read"):
            read(str(tmp_path / "nothing"))


def test_a_graph_of_another_checkpoint_is_not_used(bundle: Path):
    """The graph of an actor of other widths beside the weights: a note, and the names."""
    other = SAMPLES / "cartpole_actor" / "actor.ckpt-12000.meta"
    found = with_meta(bundle, other.read_bytes())

    for network in found.networks:
        if network.wiring.source is Source.GRAPH:
            # the same names and shapes: its dense layers are there, its norms are not
            assert not network.complete or len(network.layers) < len(TRUTH)
        else:
            assert found.notes


def test_shapes_that_contradict_the_variables_are_noted(tmp_path: Path):
    """A kernel of another shape than the graph declares belongs to another graph."""
    found = recovered(tmp_path, {**ARRAYS, "a/kernel": np.ones((4, 2), np.float32)}, *DENSE)

    assert "belong to another checkpoint" in " ".join(found.notes)
    assert all(network.wiring.source is not Source.GRAPH for network in found.networks)


def test_a_circle_of_operations_ends(tmp_path: Path):
    """Nodes that read each other are named as a loop, not followed for ever."""
    found = recovered(
        tmp_path,
        ARRAYS,
        *DENSE[:3],
        node("p", "AddV2", "x", "r"),
        node("q", "Relu", "p"),
        node("r", "Identity", "q"),
        node("a/MatMul", "MatMul", "p", "a/kernel"),
        node("a/BiasAdd", "BiasAdd", "a/MatMul", "a/bias"),
    )

    (network,) = found.networks
    assert not network.complete


@pytest.mark.parametrize("op", ["Identity", "Reshape", "ExpandDims", "Merge", "Switch"])
def test_a_circle_of_operations_that_change_nothing_ends(tmp_path: Path, op: str):
    """A node that hands itself on delivers nothing."""
    shape = constant("shape", [-1, 3], "i4")
    inputs = {"Merge": ("s", "s"), "Identity": ("s",)}.get(op, ("s", "shape"))
    found = recovered(
        tmp_path,
        ARRAYS,
        *DENSE[:3],
        shape,
        node("t", op, *inputs),
        node("s", "Identity", "t"),
        node("a/MatMul", "MatMul", "s", "a/kernel"),
    )

    assert all(not network.complete for network in found.networks)


@pytest.mark.parametrize("op", ["Relu", "Identity", "Reshape", "AddV2", "Square", "Mul"])
def test_a_chain_of_twenty_thousand_operations_is_no_recursion(tmp_path: Path, op: str):
    """Depth costs time, not stack."""
    depth = 20_000
    second = {"Reshape": ["shape"], "AddV2": ["x"], "Mul": ["x"]}.get(op, [])
    nodes = [node("n0", op, "x", *second)]
    nodes += [node(f"n{i}", op, f"n{i - 1}", *second) for i in range(1, depth)]
    started = time.process_time()
    found = recovered(
        tmp_path,
        ARRAYS,
        *DENSE[:3],
        constant("shape", [-1, 3], "i4"),
        *nodes,
        node("a/MatMul", "MatMul", f"n{depth - 1}", "a/kernel"),
        node("a/BiasAdd", "BiasAdd", "a/MatMul", "a/bias"),
    )

    assert found.networks
    assert time.process_time() - started < 12


def test_ten_thousand_nested_functions_are_unfolded(tmp_path: Path):
    """A function that calls a function that calls … is a plain graph in the end."""
    depth = 10_000
    functions = [
        function(f"f{i}", ["x"], {"y": "c:output:0"}, call("c", f"f{i + 1}", "x"))
        for i in range(depth)
    ]
    functions.append(function(f"f{depth}", ["x"], {"y": "r:activations:0"}, node("r", "Relu", "x")))
    found = recovered(
        tmp_path,
        ARRAYS,
        *DENSE[:3],
        call("net", "f0", "x"),
        node("a/MatMul", "MatMul", "net", "a/kernel"),
        functions=tuple(functions),
    )

    (network,) = found.networks
    assert [layer.kind for layer in network.layers] == ["activation", "dense"]


# Each function calls the next one twice: 2^60 operations, if one unfolded them.
DOUBLING = [
    function(
        f"f{i or ''}",
        ["x"],
        {"y": "s:z:0"},
        call("a", f"f{i + 1}", "x"),
        call("b", f"f{i + 1}", "x"),
        node("s", "AddV2", "a:output:0", "b:output:0"),
    )
    for i in range(60)
]
DOUBLING.append(function("f60", ["x"], {"y": "x"}))


@pytest.mark.parametrize(
    ("functions", "said"),
    [
        ((), "is called but missing"),
        ((function("f", ["x"], {"y": "c:o:0"}, call("c", "f", "x")),), "unfold to more than"),
        (tuple(DOUBLING), "unfold to more than"),
        ((function("f", ["x", "y"], {"y": "x"}),), "of 2 arguments with 1"),
        ((function("f", ["x"], {"y": "gone:z:0"}),), "which is missing"),
    ],
    ids=["missing", "recursive", "doubling", "arguments", "dangling"],
)
def test_functions_that_do_not_unfold_are_noted(
    tmp_path: Path, functions: tuple[bytes, ...], said: str
):
    """Each is a note that says so, and the names speak instead."""
    nodes = (*DENSE[:3], call("net", "f", "x"), node("a/MatMul", "MatMul", "net", "a/kernel"))
    found = recovered(tmp_path, ARRAYS, *nodes, functions=functions)

    assert said in " ".join(found.notes)
    assert all(network.wiring.source is not Source.GRAPH for network in found.networks)


def test_two_nodes_of_one_name_and_dangling_inputs_are_noted(tmp_path: Path):
    """Neither is a graph that TensorFlow could have written."""
    twice = recovered(tmp_path, ARRAYS, *DENSE, DENSE[-1])
    dangling = recovered(tmp_path, ARRAYS, *DENSE[1:])

    assert "two nodes are called" in " ".join(twice.notes)
    assert "which it does not contain" in " ".join(dangling.notes)


def test_a_constant_that_would_fill_the_memory_is_not_made(tmp_path: Path):
    """A Fill of 10^12 elements is refused before it is allocated."""
    found = recovered(
        tmp_path,
        ARRAYS,
        *DENSE[:3],
        constant("dims", [1_000_000, 1_000_000], "i4"),
        constant("one", 1.0),
        node("huge", "Fill", "dims", "one"),
        node("scaled", "Mul", "x", "huge"),
        node("a/MatMul", "MatMul", "scaled", "a/kernel"),
    )

    assert "larger" in " ".join(found.notes) or "array of shape" in " ".join(found.notes)


def test_a_keras_config_that_is_damaged_is_a_note(tmp_path: Path):
    """Broken JSON, a config without layers, layers that read each other: named, not fatal."""
    for text in (
        "{",
        "[]",
        '{"class_name": "Functional"}',
        '{"class_name": "Mine", "config": {}}',
        "[" * 100_000,
    ):
        found = recover(checkpoint(ARRAYS, config=text))

        assert "the Keras config was not used" in " ".join(found.notes)
        assert found.networks


def test_errors_are_those_of_lnfold():
    """A GraphError is one that the command line shows without a traceback."""
    assert issubclass(GraphError, LnfoldError)


def test_operations_whose_kinds_are_no_text_are_told_apart(tmp_path: Path):
    """A byte of a kind that is no UTF-8 is a gap like any other, and not the same gap."""
    said = set()
    for kind in ("Strange\udcf7", "Strange\udcf8"):
        opaque, after = node("o", kind, "a/BiasAdd"), node("t", "Tanh", "o")
        (network,) = recovered(tmp_path, ARRAYS, *DENSE, opaque, after).networks
        (gap,) = (layer for layer in network.layers if isinstance(layer, Opaque))
        said.add(gap.said)
    assert len(said) == 2
    assert "" not in said
