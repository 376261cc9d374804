"""stdout and stderr that are full, closed or no longer read: a sentence, or silence."""

from __future__ import annotations

import io
import os
import sys
from contextlib import redirect_stdout, suppress

import click

from lnfold.errors import OutputError
from lnfold.files.standard_streams import ReaderLeft, descriptor_number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TextIO


class _Stdout(io.FileIO):
    """Standard output, whose refusals are the user's to mend and no fault of lnfold."""

    def write(self, data: Any, /) -> int:
        try:
            return super().write(data)
        except OSError as error:
            self._silence()
            if isinstance(error, BrokenPipeError):
                raise ReaderLeft from error
            reason = "it is closed" if 1 in _closed else error.strerror
            raise OutputError(f"standard output cannot be written ({reason})") from error

    def _silence(self) -> None:
        """What is still waiting to be written would fail again when Python ends."""
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.fileno())
        os.close(nowhere)


class _Stderr(io.FileIO):
    """Standard error: where it takes nothing more, there is nobody left to tell."""

    def write(self, data: Any, /) -> int:
        with suppress(OSError):
            return super().write(data)
        return memoryview(data).nbytes


_closed: set[int] = set()  # the standard streams that were closed when lnfold was started


def prepare() -> None:
    """Puts streams in the place of Python's that say what is wrong with them.

    The numbers of closed ones are taken, or the next file that is opened would get them, and
    everything printed would go there.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            # for reading, so that writing is refused
            taken = os.open(os.devnull, os.O_RDONLY)
            if taken != number:
                os.dup2(taken, number)
                os.close(taken)
            _closed.add(number)
    sys.stdout = _around(sys.stdout, 1, _Stdout)
    sys.stderr = _around(sys.stderr, 2, _Stderr)


def _around(stream: TextIO, number: int, kind: type[io.FileIO]) -> TextIO:
    """The same stream over a ``kind``; others, of a console or of who called us, stay."""
    if stream is None:  # it was closed
        return io.TextIOWrapper(io.BufferedWriter(kind(number, "wb", closefd=False)))
    buffer = getattr(stream, "buffer", None)
    raw = getattr(buffer, "raw", buffer)
    if (
        type(raw) is not io.FileIO
        or raw.fileno() != number
        or not hasattr(stream, "line_buffering")
    ):
        return stream
    stream.flush()
    return io.TextIOWrapper(
        io.BufferedWriter(kind(number, "wb", closefd=False)),
        encoding=stream.encoding,
        errors=stream.errors,
        line_buffering=bool(stream.line_buffering),
    )


def leave_stdout_to(*outputs: str | None) -> None:
    """What the running command prints goes to stderr where one of its outputs takes stdout."""
    if any(one is not None and descriptor_number(one) == 1 for one in outputs):
        click.get_current_context().with_resource(redirect_stdout(sys.stderr))
