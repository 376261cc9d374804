"""What every form makes of every network of some checkpoints, as a table in Markdown.

OPENBLAS_NUM_THREADS=1 python -m tests.benchmarks.folding_table [--rounds N] [CHECKPOINT]…

Steps taken and refused, the error in float64, the growth of rounding, multiplications, and the
least microseconds of a compiled call before and after, in turns, for one row and for 10,000.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from time import perf_counter

import numpy as np

from lnfold.checkpoint import open_checkpoint
from lnfold.folding.editing.runnable_part import runnable_part
from lnfold.folding.editing.steps import Form
from lnfold.folding.fold import Choice, fold_together
from lnfold.folding.proof.certificate import Folded
from lnfold.network.running.compiled import Run, compiled
from lnfold.recovery.recover import recover

SAMPLES = Path(__file__).resolve().parents[2] / "sample_checkpoints"
CALLS = {1: 200, 10_000: 1}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkpoints", nargs="*", default=[str(SAMPLES / "cartpole_actor")])
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    print(
        "| network | form | applied | refused | float64 | rounding | multiplications "
        "| µs, 1 row | µs, 10,000 rows |\n|---|---|---|---|---|---|---|---|---|"
    )
    for path in options.checkpoints:
        with open_checkpoint(path) as checkpoint:
            networks = [one for one in recover(checkpoint).networks if runnable_part(one)]
        for form in Form:
            for one in fold_together(networks, Choice(form)):
                print(_row(Path(path).name, form, one, options.rounds), flush=True)


def _row(path: str, form: Form, one: Folded, rounds: int) -> str:
    name = form.value if form is one.form else f"{form.value} = {one.form.value}"
    before, after = one.multiplications
    cells = [
        f"{path}: {one.original.name}",
        name,
        _counted(step.rule for step in one.certificates),
        _counted(f"{step.rule} {step.reason.name.lower()}" for step in one.refusals),
        f"{one.float64_error:.1e}",
        f"{one.rounding_ratio:.2f}",
        f"{before} → {after}",
        *_timed(one, rounds),
    ]
    return f"| {' | '.join(cells)} |"


def _counted(names: Iterable[str]) -> str:
    counts = Counter(names)
    return ", ".join(f"{number} {name}" for name, number in counts.items()) or "–"


def _timed(one: Folded, rounds: int) -> list[str]:
    parts = runnable_part(one.original), runnable_part(one.network)
    runs = [compiled(part) for part in parts if part is not None]
    random = np.random.default_rng(0)
    cells = []
    for rows, calls in CALLS.items():
        inputs = {
            place.name: random.standard_normal((rows, place.width)).astype(np.float32)
            for place in (parts[0] or one.original).inputs
        }
        given = next(iter(inputs.values())) if len(inputs) == 1 else inputs
        least = _least(runs, given, calls, rounds)
        cells.append(f"{least[0]:.1f} → {least[1]:.1f} ({least[0] / least[1]:.2f}×)")
    return cells


def _least(runs: Sequence[Run], inputs: object, calls: int, rounds: int) -> list[float]:
    least = [float("inf")] * len(runs)
    for _ in range(rounds + 1):
        for place, run in enumerate(runs):
            start = perf_counter()
            for _ in range(calls):
                run(inputs)  # type: ignore[arg-type]
            least[place] = min(least[place], (perf_counter() - start) / calls * 1e6)
    return least


if __name__ == "__main__":
    main()
