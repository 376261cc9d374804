"""Whether any program passes what lnfold says rounding does, over random networks.

python -m tests.benchmarks.rounding_bounds [--networks N] [--seed S] [--tensorflow] [--onnx]

Each network is run by NumPy in five orders and three spellings of its norms, and where asked for
by TensorFlow, operation by operation, and by onnxruntime with all its fusions. In half precision
sums are float32's, as libraries' are; programs that round every partial sum to half are held
against the proved bound only. Counted are numbers of outputs further from float64 than the
estimate and than the proved bound; planted changes of a parameter that move an output by eight
times its allowance and are still within it; and outputs that cannot be told: allowances that
are not finite or more than 1 % of the output's scale, its spread over the rows or its size
where it does not vary.

The networks: widths 1 to 64, every kind of layer, epsilon 0 and 1e-12 to 1e-3, equal columns,
rows of zeros, weights of 1e-6 to 1e6 times the usual size, one in eight in half precision.
"""

from __future__ import annotations

import argparse
import importlib
import os
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from lnfold.network.operations.float_types import float_type
from lnfold.network.records.layers import Network
from lnfold.network.rounding.measured import Rounding, measure_rounding
from lnfold.network.running.run import run
from tests.network.rounding.networks import wild
from tests.network.rounding.other_programs import onnx_program, tensorflow_program
from tests.network.rounding.planted import PLANTED, most, planted
from tests.network.rounding.programs import SPELLINGS, SUMS, program

Array = np.ndarray
SHARE = 0.01  # of an output's scale: beyond it an allowance tells nothing


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--tensorflow", action="store_true")
    parser.add_argument("--onnx", action="store_true")
    options = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    libraries = {
        "tensorflow": _library("tensorflow") if options.tensorflow else None,
        "onnx": _library("onnx") if options.onnx else None,
        "onnxruntime": _library("onnxruntime") if options.onnx else None,
    }
    counts: Counter[str] = Counter()
    worst: dict[str, tuple[float, float]] = {}
    begun = time.process_time()
    for seed in range(options.seed, options.seed + options.networks):
        network, inputs = wild(seed)
        begin = time.process_time()
        rounding = measure_rounding(network, inputs)
        counts["microseconds of bounds"] += int(1e6 * (time.process_time() - begin))
        _count_told(network.precision, rounding, counts)
        for name, outputs in _programs(network, inputs, rounding, libraries):
            _judge(seed, name, outputs, rounding, counts, worst)
        _plant(seed, network, inputs, rounding, counts)
        if (seed + 1) % 500 == 0:
            _show(seed + 1 - options.seed, counts, worst, time.process_time() - begun)
    _show(options.networks, counts, worst, time.process_time() - begun)


def _library(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        print(f"{name} is not installed: left out")
        return None


def _programs(
    network: Network, inputs: Mapping[str, Array], rounding: Rounding, libraries: Mapping[str, Any]
) -> Iterator[tuple[str, Mapping[str, Array]]]:
    """The outputs of every program, by its name."""
    dtype = float_type(network.precision).type
    half = "" if network.precision == "float32" else " in half"
    yield f"NumPy, BLAS{half}", rounding.single
    for total, spelling in zip(SUMS, (*SPELLINGS, SPELLINGS[1]), strict=True):
        made = program(network, inputs, dtype, total, spelling, np.float32)
        yield f"NumPy, {total.__name__}, {spelling}{half}", made
        if half:
            # what no library does, but is proved: every partial sum is rounded to half
            made = program(network, inputs, dtype, total, spelling)
            yield f"sums in half, {total.__name__}, {spelling}", made
    tensorflow = libraries["tensorflow"]
    if tensorflow is not None:
        found = tensorflow_program(tensorflow, network, inputs)
        if found is not None:
            yield f"TensorFlow{half}", found
    if libraries["onnx"] is not None and libraries["onnxruntime"] is not None and not half:
        found = onnx_program(libraries["onnx"], libraries["onnxruntime"], network, inputs)
        if found is not None:
            yield "onnxruntime", found


def _judge(
    seed: int,
    name: str,
    outputs: Mapping[str, Array],
    rounding: Rounding,
    counts: Counter[str],
    worst: dict[str, tuple[float, float]],
) -> None:
    """Counts the numbers beyond the figures; what is not a number is beyond a finite one."""
    counts[f"{name}: networks"] += 1
    passed = {"estimate": False, "proved": False}
    ratios = [0.0, 0.0]
    for output, exact in rounding.double.items():
        off = np.nan_to_num(np.abs(outputs[output].astype(np.float64) - exact), nan=np.inf)
        for place, (figure, found) in enumerate(
            (("estimate", rounding.estimate[output]), ("proved", rounding.proved[output]))
        ):
            judged = np.isfinite(found) & (figure == "proved" or "sums in half" not in name)
            beyond = judged & ~(off <= found)
            counts[f"{name}: numbers beyond {figure}"] += int(beyond.sum())
            passed[figure] |= bool(beyond.any())
            share = np.where(judged & (found > 0), off / np.where(found > 0, found, 1), 0)
            ratios[place] = max(ratios[place], float(share.max(initial=0)))
        counts[f"{name}: numbers"] += int(np.isfinite(rounding.estimate[output]).sum())
    for figure, so in passed.items():
        counts[f"{name}: networks beyond {figure}"] += so
        if so:
            print(f"seed {seed}: {name} beyond {figure}: {ratios}", flush=True)
    before = worst.get(name, (0.0, 0.0))
    worst[name] = max(before[0], ratios[0]), max(before[1], ratios[1])


def _scales(exact: Array) -> Array:
    """The scale of each output: its spread over the rows, its size where it does not vary."""
    finite = np.where(np.isfinite(exact), exact, 0.0)
    spread = finite.max(axis=0) - finite.min(axis=0)
    size = np.abs(finite).max(axis=0)
    return np.where(spread > 1e-9 * size, spread, size)


def _count_told(precision: str, rounding: Rounding, counts: Counter[str]) -> None:
    for output, exact in rounding.double.items():
        scale = _scales(exact)
        counts[f"told, {precision}: numbers"] += exact.size
        for figure, found in (("estimate", rounding.estimate), ("proved", rounding.proved)):
            blunt = ~(found[output] <= SHARE * scale)
            counts[f"told, {precision}: {figure} too large"] += int(blunt.sum())
            counts[f"told, {precision}: {figure} not finite"] += int(
                (~np.isfinite(found[output])).sum()
            )


def _plant(
    seed: int,
    network: Network,
    inputs: Mapping[str, Array],
    rounding: Rounding,
    counts: Counter[str],
) -> None:
    """Whether a change of PLANTED times the allowance is still told when it is run."""
    dtype = float_type(network.precision).type
    for figure, allowed in (("estimate", rounding.estimate), ("proved", rounding.proved)):
        changed = planted(seed, network, inputs, rounding.double, allowed)
        if changed is not None:
            counts[f"planted: {PLANTED} × {figure}"] += 1
            told = not most(run(changed, inputs, dtype), rounding.double, allowed) <= 1
            counts[f"planted: beyond {figure}"] += told


def _show(
    networks: int, counts: Counter[str], worst: Mapping[str, tuple[float, float]], seconds: float
) -> None:
    print(f"\n{networks} networks, {seconds:.0f} s")
    for name in sorted(counts):
        print(f"  {name:60} {counts[name]:>12,}")
    for name, (estimate, proved) in sorted(worst.items()):
        print(f"  {name:40} largest share of estimate {estimate:.3g}, of proved {proved:.3g}")
    print(flush=True)


if __name__ == "__main__":
    with np.errstate(all="ignore"):
        main()
