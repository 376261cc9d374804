"""The HTML report as text: whole, escaped, accessible and small."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from lnfold.checkpoint import open_checkpoint
from lnfold.errors import UsageError
from lnfold.network.records.layers import Dense
from lnfold.network.running.run import run
from lnfold.recovery.recover import recover
from lnfold.report.account.record import Question, Report, build_report
from lnfold.report.page.diagram import diagram
from lnfold.report.page.elements import Number, table, tag, text
from lnfold.report.page.fold import folding_parts
from lnfold.report.page.page import as_html
from lnfold.report.page.write import write_html

pytest.importorskip("matplotlib", exc_type=ImportError, reason="the html extra is not here")

VOID = {"meta", "input", "link", "br", "use", "wbr"}
EVIL = "<script>alert(1)</script>"


class Checker(HTMLParser):
    """Counts elements, remembers ids and attributes, and insists on matching tags."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.counts: dict[str, int] = {}
        self.ids: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.counts[tag] = self.counts.get(tag, 0) + 1
        for name, value in attrs:
            self.attributes.append((tag, name, value or ""))
            if name == "id":
                self.ids.append(value or "")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def checked(page: str) -> Checker:
    checker = Checker()
    checker.feed(page)
    checker.close()
    assert checker.open == []
    return checker


@pytest.fixture(scope="module")
def report(samples):
    with open_checkpoint(samples / "cartpole_actor") as checkpoint:
        yield build_report(checkpoint, recover(checkpoint))


@pytest.fixture(scope="module")
def page(report) -> str:
    return as_html(report)


def test_the_page_is_well_formed_and_below_three_megabytes(page):
    """Every element closes, no id stands twice, every label and anchor leads somewhere."""
    found = checked(page)
    assert len(page.encode()) < 3_000_000
    assert len(found.ids) == len(set(found.ids))
    targets = [value[1:] for _, name, value in found.attributes if name == "href"]
    targets += [value for tag, name, value in found.attributes if (tag, name) == ("label", "for")]
    assert len(targets) >= 4
    assert set(targets) <= set(found.ids)


def test_nothing_is_fetched(page):
    """No address of anything outside the page, and a policy that forbids it."""
    found = checked(page)
    for _, name, value in found.attributes:
        if name in ("src", "href", "data", "action", "xlink:href"):
            assert value.startswith("#"), (name, value)
    assert "url(http" not in page
    assert "@import" not in page
    assert "default-src 'none'" in page


def test_figures_and_tables_are_accessible(page):
    """Every picture has words in its place, every table a caption and headers."""
    found = checked(page)
    labels = [v for t, n, v in found.attributes if (t, n) == ("svg", "aria-label")]
    assert found.counts["svg"] == len(labels) >= 10
    assert all(len(label) > 20 for label in labels)
    assert found.counts["table"] == found.counts["caption"] >= 4
    scopes = [v for t, n, v in found.attributes if (t, n) == ("th", "scope")]
    assert found.counts["th"] == len(scopes)
    assert found.counts["figcaption"] == found.counts["figure"]


def test_pictures_take_the_page_s_colours(page):
    """No stand-in colour is left, so that dark pages have light lines."""
    assert "#0101" not in page
    assert "#0a000" not in page
    assert "var(--ink)" in page
    assert "prefers-color-scheme: dark" in page


def test_the_answer_stands_before_everything_else(page):
    """The first thing after the title is the answer."""
    assert page.index('class="answer"') < page.index("<nav") < page.index("<h2")


def test_the_json_inside_is_the_report(page, report):
    """What is embedded parses, follows the schema and names the same networks."""
    jsonschema = pytest.importorskip("jsonschema")
    from lnfold.report.json.report import schema

    inside = re.search(r'<script type="application/json"[^>]*>(.*?)</script>', page, re.S)
    assert inside is not None
    record = json.loads(inside.group(1))
    jsonschema.validate(record, json.loads(schema()))
    assert [one["name"] for one in record["networks"]] == [
        one.network.name for one in report.networks
    ]
    assert len(record["networks"][0]["relations"][0]["units"]) == 64


def named(report: Report, name: str) -> Report:
    """The report with its first dense layer, its network and a note called otherwise."""
    one = report.networks[0]
    scoped = []
    for relation in one.relations:
        assert isinstance(relation.pair.dense, Dense)
        dense = replace(relation.pair.dense, scope=name)
        scoped.append(replace(relation, pair=replace(relation.pair, dense=dense)))
    changed = replace(one, network=replace(one.network, name=name), relations=tuple(scoped))
    return replace(report, networks=(changed,), notes=(f"a note on {name}",))


@pytest.mark.parametrize("name", [EVIL, '"><img src=x onerror=alert(1)>', "a&b'\"</style>"])
def test_names_are_shown_not_run(report, page, name):
    """A name that is HTML adds no element; it is there as text."""
    evil = as_html(named(report, name))
    found, plain = checked(evil), checked(page)
    assert found.counts["script"] == plain.counts["script"]
    assert found.counts.get("img", 0) == 0
    assert any(name in one for one in found.texts)
    allowed = {name for _, name, _ in plain.attributes}
    assert {name for _, name, _ in found.attributes} <= allowed


def test_text_is_escaped_and_control_characters_are_shown():
    """Elements escape what is put into them, attributes too."""
    assert tag("p", "a < b & c", title='"q"') == '<p title="&quot;q&quot;">a &lt; b &amp; c</p>'
    assert text("a\x1b[2J") == "a\\x1b[2J"
    assert "nan" not in table("t", ["a"], [[Number(None)]])


def test_every_check_has_its_histogram(samples, tmp_path):
    """Expected outputs that are off on a single row: the picture's words say by how much."""
    with open_checkpoint(samples / "cartpole_actor") as checkpoint:
        recovery = recover(checkpoint)
        network = recovery.networks[0]
        x = np.random.default_rng(0).normal(size=(200, 5)).astype(np.float32)
        outputs = run(network, x)[network.outputs[0]]
        outputs[7] += 0.25
        np.savez(tmp_path / "io.npz", inputs=x, outputs=outputs)
        file = str(tmp_path / "io.npz")
        report = build_report(checkpoint, recovery, Question("actor", file, file))
        page = as_html(report)
    labels = [v for t, n, v in checked(page).attributes if (t, n) == ("svg", "aria-label")]
    words = [one for one in labels if one.startswith("Histogram of how far")]
    assert len(words) == len(report.networks[0].checks) == 2
    assert "is off against the outputs given: median" in words[1]
    assert "largest 0.25" in words[1]
    errors = report.networks[0].checks[1].errors
    assert (errors > 0.1).nonzero()[0].tolist() == [7]
    assert errors.size == 200
    assert "✗ DIFFERS" in page


def test_a_missing_library_names_the_extra(report, monkeypatch):
    """Without matplotlib the message says what to install."""
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(UsageError, match=r"pip install 'lnfold\[html\]'"):
        as_html(report)


def test_nothing_is_written_after_an_error(report, monkeypatch, tmp_path):
    """A page that cannot be drawn leaves no file behind."""
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(UsageError):
        write_html(report, str(tmp_path / "report.html"))
    assert list(tmp_path.iterdir()) == []


def test_a_network_that_cannot_be_run_has_a_page(samples):
    """Without activations there is no run; the page says so and shows what is known."""
    with open_checkpoint(samples / "cartpole_actor_keras") as checkpoint:
        recovery = recover(checkpoint)
        incomplete = [one for one in recovery.networks if not one.complete]
        page = as_html(build_report(checkpoint, recovery))
    if incomplete:
        assert "cannot be run" in page
    checked(page)


def test_a_page_of_several_networks_repeats_no_id_and_shows_their_folding(real):
    """Actor and critic on one page: every id once, every label and anchor leads somewhere."""
    with open_checkpoint(real / "ddpg_layernorm") as checkpoint:
        report = build_report(checkpoint, recover(checkpoint))
        page = as_html(report, folding_parts(report))
    found = checked(page)
    assert len(found.ids) == len(set(found.ids)) > 20
    targets = [value[1:] for _, name, value in found.attributes if name == "href"]
    targets += re.findall(r"url\(#([^)]*)\)", page)
    assert {"arrow-0", "arrow-1"} <= set(targets) <= set(found.ids)
    assert len(page.encode()) < 3_000_000
    assert page.count("Steps applied, each an exact identity") >= 4  # a caption is a label too
    assert "gamma-forward" in page


def test_a_critic_with_two_inputs_has_a_diagram(real):
    """Two inputs, a concatenation: every box and every arrow is drawn."""
    with open_checkpoint(real / "ddpg_layernorm") as checkpoint:
        network = recover(checkpoint).named("critic")
    found = checked(diagram(network))
    assert found.counts["rect"] == len(network.layers) + len(network.inputs)
    edges = [v for t, n, v in found.attributes if (t, n) == ("path", "class")]
    assert len(edges) == sum(len(layer.inputs) for layer in network.layers)


def test_matplotlib_is_loaded_for_the_page_only(samples):
    """`inspect --detail` imports no plotting library."""
    code = (
        "import sys; from lnfold.cli import run_command_line as r; "
        f"r(['inspect', {str(samples / 'cartpole_actor')!r}, '--detail', '--json']); "
        "sys.exit('matplotlib' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.returncode == 0
    assert np.all([key in done.stdout for key in (b'"units"', b'"independence"')])
