"""The page of a fold: every step with its proof, and what was refused."""

from __future__ import annotations

import pytest

pytest.importorskip("matplotlib", exc_type=ImportError, reason="the html extra is not here")


def test_the_page_holds_every_step_and_every_refusal(lnfold, samples, tmp_path):
    """Steps, refusals, proof and the numbers left stand on the page, beside the report."""
    target = tmp_path / "fold.html"
    result = lnfold("fold", samples / "cartpole_actor", "--html", target)

    page = target.read_text("utf-8")
    assert result.code == 0
    for words in (
        "Folding",
        "centre (E01, E02)",
        "gamma-forward (E04, E31)",
        "actor/LayerNorm_1/gamma",
        "Steps not applied",
        "an activation stands in between",
        "Numbers of bias, gamma and beta that are left",
        'be summarised as one "bias" vector?'.replace('"', "&quot;"),
    ):
        assert words in page, words
    assert len(page) < 3 << 20


def test_the_page_is_never_written_over_the_checkpoint(lnfold, samples, tmp_path):
    """The checkpoint's own file is refused as the place of the page."""
    index = samples / "cartpole_actor" / "actor.ckpt-12000.index"
    before = index.read_bytes()
    result = lnfold("fold", samples / "cartpole_actor", "--html", index)

    assert result.code == 2
    assert "is an input" in result.err
    assert index.read_bytes() == before
