"""An error that nobody foresaw is one line and an exit code of its own, never a verdict."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from lnfold.cli import EXIT_CODES
from lnfold.cli.terminal_width import NARROWEST, WIDEST, terminal_width


class Strange(Exception):
    """An exception of some package that lnfold does not know."""


ERRORS = [
    KeyError("x"),
    ValueError("two\nlines, and \x1b[2J an escape sequence"),
    AssertionError(),
    ZeroDivisionError("0" * 100_000),
    RecursionError("maximum recursion depth exceeded"),
    MemoryError(),
    Strange("unknown"),
    OSError(5, "Input/output error"),
]


@pytest.fixture
def broken(lnfold, samples, monkeypatch):
    """Runs ``lnfold inspect`` where the recovery raises one error."""

    def run(error: Exception, *more: str):
        def fail(*_: object) -> None:
            raise error

        monkeypatch.setattr("lnfold.cli.inspect.recover", fail)
        return lnfold("inspect", samples / "cartpole_actor", *more)

    return run


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_an_unforeseen_error_is_one_line_that_says_where_to_report_it(broken, error, monkeypatch):
    """Exit code 70, nothing on stdout, no traceback, no control character."""
    monkeypatch.delenv("LNFOLD_TRACEBACK", raising=False)
    result = broken(error)

    assert result.code == 70
    assert result.code in EXIT_CODES
    assert result.out == ""
    assert result.err.count("\n") == 1
    assert result.err.rstrip("\n").isprintable()
    assert len(result.err) < 500
    assert "report" in result.err
    assert "LNFOLD_TRACEBACK=1" in result.err
    assert "nothing about the checkpoint" in result.err


def test_a_fault_names_its_kind_and_its_place(broken, monkeypatch):
    """Enough to recognise it when two people report the same one."""
    monkeypatch.delenv("LNFOLD_TRACEBACK", raising=False)
    message = broken(KeyError("x")).err

    assert "KeyError: 'x'" in message
    assert "cli/inspect.py line " in message


@pytest.mark.parametrize(("value", "shown"), [("1", True), ("0", False), ("", False)])
def test_a_traceback_is_shown_to_who_asks_for_it(broken, monkeypatch, value, shown):
    """The environment variable is for reports; its last line is still the sentence."""
    monkeypatch.setenv("LNFOLD_TRACEBACK", value)
    result = broken(ValueError("here"))

    assert ("Traceback" in result.err) is shown
    assert result.err.splitlines()[-1].startswith("lnfold: ")
    assert result.code == 70


def test_help_lists_every_exit_code(lnfold):
    """With the meaning that the README's table has."""
    shown = lnfold("-h").out

    for code, meaning in EXIT_CODES.items():
        assert f"  {code:<4}{meaning}\n" in shown


@pytest.mark.parametrize(
    ("stated", "width"),
    [
        ("0", 80),
        ("-7", 80),
        ("", 80),
        ("wide", 80),
        ("²", 80),
        ("1", NARROWEST),
        ("99999999", WIDEST),
        ("9" * 5000, 80),
        ("100", 100),
    ],
)
def test_a_width_that_nobody_can_read_is_not_taken(monkeypatch, stated, width):
    """COLUMNS is clamped, whatever stands in it; what is no number is no width."""
    monkeypatch.setenv("COLUMNS", stated)

    if stated not in ("1", "99999999", "100"):
        monkeypatch.setattr(os, "get_terminal_size", lambda *_: os.terminal_size((80, 24)))
    assert terminal_width() == width


@pytest.mark.parametrize("columns", ["0", "1", "20", "99999999", "²"])
@pytest.mark.parametrize("command", ["inspect", "explain"])
def test_every_width_of_terminal_shows_the_report(samples, columns, command):
    """The names of its layers stand in it, no line is longer than the widest, and it ends."""
    environment = {**os.environ, "COLUMNS": columns, "LINES": columns}
    done = subprocess.run(
        [sys.executable, "-m", "lnfold", command, str(samples / "cartpole_actor")],
        capture_output=True,
        encoding="utf-8",
        env={**environment, "PYTHONIOENCODING": "utf-8"},
        timeout=60,
    )

    assert done.returncode == 0, done.stderr
    layers = ("Dense 64", "LayerNorm", "relu", "tanh")
    assert all(layer in " ".join(done.stdout.split()) for layer in layers)
    assert max(map(len, done.stdout.splitlines())) <= WIDEST


@pytest.mark.parametrize("epsilon", ["nan", "inf", "-1", "1e39", "1e400", "x"])
@pytest.mark.parametrize("command", ["inspect", "fold", "check", "explain", "graph"])
def test_an_epsilon_that_no_norm_can_have_is_bad_usage(lnfold, samples, command, epsilon):
    """Every command that takes one says so, before it opens anything."""
    result = lnfold(command, samples / "nothing", "--epsilon", epsilon)

    assert result.code == 2
    assert "--epsilon" in result.err
