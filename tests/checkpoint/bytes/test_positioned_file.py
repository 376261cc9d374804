"""What is opened is a regular file, whatever stood there a moment before."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from lnfold.checkpoint.bytes.positioned_file import PositionedFile
from lnfold.errors import InputError
from lnfold.files import files_read
from tests.checkpoint.numpy_files.test_array_file import in_a_moment

pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes")


def take_the_place(path: Path, kind: str) -> None:
    path.unlink()
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "folder":
        path.mkdir()
    else:
        with socket.socket(socket.AF_UNIX) as one:
            one.bind(str(path))


@pytest.mark.parametrize("kind", ["pipe", "device", "folder", "socket"])
def test_what_takes_the_place_of_a_file_while_it_is_opened_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """Between looking and opening: nobody waits, no descriptor stays open, nothing is listed."""
    path = tmp_path / "file"
    path.write_bytes(b"content")
    before, look, swapped = os.listdir("/dev/fd"), os.stat, []

    def swapping(looked_at: str, *arguments: object, **named: object) -> os.stat_result:
        status = look(looked_at, *arguments, **named)
        if looked_at == str(path) and not swapped:
            swapped.append(kind)
            take_the_place(path, kind)
        return status

    with monkeypatch.context() as patched:
        patched.setattr(os, "stat", swapping)
        with in_a_moment(), pytest.raises(InputError) as refused:
            PositionedFile(str(path))

    assert swapped == [kind]
    assert kind == "socket" or "expected a file, but it is" in refused.value.message
    assert str(path) not in files_read._current.files
    del refused
    assert len(os.listdir("/dev/fd")) == len(before)


def test_a_file_is_read_as_one_that_blocks(tmp_path: Path) -> None:
    """The way it is opened leaves nothing behind: reads are whole, as before."""
    path = tmp_path / "file"
    path.write_bytes(b"content")
    file = PositionedFile(str(path))

    assert file._descriptor is not None
    assert os.get_blocking(file._descriptor)
    assert file.read(0, 7) == b"content"
