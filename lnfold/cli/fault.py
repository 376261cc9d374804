"""What is said of an error that nobody foresaw: one line, and an exit code of its own.

A crash is no verdict: Python's own code for one is 1, which here means that a check found a
difference.
"""

from __future__ import annotations

import os

from lnfold.cli.echo import echo
from lnfold.text.number_format import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

EXIT_CODE: Final = 70  # EX_SOFTWARE of sysexits.h
TRACEBACK: Final = "LNFOLD_TRACEBACK"  # the environment variable that asks for the whole account
_LONGEST: Final = 160  # characters of what the error itself says


def report_fault(error: Exception) -> int:
    """Says in one line what happened and where to report it; the exit code for it."""
    if os.environ.get(TRACEBACK, "0") not in ("", "0"):
        import traceback

        echo("".join(traceback.format_exception(error)), err=True, nl=False)
    echo(
        f"lnfold: {_what_happened(error)}. That says nothing about the checkpoint. Please report "
        f"it to whoever you have lnfold from, with what the same command prints after "
        f"{TRACEBACK}=1.",
        err=True,
    )
    return EXIT_CODE


def _what_happened(error: Exception) -> str:
    if isinstance(error, MemoryError):
        return "the memory did not suffice, and lnfold should have seen that coming"
    if isinstance(error, RecursionError):
        return "something in the input is nested more deeply than lnfold foresaw"
    said = printable(" ".join(str(error).split()))
    if len(said) > _LONGEST:
        said = f"{said[:_LONGEST]}…"
    return f"a fault of lnfold's own ({type(error).__name__}{said and f': {said}'}{_place(error)})"


def _place(error: Exception) -> str:
    """The innermost line of lnfold that the error came through."""
    place, step = "", error.__traceback__
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    while step is not None:
        file = step.tb_frame.f_code.co_filename
        if file.startswith(package + os.sep):
            inside = os.path.relpath(file, package).replace(os.sep, "/")
            place = f", {inside} line {step.tb_lineno}"
        step = step.tb_next
    return place
