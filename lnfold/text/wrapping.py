"""Lines of text set to a width, as a terminal shows them."""

from __future__ import annotations

from collections.abc import Iterable
from textwrap import wrap


def wrapped(lines: Iterable[str], width: int) -> str:
    """Lines no wider than ``width``; what goes on stands a little further in."""
    done = []
    for line in lines:
        indent = " " * (len(line) - len(line.lstrip()))
        done += wrap(
            line,
            width,
            subsequent_indent=indent + "  ",
            drop_whitespace=True,
            break_long_words=False,
            break_on_hyphens=False,
        ) or [""]
    return "\n".join(done)
