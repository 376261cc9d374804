"""From whatever path a user types to the checkpoint that is meant, or a sentence that helps."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from lnfold.checkpoint import open_checkpoint
from lnfold.errors import (
    InputError,
    LnfoldError,
)
from tests.checkpoint import crafting
from tests.checkpoint.crafting import FLOAT, entry_message

FIXTURES = Path(__file__).parents[1] / "fixtures"


def put(prefix: Path, value: bytes = bytes(4)) -> str:
    """A checkpoint of one scalar."""
    return crafting.bundle(prefix, {"a": entry_message(FLOAT, [], value)}, value)


def state(folder: Path, newest: str, *others: str) -> None:
    lines = [f'model_checkpoint_path: "{newest}"']
    lines += [f'all_model_checkpoint_paths: "{other}"' for other in others]
    (folder / "checkpoint").write_text("\n".join(lines) + "\n")


def complaint(path: Path | str, **options: int) -> LnfoldError:
    """The error for a path, which is one sentence with a place."""
    with pytest.raises(InputError) as caught:
        open_checkpoint(path, **options)
    assert "\n" not in str(caught.value)
    assert caught.value.file
    return caught.value


@pytest.mark.parametrize("ending", ["", ".index", ".data-00000-of-00001", ".meta", "."])
def test_every_file_of_it_means_the_checkpoint(tmp_path: Path, ending: str):
    """The prefix, each of its files, and what a shell completes it to."""
    prefix = put(tmp_path / "model.ckpt-7")
    Path(f"{prefix}.meta").write_bytes(b"")

    assert open_checkpoint(prefix + ending).path == prefix


def test_a_folder_with_one_checkpoint_needs_no_state_file(tmp_path: Path):
    """Nothing else can be meant."""
    put(tmp_path / "model")

    assert open_checkpoint(tmp_path).path == str(tmp_path / "model")
    assert open_checkpoint(str(tmp_path) + os.sep).path == os.path.join(str(tmp_path), "", "model")


def test_paths_are_not_patterns(tmp_path: Path):
    """Brackets, stars and question marks in names are themselves."""
    folder = tmp_path / "run[1] *?"
    prefix = put(folder / "model[0]")

    assert open_checkpoint(prefix)["a"].read() == 0
    assert open_checkpoint(folder)["a"].read() == 0


def test_the_state_file_says_which_is_newest(tmp_path: Path):
    """Of several the newest is opened, without a note, whatever the names sort like."""
    for step in (9, 10, 100):
        put(tmp_path / f"m-{step}")
    state(tmp_path, "m-10", "m-9", "m-10")
    checkpoint = open_checkpoint(tmp_path)

    assert checkpoint.path.endswith("m-10")
    assert checkpoint.notes == ()
    assert open_checkpoint(tmp_path / "checkpoint").path.endswith("m-10")


@pytest.mark.parametrize("gone", ["/home/somebody/run/m-2", "C:\\run\\m-2", "../elsewhere/m-2"])
def test_a_state_file_of_another_machine(tmp_path: Path, gone: str):
    """Its paths lead nowhere here: the files beside it are used, and that is said."""
    put(tmp_path / "m-1")
    put(tmp_path / "m-2")
    state(tmp_path, gone.replace("\\", "\\\\"))
    checkpoint = open_checkpoint(tmp_path)

    assert checkpoint.path.endswith("m-2")
    assert any(gone in note and "not there" in note for note in checkpoint.notes)


def test_a_state_file_that_leads_out_is_followed_and_named(tmp_path: Path):
    """Somebody else's folder is no secret."""
    put(tmp_path / "elsewhere" / "m")
    put(tmp_path / "run" / "n")
    state(tmp_path / "run", "../elsewhere/m")
    checkpoint = open_checkpoint(tmp_path / "run")

    assert checkpoint.path == str(tmp_path / "elsewhere" / "m")
    assert any("leads out of its folder" in note for note in checkpoint.notes)


def test_a_deleted_checkpoint_is_not_replaced_in_silence(tmp_path: Path):
    """One other in the folder is used and named; of several none is chosen."""
    put(tmp_path / "m-1")
    state(tmp_path, "m-2")

    assert any("the only one" in note for note in open_checkpoint(tmp_path).notes)
    put(tmp_path / "m-3")
    assert "2 checkpoints" in complaint(tmp_path).message


def test_junk_in_the_state_file_is_no_obstacle(tmp_path: Path):
    """An empty or odd state file counts as none."""
    put(tmp_path / "m-1")
    for junk in (
        b"",
        b"\xff\xfe\x00",
        b"model_checkpoint_path: unquoted",
        b'model_checkpoint_path: "',
        b'model_checkpoint_path: "a\\000b"',
    ):
        (tmp_path / "checkpoint").write_bytes(junk)
        assert any("names no newest" in note for note in open_checkpoint(tmp_path).notes)


def test_escapes_in_the_state_file(tmp_path: Path):
    """Protobuf's text format writes what is not ASCII in octal."""
    put(tmp_path / 'mö"del')
    (tmp_path / "checkpoint").write_text('model_checkpoint_path: "m\\303\\266\\"del"\n')

    assert open_checkpoint(tmp_path).notes == ()


def test_a_step_is_chosen_by_number(tmp_path: Path):
    """--step reads the end of the name, in a folder or behind a prefix."""
    for step in (5, 15, 150):
        put(tmp_path / f"m-{step}")
    state(tmp_path, "m-150")

    assert open_checkpoint(tmp_path, step=15).path.endswith("m-15")
    assert open_checkpoint(tmp_path / "m", step=5).path.endswith("m-5")
    assert open_checkpoint(tmp_path / "m-150.index", step=5).path.endswith("m-5")
    assert "m-5, m-15, m-150" in complaint(tmp_path, step=50).message
    assert "no step 50" in complaint(tmp_path / "m", step=50).message


def test_several_without_a_state_file_are_listed(tmp_path: Path):
    """All of them, in natural order, and what to do."""
    for step in (10, 9):
        put(tmp_path / f"m-{step}")
    error = complaint(tmp_path)

    assert "m-9, m-10" in error.message
    assert "--step" in (error.remedy or "")


def test_a_mistyped_path_gets_suggestions(tmp_path: Path):
    """Near names in the folder, or the folder that is missing."""
    put(tmp_path / "model.ckpt-500")

    assert (
        f"Did you mean {tmp_path / 'model.ckpt-500'}?"
        == complaint(tmp_path / "modle.ckpt-500").remedy
    )
    (tmp_path / "runs").mkdir()
    error = complaint(tmp_path / "rums" / "model")
    assert f"the folder {tmp_path / 'rums'} does not exist" in error.message
    assert str(tmp_path / "runs") in (error.remedy or "")


def test_folders_without_a_checkpoint(tmp_path: Path):
    """Empty, with other files, with data only, or with checkpoints further down."""
    assert "the folder is empty" in complaint(tmp_path).message
    (tmp_path / "notes.txt").write_text("hello")
    assert "holds no checkpoint" in complaint(tmp_path).message
    (tmp_path / "m.data-00000-of-00001").write_bytes(b"")
    assert "without their .index" in (complaint(tmp_path).remedy or "")
    put(tmp_path / "deep" / "m")
    assert str(tmp_path / "deep") in (complaint(tmp_path).remedy or "")


def test_v1_shards_under_every_name(tmp_path: Path):
    """The prefix, the pattern of the state file, one of the shards, the folder."""
    shutil.copytree(FIXTURES / "v1_sharded", tmp_path / "x")
    prefix = tmp_path / "x" / "model.ckpt-20"
    paths = [
        prefix,
        f"{prefix}-?????-of-00003",
        f"{prefix}-00002-of-00003",
        tmp_path / "x",
    ]

    assert {open_checkpoint(path).path for path in paths} == {str(prefix)}
    (tmp_path / "x" / "model.ckpt-20-00001-of-00003").unlink()
    for path in paths[:2]:
        assert complaint(path)


def test_a_saved_model_under_every_name(real: Path):
    """Its folder, its files, and the bundle inside of it."""
    folder = real / "dtln_savedmodel"
    paths = [
        folder,
        folder / "saved_model.pb",
        folder / "variables",
        folder / "variables" / "variables",
        folder / "variables" / "variables.index",
    ]
    found = {open_checkpoint(path).graph_file for path in paths}

    assert found == {str(folder / "saved_model.pb")}
    assert {open_checkpoint(path).format for path in paths} == {"SavedModel"}


def test_a_saved_model_without_variables(tmp_path: Path):
    """A frozen graph holds constants; that is said."""
    (tmp_path / "saved_model.pb").write_bytes(b"")

    assert "holds no variables" in complaint(tmp_path).message


def test_the_graph_beside_it_is_found(tmp_path: Path):
    """Only the .meta of the same prefix."""
    prefix = put(tmp_path / "m-1")
    assert open_checkpoint(prefix).graph_file is None
    Path(f"{prefix}.meta").write_bytes(b"x")
    assert open_checkpoint(prefix).graph_file == f"{prefix}.meta"
