"""The command line: one file a command; the only place that prints, parses options or exits."""

from __future__ import annotations

import codecs
import importlib
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from io import StringIO

import click

from lnfold.cli import printing
from lnfold.cli.echo import echo
from lnfold.cli.fault import EXIT_CODE, report_fault
from lnfold.cli.signals import Stopped, ended_by_signals
from lnfold.errors import LnfoldError
from lnfold.files.files_read import one_command
from lnfold.files.standard_streams import ReaderLeft
from lnfold.text.number_format import printable

# command → the one line that `lnfold -h` says of it; each is a module of this package
COMMANDS = {
    "inspect": "What the network is, how bias, gamma and beta relate, and what folds.",
    "explain": "The full account in plain words, with the numbers filled in.",
    "fold": "Fold what folds exactly, with a certificate for every step, and write it.",
    "check": "Run the networks and say whether a copy, a fold or TensorFlow agrees.",
    "graph": "A network as a diagram in text, Mermaid or DOT.",
    "variables": "Names, shapes, types, roles and statistics of the variables.",
    "verify": "Read every byte, compare every checksum.",
    "schema": "Print the JSON Schema of a report, a certificate or any other JSON output.",
}

EXIT_CODES = {
    0: "fine",
    1: "a check found a difference; under --strict, something could not be folded",
    2: "bad usage: an option or argument that cannot be used",
    3: "unreadable or damaged input",
    4: "cannot tell",
    EXIT_CODE: "a fault of lnfold's own, which is no verdict",
}


class Commands(click.Group):
    """Imports a command when it is used: `lnfold -h` and errors in usage cost nothing more."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        command = importlib.import_module(f"lnfold.cli.{name}").command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and not args[0].startswith("-") and args[0] not in COMMANDS:
            from difflib import get_close_matches

            near = get_close_matches(args[0], COMMANDS, 1)
            hint = f"Did you mean '{near[0]}'?" if near else f"There are: {', '.join(COMMANDS)}."
            if os.path.exists(args[0]) or os.path.exists(args[0] + ".index"):
                hint = f"To look into it: lnfold inspect {args[0]}"
            ctx.fail(f"No such command '{args[0]}'. {hint}")
        return super().resolve_command(ctx, args)


@click.command(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 96},
    epilog="""\b
Example:  lnfold inspect run/actor.ckpt-500

\b
Exit codes:
"""
    + "\n".join(f"  {code:<4}{meaning}" for code, meaning in EXIT_CODES.items()),
    no_args_is_help=True,
)
@click.version_option(package_name="lnfold", message="lnfold %(version)s")
def lnfold() -> None:
    """Point it at a TensorFlow checkpoint: what the network in it is, how its biases, gammas
    and betas relate, what of it can be summarised exactly, and proof by running it in NumPy.
    TensorFlow is not needed."""


def run_command_line(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; returns its exit code.

    They are those of ``EXIT_CODES``, and 128 and the number of a signal that ended it. A
    traceback is shown only of a fault of lnfold's own, and only where LNFOLD_TRACEBACK is set.
    """
    printing.prepare()
    _let_every_character_through()
    code = _run(arguments)
    with suppress(LnfoldError, ReaderLeft):
        sys.stdout.flush()  # what was printed before an error, which has been told already
    return code


def _run(arguments: Sequence[str] | None) -> int:
    try:
        with ended_by_signals(), one_command():
            code = lnfold.main(arguments, prog_name="lnfold", standalone_mode=False)
            sys.stdout.flush()
    except LnfoldError as error:
        echo(f"lnfold: {printable(str(error))}", err=True)
        return error.exit_code
    except click.ClickException as error:
        shown = StringIO()
        error.show(shown)
        said = error.format_message()  # what was typed stands in it
        echo(shown.getvalue().replace(said, printable(said)), err=True, nl=False)
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        echo("lnfold: stopped", err=True)
        return 130
    except Stopped as stopped:
        echo("lnfold: stopped", err=True)
        return stopped.exit_code
    except ReaderLeft:
        return 0
    except Exception as error:
        return report_fault(error)
    return code if isinstance(code, int) else 0


def _let_every_character_through() -> None:
    """A terminal or pipe that cannot show a character gets a plain one, or its escape."""
    codecs.register_error("lnfold", _plainly)
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="lnfold")


def _plainly(error: UnicodeError) -> tuple[str | bytes, int]:
    assert isinstance(error, UnicodeEncodeError)  # only what is written gets here
    wanted = error.object[error.start : error.end]
    if all(one in _PLAIN for one in wanted):
        return "".join(_PLAIN[one] for one in wanted), error.end
    return codecs.backslashreplace_errors(error)


# as wide as what they stand for, where that can be, so that columns stay in line
_PLAIN = dict(zip("→─│├└·−×–—²▁▂▃▄▅▆▇█", ">-||`*-x--2.:-=+*%#", strict=True)) | {
    "…": "..",
    "✓": "ok",
    "✗": "x",
    "±": "+-",
    "ε": "epsilon",
    "≤": "<=",
}
