"""Nothing is folded, certified or said to agree on what is assumed, unless --assume is given."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lnfold.checkpoint.write import write_checkpoint
from lnfold.errors import IncompleteNetworkError
from lnfold.folding.fold import Choice, fold
from lnfold.network.facts.order import Order
from lnfold.network.facts.settings import Settings
from tests.conftest import Outcome
from tests.recovery.names.test_arrangement import mlp
from tests.recovery.recovered import recovery

Run = Callable[..., Outcome]

TOLD = ("--epsilon", "1e-3", "--order", "dense-norm-act", "--activation", "relu")
TOLD += ("--output-activation", "tanh")
PLACES = "sequence actor/dense → actor/dense_1 → actor/dense_2, placement of 'actor/LayerNorm'"


@pytest.fixture
def equal_widths(tmp_path: Path) -> Path:
    """An actor whose layers fit in several orders."""
    write_checkpoint(str(tmp_path / "actor"), list(mlp(8, 8, 8, 2).items()))
    return tmp_path / "actor"


def words(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize("command", ["fold", "check"])
def test_what_rests_on_an_assumption_is_refused(lnfold: Run, equal_widths: Path, command: str):
    """Exit 2 and one sentence with the assumed facts and the options that settle them."""
    result = lnfold(command, equal_widths, *TOLD)

    assert result.code == 2
    assert result.out == ""
    assert f"it rests on what is assumed, {PLACES}" in result.err
    assert "Settle it by --layers, or by --examples; with --assume" in result.err


def test_an_assumed_epsilon_or_end_is_refused_like_a_place(lnfold: Run, tmp_path: Path):
    """Shapes tell the places; the library's habits are assumptions all the same."""
    write_checkpoint(str(tmp_path / "actor"), list(mlp(5, 8, 6, 2).items()))
    said = lnfold("fold", tmp_path / "actor").err

    assert lnfold("fold", tmp_path / "actor", *TOLD).code == 0
    for option in ("--epsilon", "--order", "--activation", "--output-activation"):
        assert option in said


def test_with_assume_the_first_line_says_what_is_assumed(
    lnfold: Run, equal_widths: Path, tmp_path: Path
):
    """On the terminal, in JSON, in the certificate and in the manifest."""
    out = tmp_path / "out.npz"
    folded = lnfold("fold", equal_widths, *TOLD, "--assume", "--output", out)
    checked = lnfold("check", equal_widths, *TOLD, "--assume")
    certificate = json.loads((tmp_path / "out.certificate.json").read_text("utf-8"))
    manifest = json.loads(bytes(np.load(out)["manifest"]).decode("utf-8"))
    record = json.loads(lnfold("check", equal_widths, *TOLD, "--assume", "--json").out)

    for result in (folded, checked):
        assert result.code == 0
        assert words(result.out).startswith(f"assumed: {PLACES}")
    assert certificate["networks"][0]["assumed"][0].startswith("sequence")
    assert manifest["networks"][0]["assumed"][0].startswith("sequence")
    assert record["networks"]["actor"]["assumed"].startswith("sequence")


def test_an_archive_keeps_what_its_fold_assumed(lnfold: Run, equal_widths: Path, tmp_path: Path):
    """A fold that was made with --assume does not become a proof by being written."""
    out = tmp_path / "out.npz"
    lnfold("fold", equal_widths, *TOLD, "--assume", "--output", out)

    assert lnfold("check", out).code == 2
    assert lnfold("check", out, "--assume").code == 0


def test_a_report_shows_no_tick_for_a_network_as_assumed(lnfold: Run, equal_widths: Path):
    """The re-run against float64 is about arithmetic, and says of which network."""
    assumed = lnfold("inspect", equal_widths, *TOLD)
    stated = "dense LayerNorm relu dense_1 LayerNorm_1 relu dense_2 tanh"
    settled = lnfold("inspect", equal_widths, "--epsilon", "1e-3", "--layers", stated)

    assert "of the network as assumed" in words(assumed.out)
    assert "✓" not in assumed.out
    assert "✓" in settled.out
    assert "as assumed" not in settled.out
    assert "?" not in settled.out.splitlines()[2]


def test_networks_that_are_settled_are_folded_beside_others(lnfold: Run, tmp_path: Path):
    """The others are named with the reason; asked for by name, they are an error."""
    arrays = {**mlp(5, 8, 6, 2), **mlp(8, 8, 8, 2, scope="pi")}
    write_checkpoint(str(tmp_path / "both"), list(arrays.items()))
    result = lnfold("fold", tmp_path / "both", *TOLD)
    alone = lnfold("fold", tmp_path / "both", *TOLD, "--network", "pi")

    assert result.code == 0
    assert "actor   stock form" in result.out
    assert "pi   not folded: it rests on what is assumed" in words(result.out).replace(
        "pi not", "pi   not"
    )
    assert alone.code == 2
    assert "network pi is not folded" in alone.err


def test_the_python_api_refuses_as_well(equal_widths: Path):
    """fold() raises unless the choice allows it."""
    told = Settings(1e-3, Order.DENSE_NORM_ACT, "relu", "tanh")
    (network,) = recovery(equal_widths, told).networks

    with pytest.raises(IncompleteNetworkError, match="rests on what is assumed"):
        fold(network)
    assert fold(network, Choice(assume=True)).certificates
