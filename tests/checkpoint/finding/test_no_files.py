"""What is no file where a graph belongs is said, and nobody waits for it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from lnfold.checkpoint import open_checkpoint
from lnfold.errors import GraphError
from lnfold.recovery.graph.saved_model import read_meta_graph, read_saved_model
from tests.conftest import SAMPLES

PREFIX = SAMPLES / "cartpole_actor_batchnorm" / "actor.ckpt"


def in_place_of_the_graph(folder: Path, kind: str) -> Path:
    """A copy of a sample whose .meta is something else."""
    for file in PREFIX.parent.glob("actor.ckpt.*"):
        if file.suffix != ".meta":
            shutil.copy(file, folder)
    meta = folder / "actor.ckpt.meta"
    if kind == "pipe":
        os.mkfifo(meta)
    elif kind == "folder":
        meta.mkdir()
    elif kind == "device":
        meta.symlink_to("/dev/zero")
    elif kind == "itself":
        meta.symlink_to(meta)
    else:
        meta.symlink_to(folder / "nothing")
    return folder / "actor.ckpt"


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


@pytest.mark.parametrize("size", [1 << 20, 3 << 30])
def test_a_file_of_zeros_is_no_graph_and_is_not_read(tmp_path, size):
    """Three gigabytes of nothing are refused by their first byte or their size."""
    path = tmp_path / "x.meta"
    with open(path, "wb") as file:
        file.truncate(size)

    with pytest.raises(GraphError, match=r"begins with no field|more than a protobuf"):
        read_meta_graph(str(path))
