"""What whole processes cost: wall time and peak memory, measured in turns."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_NO_BYTE_CODE = "PYTHONDONTWRITEBYTECODE"


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
    # as on a user's machine: byte code is compiled once and kept
    environment = {key: one for key, one in os.environ.items() if key != _NO_BYTE_CODE}
    start = time.perf_counter()
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment
    )
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    if status:
        raise RuntimeError(f"{' '.join(command)} ended with status {status}")
    peak = usage.ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10)
    return Cost(seconds, peak)
