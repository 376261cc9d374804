"""Changed graphs and configs through every command, for as long as one likes; what was found.

    python -m tests.benchmarks.fuzzing --seconds 1800 --seed 1 [FOLDER …]

A folder holds more checkpoints to start from. Each finding is printed once, by the place that it
comes from, with the seed that repeats it; the files are kept below --keep.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import shutil
import tempfile
import time
from pathlib import Path

from tests.cli.every_command import commands, fault
from tests.cli.structural_seeds import FIXTURES, seeds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--memory", type=int, default=3, help="GiB that the process may take")
    parser.add_argument("--only", default="", help="a part of the names of the seeds to use")
    parser.add_argument("--keep", type=Path, default=Path("findings"))
    parser.add_argument("folders", nargs="*", type=Path)
    given = parser.parse_args()
    _limit_memory(given.memory << 30)
    chosen = [one for one in seeds(FIXTURES, *given.folders) if given.only in one.name]
    by_kind: dict[str, list] = {}
    for one in chosen:
        by_kind.setdefault(one.name.rpartition(".")[2], []).append(one)
    found: dict[str, int] = {}
    files = executions = 0
    slowest, slow = 0.0, ""
    end = time.monotonic() + given.seconds
    while time.monotonic() < end:
        number = given.seed * 10_000_000 + files
        rng = random.Random(number)
        seed = rng.choice(by_kind[rng.choice(sorted(by_kind))])
        files += 1
        with tempfile.TemporaryDirectory(prefix="lnfold-fuzz-") as folder:
            path = seed.write(rng, Path(folder))
            for arguments in commands(path, Path(folder)):
                started = time.monotonic()
                said = fault(arguments)
                executions += 1
                taken = time.monotonic() - started
                if taken > slowest:
                    slowest, slow = taken, f"{number} {seed.name} {arguments[0]}"
                if said is not None:
                    place = _place(said)
                    found[place] = found.get(place, 0) + 1
                    if found[place] == 1:
                        print(f"── {number} {seed.name} {' '.join(arguments)}\n{said}", flush=True)
                        shutil.copytree(folder, given.keep / str(number), dirs_exist_ok=True)
        if files % 200 == 0:
            print(f"{files} files, {executions} commands, {len(found)} findings", flush=True)
    print(f"{files} files, {executions} commands, {len(found)} findings")
    print(f"the slowest command took {slowest:.1f} s: {slow}")
    for place, count in sorted(found.items(), key=lambda one: -one[1]):
        print(f"{count:6} {place}")


def _place(said: str) -> str:
    lines = re.findall(r'File "[^"]*?(lnfold/[^"]+)", line (\d+)', said)
    last = [line for line in said.splitlines() if re.match(r"[\w.]+(Error|Warning|TooLong)", line)]
    kind = last[-1].partition(":")[0] if last else said.splitlines()[0]
    return f"{kind} {':'.join(lines[-1]) if lines else ''}"


def _limit_memory(size: int) -> None:
    if os.name == "posix":
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (size, size))


if __name__ == "__main__":
    main()
