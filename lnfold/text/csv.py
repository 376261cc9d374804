"""Rows as CSV that a spreadsheet shows and does not run."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

from lnfold.text.number_format import printable

_FORMULAS = ("=", "+", "-", "@")


def csv_text(rows: Iterable[Sequence[object]]) -> str:
    """Rows of texts and numbers, a line each; None is an empty cell.

    A text that a spreadsheet would take for a formula gets an apostrophe in front, which
    spreadsheets take for the mark of a text: OWASP, CSV Injection. Numbers stay numbers.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([_cell(value) for value in row] for row in rows)
    return text.getvalue()


def _cell(value: object) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        return repr(value)
    shown = printable(value)
    return f"'{shown}" if shown.lstrip().startswith(_FORMULAS) else shown
