"""The full account: complete for every sample, honest where something is missing, and said."""

from __future__ import annotations

import json
import re
import warnings

import numpy as np
import pytest

from lnfold.checkpoint import open_checkpoint
from lnfold.cli import run_command_line
from lnfold.errors import UnknownNameError, UsageError
from lnfold.recovery.recover import recover
from lnfold.report.account.full import BoxOption, with_detail
from lnfold.report.account.record import Question, build_report
from lnfold.report.json.report import as_json, schema
from lnfold.report.words.explanation import explain
from lnfold.report.words.section import Section, as_text

SAMPLES = ["cartpole_actor", "cartpole_actor_keras", "cartpole_actor_batchnorm"]


def detailed(path, box=None):
    with open_checkpoint(path) as checkpoint:
        return with_detail(build_report(checkpoint, recover(checkpoint)), box)


def recorded(path, box=None):
    with open_checkpoint(path) as checkpoint:
        report = with_detail(build_report(checkpoint, recover(checkpoint)), box)
        return json.loads(as_json(report)), report


@pytest.mark.parametrize("name", SAMPLES)
def test_every_sample_s_account_follows_the_schema(samples, name):
    """With detail the JSON holds units and independence, and validates."""
    jsonschema = pytest.importorskip("jsonschema")
    record, _ = recorded(samples / name)
    jsonschema.validate(record, json.loads(schema()))
    network = record["networks"][0]
    assert network["independence"]["parameters"] == 4865
    for relation in network["relations"]:
        units = relation["units"]
        assert (units is not None) == network["complete"]
        assert units is None or {one["verdict"] for one in units} <= {
            "dead", "always_on", "constant", "mixed",
        }  # fmt: skip


def test_the_question_s_account_has_the_known_figures(real):
    """The sphere has six dimensions, the slope bound is 15.0, and all ranges are exact."""
    report = detailed(real / "question_actor")
    first, second = report.networks[0].detail.layers
    assert first.sphere.matrix.shape == (6, 64)
    assert second.sphere is None
    assert first.steepness.bound == pytest.approx(15.0, abs=0.05)
    assert first.steepness.found <= first.steepness.bound
    assert first.units.exact_supremum.all()
    assert int(first.units.proved.sum()) == 64
    assert first.frozen.largest <= first.frozen.bound
    assert first.frozen.formula_off < 1e-13


def test_a_box_proves_units_of_the_question_s_network(real):
    """Box [2, 3]^5: 25 dead and 28 always on, in the JSON and in words."""
    box = BoxOption((2.0, 3.0))
    record, report = recorded(real / "question_actor", box)
    network = record["networks"][0]
    verdicts = [one["verdict"] for one in network["relations"][0]["units"]]
    assert (verdicts.count("dead"), verdicts.count("always_on")) == (25, 28)
    assert network["box"]["obs0"]["high"] == [3.0] * 5
    text = as_text(explain(report.networks[0]))
    assert "25 dead (never above 0" in text.replace("\n", " ")
    assert "over the box of inputs asked for" in text.replace("\n", " ")


def test_wrong_boxes_are_refused_before_anything_is_proved(real, tmp_path):
    """Low above high, a file of another width, and both options at once."""
    with pytest.raises(UsageError, match="the box is empty"):
        detailed(real / "question_actor", BoxOption((3.0, 2.0)))
    path = str(tmp_path / "box.npz")
    np.savez(path, low=np.zeros(4), high=np.ones(4))
    with pytest.raises(UsageError, match="holds 4 numbers, input obs0 is 5 wide"):
        detailed(real / "question_actor", BoxOption(None, path))
    with pytest.raises(UsageError, match="give one"):
        detailed(real / "question_actor", BoxOption((0.0, 1.0), path))


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"low": np.array(["a"] * 5)}, "holds text, where real numbers are expected"),
        ({"low": np.zeros(5) * 1j}, "holds complex128 values, where real numbers are expected"),
        ({"low": np.full(5, np.nan)}, "the box is empty: input 0 goes from nan to inf"),
        ({"low": np.full(5, 1e39)}, "holds no number that a float32 input can be"),
        ({"width": np.zeros(5)}, "holds no box for network actor; it holds: width"),
    ],
)
def test_a_box_of_anything_else_is_refused(samples, tmp_path, arrays, said):
    """Texts, complex numbers, NaN, numbers beyond float32, and no box at all."""
    path = str(tmp_path / "box.npz")
    np.savez(path, **arrays)
    with pytest.raises(UsageError, match=re.escape(said)):
        detailed(samples / "cartpole_actor", BoxOption(None, path))


def test_a_side_beyond_float32_is_no_side(samples):
    """Then all inputs there are are meant, and no warning of an overflow is seen."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        wide = detailed(samples / "cartpole_actor", BoxOption((-1e300, 1e300)))
    free = detailed(samples / "cartpole_actor")
    for one, other in zip(
        wide.networks[0].detail.layers, free.networks[0].detail.layers, strict=True
    ):
        np.testing.assert_array_equal(one.units.supremum, other.units.supremum)


def test_too_few_inputs_say_how_many_a_fit_takes(samples, tmp_path):
    """Three rows: a note in the report, and no fit; no rows at all are refused."""
    path = str(tmp_path / "few.npz")
    np.savez(path, inputs=np.zeros((3, 5), np.float32))
    with open_checkpoint(samples / "cartpole_actor") as checkpoint:
        report = build_report(checkpoint, recover(checkpoint), Question(inputs=path))
    said = "3 rows of inputs are too few for the best affine fit of every layer of actor"
    assert any(note.startswith(said) and note.endswith("takes 130") for note in report.notes)
    np.savez(path, inputs=np.zeros((0, 5), np.float32))
    with (
        open_checkpoint(samples / "cartpole_actor") as checkpoint,
        pytest.raises(UsageError, match="holds no rows of inputs"),
    ):
        build_report(checkpoint, recover(checkpoint), Question(inputs=path))


def test_the_explanation_is_plain_text_of_eighty_columns(real):
    """It quotes the known figures, and no line is longer than 80 characters."""
    report = detailed(real / "question_actor")
    text = as_text(explain(report.networks[0]))
    assert max(map(len, text.splitlines())) <= 80
    joined = " ".join(text.split())
    for quoted in (
        "a dead part of length 0.020, a shift of length 0.085 and a rest of 1.1",
        "keeps the variance above 0.0189",
        "the nominal epsilon is 1e-12",
        "65 of the 192 numbers",
        "89 are independent of everything else",
        "a point on a sphere in 6 dimensions",
        "read from the graph",
    ):
        assert quoted in joined


def test_a_layer_and_a_unit_are_explained_alone(real):
    """--layer narrows it down, --unit gives the formula with its numbers; others are refused."""
    one = detailed(real / "question_actor").networks[0]
    layer = as_text(explain(one, layer="dense_1"))
    assert "actor/dense_1: what its units can do" in layer
    assert "actor/dense:" not in layer
    unit = as_text(explain(one, layer="LayerNorm", unit=28))
    assert "actor/dense, unit 28 of 64" in unit
    with pytest.raises(UnknownNameError, match="no layer of actor with a norm is called 'nothing'"):
        list(explain(one, layer="nothing"))
    with pytest.raises(UnknownNameError, match="unit 3 of which layer of actor"):
        list(explain(one, unit=3))
    with pytest.raises(UnknownNameError, match="has no unit 64"):
        list(explain(one, layer="dense", unit=64))


def test_the_command_explains_originals_and_what_is_asked(real, capsys):
    """Copies are left out unless named; wrong names exit with 2 and one line."""
    path = str(real / "ddpg_layernorm")
    assert run_command_line(["explain", path]) == 0
    text = capsys.readouterr().out
    assert "target_actor is a copy (target) of actor" in " ".join(text.split())
    assert "\ntarget_actor\n" not in text
    assert run_command_line(["explain", path, "--network", "target_actor"]) == 0
    assert capsys.readouterr().out.startswith("target_actor\n")
    assert run_command_line(["explain", path, "--network", "nobody"]) == 2
    assert "no network is called 'nobody'" in capsys.readouterr().err


def test_an_incomplete_network_is_explained_as_far_as_it_goes(samples):
    """What cannot be run has no measured figures, and the account says so."""
    report = detailed(samples / "cartpole_actor_keras")
    incomplete = [one for one in report.networks if not one.network.complete]
    for one in incomplete:
        text = " ".join(as_text(explain(one)).split())
        assert "could not be run" in text
        assert "Missing:" in text
        assert "Measured on the inputs used" not in text


def test_long_words_do_not_break_the_columns_of_others():
    """A name without spaces is kept whole on a line of its own."""
    text = as_text([Section("h", ["a " + "x" * 100 + " b"])])
    assert "x" * 100 in text.splitlines()
