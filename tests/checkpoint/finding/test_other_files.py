"""What is no checkpoint, or not all of one, is called what it is."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lnfold.checkpoint import open_checkpoint
from lnfold.errors import (
    CheckpointNotFoundError,
    InputError,
    NotACheckpointError,
    UnsupportedError,
)
from tests.checkpoint.finding.test_locate import complaint, put


@pytest.mark.parametrize("ending", [".data-00000-of-00001", ".meta", ""])
def test_an_index_that_is_missing_is_asked_for(tmp_path: Path, ending: str):
    """Values or a graph without the index cannot be read."""
    prefix = put(tmp_path / "m")
    Path(f"{prefix}.index").unlink()
    Path(f"{prefix}.meta").write_bytes(b"x")

    assert "without its index, m.index" in complaint(prefix + ending).message


def test_an_index_under_another_name_is_recognised(tmp_path: Path):
    """A table is a table whatever it is called; its data can only be found by the right name."""
    prefix = put(tmp_path / "m")
    Path(f"{prefix}.index").rename(tmp_path / "m.old")

    assert "index of a V2 checkpoint" in complaint(tmp_path / "m.old").message


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"hello, this is text\n", "a text file"),
        (b"", "an empty file"),
        (bytes(100), "a file of zeros"),
        (b"\x93NUMPY\x01\x00v\x00{}", ".npy"),
        (b"\x1f\x8b\x08\x00rest", "gzip"),
        (b"\x10\0\0\0\0\0\0\0" + b'{"a":1}', "safetensors"),
        (b"\x1c\0\0\0TFL3rest", "TensorFlow Lite"),
        (bytes(range(256)), "a file of another kind"),
    ],
)
def test_other_files_are_called_what_they_are(tmp_path: Path, content: bytes, reason: str):
    """Recognised by their bytes, under a name that promises something else."""
    path = tmp_path / "model.h5"
    path.write_bytes(content)
    error = complaint(path)

    assert isinstance(error, NotACheckpointError)
    assert reason in error.message


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
@pytest.mark.parametrize("name", ["model.pkl", "model.ckpt", "model.npz", "model.h5"])
def test_a_pickle_is_refused_under_any_name(tmp_path: Path, name: str, protocol: int):
    """By its first bytes, without opening it, with the reason."""
    import pickle

    (tmp_path / name).write_bytes(pickle.dumps({"w": [1.0, 2.0], "b": ["x"]}, protocol))
    error = complaint(tmp_path / name)

    assert isinstance(error, UnsupportedError)
    assert "pickle" in error.message


def test_pipes_and_devices_are_not_waited_for(tmp_path: Path):
    """Opening a pipe would hang until somebody writes into it."""
    if not hasattr(os, "mkfifo"):
        pytest.skip("this system has no pipes with names")
    os.mkfifo(tmp_path / "m")
    os.mkfifo(tmp_path / "n.index")

    assert isinstance(complaint(tmp_path / "m"), CheckpointNotFoundError | NotACheckpointError)
    assert complaint(tmp_path / "n")


def test_an_index_that_is_a_folder(tmp_path: Path):
    """A folder is no file, whatever its name ends in."""
    (tmp_path / "m.index").mkdir()

    assert complaint(tmp_path / "m")
    assert complaint(tmp_path / "m.index")


def test_no_permission_is_said(tmp_path: Path):
    """The system's refusal comes with what to do."""
    prefix = put(tmp_path / "m")
    Path(f"{prefix}.index").chmod(0)
    if os.access(f"{prefix}.index", os.R_OK):
        pytest.skip("this user may read everything")

    assert "permission" in complaint(prefix).message


@pytest.mark.parametrize("path", ["", "a\0b", "x" * 5000, "\udcff\udcfe"])
def test_impossible_paths(path: str):
    """Nothing is at a path that cannot be one."""
    with pytest.raises(InputError):
        open_checkpoint(path)
