"""The README's facts are checked, so that they cannot drift."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from lnfold.cli import COMMANDS, EXIT_CODES
from tests.conftest import ROOT

README = (ROOT / "README.md").read_text("utf-8")


def block(marker: str) -> str:
    """The code block behind a marker line."""
    found = re.search(rf"<!-- {re.escape(marker)} -->\n```\w+\n(.*?)```", README, re.S)
    assert found, marker
    return found[1]


def without_figures(text: str) -> list[str]:
    """Lines with numbers, bars and spacing taken out: rounding differs between machines."""
    shape = re.sub(r"[-+]?\d[\d,.]*(e[-+]?\d+)?|[▁▂▃▄▅▆▇█]", "#", text)
    return re.sub(r"[#\s]+", " ", shape).split()


def test_the_two_commands_need_nothing_but_python():
    """Each is one line that makes its environment and runs from it."""
    for marker in ("command: inspect", "command: test"):
        assert block(marker).startswith("python3 -m venv .venv && ")
        assert block(marker).count("\n") == 1


def test_the_excerpt_is_what_the_command_prints(lnfold):
    """The output shown is the output there is."""
    result = lnfold("inspect", ROOT / "sample_checkpoints" / "cartpole_actor")

    shown = block("output: lnfold inspect sample_checkpoints/cartpole_actor")
    assert without_figures(shown) == without_figures(result.out)
    assert "absorbed exactly: 65 of 192" in shown


def test_every_command_and_option_is_listed(lnfold):
    """Commands and options of --help stand in the README, and no others."""
    for command in COMMANDS:
        assert f"`lnfold {command}" in README
    options = set(re.findall(r"(--[a-z-]+)", lnfold("inspect", "-h").out)) - {"--help"}
    missing = {option for option in options if f"`{option}" not in README}
    assert not missing


@pytest.mark.parametrize("code", EXIT_CODES)
def test_exit_codes_are_listed(code):
    """The table names each code."""
    assert re.search(rf"^\| {code} \| \S", README, re.M)


def test_the_python_example_runs():
    """The code for the Python API works as it stands."""
    (code,) = re.findall(r"```python\n(.*?)```", README, re.S)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60
    )

    assert done.stderr == ""
    assert done.stdout.startswith("No: beta is a bias multiplied by")
