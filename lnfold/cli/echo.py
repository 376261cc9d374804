"""The one way to a terminal: whatever is printed, nothing in it steers the terminal.

Names come from files. What builds a sentence escapes them, line breaks too; here everything
that is no printable character but a line break is escaped once more, whoever forgot it. Colours
are put on after that.
"""

from __future__ import annotations

import sys

import click

from lnfold.text.number_format import printable_lines

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult


def echo(text: str = "", *, err: bool = False, nl: bool = True) -> None:
    """Prints text on stdout or stderr."""
    click.echo(printable_lines(text), file=sys.stderr if err else sys.stdout, nl=nl)


def echo_rendered(renderable: RenderableType, width: int) -> None:
    """Prints something of rich on stdout, in colours where it is a terminal."""
    sys.stdout.write(rendered(renderable, file=sys.stdout, width=width))


def rendered(renderable: RenderableType, **options: Any) -> str:
    """The text that the console that ``options`` describe shows, without trailing blanks."""
    from rich.console import Console

    # the height is given so that no environment variable is read for it: it matters to nobody
    console = Console(highlight=False, markup=False, emoji=False, height=25, **options)
    with console.capture() as captured:
        console.print(_Printable(renderable))
    return "".join(f"{line.rstrip()}\n" for line in captured.get().splitlines())


class _Printable:
    """What another renderable shows, escaped before colours are put on."""

    def __init__(self, inner: RenderableType) -> None:
        self._inner = inner

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from rich.segment import Segment

        for segment in console.render(self._inner, options):
            yield Segment(printable_lines(segment.text), segment.style)
