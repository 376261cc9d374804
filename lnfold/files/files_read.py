"""One list of every file that was read; whoever writes asks it first.

The readers fill it when they open a file, so that no caller has to remember what it read. What
is on it is never replaced, by whatever path, link or second name the output was given, and
neither is what belongs to the same checkpoint without having been opened: a shard that no
question touched, the graph beside it, the folder's state file.

How long: a command keeps its own list from its beginning to its end, and besides never writes
to one name twice. In any other process the list outlives the checkpoint's ``close()``, but
holds a file only while it stands there as it was read: what others have written anew, replaced
or deleted since is theirs, and so the way to replace a file that was read is to remove it. The
list forgets such files when it has grown to twice its length; it is never longer than there are
files.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from lnfold.errors import OutputError
from lnfold.files.file_names import STATE_FILE, is_named_as_a_part, saved_model_around, stem

# Device, inode, size and time of the last change: what tells one state of one file from another.
Identity = tuple[int, int, int, int]

_SHORTEST_TO_CLEAN = 1024


def identity_of(status: os.stat_result) -> Identity:
    """What tells one state of one file from every other."""
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


class FilesRead:
    """What was read so far, by path; in a command also what it writes."""

    __slots__ = ("_clean_at", "files", "in_command", "written")

    def __init__(self, in_command: bool) -> None:
        self.in_command = in_command
        self.files: dict[str, Identity] = {}
        self.written: set[str] = set()
        self._clean_at = _SHORTEST_TO_CLEAN

    def add(self, path: str, identity: Identity) -> None:
        """A file that was opened to be read."""
        self.files[os.path.abspath(path)] = identity
        if len(self.files) >= self._clean_at and not self.in_command:
            self.files = self._unchanged()
            self._clean_at = max(_SHORTEST_TO_CLEAN, 2 * len(self.files))

    def standing(self) -> dict[str, Identity]:
        """The files that must not be replaced; in a command, whatever others do meanwhile."""
        return self.files if self.in_command else self._unchanged()

    def _unchanged(self) -> dict[str, Identity]:
        return {path: one for path, one in list(self.files.items()) if _state(path) == one}


_current = FilesRead(in_command=False)


@contextmanager
def one_command() -> Iterator[None]:
    """A list of its own for the block, which is one command from its beginning to its end."""
    global _current
    before, _current = _current, FilesRead(in_command=True)
    try:
        yield
    finally:
        _current = before


def add(path: str, identity: Identity) -> None:
    """Puts a file that was opened to be read on the list."""
    _current.add(path, identity)


def forget(path: str) -> None:
    """Takes a file from the list that was looked into and found to be nothing to read."""
    _current.files.pop(os.path.abspath(path), None)


def claim(target: str) -> None:
    """Notes that the command writes ``target``, a resolved path or the name of a stream.

    Raises:
        OutputError: it does so already, or writes the folder that it lies in.
    """
    if not _current.in_command:
        return
    name = os.path.normcase(target)
    for one in _current.written:
        if name == one or name.startswith(one + os.sep) or one.startswith(name + os.sep):
            raise OutputError(
                "two outputs of this command would go there",
                file=target,
                remedy="Give each a name of its own.",
            )
    _current.written.add(name)


def refuse(target: str, *, of_checkpoint: bool = False) -> None:
    """OutputError if an output at ``target`` would destroy something that was read.

    Args:
        of_checkpoint: whether the output is itself a file of a checkpoint; then it may replace
            those of a checkpoint that was not read, to which the caller has permission.
    """
    target = os.path.realpath(target)
    standing = _current.standing()
    identity = _state(target)
    for path, one in standing.items():
        if path == target or (identity is not None and one[:2] == identity[:2]):
            raise _refused("is an input, and nothing that was read is replaced", target)
    read = _read_with(target, standing)
    if read is not None:
        raise _refused(f"belongs to {read}, which was read", target)
    if os.path.basename(target) == STATE_FILE:
        raise _refused(
            "is the name under which TensorFlow keeps which checkpoint is the newest", target
        )
    if not of_checkpoint:
        _refuse_parts(target, there=identity is not None)
    if identity is not None:
        prefixes = set(map(stem, standing))
        for part in _parts_beside(standing):
            replaceable = of_checkpoint and os.path.basename(part) != STATE_FILE
            if (not replaceable or stem(part) in prefixes) and _is_file(part, identity):
                raise _refused(f"is {part}, a file of a checkpoint beside what was read", target)


def refuse_descriptor(descriptor: int, target: str) -> None:
    """OutputError if what a stream is redirected to is a file that was read."""
    identity = identity_of(os.fstat(descriptor))
    read = _current.files
    if any(one[:2] == identity[:2] for one in read.values()) or any(
        _is_file(part, identity) for part in _parts_beside(read)
    ):
        raise _refused(
            "is an input or belongs to one, and nothing that was read is written to", target
        )


def _read_with(target: str, read: Iterable[str]) -> str | None:
    """What was read of the checkpoint that ``target`` would belong to, there or not."""
    model = saved_model_around(target)
    if model is not None:
        return next((path for path in read if saved_model_around(path) == model), None)
    if not is_named_as_a_part(target):
        return None
    folder, name = os.path.split(stem(target))
    for path in read:
        beside, prefix = os.path.split(stem(path))
        if prefix == name and _is_same(beside, folder):
            return path
    return None


def _refuse_parts(target: str, there: bool) -> None:
    """OutputError for a name that makes the output a file of a checkpoint, read or not."""
    folder = saved_model_around(target)
    if folder is not None:
        raise _refused(f"belongs to the SavedModel {folder}", target)
    if is_named_as_a_part(target) and (there or os.path.isfile(stem(target) + ".index")):
        raise _refused(f"is a file of the checkpoint {stem(target)}", target)


def _parts_beside(read: Iterable[str]) -> Iterator[str]:
    """Files of checkpoints in the folders that something was read from, and in SavedModels."""
    folders = {os.path.dirname(path) for path in read}
    models = {saved_model_around(path) for path in read}
    for folder in folders:
        for path in _listed(folder):
            if is_named_as_a_part(path):
                yield path
    for model in filter(None, models):
        for folder, _, names in os.walk(model):
            for name in names:
                path = os.path.join(folder, name)
                if saved_model_around(path) is not None:
                    yield path


def _listed(folder: str) -> list[str]:
    try:
        return [os.path.join(folder, name) for name in os.listdir(folder)]
    except OSError:
        return []


def _refused(message: str, target: str) -> OutputError:
    return OutputError(message, file=target, remedy="Choose another file for the output.")


def _state(path: str) -> Identity | None:
    try:
        return identity_of(os.stat(path))
    except (OSError, ValueError):
        return None


def _is_file(path: str, identity: Identity) -> bool:
    state = _state(path)
    return state is not None and state[:2] == identity[:2]


def _is_same(one: str, other: str) -> bool:
    try:
        return os.path.samefile(one, other)
    except OSError:
        return False
