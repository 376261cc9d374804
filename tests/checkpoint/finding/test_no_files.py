"""What is no file where one belongs is said, and nobody waits for it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from lnfold.checkpoint import open_checkpoint
from lnfold.checkpoint.write import write_checkpoint
from lnfold.errors import (
    CheckpointNotFoundError,
    GraphError,
    NotACheckpointError,
    UnsupportedError,
)
from lnfold.recovery.graph.saved_model import read_meta_graph, read_saved_model
from tests.checkpoint.numpy_files.test_array_file import in_a_moment
from tests.conftest import ROOT, SAMPLES

FIXTURES = ROOT / "tests" / "checkpoint" / "fixtures"
PREFIX = SAMPLES / "cartpole_actor_batchnorm" / "actor.ckpt"


def in_place_of_the_graph(folder: Path, kind: str) -> Path:
    """A copy of a sample whose .meta is something else."""
    for file in PREFIX.parent.glob("actor.ckpt.*"):
        if file.suffix != ".meta":
            shutil.copy(file, folder)
    put(folder / "actor.ckpt.meta", kind)
    return folder / "actor.ckpt"


def put(path: Path, kind: str) -> None:
    """Something at ``path`` that is no file."""
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "itself":
        path.symlink_to(path)
    else:
        path.symlink_to(path.parent / "nothing")


@pytest.mark.skipif(os.name != "posix", reason="pipes and devices are POSIX's")
@pytest.mark.parametrize("kind", ["pipe", "folder", "device", "nowhere", "itself"])
def test_what_is_no_graph_file_is_said(lnfold, tmp_path, kind):
    """Every command ends, and the note names the path."""
    prefix = in_place_of_the_graph(tmp_path, kind)

    with open_checkpoint(prefix) as checkpoint:
        assert checkpoint.graph_file is None
        (note,) = (one for one in checkpoint.notes if f"{prefix}.meta" in one)
    assert "no graph was read" in note
    assert f"{prefix}.meta".replace("/", "") in "".join(
        lnfold("inspect", prefix).out.replace("/", "").split()
    )
    assert "no graph was read" in lnfold("variables", prefix).err


@pytest.mark.skipif(os.name != "posix", reason="pipes and devices are POSIX's")
@pytest.mark.parametrize("kind", ["pipe", "folder", "device", "nowhere"])
def test_a_reader_that_is_given_no_file_says_so(tmp_path, kind):
    """Both readers, for whoever calls them directly."""
    path = str(in_place_of_the_graph(tmp_path, kind)) + ".meta"
    for read in (read_meta_graph, read_saved_model):
        with pytest.raises(GraphError, match="cannot be read"):
            read(path)


@pytest.mark.skipif(os.name != "posix", reason="pipes and devices are POSIX's")
@pytest.mark.parametrize("kind", ["pipe", "folder", "device", "nowhere", "itself"])
@pytest.mark.parametrize("name", ["saved_model.pb", "keras_metadata.pb"])
def test_what_is_no_file_of_a_saved_model_is_said(lnfold, tmp_path, name, kind):
    """It stays a SavedModel, and what could not be read is named."""
    model = tmp_path / "model"
    shutil.copytree(FIXTURES / "saved_model", model)
    (model / name).unlink(missing_ok=True)
    put(model / name, kind)

    with open_checkpoint(model / "variables" / "variables") as checkpoint:
        assert checkpoint.format == "SavedModel"
        (note,) = (one for one in checkpoint.notes if f"/{name} is" in one)
        assert checkpoint.keras_config is None
    said = "no graph was read" if name == "saved_model.pb" else "no Keras config was read"
    assert said in note
    outcome = lnfold("variables", model / "variables" / "variables")
    assert (outcome.code, said in outcome.err) == (0, True)


def test_a_graph_written_as_text_is_said_not_to_be_read(tmp_path):
    """A SavedModel may hold it in the place of the binary one."""
    model = tmp_path / "model"
    shutil.copytree(FIXTURES / "saved_model", model)
    (model / "saved_model.pb").rename(model / "saved_model.pbtxt")

    with open_checkpoint(model) as checkpoint:
        (note,) = (one for one in checkpoint.notes if "saved_model.pbtxt" in one)
    assert "no graph was read" in note


@pytest.mark.skipif(os.name != "posix", reason="links need rights on Windows")
def test_a_keras_config_behind_a_link_out_of_the_folder_is_refused_without_a_graph(tmp_path):
    """Whether the graph beside it is a file does not matter."""
    model = tmp_path / "model"
    shutil.copytree(FIXTURES / "saved_model", model)
    (model / "saved_model.pb").rename(model / "saved_model.pbtxt")
    (tmp_path / "secret").write_bytes(b"")
    (model / "keras_metadata.pb").symlink_to(tmp_path / "secret")

    with pytest.raises(UnsupportedError, match="leads out of"):
        open_checkpoint(model)


@pytest.mark.skipif(os.name != "posix", reason="pipes and devices are POSIX's")
@pytest.mark.parametrize("kind", ["pipe", "device", "nowhere", "itself"])
@pytest.mark.parametrize("named", ["by nothing", "by the state file"])
@pytest.mark.parametrize("names", [("a.index", "b.index"), ("a.h5", "b.h5")])
def test_what_has_the_name_of_a_checkpoint_and_is_no_file_is_not_passed_over(
    tmp_path, names, named, kind
):
    """The only one in a folder is opened, and what may have been meant instead is named."""
    there, other = names
    if there == "a.index":
        for file in PREFIX.parent.glob("actor.ckpt.*"):
            shutil.copy(file, tmp_path / file.name.replace("actor.ckpt", "a"))
    else:
        shutil.copy(FIXTURES / "keras3" / "actor.h5", tmp_path / there)
    put(tmp_path / other, kind)
    if named == "by the state file":
        (tmp_path / "checkpoint").write_text('model_checkpoint_path: "b"\n')

    with open_checkpoint(tmp_path) as checkpoint:
        assert os.path.basename(checkpoint.path) in ("a", "a.h5")
        (note,) = (one for one in checkpoint.notes if "no regular file" in one)
    assert other in note
    (tmp_path / there).unlink()
    with pytest.raises(CheckpointNotFoundError):
        open_checkpoint(tmp_path)


@pytest.mark.skipif(os.name != "posix", reason="pipes are POSIX's")
def test_a_state_file_that_is_a_pipe_is_neither_waited_for_nor_written_into(tmp_path):
    """Where the newest checkpoint shall be noted in it."""
    os.mkfifo(tmp_path / "checkpoint")

    with in_a_moment(), pytest.raises(NotACheckpointError, match="not a regular file"):
        write_checkpoint(tmp_path / "m", [("w", np.ones(2, "f4"))], newest=True)
    assert os.listdir(tmp_path) == ["checkpoint"]


@pytest.mark.parametrize("size", [1 << 20, 3 << 30])
def test_a_file_of_zeros_is_no_graph_and_is_not_read(tmp_path, size):
    """Three gigabytes of nothing are refused by their first byte or their size."""
    path = tmp_path / "x.meta"
    with open(path, "wb") as file:
        file.truncate(size)

    with pytest.raises(GraphError, match=r"begins with no field|more than a protobuf"):
        read_meta_graph(str(path))
