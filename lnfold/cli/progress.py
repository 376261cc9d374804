"""A progress bar on a terminal, and silence everywhere else."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import click

Progress = Callable[[int, int], None]


@contextmanager
def progress(label: str) -> Iterator[Progress | None]:
    """Yields a function of (done, all), in bytes or steps, or None where nobody watches.

    The bar appears with the first call, so that work too short to report shows none; a second
    piece of work under the same label starts it again.
    """
    if not sys.stderr.isatty():
        yield None
        return
    with ExitStack() as shown:
        bar: Any = None

        def show(done: int, total: int) -> None:
            nonlocal bar
            if bar is None:
                opened = click.progressbar(length=1, label=label, file=sys.stderr, show_pos=False)
                bar = shown.enter_context(opened)
            bar.length = max(total, 1)
            bar.update(done - bar.pos)

        yield show
