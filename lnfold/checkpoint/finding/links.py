"""Symbolic links in a folder that somebody else may have packed.

A link that a user names is followed. One that lies in a folder that they name came with the
checkpoint: it is followed inside that folder only. The files of a snapshot in a cache of Hugging
Face are links to the ``blobs`` of the same repository, which count as inside.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

from lnfold.errors import UnsupportedError

_SNAPSHOTS, _BLOBS = "snapshots", "blobs"


def refuse_links_out(folder: str, paths: Iterable[str]) -> None:
    """UnsupportedError for the first of ``paths`` in ``folder`` that a link leads out of it."""
    named, real = os.path.abspath(folder), os.path.realpath(folder)
    inside = [real]
    if os.path.basename(os.path.dirname(real)) == _SNAPSHOTS:
        inside.append(os.path.join(os.path.dirname(os.path.dirname(real)), _BLOBS))
    for path in paths:
        target = os.path.realpath(path)
        # what a state file names outside is said where it is read
        if _within(os.path.abspath(path), named) and not any(_within(target, at) for at in inside):
            raise UnsupportedError(
                f"it is a symbolic link that leads out of {folder}, to {target}",
                file=path,
                remedy="If you trust it, name the checkpoint by its prefix, not by its folder.",
            )


def _within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(os.path.join(folder, ""))
