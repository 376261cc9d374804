"""What every test folder shares: where the checkpoints are, TensorFlow where it is, the CLI."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import settings

# The same cases in every run, on machines of any speed; --hypothesis-profile=explore for others.
settings.register_profile("same", deadline=None, derandomize=True, database=None)
settings.register_profile("explore", deadline=None)
settings.load_profile("same")

ROOT = Path(__file__).resolve().parent.parent
SAMPLES = ROOT / "sample_checkpoints"
REAL = ROOT.parent / "shared" / "checkpoints"


@pytest.fixture(scope="session")
def samples() -> Path:
    """The folder of checkpoints that the project made itself."""
    return SAMPLES


@pytest.fixture(scope="session")
def real() -> Path:
    """The folder of public checkpoints that lies beside a developer's clone."""
    if not REAL.is_dir():
        pytest.skip(f"the public checkpoints are not here ({REAL})")
    return REAL


@pytest.fixture(scope="session")
def tensorflow() -> ModuleType:
    """TensorFlow, the judge; tests that ask it are skipped where it is not installed."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its own import warns of its own dependencies
        return pytest.importorskip("tensorflow", exc_type=ImportError)


@dataclass(frozen=True)
class Outcome:
    """What a command said and how it ended."""

    code: int
    out: str
    err: str


@pytest.fixture
def lnfold(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Outcome]:
    """Runs the command line in this process, at 80 columns unless told otherwise."""
    from lnfold.cli import run_command_line

    def run(*arguments: object, columns: int = 80) -> Outcome:
        monkeypatch.setenv("COLUMNS", str(columns))
        capfd.readouterr()
        code = run_command_line([str(argument) for argument in arguments])
        out, err = capfd.readouterr()
        return Outcome(code, out, err)

    return run
