"""How reports and networks show themselves in a notebook."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import pytest

from lnfold.checkpoint import open_checkpoint
from lnfold.folding.fold import fold
from lnfold.recovery.recover import recover
from lnfold.report.account.record import build_report
from lnfold.report.page.notebook import SHOWN, network_html, register, report_html


@pytest.fixture
def report(samples):
    with open_checkpoint(samples / "cartpole_actor") as checkpoint:
        yield build_report(checkpoint, recover(checkpoint))


def test_a_report_shows_the_answer(report):
    """Name, answer with its sentence and candidates, as HTML without scripts."""
    shown = report_html(report)
    assert "beta is a bias multiplied by" in shown
    assert "<b>No</b>" in shown
    assert "frozen standard deviation" in shown
    assert "<script" not in shown


def test_a_network_shows_its_layers(report):
    """One row a layer, with the epsilon's source."""
    network = report.networks[0].network
    shown = network_html(network)
    assert shown.count("<tr>") == len(network.layers) + 1
    assert "(graph)" in shown


def shell_that_learns(learnt: dict) -> SimpleNamespace:
    """As much of IPython's shell as registering needs."""
    formatter = SimpleNamespace(for_type=lambda kind, function: learnt.update({kind: function}))
    return SimpleNamespace(display_formatter=SimpleNamespace(formatters={"text/html": formatter}))


def test_a_running_notebook_learns_all_of_them(monkeypatch, report):
    """Every record that a user holds is registered where IPython runs, and only there."""
    learnt = {}
    shell = shell_that_learns(learnt)
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    assert register()
    assert set(learnt) == set(SHOWN)
    one = report.networks[0]
    folded = fold(one.network)
    kernel = report.checkpoint["actor/dense/kernel"]
    records = [report.checkpoint, kernel, report.recovery, one.network, report, one, one.answer]
    records += [one.relations[0], one.checks[0], one.observations, folded, folded.certificates[0]]
    assert {type(shown) for shown in records} == set(learnt)
    for shown in records:
        page = learnt[type(shown)](shown)
        assert page.startswith(("<div>", "<section>"))
        assert "actor" in page or shown in (one.answer, one.checks[0], one.observations)
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: None))
    assert not register()
    monkeypatch.delitem(sys.modules, "IPython")
    assert not register()


@pytest.mark.parametrize("interactive", [True, False])
def test_importing_lnfold_is_enough_in_a_notebook_and_loads_nothing_elsewhere(interactive):
    """A process with IPython's shell has the classes registered; another imports no NumPy."""
    code = (
        "import sys\n"
        "from types import SimpleNamespace as S\n"
        "learnt = []\n"
        "formatter = S(for_type=lambda kind, function: learnt.append(kind.__name__))\n"
        "shell = S(display_formatter=S(formatters={'text/html': formatter}))\n"
        f"if {interactive}: sys.modules['IPython'] = S(get_ipython=lambda: shell)\n"
        "import lnfold\n"
        "print(sorted(learnt), 'numpy' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    names = sorted(kind.__name__ for kind in SHOWN)
    assert done.stdout.strip() == (f"{names} True" if interactive else "[] False")
