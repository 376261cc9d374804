"""Keras's weights in several files: ``NAME.weights.json`` and ``NAME_00000.weights.h5`` …

    {"metadata": {"total_size": …}, "weight_map": {"/layers/dense/vars": ["NAME_00000.weights.h5"]}}

The variables of one group can lie in several files, and each file numbers its own from 0. So
they are counted on in the order in which the map names the files, as Keras does.
"""

from __future__ import annotations

import io
import json
import os
import re

from lnfold.checkpoint.bytes.positioned_file import PositionedFile
from lnfold.checkpoint.bytes.window import Window
from lnfold.checkpoint.hdf5.array import Array
from lnfold.checkpoint.hdf5.file import Hdf5
from lnfold.errors import CheckpointNotFoundError, UnsupportedError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np

MAP_ENDING, SHARD_ENDING = ".weights.json", ".weights.h5"

_LARGEST_MAP = 64 << 20
_VARS = "/vars/"


def is_map(start: bytes) -> bool:
    """Whether a text that begins so may say which weights are in which file."""
    return start.lstrip().startswith(b"{") and b'"weight_map"' in start


def map_of_shard(path: str) -> str | None:
    """The map that a file with the name of a shard belongs to, if it lies beside it."""
    found = re.fullmatch(r"(.*)_\d{5,}", path.removesuffix(SHARD_ENDING), re.DOTALL)
    if found is None or not path.endswith(SHARD_ENDING):
        return None
    return found[1] + MAP_ENDING if os.path.isfile(found[1] + MAP_ENDING) else None


class KerasShards:
    """The arrays of all files that a map names, by the paths that one file would have.

    Attributes:
        file: the map.
        files: the map and the shards.
        arrays: path → array.
        notes: what the shards say of themselves.

    Raises:
        DamagedError: the map contradicts itself or the shards.
        CheckpointNotFoundError: a shard is missing.
        UnsupportedError: the map is of another program.
    """

    __slots__ = ("_homes", "arrays", "file", "files", "notes")

    def __init__(self, file: PositionedFile) -> None:
        self.file = file
        self.arrays: dict[str, Array] = {}
        self.notes: list[str] = []
        # Path of an array → the shard that it lies in, and its path there.
        self._homes: dict[str, tuple[Hdf5, str]] = {}
        groups = self._read_map()
        names = dict.fromkeys(name for shards in groups.values() for name in shards)
        shards = {name: self._open(name) for name in names}
        self.files = [file, *(shard.file for shard in shards.values())]
        for group, holders in groups.items():
            self._add(group, [shards[name] for name in holders])
        strangers = sum(len(shard.arrays) for shard in shards.values()) - len(self.arrays)
        if strangers:
            raise file.damaged(f"its files hold {strangers} arrays that it does not name")

    def text_attribute(self, group: str, name: str) -> str | None:
        """A text among the attributes of a group, of the first shard that has it."""
        for shard in dict.fromkeys(shard for shard, _ in self._homes.values()):
            found = shard.text_attribute(group, name)
            if found is not None:
                return found
        return None

    def read(self, path: str, name: str) -> np.ndarray:
        """The whole array at ``path``; ``name`` is what errors call it."""
        shard, inside = self._homes[path]
        return shard.read(inside, name)

    def pieces(self, path: str, name: str) -> Iterator[np.ndarray]:
        """The same in pieces of one dimension."""
        shard, inside = self._homes[path]
        return shard.pieces(inside, name)

    def _read_map(self) -> dict[str, list[str]]:
        """Group → the shards that hold variables of it, in order."""
        try:
            found = json.loads(self.file.read(0, min(self.file.size, _LARGEST_MAP)))
            groups = {
                group.strip("/").removesuffix("vars").rstrip("/"): (
                    [shards] if isinstance(shards, str) else list(shards)
                )
                for group, shards in found["weight_map"].items()
            }
        except (ValueError, RecursionError, KeyError, TypeError, AttributeError) as error:
            raise self.file.damaged(f"no map of weights to files ({error!r})") from error
        for name in (name for shards in groups.values() for name in shards):
            if not isinstance(name, str) or not name.endswith(SHARD_ENDING):
                raise UnsupportedError(
                    f"it maps weights to {name!r}, which is no {SHARD_ENDING} file",
                    file=self.file.path,
                    remedy="Only maps that Keras writes are read.",
                )
            if name != os.path.basename(name) or "\\" in name or "\0" in name:
                raise self.file.damaged(f"it leads out of its folder, to {name!r}")
        return groups

    def _open(self, name: str) -> Hdf5:
        path = os.path.join(os.path.dirname(self.file.path), name)
        if not os.path.exists(path):
            raise CheckpointNotFoundError(
                f"it needs the file {name}, which is not beside it",
                file=self.file.path,
                remedy="Copy all its files into one folder, under their own names.",
            )
        file = PositionedFile(path)
        return Hdf5(file, io.BufferedReader(Window(file)))

    def _add(self, group: str, holders: list[Hdf5]) -> None:
        """The variables of one group, counted through all files that hold some."""
        before = f"{group}{_VARS}" if group else _VARS[1:]
        count = 0
        for shard in dict.fromkeys(holders):
            inside = [path for path in shard.arrays if path.rpartition("/")[0] + "/" == before]
            for path in sorted(inside, key=lambda path: (len(path), path)):
                key = f"{before}{count}"
                self.arrays[key], self._homes[key] = shard.arrays[path], (shard, path)
                count += 1
        if not count:
            raise self.file.damaged(f"no file holds variables of '{group}', which it names")
