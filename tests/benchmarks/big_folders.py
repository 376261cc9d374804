"""Commands on folders of many checkpoints: whole processes, seconds by number of checkpoints.

python -m tests.benchmarks.big_folders [--counts 1000 5000 20000]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.checkpoint.finding.test_big_folders import fill


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--counts", type=int, nargs="+", default=[1000, 5000, 20000])
    for count in parser.parse_args().counts:
        with tempfile.TemporaryDirectory() as folder:
            for state in (True, False):
                run = fill(Path(folder) / f"state-{state}", count, "bundles", state)
                step = ["--step", str(count // 2)]
                for command in (["variables"], ["variables", *step], ["verify"], ["verify", *step]):
                    command = [command[0], str(run), *command[1:]]
                    started = time.perf_counter()
                    done = subprocess.run(
                        [sys.executable, "-m", "lnfold", *command], capture_output=True
                    )
                    taken = time.perf_counter() - started
                    what = " ".join([command[0], *command[2:]])
                    print(
                        f"{count:6} {'state' if state else '     '}  {what:22} "
                        f"exit {done.returncode}  {taken:.2f} s"
                    )


if __name__ == "__main__":
    main()
