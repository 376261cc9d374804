"""Recovery stays within its budget."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tests.network.made import recovered
from tests.network.proto import constant, node, placeholder, variable
from tests.network.recovered import recovery

REPEATS = 5


def fastest(action: Callable[[], object], repeats: int = REPEATS) -> float:
    """The shortest of several runs in seconds: the machine may be busy, never too fast."""
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        action()
        times.append(time.perf_counter() - started)
    return min(times)


def test_six_networks_in_a_400_kilobyte_graph_take_no_time_to_speak_of(real: Path):
    """ddpg_layernorm adds at most 0.15 s to a process."""
    path = real / "ddpg_layernorm" / "model.ckpt"

    assert fastest(lambda: recovery(path)) < 0.15


def test_a_four_megabyte_graph_takes_less_than_a_second(tmp_path: Path):
    """Two hundred blocks of dense, norm and relu, and as many gradients as a training graph has."""
    arrays: dict[str, np.ndarray] = {}
    nodes = [placeholder("net/h0", (None, 8)), constant("axes", [-1], "i4"), constant("eps", 1e-5)]
    keep = {"keep_dims": b"\x28\x01"}
    for i in range(200):
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
    networks = recovered(tmp_path, arrays, *nodes).networks
    size = (tmp_path / "made.meta").stat().st_size

    assert size > 2_000_000
    assert len(networks) == 1
    kinds = [layer.kind for layer in networks[0].layers]
    assert kinds == ["dense", "layer_norm", "activation"] * 200
    elapsed = fastest(lambda: recovered(tmp_path, arrays, *nodes), 3)
    assert elapsed * 4_000_000 / size < 1
