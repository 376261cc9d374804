"""Names that want to steer, forge or run something, through every command and every output."""

from __future__ import annotations

import ast
import csv
import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from lnfold.checkpoint.write import write_checkpoint
from lnfold.network.facts.evidence import Fact, Source
from lnfold.network.records.layers import Activation, Input, Network
from lnfold.report.words.diagram import Format, diagram
from lnfold.text.csv import csv_text
from tests.conftest import ROOT, Outcome

FORGED = "FORGED: every check agrees"
# a surrogate is what Python makes of a byte that is no UTF-8
HOSTILE = {
    "escape": "a\x1b[2J\x1b]0;title\x07b",
    "eight bit control": "a\x9b31mb",
    "backwards": "a\u202egnp.exe\u2066b",
    "invisible": "a\u200b\u00adb\ufeff",
    "line": f"a\n{FORGED}\r\n{FORGED}\u2028{FORGED}\x85b",
    "script": "a<script>alert(1)</script><img src=x onerror=alert(1)>",
    "attribute": "a\" onmouseover=\"alert(1)' x='",
    "markup": "[bold red]a[/bold red][link=file:///etc]b[/link]",
    "formula": "=cmd|' /C calc'!A0",
    "plus": "+1+cmd",
    "minus": "-1-cmd",
    "at": "@SUM(1)",
    "tab": "\t=1+1",
    "quotes": "a\"b'c`d\\e\\",
    "dot": 'a"]; n1 [label="b\\',
    "mermaid": 'a"]-->b["click',
    "zero": "a\0b",
    "delete": "a\x7fb",
    "long": "a" * 10_000,
    "no UTF-8": "a\udcffb",
    "format": "%s%n{0.__class__}",
}


def variables(name: str) -> dict[str, np.ndarray]:
    random = np.random.default_rng(0)
    sizes = {f"{name}/dense": (3, 4), f"{name}/dense_1": (4, 2)}
    found = {}
    for scope, size in sizes.items():
        found[f"{scope}/kernel"] = random.standard_normal(size).astype(np.float32)
        found[f"{scope}/bias"] = random.standard_normal(size[1:]).astype(np.float32)
    found[f"{name}/LayerNorm/gamma"] = np.ones(4, np.float32)
    found[f"{name}/LayerNorm/beta"] = np.zeros(4, np.float32)
    return found


def commands(prefix: Path, folder: Path) -> list[list[object]]:
    told = ["--order", "dense-norm-activation", "--epsilon", "1e-12"]
    told += ["--activation", "relu", "--output-activation", "tanh"]
    return [
        ["variables", prefix, "--stats"],
        ["variables", prefix, "--json"],
        ["variables", prefix, "--csv", "--stats"],
        ["variables", prefix, "--values", "nothing"],
        ["verify", prefix],
        ["verify", prefix, "--json"],
        ["inspect", prefix],
        ["inspect", prefix, "--explain", *told],
        ["inspect", prefix, "--json", *told],
        ["inspect", prefix, "--html", folder / "page.html", *told],
        ["inspect", prefix, "--network", "nothing"],
        ["explain", prefix, *told],
        ["graph", prefix, *told],
        ["graph", prefix, "--format", "dot", *told],
        ["check", prefix, *told],
        ["check", prefix, "--json", *told],
        ["fold", prefix, *told],
        ["fold", prefix, "--json", "--form", "auto", "--output", folder / "f.npz", *told],
        ["fold", prefix, "--html", folder / "fold.html", *told],
    ]


def harmless(
    lnfold: Callable[..., Outcome], ran: Sequence[Sequence[object]], folder: Path
) -> list[tuple[Sequence[object], Outcome]]:
    """Runs commands, whose output and whose pages in a folder hold nothing but text of lnfold's."""
    found = []
    for arguments in ran:
        outcome = lnfold(*arguments)
        shown = outcome.out + outcome.err

        assert outcome.code in (0, 1, 2, 3, 4), (arguments, outcome)
        assert shown.replace("\n", "").isprintable(), (arguments, shown)
        assert not any(line.startswith(FORGED) for line in shown.splitlines()), arguments
        if "--json" in arguments and outcome.code == 0:
            json.loads(outcome.out)
        if "--csv" in arguments:
            assert not any(
                row[0].lstrip()[0] in "=+-@" for row in csv.reader(io.StringIO(outcome.out))
            )
        found.append((arguments, outcome))
    for page in folder.glob("*.html"):
        harmless_html(page.read_text("utf-8"))
    return found


def harmless_html(page: str) -> None:
    """No element and no attribute of a page is one that a name opened."""
    assert page.replace("\n", "").isprintable()
    assert "<img src=x" not in page
    assert "<script>alert" not in page
    assert '" onmouseover="' not in page


@pytest.mark.parametrize("kind", HOSTILE)
def test_no_name_of_a_variable_steers_forges_or_runs(
    tmp_path: Path, lnfold: Callable[..., Outcome], kind: str
):
    """Printable text and our own line breaks alone; JSON, HTML and CSV that mean what they say."""
    name = HOSTILE[kind]
    prefix = tmp_path / "model.ckpt"
    write_checkpoint(str(prefix), list(variables(name).items()))
    outcomes = harmless(lnfold, commands(prefix, tmp_path), tmp_path)

    assert len(outcomes) == 19
    for arguments, outcome in outcomes:
        if kind == "markup" and arguments[0] == "inspect" and arguments[-1] == prefix:
            assert "[bold red]" in outcome.out
        if "--csv" in arguments:
            head, *rows = csv.reader(io.StringIO(outcome.out))
            assert len(rows) == 6
            # numbers stay numbers
            assert all(float(row[5]) <= float(row[7]) for row in rows)
            assert head[5] == "min"


@pytest.mark.parametrize("kind", HOSTILE)
@pytest.mark.parametrize("form", Format)
def test_a_diagram_has_the_lines_of_its_layers_alone(kind: str, form: Format):
    """Whatever the names of inputs, layers and outputs: as many lines, as many quotes."""

    def drawn(name: str) -> str:
        layer = Activation(f"{name}/out", (f"{name}/in",), name, Fact("relu", Source.OPTION))
        wiring = Fact(name, Source.OPTION)
        net = Network(name, (Input(f"{name}/in", (None, 3)),), (layer.name,), (layer,), wiring)
        return diagram(net, form)

    plain, hostile = drawn("net"), drawn(HOSTILE[kind])
    unescaped = hostile.replace("\\\\", "").replace('\\"', "")

    assert hostile.count("\n") == plain.count("\n")
    assert unescaped.count('"') == plain.count('"')
    assert hostile.replace("\n", "").isprintable()
    assert "<" not in hostile or form is Format.DOT


def test_a_file_may_be_called_anything(
    tmp_path: Path, samples: Path, lnfold: Callable[..., Outcome]
):
    """The path as it was given, in errors, listings and what was written."""
    ran = 0
    for kind, name in HOSTILE.items():
        if kind in ("zero", "long", "script", "attribute", "markup", "formula"):
            continue  # no system has such a name
        folder = tmp_path / f"x{name.replace('/', '')}"
        try:
            folder.mkdir()
        except OSError:
            continue
        for arguments in (["inspect", folder], ["verify", folder / "x.ckpt"], [folder, "x"]):
            outcome = lnfold(*arguments)
            assert outcome.code in (2, 3)
            assert outcome.err.replace("\n", "").isprintable()
            assert not any(line.startswith(FORGED) for line in outcome.err.splitlines())
            ran += 1
    outcome = lnfold(
        "fold", samples / "cartpole_actor", "--output", tmp_path / f"x{HOSTILE['escape']}" / "y.npz"
    )
    assert outcome.code == 0, outcome
    assert (outcome.out + outcome.err).replace("\n", "").isprintable()
    assert ran > 20


def test_texts_become_cells_and_numbers_stay_numbers():
    """An apostrophe stands in front of what a spreadsheet would run, and in front of no number."""
    rows = [[name, -0.5, 3, None] for name in HOSTILE.values()]
    read = list(csv.reader(io.StringIO(csv_text(rows))))

    assert len(read) == len(rows)
    for name, number, count, nothing in read:
        assert name[0] not in "=+-@\t\r"
        assert (number, count, nothing) == ("-0.5", "3", "")


def test_what_rich_shows_is_escaped_and_no_markup_whoever_built_it():
    """A text keeps to its line; a cell of a table that nobody escaped is shown as it is."""
    from rich.table import Table

    from lnfold.cli.echo import rendered
    from lnfold.text.terminal import Text

    table = Table()
    table.add_column("name")
    table.add_row("[red]a[/red]\x1b[2J:smiley:")
    shown = rendered(table, file=io.StringIO(), width=80)

    assert "[red]a[/red]\\x1b[2J:smiley:" in shown
    assert Text("a\nb").append("\x1bc").plain == "a\\nb\\x1bc"


def test_nothing_is_printed_past_the_one_way():
    """No module of the command line prints by itself, but for the one that everyone calls."""
    checked = 0
    for path in (ROOT / "lnfold").rglob("*.py"):
        if path.name in ("echo.py", "progress.py", "printing.py"):
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                assert called not in ("print", "click.echo", "click.secho"), path
                assert not called.endswith(("stdout.write", "stderr.write")), path
                checked += 1

    assert checked > 1000
