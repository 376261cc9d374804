"""Which array of a file is which input: by name, else by width, else a refusal that says so."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lnfold.checking.observations import given, holds_inputs
from lnfold.errors import UsageError
from lnfold.network.facts.evidence import Fact, Source
from lnfold.network.records.layers import Concat, Input, Network
from tests.conftest import ROOT, Outcome

ROWS = 7


def network(**widths: int) -> Network:
    """A network that puts its inputs side by side."""
    return Network(
        name="critic",
        inputs=tuple(Input(name, (None, width)) for name, width in widths.items()),
        outputs=("both",),
        layers=(Concat("both", tuple(widths), "critic"),),
        wiring=Fact("made", Source.OPTION),
    )


def rows(*shape: int) -> np.ndarray:
    return np.arange(ROWS * int(np.prod(shape)), dtype=np.float32).reshape(ROWS, *shape)


def test_arrays_called_as_the_inputs_need_no_widths():
    """Names settle it, and nothing else is said."""
    arrays = {"action": rows(6), "observation": rows(6)}
    found = given(network(observation=6, action=6), arrays, "file.npz")

    assert found.inputs["action"] is arrays["action"]
    assert (found.told, found.origin) == ("", "7 rows of file.npz")


@pytest.mark.parametrize("names", [("obs0", "actions"), ("b", "a"), ("x/observation", "y")])
def test_arrays_called_otherwise_are_told_by_their_widths(names: tuple[str, str]):
    """Whatever their names and order, and what the outputs are as wide as."""
    first, second = names
    arrays = {second: rows(4), "outputs": rows(6), "both": rows(4), first: rows(6)}
    found = given(network(observation=6, action=4), arrays, "file.npz")

    assert found.inputs["observation"] is arrays[first]
    assert found.inputs["action"] is arrays[second]
    assert f"'{first}' as observation [6]" in found.origin
    assert f"'{second}' as action [4]" in found.origin


def test_one_name_leaves_the_other_array_for_the_other_input():
    """Of two inputs alike in width, one named is enough."""
    arrays = {"other": rows(4), "action": rows(4)}
    found = given(network(observation=4, action=4), arrays, "file.npz")

    assert found.inputs["observation"] is arrays["other"]
    assert found.told == "'other' as observation [4]"


def test_images_are_as_wide_as_they_have_pixels():
    """An array of several dimensions is told by all but its first, where no other is as wide."""
    arrays = {"picture": rows(2, 3), "a": rows(4)}
    found = given(network(observation=6, action=4), arrays, "file.npz")

    assert found.inputs["observation"] is arrays["picture"]


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"p": rows(4), "q": rows(4)}, "p or q could be it by width"),
        ({"p": rows(4)}, "could be it by width"),
        ({"p": rows(5), "q": rows(3)}, "it holds: p, q"),
        ({}, "it holds: nothing"),
        ({"outputs": rows(4), "both": rows(4)}, "it holds: both, outputs"),
    ],
    ids=["two alike", "one for two", "other widths", "none", "outputs"],
)
def test_what_nothing_tells_apart_is_refused(arrays: dict[str, np.ndarray], said: str):
    """The refusal names the array that is wanted."""
    critic = network(observation=4, action=4)

    assert not holds_inputs(critic, arrays)
    with pytest.raises(UsageError, match="no array for input 'observation'") as refused:
        given(critic, arrays, "file.npz")
    assert said in str(refused.value)
    assert refused.value.remedy == "Name the array 'observation'."


def test_a_critic_without_its_graph_takes_the_arrays_of_its_graph(
    tmp_path: Path, real: Path, lnfold: Callable[..., Outcome]
):
    """Names of placeholders that only the .meta knows are told by width, in inspect and check."""
    source = real / "ddpg_layernorm"
    for file in source.glob("model.ckpt.*"):
        if file.suffix != ".meta":
            shutil.copy(file, tmp_path)
    prefix, expected = str(tmp_path / "model.ckpt"), str(source / "expected_critic.npz")
    runs = (
        ["inspect", prefix, "--network", "critic", "--expected", expected],
        ["check", prefix, expected, "--network", "critic", "--assume"],
        [
            "check",
            prefix,
            "--assume",
            "--network",
            "critic",
            "--inputs",
            expected,
            "--against",
            "expected",
        ],
    )
    for arguments in runs:
        outcome = lnfold(*arguments)
        shown = " ".join((outcome.out + outcome.err).split())

        assert outcome.code == 0, shown
        assert "'obs0' as observation [6], 'actions' as action [4]" in shown


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf, 1e39])
def test_a_number_that_is_no_finite_float32_is_refused_with_its_place(number: float):
    """Nothing behind it could be judged; 1e39 is finite in float64 and infinite to a program."""
    array = rows(6).astype(np.float64)
    array[3, 2] = number

    with pytest.raises(UsageError) as refused:
        given(network(observation=6), {"observation": array}, "file.npz")
    assert f"input observation holds {number:g} at [3, 2]" in str(refused.value)
    assert "Leave that row out" in str(refused.value.remedy)


def test_the_largest_float32_is_taken():
    """It is finite, however large."""
    array = np.full((ROWS, 6), np.finfo(np.float32).max)
    assert given(network(observation=6), {"inputs": array}, "file.npz").origin.startswith("7 rows")


@pytest.mark.parametrize(
    ("shape", "said"),
    [((6,), "1 row"), ((1, 6), "1 row"), ((2, 5, 6), "10 rows"), ((4, 2, 3), "4")],
)
def test_the_rows_that_are_told_are_those_that_are_run(shape: tuple[int, ...], said: str):
    """A vector is one observation, a sequence as many as it has steps, an image one."""
    array = np.zeros(shape, np.float32)
    assert given(network(observation=6), {"inputs": array}, "file.npy").origin.startswith(said)


def test_saved_outputs_have_the_shape_of_the_original(lnfold, tmp_path: Path):
    """Sequences keep their axis for time, and what was saved is compared with itself."""
    run = ROOT / "tests" / "recovery" / "fixtures" / "tf1_loops" / "every_step" / "model.ckpt"
    saved = tmp_path / "saved.npz"
    assert lnfold("check", run, "--save", saved).code == 0
    with np.load(saved) as arrays:
        shapes = {name: arrays[name].shape for name in arrays.files}
    assert shapes == {"x": (256, 4, 3), "out/BiasAdd": (256, 4, 2)}

    again = lnfold("check", run, saved)
    assert again.code == 0
    assert "all 2,048 numbers agree" in again.out


def test_one_name_is_not_saved_for_two_arrays(lnfold, real: Path, tmp_path: Path):
    """What one network delivers and another is fed has one name; each alone is saved and agrees."""
    run, saved = real / "ddpg_layernorm", tmp_path / "saved.npz"

    refused = lnfold("check", run, "--save", saved)
    assert refused.code == 2
    assert "'target_actor/Tanh'" in refused.err
    assert not saved.exists()
    for name in ("target_actor", "target_critic"):
        assert lnfold("check", run, "--network", name, "--save", saved).code == 0
        assert lnfold("check", run, saved, "--network", name).code == 0
