"""Every command over one checkpoint, in this process, and what must come of it."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import traceback
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import pytest

from lnfold.cli import run_command_line

CODES = (0, 1, 2, 3, 4)
# Seconds; each takes less than one. Beyond it a command counts as one that hangs.
LONG = 20


class TooLong(BaseException):
    """A command did not end; no ``except Exception`` of the program catches it."""


def commands(path: Path, folder: Path) -> list[list[str]]:
    """Each command as a user types it, and the options that reach other code."""
    place, out = str(path), folder / "out"
    return [
        ["inspect", place],
        ["inspect", place, "--json", "--detail"],
        ["inspect", place, "--explain", "--epsilon", "1e-3"],
        ["explain", place, "--box", "-1", "1"],
        ["fold", place, "--output", f"{out}.npz", "--force", "--form", "plain"],
        ["fold", place, "--json"],
        ["check", place],
        ["check", place, "--assume", "--json"],
        ["fold", place, "--assume", "--epsilon", "1e-3", "--activation", "relu"],
        ["graph", place],
        ["graph", place, "--format", "dot"],
        ["variables", place, "--all", "--stats"],
        ["variables", place, "--csv"],
        ["verify", place],
    ]


def outcome(arguments: list[str]) -> tuple[int, str]:
    """Exit code and stderr of one command, warnings counting as errors."""
    out, err = io.StringIO(), io.StringIO()
    with (
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        warnings.catch_warnings(),
        _no_longer_than(LONG),
        pytest.MonkeyPatch.context() as patch,
    ):
        warnings.simplefilter("error")
        patch.setenv("LNFOLD_TRACEBACK", "1")
        try:
            code = run_command_line(arguments)
        except TooLong as error:
            return -1, "".join(traceback.format_exception(error))
    return code, err.getvalue()


def fault(arguments: list[str]) -> str | None:
    """What is wrong with how a command ends; None where it ends as it should."""
    code, err = outcome(arguments)
    if code not in CODES:
        return f"exit code {code}\n{err}"
    return err if "Traceback" in err else None


@contextlib.contextmanager
def _no_longer_than(seconds: int) -> Iterator[None]:
    def over(_number: int, _frame: FrameType | None) -> None:
        raise TooLong

    if not hasattr(signal, "SIGALRM"):
        yield
        return
    before = signal.signal(signal.SIGALRM, over)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
