"""Options, files and environments at their extremes: one sentence and a code of the table."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from lnfold.cli import COMMANDS, EXIT_CODES
from tests.cli.every_command import CODES, commands, outcome
from tests.conftest import ROOT, SAMPLES

SAMPLE = SAMPLES / "cartpole_actor"
PATHS = [command for command in COMMANDS if command != "schema"]


def empty_file(folder: Path) -> Path:
    (folder / "empty").write_bytes(b"")
    return folder / "empty"


def empty_folder(folder: Path) -> Path:
    (folder / "nothing").mkdir()
    return folder / "nothing"


def zeros(ending: str) -> Callable[[Path], Path]:
    """A file of three gigabytes of nothing, which takes no place on the disk."""

    def make(folder: Path) -> Path:
        path = folder / f"zeros{ending}"
        with open(path, "wb") as file:
            file.truncate(3 << 30)
        return path

    make.__name__ = f"zeros{ending}"
    return make


def line_breaks(folder: Path) -> Path:
    path = folder / "two\nlines\x1b[2J"
    path.write_bytes(b"text")
    return path


def pipe(folder: Path) -> Path:
    os.mkfifo(folder / "pipe")
    return folder / "pipe"


def itself(folder: Path) -> Path:
    (folder / "itself").symlink_to(folder / "itself")
    return folder / "itself"


def long_name(folder: Path) -> Path:
    return folder / ("n" * 5000)


def no_unicode(folder: Path) -> Path:
    return folder / "\udcff"


INPUTS = [
    lambda folder: folder / "nothing",
    lambda folder: folder,
    lambda folder: Path("/dev/null"),
    lambda folder: Path("/dev/zero"),
    empty_file,
    empty_folder,
    *map(zeros, ("", ".index", ".meta", ".npz", ".h5", ".keras", ".zip", ".weights.json")),
    line_breaks,
    pipe,
    itself,
    long_name,
    no_unicode,
]


@pytest.mark.skipif(os.name != "posix", reason="pipes, devices and sparse files are POSIX's")
@pytest.mark.parametrize("make", INPUTS)
def test_what_is_no_checkpoint_is_one_sentence(tmp_path: Path, make: Callable[[Path], Path]):
    """Of every command, with exit code 2 or 3, nothing on the way that steers a terminal."""
    path = make(tmp_path)
    for arguments in commands(path, tmp_path):
        code, err = outcome(arguments)

        assert code in (2, 3), f"{arguments}: {code}\n{err}"
        assert "Traceback" not in err
        assert err.count("\n") <= 4
        assert all(line.isprintable() for line in err.splitlines())


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_without_arguments_says_what_is_missing(command: str):
    """`schema` has something to print anyway."""
    code, err = outcome([command])

    assert code == (0 if command == "schema" else 2)
    assert "Traceback" not in err
    assert command == "schema" or "Missing argument" in err


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    "options",
    [
        ["--nothing"],
        ["--network", ""],
        ["--network", "\x1b[2J"],
        ["--inputs", ""],
        ["--inputs", "/dev/null"],
        ["--inputs", "/dev/zero"],
        ["--examples", str(SAMPLE)],
        ["--box", "1"],
        ["--box", "nan", "nan"],
        ["--box", "2", "1"],
        ["--box", "-1e400", "1e400"],
        ["--box-file", "/dev/zero"],
        ["--output-node", ":"],
        ["--output-node", ""],
        ["--activation", "\udcff"],
        ["--layer", "", "--unit", "9999999999999999999999"],
        ["--step", "99999999999999999999999999"],
        ["--step", "-1"],
        ["--values", ""],
        ["-h"],
    ],
    ids=" ".join,
)
def test_odd_options_end_in_a_code_of_the_table(command: str, options: list[str]):
    """Where a command has the option at all."""
    code, err = outcome([command, str(SAMPLE), *options])

    assert code in CODES, err
    assert "Traceback" not in err


ENVIRONMENTS = {
    "C": {"LANG": "C", "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "ascii": {"PYTHONIOENCODING": "ascii"},
    "latin": {"PYTHONIOENCODING": "latin-1"},
    "dumb": {"TERM": "dumb"},
    "no colour": {"NO_COLOR": "1"},
    "narrow": {"COLUMNS": "20"},
    "optimised": {"PYTHONOPTIMIZE": "2"},
    "strict": {"PYTHONWARNINGS": "error"},
    "no home": {"HOME": "/nonexistent", "XDG_CACHE_HOME": "/nonexistent"},
}


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_every_environment_shows_the_report(name: str):
    """A process of its own for each, since that is where an environment acts."""
    done = subprocess.run(
        [sys.executable, "-m", "lnfold", "inspect", str(SAMPLE)],
        capture_output=True,
        env={**os.environ, **ENVIRONMENTS[name]},
        cwd=ROOT,
        timeout=60,
    )

    assert done.returncode == 0, done.stderr
    assert done.stderr == b""
    assert b"LayerNorm" in done.stdout
    assert b"\x1b" not in done.stdout


def test_every_command_runs_where_warnings_are_errors_and_assertions_are_none(tmp_path: Path):
    """python -W error and -OO, for the commands that compute the most."""
    for flags in (["-W", "error"], ["-OO"]):
        for arguments in (["check", str(SAMPLE)], ["fold", str(SAMPLE)], ["verify", str(SAMPLE)]):
            done = subprocess.run(
                [sys.executable, *flags, "-m", "lnfold", *arguments],
                capture_output=True,
                cwd=ROOT,
                timeout=60,
            )
            assert done.returncode == 0, (flags, arguments, done.stderr)


def test_the_codes_of_the_table_are_those_that_tests_allow():
    """All but that of a fault."""
    assert set(EXIT_CODES) == {*CODES, 70}
