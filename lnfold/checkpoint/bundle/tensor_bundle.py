"""TensorFlow's V2 checkpoint: ``PREFIX.index`` and its shards ``PREFIX.data-SSSSS-of-NNNNN``."""

from __future__ import annotations

from lnfold.checkpoint.bundle.index import BundleIndex
from lnfold.checkpoint.bundle.shards import Shards
from lnfold.checkpoint.bundle.slices import assemble
from lnfold.checkpoint.bundle.stored_tensors import StoredTensors, array_dtype
from lnfold.checkpoint.bytes.dtypes import LARGEST_NUMBER, NAMES, STRING
from lnfold.checkpoint.bytes.limits import PIECE_BYTES
from lnfold.checkpoint.bytes.positioned_file import PositionedFile, changed_while_read
from lnfold.checkpoint.bytes.wire import WireError
from lnfold.checkpoint.variables.checkpoint import Container
from lnfold.checkpoint.variables.object_names import OBJECT_GRAPH_KEY
from lnfold.checkpoint.variables.variable import Storage, Variable
from lnfold.errors import UnsupportedError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import numpy as np

    from lnfold.checkpoint.bundle.entry import Entry
    from lnfold.checkpoint.variables.object_graph import ObjectGraph

_RETRIES = 4


def open_bundle(prefix: str) -> TensorBundle:
    """The bundle at ``prefix``, index and shards of the same moment as far as files can tell.

    Raises:
        ChangedWhileReadError: somebody replaces it faster than it can be opened.
    """
    for _ in range(_RETRIES):
        bundle = TensorBundle(prefix)
        if not bundle.index.file.changed():
            return bundle
        bundle.close()
    raise changed_while_read(prefix + ".index", "it was replaced again and again")


class TensorBundle(Storage, Container):
    """An open bundle.

    Attributes:
        prefix: the path without ``.index``.
        index: what the index says.
        shards: its data files.
        tensors: what reads from them.
        notes: what is odd about the files though it does not forbid to read them.

    Raises:
        DamagedError, ChangedWhileReadError: the index contradicts itself.
        CheckpointNotFoundError: a shard that holds data is missing.
    """

    __slots__ = ("index", "notes", "prefix", "shards", "tensors")

    serves_threads = True

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.index = BundleIndex(PositionedFile(prefix + ".index"))
        needed = {shard for shard, end in self.index.ends.items() if end}
        self.shards = Shards(prefix, self.index.num_shards, needed)
        self.tensors = StoredTensors(self.index, self.shards)
        self.notes = tuple(self._oddities())

    def files(self) -> list[str]:
        """The index and the shards."""
        return [self.index.file.path, *self.shards.paths.values()]

    def variables(self, names: Mapping[str, str]) -> list[Variable]:
        """One Variable for every entry, called what ``names`` calls its key, or by its key."""
        dtypes = [NAMES.get(number, f"type {number}") for number in range(LARGEST_NUMBER)]
        return [
            Variable(
                names.get(key, key),
                key,
                entry[1],
                dtypes[entry[0]],
                self._stored_bytes(key) if entry[7] else entry[5],
                self,
            )
            for key, entry in self.index.entries.items()
        ]

    def stored_entries(self, key: str) -> list[tuple[bytes, Entry]]:
        """The entries that hold the bytes of a variable, by key: its own, or of its slices."""
        entry = self.index.entries[key]
        if entry[7]:
            return [(part_key, part) for _, part_key, part in self.index.parts(key)]
        return [(b"", entry)]

    def object_graph_bytes(self) -> bytes:
        """The serialised graph of objects of a TF 2 checkpoint."""
        entry = self.index.entries[OBJECT_GRAPH_KEY]
        if NAMES.get(entry[0]) != STRING or entry[1] or entry[7]:
            raise self.index.file.damaged(
                "the graph of objects is not stored as one string", variable=OBJECT_GRAPH_KEY
            )
        return self.tensors.strings(entry, OBJECT_GRAPH_KEY)[0]

    def stored_variants(self, variable: Variable) -> tuple[bytes, int]:
        """The bytes of variants, which are no array, and their checksum, to be copied.

        Raises:
            UnsupportedError: they are stored in another byte order than they would be written.
        """
        if self.index.big_endian:
            raise UnsupportedError(
                "variants of a big-endian checkpoint cannot be copied",
                variable=variable.name,
                remedy="Leave it out, or copy the checkpoint with TensorFlow.",
            )
        entry = self.index.entries[variable.key]
        return self.tensors.variants(entry, variable.name), entry[6]

    # What Storage asks for.

    def read(self, variable: Variable) -> np.ndarray:
        entry = self.index.entries[variable.key]
        if not entry[7]:
            return self.tensors.array(entry, variable.name, variable.dtype)
        import numpy as np

        if variable.nbytes > sum(self.shards.sizes.values()):
            raise self.index.file.damaged(
                f"its slices have {variable.nbytes} bytes, more than all data files together",
                variable=variable.name,
            )
        whole = np.empty(variable.shape, array_dtype(variable.dtype, variable.name))
        parts = (
            (place, self.tensors.array(part, variable.name, variable.dtype))
            for place, _, part in self.index.parts(variable.key)
        )
        return assemble(whole, parts)

    def pieces(self, variable: Variable, buffer: np.ndarray | None = None) -> Iterator[np.ndarray]:
        for _, entry in self.stored_entries(variable.key):
            yield from self.tensors.pieces(entry, variable.name, variable.dtype, buffer)

    def position(self, variable: Variable) -> tuple[int, int]:
        _, entry = self.stored_entries(variable.key)[0]
        return entry[3], entry[4]

    # What Container asks for.

    def close(self) -> None:
        self.index.file.close()
        self.shards.close()

    def content_id(self) -> str:
        import hashlib

        # The index holds the checksum of every tensor, so it stands for all of them.
        digest = hashlib.sha256()
        file = self.index.file
        for start in range(0, file.size, PIECE_BYTES):
            digest.update(file.read(start, min(PIECE_BYTES, file.size - start)))
        return f"index-sha256:{digest.hexdigest()}"

    def object_graph(self) -> ObjectGraph | None:
        if OBJECT_GRAPH_KEY not in self.index.entries:
            return None
        from lnfold.checkpoint.variables.object_graph import decode_object_graph

        try:
            return decode_object_graph(self.object_graph_bytes())
        except WireError as error:
            raise self.index.file.damaged(
                f"the graph of objects is damaged: {error}", variable=OBJECT_GRAPH_KEY
            ) from error

    def _stored_bytes(self, key: str) -> int:
        return sum(part[5] for _, part in self.stored_entries(key))

    def _oddities(self) -> Iterator[str]:
        for shard, path in self.shards.paths.items():
            extra = self.shards.sizes[shard] - self.index.ends[shard]
            if extra > 0:
                yield f"{path} has {extra} bytes behind its last tensor"
            elif extra < 0:
                yield f"{path} is {-extra} bytes shorter than its index says"
        parts = sum(len(self.index.entries[key][7]) for key in self.index.partitioned)
        if parts < len(self.index.slices):
            yield f"{len(self.index.slices) - parts} slices in the index belong to no variable"
