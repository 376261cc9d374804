"""The HTML report in a real browser: no errors, no requests, sorting, searching, both widths."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from lnfold.checkpoint import open_checkpoint
from lnfold.recovery.recover import recover
from lnfold.report.account.record import build_report
from lnfold.report.page.write import write_html
from tests.report import chromium
from tests.report.test_html import EVIL, named

pytest.importorskip("matplotlib", exc_type=ImportError, reason="the html extra is not here")
pytestmark = pytest.mark.skipif(
    chromium.PROGRAM is None, reason="Chromium is not installed (Debian package chromium)"
)

ROWS = "[...document.querySelectorAll('#variable-table tbody tr')]"
WIDTHS = [390, 1280]


@pytest.fixture(scope="module")
def page() -> Iterator[chromium.Page]:
    browser = chromium.Page()
    yield browser
    browser.close()


@pytest.fixture(scope="module")
def written(samples, tmp_path_factory) -> tuple[Path, Path]:
    """The report of a sample, and the same with a name that is HTML."""
    folder = tmp_path_factory.mktemp("html")
    with open_checkpoint(samples / "cartpole_actor") as checkpoint:
        report = build_report(checkpoint, recover(checkpoint))
        write_html(report, str(folder / "report.html"))
        write_html(named(report, EVIL), str(folder / "evil.html"))
    return folder / "report.html", folder / "evil.html"


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("dark", [False, True])
def test_the_page_loads_quietly_and_fits(page, written, width, dark, tmp_path):
    """No complaint, no request but the page itself, nothing wider than the screen."""
    page.open(written[0], width=width, dark=dark)
    page.screenshot(tmp_path / "page.png")
    keep = os.environ.get("LNFOLD_SCREENSHOTS")
    if keep:
        page.screenshot(Path(keep) / f"{width}-{'dark' if dark else 'light'}.png")
    assert page.complaints() == []
    assert page.requests() == [written[0].resolve().as_uri()]
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert (tmp_path / "page.png").stat().st_size > 10_000
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert paper == ("rgb(20, 23, 26)" if dark else "rgb(255, 255, 255)")


def test_a_table_is_sorted_by_its_heads(page, written):
    """Numbers sort as numbers, up and then down; the head says which."""
    page.open(written[0])
    sizes = f"{ROWS}.map(row => Number(row.cells[2].dataset.value))"
    head = "document.querySelectorAll('#variable-table th button')[2]"
    before = page.evaluate(sizes)
    page.evaluate(f"{head}.click()")
    assert page.evaluate(sizes) == sorted(before)
    assert page.evaluate(f"{head}.parentElement.getAttribute('aria-sort')") == "ascending"
    page.evaluate(f"{head}.click()")
    assert page.evaluate(sizes) == sorted(before, reverse=True)
    assert len(before) > 20
    assert page.complaints() == []


def test_the_variables_are_searched(page, written):
    """Words narrow the table down, their count is said, and an empty field shows all again."""
    page.open(written[0])
    total = page.evaluate(f"{ROWS}.length")

    def search(words: str) -> list[str]:
        page.evaluate(
            "(field => { field.value = " + repr(words) + "; "
            "field.dispatchEvent(new Event('input')); })"
            "(document.getElementById('variable-search'))"
        )
        shown: list[str] = page.evaluate(
            f"{ROWS}.filter(row => row.offsetParent !== null).map(row => row.cells[0].textContent)"
        )
        return shown

    found = search("gamma layernorm_1")
    assert 0 < len(found) < total
    assert all("gamma" in name and "LayerNorm_1" in name for name in found)
    status = page.evaluate("document.getElementById('variable-table-count').textContent")
    assert status == f"{len(found)} of {total} shown"
    assert search("no such name") == []
    assert len(search("")) == total


def test_the_report_is_handed_out_as_json(page, written):
    """The button is there, and what it hands out is the embedded report."""
    page.open(written[0])
    assert page.evaluate("document.getElementById('download').hidden") is False
    text = "JSON.parse(document.getElementById('report-json').textContent)"
    assert page.evaluate(f"{text}.networks[0].name") == "actor"
    page.evaluate("document.getElementById('download').click()")
    assert page.complaints() == []


def test_a_name_that_is_a_script_is_shown(page, written):
    """It stands in the page as text, and no dialog opens."""
    page.open(written[1])
    assert page.evaluate("document.body.innerText").count(EVIL) >= 3
    assert page.complaints() == []
    assert page.evaluate("document.querySelectorAll('main script').length") == 0


def test_the_policy_stops_a_script_that_got_in(page, written, tmp_path):
    """Were a name ever not escaped, the page's policy would still not run it."""
    broken = tmp_path / "broken.html"
    text = written[0].read_text("utf-8")
    broken.write_text(text.replace("<main>", f"<main>{EVIL}<img src=x>", 1), "utf-8")
    page.open(broken)
    said = [one for one in page.complaints() if one["method"] == "Log.entryAdded"]
    assert len(said) >= 2
    assert not [one for one in page.events if one["method"] == "Page.javascriptDialogOpening"]


def test_a_batch_norm_network_has_a_quiet_page_too(page, samples, tmp_path):
    """Its answer is yes, and the page has fewer pictures."""
    with open_checkpoint(samples / "cartpole_actor_batchnorm") as checkpoint:
        report = build_report(checkpoint, recover(checkpoint))
        write_html(replace(report, notes=()), str(tmp_path / "report.html"))
    page.open(tmp_path / "report.html", width=390)
    assert page.complaints() == []
    assert "Yes." in page.evaluate("document.querySelector('.verdict').textContent")
