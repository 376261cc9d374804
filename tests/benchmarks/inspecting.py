"""The whole report against TensorFlow's mere listing: whole processes, side by side.

python -m tests.benchmarks.inspecting [--rounds N] [CHECKPOINT]
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tests.benchmarks.processes import alternate, median

SAMPLE = Path(__file__).resolve().parents[2] / "sample_checkpoints" / "cartpole_actor"
LISTING = """
import sys, tensorflow
names = tensorflow.train.load_checkpoint(sys.argv[1]).get_variable_to_shape_map()
print(sorted(names))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkpoint", nargs="?", default=str(SAMPLE))
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    costs = alternate(
        {
            "lnfold inspect --json": [
                sys.executable,
                "-m",
                "lnfold",
                "inspect",
                options.checkpoint,
                "--json",
            ],
            "load_checkpoint, names": [sys.executable, "-c", LISTING, options.checkpoint],
        },
        options.rounds,
    )
    print("| | seconds | MiB |\n|---|---|---|")
    for name, runs in costs.items():
        print(f"| {name} | {median(runs).seconds:.3f} | {median(runs).mebibytes:.0f} |")
    ours, theirs = (median(runs) for runs in costs.values())
    print(
        f"\n{theirs.seconds / ours.seconds:.1f} times faster, "
        f"1/{theirs.mebibytes / ours.mebibytes:.1f} of the memory"
    )


if __name__ == "__main__":
    main()
