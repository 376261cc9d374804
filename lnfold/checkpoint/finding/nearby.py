"""What a user who mistyped a path may have meant."""

from __future__ import annotations

import os

# What every path may be.
ACCEPTED = (
    "A checkpoint is named by its prefix (run/model.ckpt-500), by its .index file, by its folder, "
    "by a SavedModel, or by a .h5, .keras, .npz or .zip file."
)

_MOST_NAMES = 10_000
_MOST_SHOWN = 6
CONTAINER_ENDINGS = (".h5", ".hdf5", ".keras", ".npz", ".zip")


def near_names(path: str) -> tuple[str | None, list[str]]:
    """The first folder of ``path`` that is missing, if one is, and paths that look like it."""
    from difflib import get_close_matches

    folder, name = os.path.split(path.rstrip("/" + os.sep))
    missing = None
    while folder and not os.path.isdir(folder):
        missing = folder
        folder, name = os.path.split(folder)
    names = _openable(folder or ".", folders_only=missing is not None)
    close = get_close_matches(name, names, n=3, cutoff=0.6)
    if not close and len(names) == 1 and missing is None:
        close = names
    return missing, [os.path.join(folder, match) for match in close]


def contents(folder: str) -> str:
    """A sentence about what a folder holds, to follow a message; empty if it cannot be read."""
    try:
        with os.scandir(folder) as entries:
            names = [
                entry.name + "/" * _is_folder(entry)
                for entry, _ in zip(entries, range(_MOST_NAMES), strict=False)
            ]
    except OSError:
        return ""
    if not names:
        return f"The folder {folder} is empty."
    shown = ", ".join(sorted(names)[:_MOST_SHOWN])
    more = f" and {len(names) - _MOST_SHOWN} more" if len(names) > _MOST_SHOWN else ""
    return f"The folder {folder} holds {shown}{more}."


def _openable(folder: str, folders_only: bool) -> list[str]:
    """Names in ``folder`` that could be opened as a checkpoint."""
    found = set()
    try:
        with os.scandir(folder) as entries:
            for entry, _ in zip(entries, range(_MOST_NAMES), strict=False):
                if _is_folder(entry):
                    found.add(entry.name)
                elif folders_only:
                    continue
                elif entry.name.endswith(".index"):
                    found.add(entry.name.removesuffix(".index"))
                elif entry.name.endswith(CONTAINER_ENDINGS):
                    found.add(entry.name)
    except OSError:
        return []
    return sorted(found)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        # A link that leads to itself.
        return False
