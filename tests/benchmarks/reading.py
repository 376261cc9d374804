"""Reading against TensorFlow: whole processes, side by side, on files made for the purpose.

python -m tests.benchmarks.reading [--rounds N] [--megabytes N] [--shards N] [--folder PATH]

Everything is written into a temporary folder, which is removed in the end. With the defaults it
takes 6 GB of disk; ``--megabytes 100`` is a quick look.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.benchmarks.processes import alternate, median

LISTING = """
import sys
from lnfold.checkpoint import open_checkpoint
with open_checkpoint(sys.argv[1]) as checkpoint:
    for name, variable in checkpoint.items():
        print(name, variable.dtype, variable.shape)
"""
LISTING_BY_TENSORFLOW = """
import sys, tensorflow as tf
reader = tf.train.load_checkpoint(sys.argv[1])
types = reader.get_variable_to_dtype_map()
for name, shape in sorted(reader.get_variable_to_shape_map().items()):
    print(name, types[name].name, shape)
"""
VECTORS = """
import sys
from lnfold.checkpoint import open_checkpoint
with open_checkpoint(sys.argv[1]) as checkpoint:
    for name, variable in checkpoint.items():
        if name.rsplit("/", 1)[-1] in ("gamma", "beta", "bias"):
            variable.read()
"""
VECTORS_BY_TENSORFLOW = """
import sys, tensorflow as tf
reader = tf.train.load_checkpoint(sys.argv[1])
for name in reader.get_variable_to_shape_map():
    if name.rsplit("/", 1)[-1] in ("gamma", "beta", "bias"):
        reader.get_tensor(name)
"""
STATISTICS = """
import sys
from lnfold.checkpoint import open_checkpoint
from lnfold.checkpoint.statistics import statistics
with open_checkpoint(sys.argv[1]) as checkpoint:
    for name, found in statistics(checkpoint).items():
        print(name, found)
"""
STATISTICS_BY_TENSORFLOW = """
import sys, tensorflow as tf
reader = tf.train.load_checkpoint(sys.argv[1])
for name in reader.get_variable_to_shape_map():
    array = reader.get_tensor(name)
    print(name, array.min(), array.max(), array.mean(), array.std())
"""
VERIFYING = """
import sys
from lnfold.checkpoint.verify import verify
assert verify(sys.argv[1]).passed
"""
BARE_LOOP = """
import sys, google_crc32c
for path in sys.argv[2:]:
    crc = 0
    with open(path, "rb", buffering=0) as file:
        while piece := file.read(1 << 20):
            crc = google_crc32c.extend(crc, piece)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--megabytes", type=int, default=1300, help="the size of the smaller file")
    parser.add_argument("--shards", type=int, default=8, help="of the larger file, 3.3 times it")
    parser.add_argument("--folder", help="where to write; the system's temporary folder if unset")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(dir=options.folder))
    compare = Comparison(options.rounds)
    try:
        print("| work | by | lnfold s | MiB | other s | MiB | times faster | of the memory |")
        print("|---|---|---|---|---|---|---|---|")
        for count in (32, 20_000, 70_000):
            prefix = written(folder / f"n{count}", count)
            compare(f"list {count}", prefix, LISTING, LISTING_BY_TENSORFLOW, ["variables"])
        prefix = written(folder / "large", options.megabytes, 1)
        label = f"of {options.megabytes} MB"
        compare(f"vectors {label}", prefix, VECTORS, VECTORS_BY_TENSORFLOW)
        with_statistics = ["variables", "--stats"]
        compare(
            f"statistics {label}", prefix, STATISTICS, STATISTICS_BY_TENSORFLOW, with_statistics
        )
        larger = options.megabytes * 10 // 3
        prefix = written(folder / "sharded", larger, options.shards)
        label = f"of {larger} MB in {options.shards} shards"
        compare(
            f"statistics {label}", prefix, STATISTICS, STATISTICS_BY_TENSORFLOW, with_statistics
        )
        shards = sorted(str(path) for path in folder.glob("sharded.data-*"))
        compare(f"verify {label}, a bare loop", prefix, VERIFYING, BARE_LOOP, ["verify"], shards)
    finally:
        shutil.rmtree(folder)


def written(prefix: Path, *figures: int) -> str:
    """A checkpoint made by another process: a child's peak begins with that of its parent."""
    command = [sys.executable, "-m", "tests.benchmarks.reading_files", str(prefix)]
    subprocess.run([*command, *map(str, figures)], check=True)
    return str(prefix)


class Comparison:
    """Measures lnfold and another in turns, so many times, and prints lines of the table."""

    def __init__(self, rounds: int) -> None:
        self.rounds = rounds

    def __call__(
        self,
        work: str,
        prefix: str,
        library: str,
        other: str,
        command: Sequence[str] = (),
        files: Sequence[str] = (),
    ) -> None:
        """A line for the library, and one for the command that does the same.

        Args:
            library, other: programs, run with the prefix as their argument; the other also with
                the names of ``files``.
            command: of lnfold, with its options.
        """
        processes = {"library": [sys.executable, "-c", library, prefix]}
        if command:
            processes["command"] = [sys.executable, "-m", "lnfold", *command, prefix]
        costs = alternate(
            {**processes, "other": [sys.executable, "-c", other, prefix, *files]}, self.rounds
        )
        theirs = median(costs["other"])
        for name in processes:
            ours = median(costs[name])
            print(
                f"| {work} | {name} | {ours.seconds:.3f} | {ours.mebibytes:.0f} "
                f"| {theirs.seconds:.3f} | {theirs.mebibytes:.0f} "
                f"| {theirs.seconds / ours.seconds:.1f} "
                f"| {ours.mebibytes / theirs.mebibytes:.3f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
