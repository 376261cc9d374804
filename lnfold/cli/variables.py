"""`lnfold variables`: what is in a checkpoint, without TensorFlow, NumPy or a cut-off."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

import click

from lnfold.checkpoint import Checkpoint, Variable, open_checkpoint
from lnfold.checkpoint.bytes.gc_paused import PausedCollection
from lnfold.cli.echo import echo
from lnfold.cli.listing import Listing
from lnfold.errors import UnknownNameError, UnsupportedError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import numpy as np

    from lnfold.cli.listing import Measured
    from lnfold.recovery.names.scopes import VariableRole

# What NumPy answers for types that another package brings.
_USERS_TYPE = 2
# What padding texts to one length may add.
_TEXT_ALLOWANCE = 64 << 20
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
@click.option(
    "--output", metavar="FILE.npy", help="Write the values there; bfloat16 and float8 as float32."
)
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
        raise UsageError(
            "--output goes with --values NAME", remedy="To keep a listing: --csv > variables.csv"
        )
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
                f"no variable matches {' or '.join(patterns)}",
                file=checkpoint.path,
                remedy=f"Without a pattern all {len(checkpoint):,} are listed.",
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
    from lnfold.recovery.names.scopes import variable_roles

    return variable_roles(checkpoint.values())


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return any(
        # A bracket is a part of many a name, and never a set of characters.
        fnmatchcase(name, pattern.replace("[", "[[]"))
        if any(one in pattern for one in "*?")
        else pattern in name
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
            echo(str(array))
        return
    storable = _storable(array, variable)
    from lnfold.files.whole_file import whole_file

    with whole_file(output) as file:
        np.save(file, storable, allow_pickle=False)


def _storable(array: np.ndarray, variable: Variable) -> np.ndarray:
    """The same values in a type that every NumPy reads back from a ``.npy`` file.

    Raises:
        UnsupportedError: texts that would lose zero bytes at their ends, or fill the disk.
    """
    if array.dtype == object:
        longest = max(map(len, array.flat), default=0)
        ends_in_zero = any(text.endswith(b"\0") for text in array.flat)
        if ends_in_zero or longest * array.size > variable.nbytes + _TEXT_ALLOWANCE:
            raise UnsupportedError(
                "a .npy file pads texts to the length of the longest, which these do not stand",
                variable=variable.name,
                remedy="Show them without --output, or read them with lnfold.open_checkpoint.",
            )
        return array.astype(f"S{max(1, longest)}")
    if array.dtype.isbuiltin != _USERS_TYPE:
        return array
    # Types of ml_dtypes come back as raw bytes; wider ones hold every value of theirs.
    if variable.dtype.startswith(("int", "uint")):
        return array.astype("int8" if variable.dtype.startswith("int") else "uint8")
    return array.astype("float32")


def _named(checkpoint: Checkpoint, name: str) -> Variable:
    if name in checkpoint:
        return checkpoint[name]
    ending = [one for one in checkpoint if one.endswith("/" + name)]
    if len(ending) == 1:
        return checkpoint[ending[0]]
    return checkpoint[name]  # which says what names are near
