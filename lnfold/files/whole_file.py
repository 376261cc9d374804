"""Output files that are there whole or not at all, and never in the place of an input.

Whatever interrupts the writing (an error, a full disk, Ctrl-C, a signal that the command line
catches), every place is as it was and nothing is left beside it.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import IO

from lnfold.errors import OutputError
from lnfold.files import files_read
from lnfold.files.pending_output import PendingFile, PendingFolder, PendingStream
from lnfold.files.standard_streams import STDOUT, descriptor_number, is_stream, open_stream


class _Group:
    """Outputs that are put together: what was begun, and what is ready, in that order."""

    def __init__(self) -> None:
        self.begun: list[PendingFile | PendingFolder | PendingStream] = []
        self.files: list[PendingFile | PendingFolder] = []
        self.streams: list[PendingStream] = []
        self.certificates: list[PendingFile] = []

    def put(self) -> None:
        """The streams first, since they cannot be taken back; then the files, all or none."""
        for stream in self.streams:
            stream.put()
        try:
            for certificate in self.certificates:
                with _named(certificate.target):
                    certificate.take_away()
            for file in self.files:
                with _named(file.target):
                    if len(self.files) > 1 and isinstance(file, PendingFile):
                        file.keep_earlier()
                    file.put()
        except BaseException:
            for file in reversed(self.files):
                file.undo()
            raise

    def drop(self) -> None:
        for one in reversed(self.begun):
            one.drop()


_open_group: ContextVar[_Group | None] = ContextVar("group", default=None)


@contextmanager
def together() -> Iterator[None]:
    """All the outputs of the block, or none: they get their names when it ends without an error.

    In the order in which they were complete, so that of nested ones the innermost comes first.
    """
    if _open_group.get() is not None:
        yield
        return
    group = _Group()
    token = _open_group.set(group)
    try:
        yield
        group.put()
    finally:
        _open_group.reset(token)
        group.drop()


@contextmanager
def whole_file(
    path: str | os.PathLike[str],
    *,
    of_checkpoint: bool = False,
    rewrites: bool = False,
    certifies: bool = False,
) -> Iterator[IO[bytes]]:
    """A binary file to write, which gets its name when the block ends without an error.

    A link is followed to its place. A file that is replaced hands on its mode and owner; folders
    that are missing are made. ``-`` is stdout; it, pipes and devices get the bytes as a stream,
    all at the end.

    Args:
        of_checkpoint: see :func:`lnfold.files.files_read.refuse`.
        rewrites: the file is an earlier one of the same kind, read to be changed.
        certifies: what stands there speaks of other outputs of the group: it is taken away
            before the first of them changes.

    Raises:
        OutputError: ``path`` is a folder, an input, read-only or another output of the same
            command, or it cannot be written.
    """
    target = os.fspath(path)
    with together(), _named(target):
        group = _open_group.get()
        assert group is not None
        if is_stream(target):
            yield from _stream(target, group)
            return
        _refuse_kind(target)
        if not rewrites:
            files_read.refuse(target, of_checkpoint=of_checkpoint)
        pending = PendingFile(target)
        files_read.claim(pending.target)
        group.begun.append(pending)
        with pending.open() as file:
            yield file
            pending.finish(file)
        group.files.append(pending)
        if certifies:
            group.certificates.append(pending)


@contextmanager
def whole_folder(path: str) -> Iterator[str]:
    """Where to make a folder, which gets its name when the block ends without an error.

    Raises:
        OutputError: something is there, or it cannot be written.
    """
    with together(), _named(path):
        group = _open_group.get()
        assert group is not None
        if os.path.lexists(path):
            raise OutputError("exists already", file=path, remedy="Choose another name.")
        pending = PendingFolder(path)
        files_read.claim(pending.target)
        group.begun.append(pending)
        yield pending.open()
        group.files.append(pending)


def _stream(target: str, group: _Group) -> Iterator[IO[bytes]]:
    number = descriptor_number(target)
    descriptor = open_stream(target)
    pending = PendingStream(descriptor, STDOUT if number == 1 else target)
    group.begun.append(pending)
    files_read.refuse_descriptor(descriptor, target)
    if number is not None:
        files_read.claim(f"descriptor {number}")
    elif stat.S_ISFIFO(os.fstat(descriptor).st_mode):
        files_read.claim(os.path.realpath(target))
    yield pending.open()
    group.streams.append(pending)


def _refuse_kind(target: str) -> None:
    if not target or "\0" in target:
        raise OutputError("the name of an output is empty or holds a NUL character")
    try:
        mode = os.stat(target).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return  # its folder is made, or said to be none
    if stat.S_ISDIR(mode):
        raise OutputError("a folder stands where the output should go", file=target)
    if not stat.S_ISREG(mode):
        kind = "a disk" if stat.S_ISBLK(mode) else "a socket"
        raise OutputError(f"is {kind}, and no file", file=target)


@contextmanager
def _named(target: str) -> Iterator[None]:
    """Turns what the system refuses into an error about the output."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise OutputError(f"cannot be written ({reason})", file=target) from error
