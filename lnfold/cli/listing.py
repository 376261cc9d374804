"""The chosen variables of one checkpoint as a table, as JSON and as CSV.

A checkpoint can have 70,000 variables: what many of them share, everything but the name and the
statistics, is worded once, and the text is handed over in one piece.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from lnfold.checkpoint import Checkpoint, Variable
from lnfold.cli.echo import echo
from lnfold.text.csv import csv_text
from lnfold.text.json import json_text, one_line
from lnfold.text.number_format import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lnfold.checkpoint.bytes.moments import Statistics
    from lnfold.recovery.names.scopes import VariableRole

    Measured = Mapping[str, Statistics | None]

    Facts = tuple[tuple[int, ...], str, VariableRole, int]  # shape, type, role, bytes

STATISTICS = ("min", "mean", "max", "std", "zeros", "nan", "inf")
_FIELDS = ("minimum", "mean", "maximum", "deviation", "zeros", "nans", "infinities")


class Listing:
    """What is said of some variables of a checkpoint, in three forms.

    Args:
        chosen: the variables to list.
        roles: name → role.
        measured: name → statistics, where they are wanted.
        hidden: how many variables were left out for being slots or counters.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        chosen: Sequence[Variable],
        roles: Mapping[str, VariableRole],
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
        for note in self.checkpoint.notes:
            echo(f"note: {printable(note)}", err=True)
        names = ["name", *_printable_names(self.chosen)]
        roles = self.roles
        facts = [(one.shape, one.dtype, roles[one.name], one.nbytes) for one in self.chosen]
        columns = [
            _left_aligned(names),
            _facts(facts),
            *(self._figures() if self.measured is not None else ()),
        ]
        lines = map("  ".join, zip(*columns, strict=True))
        echo("\n".join([*map(str.rstrip, lines), self._total(facts)]))

    def _figures(self) -> Iterator[list[str]]:
        """A column for each of the statistics."""
        rows = [list(self._statistics_of(variable)) for variable in self.chosen]
        for position, name in enumerate(STATISTICS):
            yield _right_aligned([name, *(_figure(row[position]) for row in rows)])

    def _statistics_of(self, variable: Variable) -> Iterator[float | None]:
        found = None if self.measured is None else self.measured.get(variable.name)
        for field in _FIELDS:
            yield None if found is None else getattr(found, field)

    def _total(self, facts: list[Facts]) -> str:
        from collections import Counter
        from math import prod

        counts = Counter(facts)
        numbers = sum([prod(shape) * count for (shape, *_), count in counts.items()])
        size = sum([nbytes * count for (*_, nbytes), count in counts.items()])
        line = f"{len(self.chosen):,} variables, {numbers:,} numbers, {size:,} bytes"
        if self.hidden:
            line += f"; {self.hidden:,} optimizer slots and counters more with --all"
        return line

    def print_json(self) -> None:
        """One object, a line for each variable; strict JSON, NaN and infinities as null."""
        whole = {
            "checkpoint": {
                "path": self.checkpoint.path,
                "format": self.checkpoint.format,
                "content_id": self.checkpoint.content_id,
                "files": list(self.checkpoint.files),
            },
            "notes": list(self.checkpoint.notes),
        }
        head = json_text(whole).removesuffix("\n}\n")
        records = ",\n    ".join([one_line(self._record(variable)) for variable in self.chosen])
        echo(f'{head},\n  "variables": [\n    {records}\n  ]\n}}')

    def _record(self, variable: Variable) -> dict[str, object]:
        record: dict[str, object] = {
            "name": variable.name,
            "key": variable.key,
            "shape": variable.shape,
            "dtype": variable.dtype,
            "role": self.roles[variable.name].value,
            "bytes": variable.nbytes,
        }
        if self.measured is not None:
            from math import isfinite

            record["statistics"] = {
                name: value if value is not None and isfinite(value) else None
                for name, value in zip(STATISTICS, self._statistics_of(variable), strict=True)
            }
        return record

    def print_csv(self) -> None:
        """A head line, then a line a variable; shapes as 5x64."""
        extra = STATISTICS if self.measured is not None else ()
        rows: list[Sequence[object]] = [["name", "shape", "dtype", "role", "bytes", *extra]]
        for variable in self.chosen:
            found = self._statistics_of(variable) if self.measured is not None else ()
            facts = ("x".join(map(str, variable.shape)), variable.dtype)
            role = self.roles[variable.name].value
            rows.append([variable.name, *facts, role, variable.nbytes, *found])
        echo(csv_text(rows), nl=False)


def _facts(facts: list[Facts]) -> list[str]:
    """Shape, type, role and bytes of every variable, under their heads, as one column."""
    different = list(dict.fromkeys(facts))
    columns = [
        _left_aligned(["shape", *(f"[{', '.join(map(str, one[0]))}]" for one in different)]),
        _left_aligned(["dtype", *(one[1] for one in different)]),
        _left_aligned(["role", *(one[2].value for one in different)]),
        _right_aligned(["bytes", *(f"{one[3]:,}" for one in different)]),
    ]
    head, *texts = map("  ".join, zip(*columns, strict=True))
    text_of = dict(zip(different, texts, strict=True))
    return [head, *[text_of[one] for one in facts]]


def _printable_names(variables: Sequence[Variable]) -> list[str]:
    names = [variable.name for variable in variables]
    return names if "".join(names).isprintable() else [printable(name) for name in names]


def _figure(value: float | None) -> str:
    """A count in full, anything else with four digits."""
    if value is None:
        return ""
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"


def _left_aligned(texts: list[str]) -> list[str]:
    width = max(map(len, texts))
    return [text.ljust(width) for text in texts]


def _right_aligned(texts: list[str]) -> list[str]:
    width = max(map(len, texts))
    return [text.rjust(width) for text in texts]
