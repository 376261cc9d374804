"""Every byte and every checksum of a checkpoint, and whether its parts fit together.

A checkpoint that cannot even be listed raises; damaged values are collected, so that one bad
sector does not hide the rest.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lnfold.checkpoint.bundle.scan import scan_bundle
from lnfold.checkpoint.bundle.tensor_bundle import TensorBundle, open_bundle
from lnfold.checkpoint.finding.locate import locate
from lnfold.checkpoint.numpy_files.npy_header import member_of
from lnfold.checkpoint.opening import open_checkpoint
from lnfold.checkpoint.variables.object_names import OBJECT_GRAPH_KEY
from lnfold.errors import DamagedError, InputError, UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from lnfold.checkpoint.bytes.zip_archive import ZipArchive
    from lnfold.checkpoint.variables.checkpoint import Checkpoint

    Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Verification:
    """What a checkpoint is worth.

    Attributes:
        path: the prefix or file that was verified.
        format: what kind of container it is.
        content_id: equal for copies with equal contents.
        variables: how many there are.
        bytes_read: how many bytes of values were read.
        damaged: name of a variable → what is wrong with it.
        notes: what is odd though nothing is damaged: bytes that belong to no variable, bytes
            that belong to two, values that have no checksum.
    """

    path: str
    format: str
    content_id: str
    variables: int
    bytes_read: int
    damaged: dict[str, InputError]
    notes: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether every value is what was written."""
        return not self.damaged


def verify(
    path: str | os.PathLike[str], *, step: int | None = None, progress: Progress | None = None
) -> Verification:
    """Read everything that the checkpoint at ``path`` holds and compare it with its checksums.

    Args:
        progress: called with the bytes read so far and all bytes to read.

    Raises:
        InputError: it cannot be opened: what it is made of contradicts itself.
    """
    try:
        checkpoint = open_checkpoint(path, step=step)
    except DamagedError as error:
        if error.variable != OBJECT_GRAPH_KEY:
            raise
        # The values may be sound though their names are not: call them by their keys.
        return _verify_bundle(open_bundle(locate(os.fspath(path), step).path), progress)
    with checkpoint:
        container = checkpoint.container
        if isinstance(container, TensorBundle):
            names = {variable.key: name for name, variable in checkpoint.items()}
            return _verify_bundle(container, progress, names, checkpoint.format, checkpoint.notes)
        return _verify_others(checkpoint, progress)


def _verify_bundle(
    bundle: TensorBundle,
    progress: Progress | None,
    names: dict[str, str] | None = None,
    format: str = "TF 2 object checkpoint",
    known: tuple[str, ...] = (),
) -> Verification:
    names = names or {key: key for key in bundle.index.entries}
    bytes_read, damaged, notes = scan_bundle(bundle, names, progress)
    return Verification(
        path=bundle.prefix,
        format=format,
        content_id=bundle.content_id(),
        variables=len(names),
        bytes_read=bytes_read,
        damaged=damaged,
        notes=(*known, *notes),
    )


def _verify_others(checkpoint: Checkpoint, progress: Progress | None) -> Verification:
    """Containers that are verified by reading their variables."""
    damaged: dict[str, InputError] = {}
    notes: list[str] = []
    total = sum(variable.nbytes for variable in checkpoint.values())
    done = 0
    members_read = set()
    for name, variable in checkpoint.items():
        try:
            for _ in variable.storage.pieces(variable):
                pass
            members_read.add(member_of(variable.key))
        except UnsupportedError as error:
            notes.append(str(error))
        except InputError as error:
            damaged[name] = error
            members_read.add(member_of(variable.key))
        done += variable.nbytes
        if progress is not None:
            progress(done, total)
    for archive in checkpoint.container.archives():
        rest = [name for name in archive.members if name not in members_read]
        found, odd = _verify_archive(archive, rest)
        damaged |= found
        notes += odd
    return Verification(
        path=checkpoint.path,
        format=checkpoint.format,
        content_id=checkpoint.content_id,
        variables=len(checkpoint),
        bytes_read=done,
        damaged=damaged,
        notes=(*checkpoint.notes, *notes, *checkpoint.container.unverified()),
    )


def _verify_archive(
    archive: ZipArchive, members: Iterable[str]
) -> tuple[dict[str, InputError], list[str]]:
    """What is damaged in the layout of a zip or in ``members``, and what is odd."""
    damaged: dict[str, InputError] = {}
    notes: list[str] = []
    try:
        notes += archive.oddities()
    except InputError as error:
        damaged["the zip archive"] = error
    for member in members:
        try:
            archive.verify(member)
        except UnsupportedError as error:
            notes.append(str(error))
        except InputError as error:
            damaged[f"member {member}"] = error
    return damaged, notes
