"""Recovery takes time in proportion to the graph."""

from __future__ import annotations

import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from types import FrameType

import numpy as np

from tests.recovery.made import recovered
from tests.recovery.proto import constant, node, placeholder, variable


def calls_in(action: Callable[[], object]) -> int:
    """How many functions, Python's own among them, an action calls: the same on every machine."""
    count = 0

    def counted(frame: FrameType, event: str, argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(counted)
    try:
        action()
    finally:
        sys.setprofile(before)
    return count


def blocks(count: int) -> tuple[list[bytes], dict[str, np.ndarray]]:
    """Blocks of dense, norm and relu, and as many gradients as a training graph has."""
    arrays: dict[str, np.ndarray] = {}
    nodes = [placeholder("net/h0", (None, 8)), constant("axes", [-1], "i4"), constant("eps", 1e-5)]
    keep = {"keep_dims": b"\x28\x01"}
    for i in range(count):
        s = f"net/block_{i}"
        for name, shape in (("kernel", (8, 8)), ("bias", (8,)), ("gamma", (8,)), ("beta", (8,))):
            arrays[f"{s}/{name}"] = np.ones(shape, np.float32)
            nodes.append(variable(f"{s}/{name}", shape))
        steps = (
            ("mm", "MatMul", f"net/h{i}", f"{s}/kernel"),
            ("y", "BiasAdd", f"{s}/mm", f"{s}/bias"),
            ("m", "Mean", f"{s}/y", "axes"),
            ("q", "SquaredDifference", f"{s}/y", f"{s}/m"),
            ("v", "Mean", f"{s}/q", "axes"),
            ("e", "AddV2", f"{s}/v", "eps"),
            ("r", "Rsqrt", f"{s}/e"),
            ("g", "Mul", f"{s}/r", f"{s}/gamma"),
            ("a", "Mul", f"{s}/y", f"{s}/g"),
            ("c", "Mul", f"{s}/m", f"{s}/g"),
            ("d", "Sub", f"{s}/beta", f"{s}/c"),
            ("n", "AddV2", f"{s}/a", f"{s}/d"),
        )
        for name, op, *inputs in steps:
            nodes.append(node(f"{s}/{name}", op, *inputs, **(keep if op == "Mean" else {})))
            for k in range(12):
                nodes.append(node(f"gradients/{s}/{name}_grad/part_{k}", "Mul", *inputs[:1], "eps"))
        nodes.append(node(f"net/h{i + 1}", "Relu", f"{s}/n"))
    return nodes, arrays


def test_the_work_grows_no_faster_than_the_graph(tmp_path: Path):
    """Twice the graph takes twice the calls; what looks at pairs of nodes takes four times.

    How many seconds that is on which machine, the benchmarks say.
    """
    work = []
    for count in (50, 100, 200):
        nodes, arrays = blocks(count)
        networks = recovered(tmp_path, arrays, *nodes).networks
        kinds = [layer.kind for layer in networks[0].layers]
        assert len(networks) == 1
        assert kinds == ["dense", "layer_norm", "activation"] * count
        work.append(calls_in(lambda: recovered(tmp_path, arrays, *nodes)))  # noqa: B023

    assert (tmp_path / "made.meta").stat().st_size > 2_000_000
    assert work[0] > 100_000
    for less, more in pairwise(work):
        assert more < 2.1 * less


def test_work_on_pairs_is_seen_to_grow_faster():
    """The count tells what is quadratic from what is not."""

    def pairs(count: int) -> None:
        for one in range(count):
            for other in range(count):
                max(one, other)

    assert calls_in(lambda: pairs(80)) > 3.5 * calls_in(lambda: pairs(40))
