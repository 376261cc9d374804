"""`lnfold variables`: what is in a checkpoint, without TensorFlow, NumPy or a cut-off."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

import click

from lnfold.checkpoint import Checkpoint, Variable, open_checkpoint
from lnfold.checkpoint.paused_collection import PausedCollection
from lnfold.cli.listing import Listing
from lnfold.errors import UnknownNameError, UsageError
from lnfold.figures import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lnfold.cli.listing import Measured
    from lnfold.network.scopes import VariableRole

HIDDEN = ("optimizer_slot", "counter")


@click.command(
    epilog="""\b
Examples:
  lnfold variables run/model.ckpt-500
  lnfold variables run/ 'actor/*' --stats
  lnfold variables run/ --values actor/dense/bias --output bias.npy
  lnfold variables run/ --all --csv > variables.csv"""
)
@click.argument("path", metavar="CHECKPOINT")
@click.argument("patterns", metavar="[PATTERN]...", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Optimizer slots and counters too.")
@click.option("--stats", is_flag=True, help="Minimum, mean, maximum, … of every variable.")
@click.option("--values", metavar="NAME", help="The values of one variable, all of them.")
@click.option("--output", metavar="FILE.npy", help="Write the values there.")
@click.option("--json", "form", flag_value="json", help="JSON instead of a table.")
@click.option("--csv", "form", flag_value="csv", help="CSV instead of a table.")
@click.option("--step", type=int, help="The checkpoint of this step, of several in a folder.")
def command(
    path: str,
    patterns: tuple[str, ...],
    everything: bool,
    stats: bool,
    values: str | None,
    output: str | None,
    form: str | None,
    step: int | None,
) -> None:
    """List the variables of CHECKPOINT: name, shape, type, role and bytes.

    A PATTERN is a part of a name, or a whole one with * and ?.
    """
    if output is not None and values is None:
        raise UsageError("--output goes with --values NAME")
    with PausedCollection(), open_checkpoint(path, step=step) as checkpoint:
        if values is not None:
            _show_values(checkpoint, values, output)
            return
        roles = _roles(checkpoint)
        matching = list(checkpoint.values())
        if patterns:
            matching = [one for one in matching if _matches(one.name, patterns)]
        if patterns and not matching:
            raise UnknownNameError(
                f"no variable matches {' or '.join(patterns)}", file=checkpoint.path
            )
        chosen = [one for one in matching if everything or roles[one.name] not in HIDDEN]
        measured = _statistics(checkpoint, chosen) if stats else None
        listing = Listing(checkpoint, chosen, roles, measured, len(matching) - len(chosen))
        if form == "json":
            listing.print_json()
        elif form == "csv":
            listing.print_csv()
        else:
            listing.print_table()


def _roles(checkpoint: Checkpoint) -> dict[str, VariableRole]:
    from lnfold.network.scopes import variable_roles

    return variable_roles(checkpoint.values())


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return any(
        fnmatchcase(name, pattern) if any(one in pattern for one in "*?[") else pattern in name
        for pattern in patterns
    )


def _statistics(checkpoint: Checkpoint, chosen: list[Variable]) -> Measured:
    from lnfold.checkpoint.statistics import statistics
    from lnfold.cli.progress import progress

    with progress("reading") as advance:
        return statistics(checkpoint, [variable.name for variable in chosen], advance)


def _show_values(checkpoint: Checkpoint, name: str, output: str | None) -> None:
    variable = _named(checkpoint, name)
    array = variable.read()
    import numpy as np

    if output is None:
        with np.printoptions(threshold=array.size + 1, linewidth=100):
            click.echo(printable_lines(str(array)))
        return
    from lnfold.whole_file import whole_file

    with whole_file(output, inputs=checkpoint.files) as file:
        np.save(file, array, allow_pickle=False)


def printable_lines(text: str) -> str:
    """Printable text that may have several lines."""
    return "\n".join(map(printable, text.split("\n")))


def _named(checkpoint: Checkpoint, name: str) -> Variable:
    if name in checkpoint:
        return checkpoint[name]
    ending = [one for one in checkpoint if one.endswith("/" + name)]
    if len(ending) == 1:
        return checkpoint[ending[0]]
    from difflib import get_close_matches

    near = ending or get_close_matches(name, checkpoint, 3)
    raise UnknownNameError(
        f"no variable is called '{name}'",
        file=checkpoint.path,
        remedy=f"Did you mean {' or '.join(near[:3])}?" if near else None,
    )
