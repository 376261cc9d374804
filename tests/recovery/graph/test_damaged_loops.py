"""Loops and SavedModels that are damaged, circular or deep: a note, and the rest as it is."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lnfold.errors import LnfoldError
from lnfold.network.records.layers import LSTM
from lnfold.network.running.run import run
from tests.recovery.made import recovered
from tests.recovery.proto import block, function, node, placeholder, variable
from tests.recovery.recovered import FIXTURES, recovery

ARRAYS = {"a/kernel": np.ones((3, 2), np.float32)}
DENSE = (
    placeholder("x", (None, 3)),
    variable("a/kernel", (3, 2)),
    node("a/MatMul", "MatMul", "x", "a/kernel"),
)


def loop(name: str, body: str, condition: str, *inputs: str) -> bytes:
    named = {
        key: block(10, block(1, value)) for key, value in (("body", body), ("cond", condition))
    }
    return node(name, "While", *inputs, **named)


HOLDS = function("holds", ["v"], {"o": "less:z:0"}, node("less", "Less", "v", "v"))
BODIES = {
    "grows": function("body", ["v"], {"o": "n:z:0"}, node("n", "AddV2", "v", "v")),
    "changes nothing": function("body", ["v"], {"o": "v"}),
    "another number of arguments": function("body", ["v", "w"], {"o": "v"}),
    "another number of results": function("body", ["v"], {}),
    "calls itself": function("body", ["v"], {"o": "n:output:0"}, loop("n", "body", "holds", "v")),
    "reads what is missing": function(
        "body", ["v"], {"o": "n:z:0"}, node("n", "AddV2", "v", "nothing:z:0")
    ),
    "a condition that is missing": function(
        "body", ["v"], {"o": "n:output:0"}, loop("n", "other", "nowhere", "v")
    ),
}
GROWING = ("grows", "changes nothing")


@pytest.mark.parametrize("kind", BODIES)
def test_a_loop_that_does_not_fit_is_noted(tmp_path: Path, kind: str):
    """A loop of sound functions leaves the network open; any other, and the graph is not used."""
    found = recovered(
        tmp_path,
        ARRAYS,
        *DENSE,
        loop("loop", "body", "holds", "a/MatMul"),
        functions=(HOLDS, BODIES[kind]),
    )

    assert bool(found.notes) == (kind not in GROWING)
    assert found.networks
    for network in found.networks:
        network.widths()


def test_thousands_of_nested_loops_are_read_or_noted_in_time(tmp_path: Path):
    """Loops in loops, ten thousand deep, need no recursion, and names that do not grow."""
    bodies = [
        function(f"body_{n}", ["v"], {"o": "n:output:0"}, loop("n", f"body_{n + 1}", "holds", "v"))
        for n in range(10_000)
    ]
    bodies.append(function("body_10000", ["v"], {"o": "v"}))
    start = time.process_time()
    found = recovered(
        tmp_path,
        ARRAYS,
        *DENSE,
        loop("loop", "body_0", "holds", "a/MatMul"),
        functions=(HOLDS, *bodies),
    )

    assert found.networks
    assert time.process_time() - start < 20


def test_a_condition_that_stops_early_makes_no_lstm(tensorflow: Any, tmp_path: Path):
    """A loop over part of a sequence is left as what it is, and not run as a whole one."""
    from tests.recovery.patterns.test_lstm import STEPS, TAKEN, _Cell, saved

    found = saved(tensorflow, tmp_path / "whole", _Cell(tensorflow, STEPS), (None, STEPS, TAKEN))
    assert any(isinstance(layer, LSTM) for layer in found.networks[0].layers)
    path = tmp_path / "whole" / "saved" / "saved_model.pb"
    data = path.read_bytes()
    limit = b"while/Less/y"
    place = data.index(limit)
    five, four = b"\x12\x00:\x01\x05", b"\x12\x00:\x01\x04"  # TensorProto {shape (), int_val}
    at = data.index(five, place)
    assert at - place < 200
    path.write_bytes(data[:at] + four + data[at + len(four) :])
    found = recovery(tmp_path / "whole" / "saved")

    assert not any(isinstance(one, LSTM) for net in found.networks for one in net.layers)
    assert all(not network.complete for network in found.networks)


SAVED = FIXTURES / "tf1_saved" / "several_tags_and_signatures"
WHOLE = (SAVED / "saved_model.pb").read_bytes()


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of a SavedModel whose graph may be overwritten."""
    folder = tmp_path_factory.mktemp("damaged") / "model"
    shutil.copytree(SAVED, folder)
    return folder


def ends_well(folder: Path) -> bool:
    """Whether recovering, and running what is complete, ends in a result or lnfold's own error."""
    try:
        found = recovery(folder)
        for network in found.networks:
            network.widths()
            if network.complete:
                run(network, {one.name: np.zeros((5, one.width)) for one in network.inputs})
    except LnfoldError:
        return True
    return bool(found.networks or found.notes)


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(st.integers(0, len(WHOLE) - 1), st.binary(min_size=1, max_size=8), st.integers(0, 60))
def test_a_damaged_saved_model_never_crashes(model: Path, place: int, put: bytes, cut: int):
    """Bytes overwritten, put in or taken out anywhere end in networks, a note or an error."""
    (model / "saved_model.pb").write_bytes(WHOLE[:place] + put + WHOLE[place + cut :])
    os.utime(model / "saved_model.pb", (0, 0))  # a young file is waited for: it may be replaced

    assert ends_well(model)


def test_a_damaged_loop_never_crashes(tensorflow: Any, tmp_path: Path):
    """The same for a SavedModel of an LSTM, at a hundred and fifty places."""
    from tests.recovery.patterns.test_lstm import STEPS, TAKEN, keras_lstm, saved

    keras = keras_lstm(tensorflow, (None, STEPS, TAKEN))
    saved(tensorflow, tmp_path, keras, (None, STEPS, TAKEN))
    path = tmp_path / "saved" / "saved_model.pb"
    whole = path.read_bytes()
    random = np.random.default_rng(8)
    for place in random.integers(0, len(whole), 150):
        damaged = bytearray(whole)
        damaged[place : place + 2] = random.bytes(2)
        path.write_bytes(damaged)
        assert ends_well(tmp_path / "saved")
