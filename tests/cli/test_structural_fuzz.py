"""Changed graphs, configs and values through every command: only our own errors come out.

The seeds are fixed and few, so that it is quick; ``python -m tests.benchmarks.fuzzing`` goes on
for as long as one likes, with every command on every file.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from pathlib import Path

import pytest

from tests.cli.every_command import CODES, commands, fault, outcome
from tests.cli.structural_seeds import FIXTURES, Seed, seeds

FILES = int(os.environ.get("LNFOLD_FUZZ_FILES", "60"))
COMMANDS_A_FILE = 3
BY_KIND: dict[str, list[Seed]] = {}
for _one in seeds(FIXTURES, FIXTURES.parent.parent / "checkpoint" / "fixtures"):
    BY_KIND.setdefault(_one.name.rpartition(".")[2], []).append(_one)


@pytest.mark.parametrize("kind", ["meta", "pb", "keras", "values"])
def test_changed_files_end_in_a_report_or_in_an_error_of_ours(tmp_path: Path, kind: str):
    """Never in a traceback, a warning or exit code 70; and most changes are noticed or harmless."""
    codes: Counter[int] = Counter()
    for number in range(FILES):
        rng = random.Random(number)
        seed = rng.choice(BY_KIND[kind])
        folder = tmp_path / str(number)
        folder.mkdir()
        path = seed.write(rng, folder)
        for arguments in rng.sample(commands(path, folder), COMMANDS_A_FILE):
            code, err = outcome(arguments)
            assert code in CODES, f"attempt {number}: {seed.name} {arguments}\n{err}"
            assert "Traceback" not in err
            codes[code] += 1

    assert codes.total() == FILES * COMMANDS_A_FILE
    assert codes[0] > FILES / 2  # it got beyond the first check of the input


def test_a_fault_would_be_seen(lnfold, samples, monkeypatch):
    """The harness itself: an exception in a command, and a warning, are findings."""
    path = samples / "cartpole_actor"
    arguments = ["inspect", str(path)]
    assert fault(arguments) is None

    import warnings

    def warned(*_: object) -> None:
        warnings.warn("invalid value", RuntimeWarning, stacklevel=1)

    monkeypatch.setattr("lnfold.cli.inspect.recover", warned)
    assert "RuntimeWarning" in (fault(arguments) or "")
