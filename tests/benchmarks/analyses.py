"""What the full account costs: whole processes for checkpoints, and layers of many units.

python tests/benchmarks/analyses.py CHECKPOINT …      lnfold inspect --detail --json, median
python tests/benchmarks/analyses.py                   4,096 units a layer, in this process
python tests/benchmarks/analyses.py corners           boxes of 16 to 20 inputs, all corners tried
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import time

import numpy as np

REPEATS = 5


def checkpoint(path: str, *options: str) -> float:
    """The median seconds of a whole process."""
    taken = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        command = [sys.executable, "-m", "lnfold", "inspect", path, *options]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def wide(widths: tuple[int, ...]) -> None:
    """Relations and detail of a random network, with the time of each and the peak memory."""
    from lnfold.network.running.run import run
    from lnfold.relations.detail import detail
    from lnfold.relations.question.relate import relate
    from tests.relations.random_networks import normalised_network

    network = normalised_network(np.random.default_rng(0), widths)
    x = np.random.default_rng(1).normal(size=(1024, widths[0]))
    values = run(network, x, np.float64, trace=True)
    start = time.perf_counter()
    relations = relate(network, values)
    related = time.perf_counter()
    detail(network, relations, values)
    done = time.perf_counter()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{'-'.join(map(str, widths))}: relations {related - start:.1f} s, "
        f"detail {done - related:.1f} s, peak {peak:.0f} MB"
    )


def corners(inputs: int, units: int) -> None:
    """All corners of a box, for a layer most of whose units are of one sign in it."""
    from lnfold.relations.ranges.box import Box
    from lnfold.relations.ranges.corners import corner_maxima
    from tests.relations.ranges.test_unit_ranges import lifted_of

    lifted = lifted_of(0, inputs, units)
    box = Box(np.full(inputs, 2.0), np.full(inputs, 2.3))
    start, used = time.perf_counter(), time.process_time()
    corner_maxima(lifted, lifted.rows, box, np.arange(units))
    print(
        f"{inputs} inputs, {units} units, {1 << inputs:,} corners: "
        f"{time.perf_counter() - start:.2f} s, {time.process_time() - used:.2f} s of a core"
    )


if __name__ == "__main__":
    if sys.argv[1:] == ["corners"]:
        for inputs, units in ((16, 64), (18, 64), (20, 64), (16, 4096), (20, 1024)):
            corners(inputs, units)
        sys.exit()
    for given in sys.argv[1:]:
        for options in ((), ("--detail", "--json")):
            print(f"{given} {' '.join(options)}: {checkpoint(given, *options):.2f} s")
    if len(sys.argv) == 1:
        wide((17, 4096, 4))
        wide((17, 4096, 4096, 4))
