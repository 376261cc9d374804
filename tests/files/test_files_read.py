"""The list of what was read: everything is on it, and it does not hold what is no longer so."""

from __future__ import annotations

import os
import shutil
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from lnfold.checkpoint import open_checkpoint
from lnfold.checkpoint.bytes.positioned_file import PositionedFile
from lnfold.checkpoint.numpy_files.array_file import read_arrays
from lnfold.errors import OutputError
from lnfold.files import files_read
from lnfold.files.whole_file import whole_file
from tests.conftest import ROOT


@pytest.fixture(autouse=True)
def _own_list(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a process of its own."""
    monkeypatch.setattr(files_read, "_current", files_read.FilesRead(in_command=False))


def write(path: Path) -> None:
    with whole_file(path) as file:
        file.write(b"new")


def test_a_closed_file_is_still_an_input(tmp_path: Path) -> None:
    """Arrays are read in one step and closed; the file is an input nevertheless."""
    path = tmp_path / "arrays.npz"
    np.savez(path, a=np.ones(3))
    before = path.read_bytes()
    read_arrays(path, "a")
    with pytest.raises(OutputError, match="is an input"):
        write(path)

    assert path.read_bytes() == before


@pytest.mark.parametrize("change", ["rewritten", "replaced", "deleted", "inode reused"])
def test_what_others_have_changed_since_is_theirs(tmp_path: Path, change: str) -> None:
    """A process that lives for months may write where something else stands by now."""
    path = tmp_path / "read"
    path.write_bytes(b"as it was read")
    PositionedFile(str(path)).close()
    with pytest.raises(OutputError):
        write(path)
    time.sleep(0.02)  # the time of the change must not be the same
    if change == "rewritten":
        path.write_bytes(b"another content")
    elif change == "replaced":
        (tmp_path / "other").write_bytes(b"another file")
        os.replace(tmp_path / "other", path)
    else:
        path.unlink()
    if change == "inode reused":
        path = tmp_path / "another name"
        path.write_bytes(b"as it was read")
    write(path)

    assert path.read_bytes() == b"new"


@pytest.mark.parametrize("change", ["rewritten", "replaced", "deleted"])
def test_a_command_never_writes_where_it_read(tmp_path: Path, change: str) -> None:
    """Whatever others did meanwhile: a trainer that saves again is not written over."""
    path = tmp_path / "read"
    path.write_bytes(b"as it was read")
    with files_read.one_command():
        PositionedFile(str(path)).close()
        if change == "replaced":
            (tmp_path / "other").write_bytes(b"another file")
            os.replace(tmp_path / "other", path)
        elif change == "rewritten":
            path.write_bytes(b"another content")
        else:
            path.unlink()
        with pytest.raises(OutputError, match="is an input"):
            write(path)
    write(path)  # the next command knows nothing of it


def test_a_command_writes_to_one_name_once(tmp_path: Path) -> None:
    """By links, too; another command, and a notebook, may write there again."""
    (tmp_path / "link").symlink_to("out")
    (tmp_path / "folder").symlink_to(tmp_path, target_is_directory=True)
    for _ in range(2):
        with files_read.one_command():
            write(tmp_path / "out")
            for name in ("out", "link", "folder/out", "out/inside"):
                with pytest.raises(OutputError, match="two outputs"):
                    write(tmp_path / name)
    for _ in range(2):
        write(tmp_path / "out")


def test_the_list_is_no_longer_than_there_are_files(tmp_path: Path) -> None:
    """A watcher that reads a checkpoint every minute, of which the newest few are kept."""
    path, longest = tmp_path / "0", 0
    for number in range(5_000):
        path = tmp_path / str(number)
        path.touch()
        PositionedFile(str(path)).close()
        if number >= 5:
            (tmp_path / str(number - 5)).unlink()
        longest = max(longest, len(files_read._current.files))

    assert longest <= 1024
    with pytest.raises(OutputError, match="is an input"):
        write(path)


def test_reading_many_files_stays_linear(tmp_path: Path) -> None:
    """5,000 files that all stay: being on the list costs a small part of opening them."""
    for number in range(5_000):
        (tmp_path / str(number)).touch()
    paths = [str(path) for path in tmp_path.iterdir()]
    states = [files_read.identity_of(os.stat(path)) for path in paths]
    started = time.process_time()
    for path, state in zip(paths, states, strict=True):
        files_read.add(path, state)
    each = (time.process_time() - started) / len(paths)

    assert len(files_read._current.files) == 5_000
    assert each < 200e-6


_SEEN: list[str] = []
_WATCHING = False


def _watch(event: str, arguments: tuple[object, ...]) -> None:
    if _WATCHING and event == "open" and isinstance(arguments[0], str):
        path, _, flags = arguments
        if isinstance(flags, int) and not flags & (os.O_WRONLY | os.O_RDWR):
            _SEEN.append(path)


@pytest.mark.parametrize(
    "arguments",
    [
        ["inspect", "COPY", "--inputs", "COPY/io.npz", "--expected", "COPY/io.npz"],
        ["inspect", "COPY", "--detail", "--box-file", "COPY/box.npz"],
        ["explain", "COPY", "--inputs", "COPY/io.npz"],
        ["check", "COPY", "--inputs", "COPY/io.npz", "--against", "expected"],
        ["check", "COPY/actor.ckpt-12000", "COPY"],
        ["variables", "COPY", "--stats"],
        ["verify", "COPY"],
        ["graph", "COPY"],
        ["fold", "COPY", "--inputs", "COPY/io.npz"],
        ["variables", "COPY/io.npz"],
        ["inspect", "KERAS"],
        ["fold", "KERAS"],
        ["inspect", "MODEL"],
        ["fold", "MODEL"],
    ],
)
def test_no_reader_forgets_to_say_what_it_reads(
    lnfold, samples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    """Whatever Python opens for reading among the user's files is on the list."""
    global _WATCHING
    shutil.copytree(samples / "cartpole_actor", tmp_path / "copy")
    os.rename(tmp_path / "copy" / "expected_actor.npz", tmp_path / "copy" / "io.npz")
    np.savez(tmp_path / "copy" / "box.npz", low=-np.ones(5), high=np.ones(5))
    fixtures = ROOT / "tests" / "recovery" / "fixtures"
    shutil.copy(fixtures / "keras2" / "inner_models.keras", tmp_path)
    shutil.copytree(fixtures / "tf1_saved" / "simple_save", tmp_path / "model")
    names = {"COPY": "copy", "KERAS": "inner_models.keras", "MODEL": "model"}
    for name, place in names.items():
        arguments = [one.replace(name, str(tmp_path / place)) for one in arguments]
    listed: set[str] = set()
    add = files_read.FilesRead.add

    def noted(self: files_read.FilesRead, path: str, identity: files_read.Identity) -> None:
        listed.add(os.path.realpath(path))
        add(self, path, identity)

    monkeypatch.setattr(files_read.FilesRead, "add", noted)
    if not _SEEN:
        sys.addaudithook(_watch)
    _SEEN.clear()
    _WATCHING = True
    try:
        assert lnfold(*arguments).code in (0, 1, 4)
    finally:
        _WATCHING = False
    opened = {os.path.realpath(path) for path in _SEEN}
    of_the_user = {path for path in opened if path.startswith(os.path.realpath(tmp_path) + os.sep)}

    assert of_the_user
    assert of_the_user <= listed


def test_a_file_that_was_only_looked_into_may_be_replaced(lnfold, tmp_path: Path) -> None:
    """A report beside a Keras file is there again the next time, and is no input then."""
    keras = ROOT / "tests" / "recovery" / "fixtures" / "keras2" / "inner_models.keras"
    shutil.copy(keras, tmp_path / "model.keras")
    for _ in range(2):
        assert lnfold("inspect", tmp_path, "--output", tmp_path / "a_report.txt").code == 0
    assert lnfold("inspect", tmp_path, "--output", tmp_path / "model.keras").code == 2


def test_files_that_belong_to_what_was_read_are_refused_unread(
    samples: Path, tmp_path: Path
) -> None:
    """Other shards, the graph, the state file, other checkpoints, there or not."""
    shutil.copytree(samples / "cartpole_actor", tmp_path, dirs_exist_ok=True)
    for path in list(tmp_path.glob("actor.ckpt-12000.*")):
        shutil.copy(path, tmp_path / path.name.replace("12000", "99"))
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    open_checkpoint(tmp_path / "actor.ckpt-12000").close()
    names = [
        *("actor.ckpt-12000.data-00001-of-00002", "actor.ckpt-12000-00001-of-00002"),
        *("checkpoint", "actor.ckpt-99.index", "actor.ckpt-99.meta"),
        *("actor.ckpt-12000.meta", "actor.ckpt-99.data-00000-of-00001"),
        "actor.ckpt-99.data-00001-of-00002",
    ]  # fmt: skip
    for name in names:
        with pytest.raises(OutputError):
            write(tmp_path / name)

    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    for name in ("report.txt", "actor.ckpt-12000.json", "actor.ckpt-12000.certificate.json"):
        write(tmp_path / name)
