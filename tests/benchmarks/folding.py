"""What folding gains: original and folded, side by side, on one thread.

OPENBLAS_NUM_THREADS=1 python -m tests.benchmarks.folding [--rounds N] [CHECKPOINT]

NumPy runs are the compiled ones, buffers reused and rows in blocks, for the original as well.
tf.function and onnxruntime join in where they can be imported.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lnfold.checkpoint import open_checkpoint
from lnfold.folding.editing.steps import Form
from lnfold.folding.fold import Choice, fold
from lnfold.network.records.layers import Activation, Dense, LayerNorm, Network
from lnfold.network.running.compiled import compiled
from lnfold.network.running.run import run
from lnfold.recovery.recover import recover

Array = np.ndarray
Timed = Callable[[Array], Any]
SAMPLE = Path(__file__).resolve().parents[2] / "sample_checkpoints" / "cartpole_actor"
CALLS = {1: 1000, 10_000: 4}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkpoint", nargs="?", default=str(SAMPLE))
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    if os.environ.get("OPENBLAS_NUM_THREADS") != "1":
        parser.error("NumPy must run on one thread: set OPENBLAS_NUM_THREADS=1")
    with open_checkpoint(options.checkpoint) as checkpoint:
        network = next(one for one in recover(checkpoint).networks if one.complete)
    runs: dict[str, Timed] = {
        "NumPy, lnfold.run, original": lambda x: run(network, x),
        "NumPy, compiled, original": compiled(network),
    }
    for form in Form:
        folded = fold(network, Choice(form))
        name = form.value if form is folded.form else f"{form.value} = {folded.form.value}"
        runs[f"NumPy, compiled, {name}"] = compiled(folded.network)
    runs.update(_tensorflow(network))
    runs.update(_onnxruntime(network))
    inputs = {
        rows: np.random.default_rng(0)
        .standard_normal((rows, network.inputs[0].width))
        .astype(np.float32)
        for rows in CALLS
    }
    exact = run(network, inputs[10_000], np.float64)[network.outputs[0]]
    costs = {
        rows: _alternate(runs, inputs[rows], calls, options.rounds) for rows, calls in CALLS.items()
    }
    print(f"{network.name}: {options.checkpoint}; µs, median (least) of {options.rounds}")
    for name, timed in runs.items():
        found = timed(inputs[10_000])
        output = next(iter(found.values())) if isinstance(found, Mapping) else found
        error = np.abs(np.asarray(output) - exact).max()
        cells = [
            f"{statistics.median(costs[rows][name]):10.1f} ({min(costs[rows][name]):9.1f})"
            for rows in CALLS
        ]
        print(f"{name:42} {' '.join(cells)}   error {error:.1e}")


def _alternate(
    runs: Mapping[str, Timed], inputs: Array, calls: int, rounds: int
) -> dict[str, list[float]]:
    """Microseconds of one call, all runs in turns, so that they share the weather."""
    costs: dict[str, list[float]] = {name: [] for name in runs}
    for round_number in range(rounds + 1):
        for name, timed in runs.items():
            start = time.perf_counter()
            for _ in range(calls):
                timed(inputs)
            if round_number:  # the first warms up
                costs[name].append((time.perf_counter() - start) / calls * 1e6)
    return costs


def _tensorflow(network: Network) -> dict[str, Timed]:
    """The original as a tf.function of primitive operations, on one thread."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        import tensorflow as tf
    except ImportError:
        return {}
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)

    def compute(x: Any) -> Any:
        for layer in network.layers:
            parameters = {
                role: tf.constant(parameter.array) for role, parameter in layer.parameters()
            }
            if isinstance(layer, Dense):
                x = tf.matmul(x, parameters["kernel"])
                x = tf.nn.bias_add(x, parameters["bias"]) if "bias" in parameters else x
            elif isinstance(layer, LayerNorm):
                mean, variance = tf.nn.moments(x, [1], keepdims=True)
                x = tf.nn.batch_normalization(
                    x, mean, variance, parameters["beta"], parameters["gamma"], layer.epsilon.value
                )
            elif isinstance(layer, Activation):
                x = getattr(tf.nn, str(layer.function.value))(x)
            else:
                raise NotImplementedError(layer.kind)
        return x

    # traced once for each of the two shapes; no specification, which would slow the call down
    return {"TensorFlow, tf.function, original": tf.function(compute)}


def _onnxruntime(network: Network) -> dict[str, Timed]:
    """The original with ONNX's own LayerNormalization, on one thread."""
    try:
        import onnx
        import onnxruntime
        from onnx import helper, numpy_helper
    except ImportError:
        return {}
    nodes, constants = [], []

    def constant(name: str, array: Array) -> str:
        constants.append(numpy_helper.from_array(np.ascontiguousarray(array, np.float32), name))
        return name

    value = "x"
    for number, layer in enumerate(network.layers):
        names = [
            constant(f"{role}{number}", parameter.array) for role, parameter in layer.parameters()
        ]
        made = f"v{number}"
        if isinstance(layer, Dense):
            nodes.append(helper.make_node("Gemm", [value, *names], [made]))
        elif isinstance(layer, LayerNorm):
            epsilon = layer.epsilon.value
            nodes.append(
                helper.make_node("LayerNormalization", [value, *names], [made], epsilon=epsilon)
            )
        elif isinstance(layer, Activation):
            kind = {"relu": "Relu", "tanh": "Tanh"}[str(layer.function.value)]
            nodes.append(helper.make_node(kind, [value], [made]))
        else:
            raise NotImplementedError(layer.kind)
        value = made
    width = network.inputs[0].width
    graph = helper.make_graph(
        nodes,
        "original",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [None, width])],
        [helper.make_tensor_value_info(value, onnx.TensorProto.FLOAT, [None, None])],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return {"onnxruntime, original": lambda x: session.run(None, {"x": x})[0]}


if __name__ == "__main__":
    main()
