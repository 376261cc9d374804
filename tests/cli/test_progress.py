"""The progress bar: on a terminal, on stderr, and only once there is something to show."""

from __future__ import annotations

import io
import sys

from lnfold.cli.progress import progress


class Terminal(io.StringIO):
    """A stderr that says it is a terminal."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def test_nobody_is_told_where_stderr_is_no_terminal(monkeypatch):
    """A pipe gets no bar: there is nothing to call."""
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with progress("reading") as show:
        assert show is None


def test_work_that_reports_nothing_shows_nothing(monkeypatch):
    """A short search never draws a bar."""
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with progress("corners of the box") as show:
        assert show is not None
    assert terminal.getvalue() == ""


def test_the_bar_rises_to_the_end_and_starts_again_for_the_next_piece(monkeypatch):
    """Two searches of different lengths under one label both end at 100 %."""
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with progress("corners of the box") as show:
        for total in (8, 4):
            for done in range(1, total + 1):
                show(done, total)
            assert "100%" in terminal.getvalue()
    said = terminal.getvalue()
    assert "corners of the box" in said
    assert "50%" in said
