"""What whole processes cost: wall time and peak memory, measured in turns.

A child begins as a copy of the process that starts it, and its peak counts that copy: no peak
below the starter's own, some 14 MiB, can be seen. So whoever measures imports neither NumPy nor
TensorFlow, and has others write its files; :func:`cost_of` refuses to measure from a big process.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

# Settings of whoever develops; a user's Python keeps byte code and buffers what it prints.
_UNUSUAL = ("PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED")

_SMALL_MEBIBYTES = 24


@dataclass(frozen=True)
class Cost:
    """Wall time of a process from start to end, and its largest resident set."""

    seconds: float
    mebibytes: float


def alternate(commands: Mapping[str, Sequence[str]], rounds: int) -> dict[str, list[Cost]]:
    """Runs every command once to warm up, then all in turns, so that they share the weather."""
    for command in commands.values():
        cost_of(command)
    costs: dict[str, list[Cost]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            costs[name].append(cost_of(command))
    return costs


def cost_of(command: Sequence[str]) -> Cost:
    """Runs one command; an error of the command is an error here. Needs os.wait4 (not Windows)."""
    own = _mebibytes(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    if own > _SMALL_MEBIBYTES:
        raise RuntimeError(f"this process has {own:.0f} MiB itself, and so would every child")
    environment = {key: one for key, one in os.environ.items() if key not in _UNUSUAL}
    start = time.perf_counter()
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment
    )
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    if status:
        raise RuntimeError(f"{' '.join(command)} ended with status {status}")
    return Cost(seconds, _mebibytes(usage.ru_maxrss))


def _mebibytes(maxrss: int) -> float:
    return maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10)


def median(runs: list[Cost]) -> Cost:
    """The median time and the median peak, each by itself."""
    return Cost(
        statistics.median(run.seconds for run in runs),
        statistics.median(run.mebibytes for run in runs),
    )
