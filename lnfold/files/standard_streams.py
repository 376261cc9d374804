"""Which outputs are streams: ``-``, ``/dev/stdout``, ``/dev/fd/N``, pipes and devices.

A file that stdout was redirected to is written on through its descriptor: it is the shell's, and
putting another file into its place would lose what stands in it.
"""

from __future__ import annotations

import os
import re
import stat
import sys
from contextlib import suppress

from lnfold.errors import OutputError

STDOUT = "-"


class ReaderLeft(Exception):
    """Whoever read what lnfold writes to stdout has enough (`| head`)."""


_NUMBERS = {"/dev/stdin": 0, "/dev/stdout": 1, "/dev/stderr": 2}
_DESCRIPTOR = re.compile(r"/(?:dev|proc/(self|thread-self|\d+))/fd/(\d+)")
_MOST_LINKS = 40


def descriptor_number(path: str) -> int | None:
    """The number of the open descriptor that a path names, by links too; None if it is none."""
    if path == STDOUT:
        return 1
    path = os.path.abspath(path)
    for _ in range(_MOST_LINKS):
        if path in _NUMBERS and os.name == "posix":
            return _NUMBERS[path]
        found = _DESCRIPTOR.fullmatch(path)
        # that of another process is opened like any other file
        if found and (not (found[1] or "").isdigit() or int(found[1]) == os.getpid()):
            return int(found[2])
        if not os.path.islink(path):
            break
        path = os.path.normpath(os.path.join(os.path.dirname(path), os.readlink(path)))
    return None


def is_stream(path: str) -> bool:
    """Whether an output of that name is a stream, and no file that could be replaced."""
    if descriptor_number(path) is not None:
        return True
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError):
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISCHR(mode)


def open_stream(path: str) -> int:
    """A descriptor of its own to write into the stream. A pipe waits for its reader.

    Raises:
        OutputError: it is closed, or must not be written.
    """
    number = descriptor_number(path)
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            with suppress(OSError, ValueError):
                stream.flush()
    try:
        return os.open(path, os.O_WRONLY) if number is None else os.dup(number)
    except OSError as error:
        raise OutputError(f"cannot be written ({error.strerror})", file=path) from error
