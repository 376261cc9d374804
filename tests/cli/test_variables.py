"""`lnfold variables`: what `inspect_checkpoint` was used for."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from lnfold.checkpoint import open_checkpoint
from lnfold.checkpoint.write import write_checkpoint
from lnfold.text.number_format import printable

FIXTURES = Path(__file__).parents[1] / "checkpoint" / "fixtures"


def test_slots_are_hidden_and_counted(lnfold, samples):
    """The parameters are listed, and the last line says how many slots there are."""
    result = lnfold("variables", samples / "cartpole_actor")

    assert result.code == 0
    assert "actor/dense/kernel" in result.out
    assert "Adam" not in result.out
    assert result.out.splitlines()[-1] == (
        "10 variables, 4,865 numbers, 19,460 bytes; 23 optimizer slots and counters more with --all"
    )


def test_all_lists_every_variable_once(lnfold, samples):
    """With --all there is a line for each variable, in natural order, and no name is cut."""
    with open_checkpoint(samples / "cartpole_actor") as checkpoint:
        names = list(checkpoint)
    result = lnfold("variables", samples / "cartpole_actor", "--all", columns=20)

    assert len(names) == 33
    assert [line.split()[0] for line in result.out.splitlines()[1:-1]] == names


@pytest.mark.parametrize(
    ("pattern", "count"), [("dense_1", 2), ("actor/*/gamma", 2), ("actor/dense/bias", 1)]
)
def test_patterns_choose(lnfold, samples, pattern, count):
    """A pattern is a part of a name, or a whole one with wildcards."""
    result = lnfold("variables", samples / "cartpole_actor", pattern, "--json")

    assert len(json.loads(result.out)["variables"]) == count


def test_statistics_are_numpys(lnfold, samples):
    """--stats shows what NumPy finds in the arrays."""
    result = lnfold("variables", samples / "cartpole_actor", "--stats", "--json")

    records = json.loads(result.out)["variables"]
    with open_checkpoint(samples / "cartpole_actor") as checkpoint:
        for record in records:
            array = checkpoint[record["name"]].read().astype(np.float64)
            found = record["statistics"]
            assert found["min"] == array.min()
            assert found["max"] == array.max()
            assert found["mean"] == pytest.approx(array.mean(), rel=1e-6, abs=1e-9)
            assert found["std"] == pytest.approx(array.std(), rel=1e-6)
            assert (found["zeros"], found["nan"], found["inf"]) == ((array == 0).sum(), 0, 0)
    assert len(records) == 10


def test_csv_can_be_read_back(lnfold, samples):
    """A head line and a line for each variable."""
    result = lnfold("variables", samples / "cartpole_actor", "--csv")

    rows = list(csv.DictReader(result.out.splitlines()))
    assert len(rows) == 10
    assert {row["name"]: row["shape"] for row in rows}["actor/dense/kernel"] == "5x64"


def test_values_are_shown_whole_and_written_exactly(lnfold, samples, tmp_path):
    """Nothing is cut on the terminal, and the file holds the array bit for bit."""
    kernel = "actor/dense_1/kernel"
    shown = lnfold("variables", samples / "cartpole_actor", "--values", kernel)
    target = tmp_path / "kernel.npy"
    lnfold("variables", samples / "cartpole_actor", "--values", kernel, "--output", target)

    assert "..." not in shown.out
    assert shown.out.count("[") == 65
    with open_checkpoint(samples / "cartpole_actor") as checkpoint:
        assert (np.load(target) == checkpoint[kernel].read()).all()


@pytest.mark.parametrize(
    "dtype", ["bfloat16", "bool", "complex64", "float16", "int8", "scalar", "empty", "text"]
)
def test_values_of_every_type_come_back_from_the_file(lnfold, tmp_path, dtype):
    """A plain np.load, which knows no bfloat16 and no object, reads the same values."""
    target = tmp_path / "values.npy"
    result = lnfold("variables", FIXTURES / "dtypes", "--values", dtype, "--output", target)

    assert result.code == 0
    with open_checkpoint(FIXTURES / "dtypes") as checkpoint:
        wanted = checkpoint[dtype].read()
    found = np.load(target)
    assert found.dtype.kind in "bifcS"
    assert found.shape == wanted.shape
    assert found.tolist() == wanted.tolist()


def test_texts_that_a_file_would_change_are_refused(lnfold, tmp_path):
    """Zero bytes at the end of a text would be lost."""
    text = np.array([b"ab\0", b"c"], object)
    write_checkpoint(tmp_path / "model", [("text", text)])
    target = tmp_path / "text.npy"
    result = lnfold("variables", tmp_path / "model", "--values", "text", "--output", target)

    assert result.code == 3
    assert "without --output" in result.err
    assert not target.exists()


def test_brackets_in_patterns_are_brackets(lnfold, tmp_path):
    """Names of lists have them; only * and ? stand for anything else."""
    names = ["layers[0]/w", "layers[1]/w", "layers0/w"]
    write_checkpoint(tmp_path / "model", [(name, np.ones((2, 2), np.float32)) for name in names])

    for pattern, wanted in (("[0]", names[:1]), ("layers[[]*", []), ("layers[?]/*", names[:2])):
        result = lnfold("variables", tmp_path / "model", pattern, "--json")
        found = json.loads(result.out)["variables"] if result.code == 0 else []
        assert [one["name"] for one in found] == wanted
        assert result.code == (0 if wanted else 2)


def test_what_a_file_of_names_says_is_json_and_csv(lnfold, tmp_path):
    """Quotes, commas, line breaks and escapes in names spoil neither form."""
    names = ['a,"b"/w', "c\nd/w", "e\x1b[2J/w", "<b>/w", "ä/w"]
    write_checkpoint(tmp_path / "model", [(name, np.ones(3, np.float32)) for name in names])
    as_json = lnfold("variables", tmp_path / "model", "--json").out
    as_csv = lnfold("variables", tmp_path / "model", "--csv").out

    assert {one["name"] for one in json.loads(as_json)["variables"]} == set(names)
    assert {row["name"] for row in csv.DictReader(as_csv.splitlines())} == set(
        map(printable, names)
    )
    for text in (as_json, as_csv):
        assert "\x1b" not in text


def test_a_misspelt_name_is_answered_with_the_near_ones(lnfold, samples):
    """The message suggests what is there."""
    result = lnfold("variables", samples / "cartpole_actor", "--values", "actor/dense/biass")

    assert result.code == 2
    assert "Did you mean actor/dense/bias" in result.err


def test_a_listing_imports_neither_numpy_nor_rich(samples):
    """Listing is a matter of the index alone."""
    from tests.test_start_up import HEAVY, modules_after

    loaded = modules_after("variables", str(samples / "cartpole_actor"))
    assert not loaded & {*HEAVY, "numpy", "rich"}


def test_names_that_steer_terminals_are_shown_harmlessly(lnfold, tmp_path):
    """Escape sequences in a name come out as text."""
    np.savez(tmp_path / "odd.npz", **{"evil\x1b[2Jname/kernel": np.ones((2, 2), np.float32)})
    result = lnfold("variables", tmp_path / "odd.npz", "--all")

    assert "\x1b" not in result.out
    assert r"evil\x1b[2Jname/kernel" in result.out
