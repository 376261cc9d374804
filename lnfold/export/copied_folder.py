"""A folder copied file by file: no link is followed, and nothing but files and folders is there."""

from __future__ import annotations

import os
import shutil
import stat

from lnfold.checkpoint.bytes.positioned_file import cannot_read
from lnfold.checkpoint.bytes.window import stream_of
from lnfold.errors import UnsupportedError


def copy_folder(source: str, target: str, leave_out: str) -> None:
    """Copies the files and folders in ``source``, but for one folder, to ``target``, a new one.

    Raises:
        UnsupportedError: for a link, which may lead anywhere, a pipe or a device.
        OSError: ``target`` cannot be written.
    """
    pending = [""]
    while pending:
        below = pending.pop()
        os.mkdir(os.path.join(target, below))
        for entry in _entries(os.path.join(source, below)):
            inside = os.path.join(below, entry.name)
            if entry.is_dir(follow_symlinks=False):
                pending += [inside] if inside != leave_out else []
                continue
            _expect_file(entry)
            with open(os.path.join(target, inside), "wb") as file:
                shutil.copyfileobj(stream_of(entry.path), file)


def _entries(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as found:
            return sorted(found, key=lambda entry: entry.name)
    except OSError as error:
        raise cannot_read(folder, error) from error


def _expect_file(entry: os.DirEntry[str]) -> None:
    mode = entry.stat(follow_symlinks=False).st_mode
    if not stat.S_ISREG(mode):
        what = "a symbolic link" if stat.S_ISLNK(mode) else "a pipe, a socket or a device"
        raise UnsupportedError(
            f"it is {what}, and only files are copied",
            file=entry.path,
            remedy="Look at where it leads, and give a copy of the folder that holds the file.",
        )
