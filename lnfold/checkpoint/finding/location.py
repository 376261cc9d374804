"""Where a checkpoint is: the record, and what tells that something is one."""

from __future__ import annotations

import os

from lnfold.checkpoint.bundle.shards import complete_count, list_shards


class Location:
    """Where a checkpoint is.

    Attributes:
        path: the prefix of a bundle or of V1 shards, or the file of any other container.
        notes: how it was found, where that is not obvious.
    """

    __slots__ = ("notes", "path")

    def __init__(self, path: str, notes: tuple[str, ...] = ()) -> None:
        self.path = path
        self.notes = notes


def has_index(prefix: str) -> bool:
    """Whether ``prefix`` is that of a bundle."""
    return os.path.isfile(prefix + ".index")


def v1_shards(prefix: str) -> list[str]:
    """The files of a sharded V1 checkpoint: ``PREFIX-SSSSS-of-NNNNN``, if all are there."""
    count = complete_count(list_shards(prefix, "-")) or 0
    return [f"{prefix}-{shard:05d}-of-{count:05d}" for shard in range(count)]
