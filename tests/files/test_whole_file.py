"""Outputs are whole or not there at all, and leave everything else as it was."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest

from lnfold.errors import OutputError
from lnfold.files import pending_output
from lnfold.files.whole_file import together, whole_file, whole_folder


def write(path: Path | str, content: bytes = b"new", **options: bool) -> None:
    with whole_file(path, **options) as file:
        file.write(content)


def test_nothing_is_left_after_an_error(tmp_path: Path) -> None:
    """An error in the middle leaves an earlier file as it was and no other beside it."""
    target = tmp_path / "out"
    target.write_text("earlier")

    def interrupted(path: Path) -> None:
        with whole_file(path) as file:
            file.write(b"half")
            raise KeyboardInterrupt

    for path in (target, tmp_path / "new" / "folder" / "out"):
        with pytest.raises(KeyboardInterrupt):
            interrupted(path)

    assert target.read_text() == "earlier"
    assert os.listdir(tmp_path) == ["out"]


def test_missing_folders_are_made(tmp_path: Path) -> None:
    """By every writer alike; where that cannot be, the folder is named."""
    write(tmp_path / "a" / "b" / "out")
    assert (tmp_path / "a" / "b" / "out").read_bytes() == b"new"

    with pytest.raises(OutputError, match="cannot be made"):
        write(tmp_path / "a" / "b" / "out" / "c")
    assert os.listdir(tmp_path / "a" / "b") == ["out"]


@pytest.mark.parametrize("name", ["", ".", "folder", "folder/", "a\0b", "loop"])
def test_what_cannot_be_a_file_is_said(tmp_path: Path, name: str) -> None:
    """A folder, no name, a name that no system has, a link to itself."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(OutputError):
        write(f"{tmp_path}/{name}" if name else "")

    assert sorted(os.listdir(tmp_path)) == ["folder", "loop"]


def test_a_new_file_follows_the_umask_and_a_replaced_one_hands_on_its_mode(tmp_path: Path) -> None:
    """An output is as readable as any file that the user makes, and stays as it was made."""
    before = os.umask(0o027)
    try:
        write(tmp_path / "out")
        assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o640
        for mode in (0o600, 0o664, 0o777):
            (tmp_path / "out").chmod(mode)
            with whole_file(tmp_path / "out") as file:
                # nor is it shown to others while it is written
                (beside,) = (one for one in tmp_path.iterdir() if one.name != "out")
                assert not beside.stat().st_mode & 0o077
                file.write(b"x")
            assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == mode
    finally:
        os.umask(before)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root may give")
def test_the_owner_is_kept(tmp_path: Path) -> None:
    """Where the system permits it."""
    (tmp_path / "out").touch()
    os.chown(tmp_path / "out", 1234, 2345)
    write(tmp_path / "out")

    status = (tmp_path / "out").stat()
    assert (status.st_uid, status.st_gid) == (1234, 2345)


def test_a_read_only_file_is_not_replaced(tmp_path: Path) -> None:
    """Whoever took the right to write away meant it, for root too."""
    (tmp_path / "out").write_text("kept")
    (tmp_path / "out").chmod(0o444)
    with pytest.raises(OutputError, match="read-only"):
        write(tmp_path / "out")

    assert (tmp_path / "out").read_text() == "kept"
    assert os.listdir(tmp_path) == ["out"]


def test_a_link_is_followed(tmp_path: Path) -> None:
    """To what it leads to, there or not; the link stays a link, and nothing is beside it."""
    (tmp_path / "places").mkdir()
    for place, there in (("one", True), ("two", False)):
        if there:
            (tmp_path / "places" / place).write_text("earlier")
        (tmp_path / place).symlink_to(Path("places") / place)
        write(tmp_path / place)
        assert (tmp_path / place).is_symlink()
        assert (tmp_path / "places" / place).read_bytes() == b"new"

    assert sorted(os.listdir(tmp_path / "places")) == ["one", "two"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes with names")
def test_a_pipe_gets_a_stream_and_stays_a_pipe(tmp_path: Path) -> None:
    """Its reader gets all bytes, also those of a writer that seeks."""
    os.mkfifo(tmp_path / "pipe")
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append((tmp_path / "pipe").read_bytes()))
    reader.start()
    with whole_file(tmp_path / "pipe") as file:
        file.write(b"_" * 200_000)
        file.seek(0)
        file.write(b"new")
    reader.join()

    assert got == [b"new" + b"_" * 199_997]
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)
    assert os.listdir(tmp_path) == ["pipe"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is full")
def test_devices_are_written_into(tmp_path: Path) -> None:
    """/dev/null takes all, /dev/full nothing; neither becomes a file."""
    write("/dev/null")
    with pytest.raises(OutputError, match="No space left"):
        write("/dev/full")

    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)
    assert stat.S_ISCHR(os.stat("/dev/full").st_mode)


@pytest.mark.skipif(not os.path.exists("/dev/fd"), reason="needs names of descriptors")
def test_a_descriptor_is_written_on(tmp_path: Path) -> None:
    """What the shell has written before stays in front; links to it are seen through."""
    descriptor = os.open(tmp_path / "out", os.O_WRONLY | os.O_CREAT)
    os.write(descriptor, b"before, ")
    (tmp_path / "link").symlink_to(f"/dev/fd/{descriptor}")
    write(f"/dev/fd/{descriptor}")
    write(tmp_path / "link", b", again")
    os.close(descriptor)

    assert (tmp_path / "out").read_bytes() == b"before, new, again"
    with pytest.raises(OutputError, match="cannot be written"):
        write("/dev/fd/987")


@pytest.mark.skipif(not os.path.exists("/dev/loop0"), reason="needs a disk")
def test_a_disk_is_no_output() -> None:
    """Nobody means that."""
    with pytest.raises(OutputError, match="is a disk"):
        write("/dev/loop0")


@pytest.mark.parametrize("failing", range(1, 4))
def test_several_outputs_come_together_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: int
) -> None:
    """When any of the renames fails: earlier files are back, new ones gone."""
    (tmp_path / "two").write_text("earlier two")
    (tmp_path / "certificate").write_text("earlier certificate")

    def everything() -> dict[str, str]:
        return {one.name: one.read_text() for one in tmp_path.iterdir() if one.is_file()}

    before, renames, replace = everything(), 0, os.replace

    def refuse_one(source: str, target: str) -> None:
        nonlocal renames
        renames += target.rpartition(os.sep)[2] in ("one", "two", "certificate")
        if renames == failing:
            renames += 1  # once only: the way back is open
            raise PermissionError(13, "Permission denied")
        replace(source, target)

    def write_three() -> None:
        with together(), whole_file(tmp_path / "certificate", certifies=True) as certificate:
            certificate.write(b"new certificate")
            write(tmp_path / "one")
            write(tmp_path / "two")
            assert everything().keys() - before.keys() == {
                one for one in everything() if one.startswith(".")
            }

    with monkeypatch.context() as patched:
        patched.setattr(pending_output.os, "replace", refuse_one)
        with pytest.raises(OutputError, match="Permission denied"):
            write_three()
    assert everything() == before
    write_three()
    assert everything() == {"one": "new", "two": "new", "certificate": "new certificate"}


def test_a_certificate_never_stands_beside_what_it_does_not_speak_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The earlier one is gone before the first output changes; the new one comes last."""
    for name in ("data", "certificate"):
        (tmp_path / name).write_text("earlier")
    seen = []
    put = pending_output.PendingFile.put

    def watched(pending: pending_output.PendingFile) -> None:
        seen.append((os.path.basename(pending.target), (tmp_path / "certificate").exists()))
        put(pending)

    monkeypatch.setattr(pending_output.PendingFile, "put", watched)
    with whole_file(tmp_path / "certificate", certifies=True) as file:
        write(tmp_path / "data")
        file.write(b"of new")

    assert seen == [("data", False), ("certificate", False)]
    assert sorted(os.listdir(tmp_path)) == ["certificate", "data"]


def test_a_folder_comes_whole_and_replaces_nothing(tmp_path: Path) -> None:
    """After an error nothing is there; not even an empty folder is replaced."""

    def write_folder(path: Path, fails: bool) -> None:
        with whole_folder(str(path)) as folder:
            os.mkdir(folder)
            write(os.path.join(folder, "inside"))
            assert not path.exists()
            if fails:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_folder(tmp_path / "new" / "model", fails=True)
    assert os.listdir(tmp_path) == []
    write_folder(tmp_path / "new" / "model", fails=False)
    assert os.listdir(tmp_path / "new") == ["model"]
    assert os.listdir(tmp_path / "new" / "model") == ["inside"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(OutputError, match="exists already"):
        write_folder(tmp_path / "empty", fails=False)
