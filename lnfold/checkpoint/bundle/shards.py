"""The data files of a bundle: ``PREFIX.data-SSSSS-of-NNNNN``."""

from __future__ import annotations

import os

from lnfold.checkpoint.bytes.positioned_file import (
    PositionedFile,
    cannot_read,
    changed_while_read,
)
from lnfold.errors import CheckpointNotFoundError
from lnfold.files.files_read import identity_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

# Systems limit how many files a process may have open.
_MOST_OPEN = 64


def shard_path(prefix: str, shard: int, count: int) -> str:
    """Where TensorFlow writes a shard."""
    return f"{prefix}.data-{shard:05d}-of-{count:05d}"


class Shards:
    """The data files that an index refers to. At most 64 of them are open at the same time.

    Raises:
        CheckpointNotFoundError: one of them is missing.
    """

    __slots__ = ("_identities", "_open", "paths", "sizes")

    def __init__(self, prefix: str, announced: int, needed: Iterable[int]) -> None:
        needed = sorted(needed)
        count = _count_of(prefix, announced, needed)
        self.paths = {shard: shard_path(prefix, shard, count) for shard in needed}
        self.sizes: dict[int, int] = {}
        self._identities: dict[int, tuple[int, int, int, int]] = {}
        self._open: dict[int, PositionedFile] = {}
        for shard, path in self.paths.items():
            if len(self._open) < _MOST_OPEN:
                file = self._open[shard] = PositionedFile(path)
                self.sizes[shard], self._identities[shard] = file.size, file.identity
                continue
            try:
                status = os.stat(path)
            except OSError as error:
                raise cannot_read(path, error) from error
            self.sizes[shard], self._identities[shard] = status.st_size, identity_of(status)

    def file(self, shard: int) -> PositionedFile:
        """One shard, opened again if it is not open."""
        file = self._open.get(shard)
        if file is None:
            file = PositionedFile(self.paths[shard])
            if file.identity != self._identities[shard]:
                raise changed_while_read(file.path, "another file took its place")
            # The oldest one closes itself as soon as nobody reads from it any more.
            if len(self._open) >= _MOST_OPEN:
                self._open.pop(next(iter(self._open)), None)
            self._open[shard] = file
        return file

    def close(self) -> None:
        """Close all of them."""
        for file in self._open.values():
            file.close()


def _count_of(prefix: str, announced: int, needed: list[int]) -> int:
    """The number behind ``-of-`` in the names of the shards.

    It is what the header announces, but a merge of partial checkpoints with an empty part
    announces more files than it leaves. Then any one number under which all are there will do.
    """
    if all(os.path.exists(shard_path(prefix, shard, announced)) for shard in needed):
        return announced
    found = sorted({count for _, count in list_shards(prefix)} - {announced})
    complete = [
        count
        for count in found
        if all(os.path.exists(shard_path(prefix, shard, count)) for shard in needed)
    ]
    if len(complete) == 1:
        return complete[0]
    missing = next(
        path
        for path in (shard_path(prefix, shard, announced) for shard in needed)
        if not os.path.exists(path)
    )
    there = f"; there are files of {found[0]} shards" if found else ""
    raise CheckpointNotFoundError(
        f"the index needs the data file {os.path.basename(missing)}, which is not beside it{there}",
        file=prefix + ".index",
        remedy="Copy the data files into the folder of the index, under their own names.",
    )


def list_shards(prefix: str, joint: str = ".data-") -> list[tuple[int, int]]:
    """``(shard, count)`` of every file that is named like a shard of ``prefix``."""
    folder, name = os.path.split(prefix)
    try:
        names = os.listdir(folder or ".")
    except OSError:
        return []
    return shards_by_prefix((one for one in names if one.startswith(name)), joint).get(name, [])


def shards_by_prefix(names: Iterable[str], joint: str) -> dict[str, list[tuple[int, int]]]:
    """``(shard, count)`` of all names of shards, in order, by the prefix in front of ``joint``."""
    found: dict[str, list[tuple[int, int]]] = {}
    for name in names:
        head, of, count = name.rpartition("-of-")
        prefix, _, shard = head.rpartition(joint)
        if of and prefix and _is_number(shard) and _is_number(count):
            found.setdefault(prefix, []).append((int(shard), int(count)))
    return {prefix: sorted(shards) for prefix, shards in found.items()}


def complete_count(shards: Iterable[tuple[int, int]]) -> int | None:
    """The least count of which every shard is there, None where none is whole."""
    numbers: dict[int, list[int]] = {}
    for shard, count in shards:
        numbers.setdefault(count, []).append(shard)
    return min(
        (
            count
            for count, held in numbers.items()
            if len(held) == count and sorted(held) == list(range(count))
        ),
        default=None,
    )


def _is_number(digits: str) -> bool:
    return digits.isascii() and digits.isdigit() and 5 <= len(digits) <= 18
