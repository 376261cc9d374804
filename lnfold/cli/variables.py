"""`lnfold variables`: what is in a checkpoint, without TensorFlow, NumPy or a cut-off."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase

import click

from lnfold.checkpoint import Checkpoint, Variable, open_checkpoint
from lnfold.errors import UnknownNameError, UsageError
from lnfold.figures import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lnfold.checkpoint.moments import Statistics
    from lnfold.network.scopes import VariableRole

    Measured = dict[str, Statistics | None]

Row = tuple[str, ...]
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
    with open_checkpoint(path, step=step) as checkpoint:
        if values is not None:
            _show_values(checkpoint, values, output)
            return
        roles = _roles(checkpoint)
        matching = [one for one in checkpoint.values() if _matches(one.name, patterns)]
        if patterns and not matching:
            raise UnknownNameError(
                f"no variable matches {' or '.join(patterns)}", file=checkpoint.path
            )
        chosen = [one for one in matching if everything or roles[one.name].value not in HIDDEN]
        measured = _statistics(checkpoint, chosen) if stats else None
        listing = _Listing(checkpoint, chosen, roles, measured, len(matching) - len(chosen))
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
    return not patterns or any(
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


class _Listing:
    """The chosen variables of one checkpoint in three forms."""

    def __init__(
        self,
        checkpoint: Checkpoint,
        chosen: list[Variable],
        roles: dict[str, VariableRole],
        measured: Measured | None,
        hidden: int,
    ) -> None:
        self.checkpoint = checkpoint
        self.chosen = chosen
        self.roles = roles
        self.measured = measured
        self.hidden = hidden

    def print_table(self) -> None:
        """Columns as wide as their contents; nothing is cut."""
        heads: Row = ("name", "shape", "dtype", "role", "bytes")
        rows: list[Row] = [
            (
                printable(variable.name),
                f"[{', '.join(map(str, variable.shape))}]",
                variable.dtype,
                self.roles[variable.name].value,
                f"{variable.nbytes:,}",
            )
            for variable in self.chosen
        ]
        right = [False, False, False, False, True]
        if self.measured is not None:
            heads += STATISTICS
            rows = [
                row + self._figures(variable)
                for row, variable in zip(rows, self.chosen, strict=True)
            ]
            right += [True] * len(STATISTICS)
        for note in self.checkpoint.notes:
            click.echo(f"note: {printable(note)}", err=True)
        click.echo("\n".join(_aligned([heads, *rows], right)))
        click.echo(self._total())

    def _figures(self, variable: Variable) -> Row:
        assert self.measured is not None
        return tuple(
            "" if value is None else f"{value:,}" if isinstance(value, int) else f"{value:.4g}"
            for value in self._statistics_of(variable)
        )

    def _statistics_of(self, variable: Variable) -> Iterator[float | None]:
        found = None if self.measured is None else self.measured.get(variable.name)
        for name in STATISTICS:
            yield None if found is None else getattr(found, _FIELDS.get(name, name))

    def _total(self) -> str:
        numbers = sum(variable.size for variable in self.chosen)
        size = sum(variable.nbytes for variable in self.chosen)
        line = f"{len(self.chosen):,} variables, {numbers:,} numbers, {size:,} bytes"
        if self.hidden:
            line += f"; {self.hidden:,} optimizer slots and counters more with --all"
        return line

    def print_json(self) -> None:
        """One object; strict JSON, NaN and infinities as null."""
        import json
        import math

        def plain(value: float | None) -> float | None:
            return None if value is None or not math.isfinite(value) else value

        records = []
        for variable in self.chosen:
            record: dict[str, object] = {
                "name": variable.name,
                "key": variable.key,
                "shape": list(variable.shape),
                "dtype": variable.dtype,
                "role": self.roles[variable.name].value,
                "bytes": variable.nbytes,
            }
            if self.measured is not None:
                found = map(plain, self._statistics_of(variable))
                record["statistics"] = dict(zip(STATISTICS, found, strict=True))
            records.append(record)
        whole = {
            "checkpoint": {
                "path": self.checkpoint.path,
                "format": self.checkpoint.format,
                "content_id": self.checkpoint.content_id,
                "files": list(self.checkpoint.files),
            },
            "variables": records,
            "notes": list(self.checkpoint.notes),
        }
        click.echo(json.dumps(whole, indent=2, sort_keys=True, allow_nan=False))

    def print_csv(self) -> None:
        """A head line, then a line a variable; shapes as 5x64."""
        import csv
        import io

        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        extra = STATISTICS if self.measured is not None else ()
        writer.writerow(["name", "shape", "dtype", "role", "bytes", *extra])
        for variable in self.chosen:
            found = self._statistics_of(variable) if self.measured is not None else ()
            writer.writerow(
                [
                    printable(variable.name),
                    "x".join(map(str, variable.shape)),
                    variable.dtype,
                    self.roles[variable.name].value,
                    variable.nbytes,
                    *("" if value is None else repr(value) for value in found),
                ]
            )
        click.echo(text.getvalue(), nl=False)


STATISTICS: Row = ("min", "mean", "max", "std", "zeros", "nan", "inf")
_FIELDS = {
    "min": "minimum",
    "max": "maximum",
    "std": "deviation",
    "nan": "nans",
    "inf": "infinities",
}


def _aligned(rows: Iterable[Row], right: Sequence[bool]) -> Iterator[str]:
    rows = list(rows)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    sides = (">" if is_right else "<" for is_right in right)
    form = "  ".join(f"{{:{side}{width}}}" for side, width in zip(sides, widths, strict=True))
    for row in rows:
        yield form.format(*row).rstrip()
