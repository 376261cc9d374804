"""Links in a folder that came from elsewhere lead nowhere outside it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from lnfold.checkpoint import open_checkpoint
from lnfold.errors import UnsupportedError
from lnfold.export.copied_folder import copy_folder
from tests.conftest import Outcome

pytestmark = pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows")


@pytest.fixture
def run(samples: Path, tmp_path: Path) -> Path:
    """A copy of a checkpoint's folder."""
    return Path(shutil.copytree(samples / "cartpole_actor", tmp_path / "run"))


def moved_out(path: Path) -> None:
    """A file is put outside its folder, and a link in its place."""
    outside = path.parent.parent / f"outside-{path.name}"
    path.rename(outside)
    path.symlink_to(outside)


@pytest.mark.parametrize("ending", [".index", ".data-00000-of-00001", ".meta"])
def test_a_link_out_of_the_folder_that_was_named_is_refused(run: Path, ending: str):
    """Whichever of the files it is; the error says where it leads."""
    moved_out(run / f"actor.ckpt-12000{ending}")
    with pytest.raises(UnsupportedError, match="leads out of") as refused:
        open_checkpoint(run)

    assert f"outside-actor.ckpt-12000{ending}" in str(refused.value)
    # what the remedy says works: who names the prefix has looked at it
    with open_checkpoint(run / "actor.ckpt-12000") as checkpoint:
        assert len(checkpoint) > 4


def test_a_link_that_stays_inside_is_followed(run: Path):
    """As tools make them that name the newest step; a link to the folder itself, too."""
    inner = run / "steps"
    inner.mkdir()
    for file in list(run.glob("actor.ckpt*")):
        file.rename(inner / file.name)
        file.symlink_to(Path("steps") / file.name)
    link = run.parent / "latest"
    link.symlink_to(run)

    for folder in (run, link):
        with open_checkpoint(folder) as checkpoint:
            assert len(checkpoint) > 4


def test_a_snapshot_in_a_cache_of_hugging_face_is_read(run: Path):
    """Its files are links to the blobs of the same repository."""
    repository = run.parent / "models--someone--actor"
    snapshot = repository / "snapshots" / "0a1b"
    snapshot.mkdir(parents=True)
    (repository / "blobs").mkdir()
    for number, file in enumerate(sorted(run.iterdir())):
        file.rename(repository / "blobs" / str(number))
        (snapshot / file.name).symlink_to(f"../../blobs/{number}")

    with open_checkpoint(snapshot) as checkpoint:
        assert len(checkpoint) > 4


def saved_model(folder: Path) -> Path:
    (folder / "assets" / "deep").mkdir(parents=True)
    (folder / "assets.extra").mkdir()
    (folder / "variables").mkdir()
    (folder / "saved_model.pb").write_bytes(b"graph")
    (folder / "assets" / "deep" / "words.txt").write_text("a b c")
    (folder / "variables" / "variables.index").write_bytes(b"old")
    return folder


def test_files_and_folders_are_copied_and_the_variables_are_not(tmp_path: Path):
    """Empty folders too: TensorFlow writes them."""
    source = saved_model(tmp_path / "model")
    copy_folder(str(source), str(tmp_path / "copy"), "variables")
    found = sorted(
        str(one.relative_to(tmp_path / "copy")) for one in (tmp_path / "copy").rglob("*")
    )

    assert found == [
        *("assets", "assets.extra", "assets/deep", "assets/deep/words.txt", "saved_model.pb"),
    ]


@pytest.mark.parametrize("place", ["assets/x", "assets/deep/x", "assets.extra/x", "x"])
@pytest.mark.parametrize("kind", ["file", "folder", "parent", "inside", "nowhere", "pipe"])
def test_nothing_but_files_is_copied(tmp_path: Path, place: str, kind: str):
    """A link to a file or folder outside, to a parent, inside or to nothing, and a pipe."""
    source = saved_model(tmp_path / "model")
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "key").write_text("secret")
    targets = {"file": "secret/key", "folder": "secret", "parent": "model", "nowhere": "gone"}
    if kind == "pipe":
        os.mkfifo(source / place)
    elif kind == "inside":
        (source / place).symlink_to(source / "saved_model.pb")
    else:
        (source / place).symlink_to(tmp_path / targets[kind])
    with pytest.raises(UnsupportedError, match="only files are copied") as refused:
        copy_folder(str(source), str(tmp_path / "copy"), "variables")

    assert refused.value.file == str(source / place)
    assert not any(
        one.read_bytes() == b"secret" for one in (tmp_path / "copy").rglob("*") if one.is_file()
    )


def test_folding_a_saved_model_with_a_link_leaves_nothing_behind(
    tensorflow: object, samples: Path, tmp_path: Path, lnfold: Callable[..., Outcome]
):
    """One sentence that names the link, no folder, no temporary one; without the link it works."""
    from tests.export.test_keras import keras_actor

    keras_actor(tensorflow).export(str(tmp_path / "model"), verbose=False)
    for name in ("one", "two"):
        (tmp_path / "model" / "assets" / name).symlink_to("..")
    refused = lnfold("fold", tmp_path / "model", "--output", tmp_path / "folded")

    assert refused.code == 3
    assert "assets/one: it is a symbolic link" in " ".join(refused.err.split())
    assert os.listdir(tmp_path) == ["model"]
    for name in ("one", "two"):
        (tmp_path / "model" / "assets" / name).unlink()
    assert lnfold("fold", tmp_path / "model", "--output", tmp_path / "folded").code == 0


def test_an_output_that_cannot_be_written_is_said(tmp_path: Path):
    """The error of the system stays one for the caller, who makes a sentence of it."""
    source = saved_model(tmp_path / "model")
    with pytest.raises(OSError, match="No such file"):
        copy_folder(str(source), str(tmp_path / "gone" / "copy"), "variables")
