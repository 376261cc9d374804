"""The bars of units on a terminal: as wide as it is, plain without colour."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from lnfold.checkpoint import open_checkpoint
from lnfold.recovery.recover import recover
from lnfold.relations.ranges.units import Units
from lnfold.report.account.full import BoxOption, with_detail
from lnfold.report.account.record import build_report
from lnfold.report.terminal.detail import MOST, UnitBars


@pytest.fixture(scope="module")
def units(samples) -> Units:
    with open_checkpoint(samples / "cartpole_actor") as checkpoint:
        report = with_detail(build_report(checkpoint, recover(checkpoint)), BoxOption((2.0, 3.0)))
    found = report.networks[0].detail.layers[0].units
    assert found is not None
    return found


def printed(units: Units, width: int) -> list[str]:
    page = io.StringIO()
    Console(file=page, width=width, color_system=None).print(UnitBars(units))
    return page.getvalue().splitlines()


@pytest.mark.parametrize("width", [40, 60, 80, 200])
def test_a_unit_takes_one_line_however_narrow_the_terminal(units, width):
    """Sixteen units, those left out, the scale and the key; no line is too long."""
    lines = printed(units, width)
    assert len(lines) == MOST + 3
    assert max(map(len, lines)) <= width
    assert "48 units between these" in lines[MOST]


def test_the_verdict_is_a_word_where_there_is_no_colour(units):
    """Dead units come first, always-on ones last; zero is marked on every line."""
    lines = printed(units, 80)
    assert lines[0].rstrip().endswith("0%  dead")
    assert lines[MOST - 1].rstrip().endswith("100%  on")
    assert all("│" in line for line in lines[:MOST])


def test_units_without_measurements_have_bars_too(units):
    """What was not run was seen nowhere: only the range is drawn."""
    lines = printed(replace(units, lowest=None, highest=None, firing=None), 80)
    assert "·" in lines[0]
    assert "━" not in "".join(lines[:MOST])
    assert "%" not in "".join(lines)
