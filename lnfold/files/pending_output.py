"""Outputs that are being made: nobody sees them before ``put``, and ``undo`` takes them back.

A file stands under another name beside its place, on the same disk; a folder likewise; what goes
to a stream waits in a file without a name.
"""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from contextlib import suppress
from typing import IO, BinaryIO

from lnfold.errors import OutputError
from lnfold.files.standard_streams import STDOUT, ReaderLeft

_RANDOM_BYTES = 6


class Place:
    """Where a file or folder goes, and the folders that were made for it.

    Attributes:
        target: where it goes, links followed.
        temporary: under which name it stands until then.
    """

    def __init__(self, target: str) -> None:
        self.target = os.path.realpath(target)
        folder, name = os.path.split(self.target)
        # long names stay within what a file system allows
        unique = os.urandom(_RANDOM_BYTES).hex()
        self.temporary = os.path.join(folder, f".{name[:40]}.{unique}")
        self._made: list[str] = []
        self.is_put = False

    def make_folder(self) -> None:
        """Makes the folder that it goes into, as TensorFlow 2 does; OutputError if it cannot."""
        folder, missing = os.path.dirname(self.target), []
        while not os.path.isdir(folder) and folder != os.path.dirname(folder):
            missing.append(folder)
            folder = os.path.dirname(folder)
        for one in reversed(missing):
            try:
                os.mkdir(one)
            except OSError as error:
                raise OutputError(
                    f"its folder {one} cannot be made ({error.strerror})",
                    file=self.target,
                    remedy="Choose a place that can be written.",
                ) from error
            self._made.append(one)

    def drop_folder(self) -> None:
        """Removes the folders that were made for nothing."""
        if not self.is_put:
            for one in reversed(self._made):
                with suppress(OSError):
                    os.rmdir(one)


class PendingFile(Place):
    """A regular file that takes the place of another, with its mode and owner, or of none."""

    def __init__(self, target: str) -> None:
        super().__init__(target)
        self._earlier = f"{self.temporary}.earlier"
        self._replaced = _status(self.target)
        if self._replaced is not None and not _is_writable(self.target, self._replaced):
            raise OutputError(
                "is read-only",
                file=target,
                remedy="Choose another file, or allow writing to this one.",
            )

    def open(self) -> BinaryIO:
        """The file to write into."""
        self.make_folder()
        # what replaces a file that few may read is not shown to all meanwhile
        mode = 0o666 if self._replaced is None else 0o600
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
        return os.fdopen(os.open(self.temporary, flags, mode), "w+b")

    def finish(self, file: IO[bytes]) -> None:
        """Brings all of it to the disk, under the mode and owner of what it replaces."""
        file.flush()
        os.fsync(file.fileno())
        if self._replaced is not None:
            if hasattr(os, "chown"):
                for owner in ((self._replaced.st_uid, -1), (-1, self._replaced.st_gid)):
                    with suppress(PermissionError):
                        os.chown(self.temporary, *owner)
            os.chmod(self.temporary, stat.S_IMODE(self._replaced.st_mode) & 0o1777)

    def take_away(self) -> None:
        """Takes the earlier file out of its place before any other output is put."""
        if self._replaced is not None:
            os.replace(self.target, self._earlier)

    def keep_earlier(self) -> None:
        """Lets ``undo`` bring the earlier file back, where the file system has second names."""
        if self._replaced is not None:
            with suppress(OSError):
                os.link(self.target, self._earlier)

    def put(self) -> None:
        """Gives it its name, in one step."""
        os.replace(self.temporary, self.target)
        self.is_put = True

    def undo(self) -> None:
        """Brings back what was there, as far as the system lets it."""
        with suppress(OSError):
            if os.path.exists(self._earlier):
                os.replace(self._earlier, self.target)
            elif self.is_put and self._replaced is None:
                os.unlink(self.target)
        self.is_put = False

    def drop(self) -> None:
        """Leaves nothing but what has been put."""
        for path in (self.temporary, self._earlier):
            with suppress(OSError):
                os.unlink(path)
        self.drop_folder()


class PendingFolder(Place):
    """A folder that goes where nothing is."""

    def open(self) -> str:
        """Where to make it."""
        self.make_folder()
        return self.temporary

    def put(self) -> None:
        """Gives it its name, in one step."""
        if os.path.lexists(self.target):  # an empty folder would be replaced without a word
            raise FileExistsError(0, "something has come there meanwhile")
        os.rename(self.temporary, self.target)
        self.is_put = True

    def undo(self) -> None:
        """Takes it away again."""
        if self.is_put:
            with suppress(OSError):
                os.rename(self.target, self.temporary)
            self.is_put = False

    def drop(self) -> None:
        """Leaves nothing but what has been put."""
        shutil.rmtree(self.temporary, ignore_errors=True)
        self.drop_folder()


class PendingStream:
    """What goes to a pipe, a device or a descriptor, whole, when all of it is there."""

    def __init__(self, descriptor: int, target: str) -> None:
        self._descriptor = descriptor
        self._target = target
        self._waiting: IO[bytes] | None = None

    def open(self) -> IO[bytes]:
        """The file to write into; unlike the stream, it can be sought in."""
        self._waiting = tempfile.TemporaryFile()  # noqa: SIM115 closed by drop
        return self._waiting

    def put(self) -> None:
        """Writes it into the stream.

        Raises:
            ReaderLeft: nobody reads stdout any more.
            OutputError: the stream takes no more.
        """
        assert self._waiting is not None
        self._waiting.seek(0)
        try:
            with os.fdopen(self._descriptor, "wb", closefd=False) as stream:
                shutil.copyfileobj(self._waiting, stream)
        except OSError as error:
            if isinstance(error, BrokenPipeError) and self._target == STDOUT:
                raise ReaderLeft from error
            raise OutputError(f"cannot be written ({error.strerror})", file=self._target) from error

    def undo(self) -> None:
        """What has been read by others cannot be taken back."""

    def drop(self) -> None:
        """Closes both."""
        with suppress(OSError):
            os.close(self._descriptor)
        if self._waiting is not None:
            self._waiting.close()


def _status(path: str) -> os.stat_result | None:
    try:
        return os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None


def _is_writable(path: str, status: os.stat_result) -> bool:
    # root may write whatever the mode says, which is no reason to do so
    return bool(stat.S_IMODE(status.st_mode) & 0o222) and os.access(path, os.W_OK)
