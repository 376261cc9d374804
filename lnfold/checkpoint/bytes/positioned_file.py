"""A file that is read at explicit positions, and that notices when somebody changes it.

Nothing is mapped into memory: a mapped file that another process truncates kills the reader,
where a positioned read merely comes back short.
"""

from __future__ import annotations

import os
import stat
import time
from _thread import allocate_lock

from lnfold.errors import (
    ChangedWhileReadError,
    CheckpointNotFoundError,
    DamagedError,
    InputError,
    NotACheckpointError,
)
from lnfold.files.files_read import add, identity_of

# A file that does not fit the others and is so young may be replaced in a moment: how long to
# wait for that, all in all.
PATIENCE_SECONDS = 0.3
_RECENT_SECONDS = 5.0
_WAIT_SECONDS = 0.02

_NONBLOCKING = getattr(os, "O_NONBLOCK", 0)
_OPENING = os.O_RDONLY | _NONBLOCKING
for _flag in ("O_BINARY", "O_CLOEXEC", "O_NOCTTY"):
    _OPENING |= getattr(os, _flag, 0)
# Some systems refuse single reads of 2 GiB and more.
_LONGEST_READ = 1 << 30
# Where positioned reads are missing (Windows), seeking and reading is one step for all threads.
_HAS_PREAD = hasattr(os, "pread")
_seeking = allocate_lock()


class PositionedFile:
    """A regular file, open for reading. It closes itself when nobody refers to it any more.

    Attributes:
        path: as it was given.
        size: in bytes, when it was opened.
        identity: of the file and of its state when it was opened (device, inode, size, mtime).
    """

    __slots__ = ("_descriptor", "_patience", "identity", "path", "size")

    _descriptor: int | None

    def __init__(self, path: str) -> None:
        self._descriptor = None
        self._patience = PATIENCE_SECONDS
        self.path = path
        try:
            # Merely opening a device may do something to it; and what was a file a moment ago
            # may be a pipe by now, which must not wait for somebody to write into it.
            _expect_regular(os.stat(path), path)
            self._descriptor = os.open(path, _OPENING)
            status = os.fstat(self._descriptor)
            _expect_regular(status, path)
            if _NONBLOCKING:
                os.set_blocking(self._descriptor, True)
        except (OSError, ValueError) as error:
            raise cannot_read(path, error) from error
        self.size = status.st_size
        self.identity = identity_of(status)
        add(path, self.identity)

    def read(self, offset: int, size: int) -> bytes:
        """Exactly ``size`` bytes from ``offset``.

        Raises:
            DamagedError: the file ends before; ChangedWhileReadError: because it was changed.
        """
        self._check_range(offset, size)
        try:
            piece = self._read_once(offset, min(size, _LONGEST_READ))
            if len(piece) == size:
                return piece
            pieces = [piece]
            done = len(piece)
            while piece and done < size:
                piece = self._read_once(offset + done, min(size - done, _LONGEST_READ))
                pieces.append(piece)
                done += len(piece)
        except OSError as error:
            raise cannot_read(self.path, error) from error
        if done < size:
            raise self._ended(offset, size, done)
        return b"".join(pieces)

    def read_into(self, buffer: memoryview, offset: int) -> None:
        """Fill the whole of ``buffer`` (writable bytes) from ``offset``."""
        size = len(buffer)
        self._check_range(offset, size)
        done = 0
        try:
            while done < size:
                got = self._read_once_into(buffer[done : done + _LONGEST_READ], offset + done)
                if not got:
                    raise self._ended(offset, size, done)
                done += got
        except OSError as error:
            raise cannot_read(self.path, error) from error

    def changed(self) -> bool:
        """Whether the file was written to, or another file took its place, since it was opened."""
        try:
            if self._descriptor is not None and (
                identity_of(os.fstat(self._descriptor)) != self.identity
            ):
                return True
            return identity_of(os.stat(self.path)) != self.identity
        except OSError:
            return True

    def is_being_written(self) -> bool:
        """Whether the file has changed, or does so in a moment, having been written just now.

        Writers replace the files of a checkpoint one after the other, so that the one which
        does not fit may be about to follow.
        """
        if self.changed():
            return True
        age = time.time() - self.identity[3] / 1e9
        while self._patience > 0 and age < _RECENT_SECONDS:
            time.sleep(_WAIT_SECONDS)
            self._patience -= _WAIT_SECONDS
            if self.changed():
                return True
        return False

    def damaged(
        self,
        message: str,
        *,
        variable: str | None = None,
        offset: int | None = None,
        remedy: str | None = None,
    ) -> InputError:
        """The error for bytes that contradict themselves, or that somebody is just changing."""
        if self.is_being_written():
            return changed_while_read(self.path, message, variable=variable)
        remedy = remedy or "Copy it again from where it was written, or take another step."
        return DamagedError(
            message, file=self.path, variable=variable, offset=offset, remedy=remedy
        )

    def close(self) -> None:
        """Give the file back to the system; reading afterwards is a bug of the caller."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def __del__(self) -> None:
        self.close()

    def _check_range(self, offset: int, size: int) -> None:
        if self._descriptor is None:
            raise ValueError(f"{self.path} is closed")
        # Nothing is anywhere: empty tensors may begin behind the end.
        if size and (offset < 0 or size < 0 or offset + size > self.size):
            raise self.damaged(
                f"expected {size} bytes from byte {offset} on, but the file has {self.size}"
            )

    def _ended(self, offset: int, size: int, done: int) -> InputError:
        return self.damaged(
            f"expected {size} bytes from byte {offset} on, but the file ended after {done} of them"
        )

    if _HAS_PREAD:

        def _read_once(self, offset: int, size: int) -> bytes:
            assert self._descriptor is not None
            return os.pread(self._descriptor, size, offset)
    else:

        def _read_once(self, offset: int, size: int) -> bytes:
            assert self._descriptor is not None
            with _seeking:
                os.lseek(self._descriptor, offset, os.SEEK_SET)
                return os.read(self._descriptor, size)

    if hasattr(os, "preadv"):

        def _read_once_into(self, buffer: memoryview, offset: int) -> int:
            assert self._descriptor is not None
            return os.preadv(self._descriptor, [buffer], offset)
    else:

        def _read_once_into(self, buffer: memoryview, offset: int) -> int:
            piece = self._read_once(offset, len(buffer))
            buffer[: len(piece)] = piece
            return len(piece)


def _expect_regular(status: os.stat_result, path: str) -> None:
    """NotACheckpointError for a folder, a pipe, a socket or a device."""
    if not stat.S_ISREG(status.st_mode):
        kind = "a folder" if stat.S_ISDIR(status.st_mode) else "not a regular file"
        raise NotACheckpointError(
            f"expected a file, but it is {kind}",
            file=path,
            remedy="Put the file that belongs there in its place.",
        )


def changed_while_read(path: str, message: str, *, variable: str | None = None) -> InputError:
    """The error for a file that is no longer the one that was opened."""
    return ChangedWhileReadError(
        f"the file was changed while it was being read ({message})",
        file=path,
        variable=variable,
        remedy="Wait until nobody writes the checkpoint, then read it again.",
    )


def cannot_read(path: str, error: OSError | ValueError) -> InputError:
    """The system's refusal to open or read ``path``, as a sentence with a remedy."""
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return CheckpointNotFoundError(
            "there is no such file",
            file=path,
            remedy="Check the path; if it was there a moment ago, try again.",
        )
    if isinstance(error, PermissionError):
        return InputError(
            "permission to read it is missing",
            file=path,
            remedy="Change its permissions, or read it as a user who has them.",
        )
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return InputError(
        f"the system cannot read it: {reason}",
        file=path,
        remedy="Check the path and the disk or connection that it lies on.",
    )
