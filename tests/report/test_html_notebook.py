"""How reports and networks show themselves in a notebook."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from lnfold.checkpoint import open_checkpoint
from lnfold.network.layers import Network
from lnfold.network.recover import recover
from lnfold.report.html_notebook import network_html, register, report_html
from lnfold.report.record import Report, build_report


@pytest.fixture
def report(samples):
    with open_checkpoint(samples / "cartpole_actor") as checkpoint:
        yield build_report(checkpoint, recover(checkpoint))


def test_a_report_shows_the_answer(report):
    """Name, answer and candidates, as HTML without scripts."""
    shown = report._repr_html_()
    assert shown == report_html(report)
    assert "<b>No</b>" in shown
    assert "frozen standard deviation" in shown
    assert "<script" not in shown


def test_a_network_shows_its_layers(report):
    """One row a layer, with the epsilon's source."""
    network = report.networks[0].network
    shown = network_html(network)
    assert shown.count("<tr>") == len(network.layers) + 1
    assert "(graph)" in shown


def test_a_running_notebook_learns_both(monkeypatch):
    """Networks and reports are registered with IPython where it runs, and only there."""
    learnt = {}
    formatter = SimpleNamespace(for_type=lambda kind, function: learnt.update({kind: function}))
    shell = SimpleNamespace(display_formatter=SimpleNamespace(formatters={"text/html": formatter}))
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    assert register()
    assert set(learnt) == {Network, Report}
    monkeypatch.delitem(sys.modules, "IPython")
    assert not register()
