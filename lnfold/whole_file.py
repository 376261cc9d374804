"""Output files that are there whole or not at all, and never in the place of an input."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import BinaryIO

from lnfold.errors import OutputError


@contextmanager
def whole_file(
    path: str | os.PathLike[str], *, inputs: Iterable[str | os.PathLike[str]] = ()
) -> Iterator[BinaryIO]:
    """A binary file to write, renamed to ``path`` when the block ends without an error.

    Until then it stands beside ``path`` under another name, on the same disk; after an error,
    a full disk or Ctrl-C nothing is left of it and ``path`` is as it was.

    Raises:
        OutputError: ``path`` is a folder, one of ``inputs``, or cannot be written.
    """
    target = os.fspath(path)
    _refuse(target, inputs)
    try:
        handle, temporary = tempfile.mkstemp(
            prefix=f".{os.path.basename(target)}.", dir=os.path.dirname(target) or "."
        )
    except FileNotFoundError as error:
        raise OutputError(
            "cannot be written: its folder does not exist", file=target, remedy="Make it first."
        ) from error
    except OSError as error:
        raise OutputError(f"cannot be written ({error.strerror})", file=target) from error
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        # mkstemp lets nobody else read; an output follows the user's umask like any other file
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, target)
    except OSError as error:
        raise OutputError(f"cannot be written ({error.strerror})", file=target) from error
    finally:
        if os.path.exists(temporary):
            os.unlink(temporary)


def _refuse(target: str, inputs: Iterable[str | os.PathLike[str]]) -> None:
    if os.path.isdir(target):
        raise OutputError("a folder stands where the output should go", file=target)
    for one in inputs:
        if os.path.exists(target) and os.path.exists(one) and os.path.samefile(target, one):
            raise OutputError(
                "is an input", file=target, remedy="Choose another file for the output."
            )


def _umask() -> int:
    # the only way to ask is to set; two threads that ask at once read the same value twice
    mask = os.umask(0)
    os.umask(mask)
    return mask
