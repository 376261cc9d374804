"""A stretch of a file as a file of its own, for libraries that want one to seek in."""

from __future__ import annotations

import errno
import io
import os

from lnfold.checkpoint.bytes.positioned_file import PositionedFile


class Window(io.RawIOBase):
    """``size`` bytes of ``file`` from ``start`` on. Reading goes through the positioned file,
    so that a change of the file is noticed and no other reader is disturbed.
    """

    def __init__(self, file: PositionedFile, start: int = 0, size: int | None = None) -> None:
        super().__init__()
        self._file = file
        self._start = start
        self._size = file.size - start if size is None else size
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        if base + offset < 0:
            # As the system does it: zipfile relies on that.
            raise OSError(errno.EINVAL, "the position is negative")
        self._position = base + offset
        return self._position

    def tell(self) -> int:
        return self._position

    # The name of the argument is Python's own; typeshed wants it positional.
    def readinto(self, buffer, /) -> int:  # type: ignore[no-untyped-def]
        view = memoryview(buffer).cast("B")
        count = max(0, min(len(view), self._size - self._position))
        if count:
            self._file.read_into(view[:count], self._start + self._position)
        self._position += count
        return count


def stream_of(path: str) -> io.BufferedReader:
    """The regular file at ``path``, to be read from its beginning; InputError if it is none."""
    return io.BufferedReader(Window(PositionedFile(path)))
