"""TensorFlow's V1 checkpoint: one sorted table a shard, values inside.

    key ""          SavedTensorSlices { 1 meta { 1 repeated SavedSliceMeta · 2 versions } }
                    SavedSliceMeta { 1 name · 2 shape · 3 type · 4 repeated slice }
    key of a slice  SavedTensorSlices { 2 data { 1 name · 2 slice · 3 TensorProto } }

A shard lists only its own slices; a whole tensor is one slice of all its dimensions.
"""

from __future__ import annotations

from lnfold.checkpoint.bundle.entry import (
    VERSION,
    check_version,
    decode_shape,
    decode_slice,
)
from lnfold.checkpoint.bundle.ordered_code import slice_key
from lnfold.checkpoint.bundle.slices import assemble, box, check_tiling
from lnfold.checkpoint.bundle.sorted_table import SortedTable
from lnfold.checkpoint.bytes.dtypes import ITEM_BYTES, NAMES, STRING
from lnfold.checkpoint.bytes.positioned_file import PositionedFile
from lnfold.checkpoint.bytes.wire import INT, SPAN, TEXT, WireError, message
from lnfold.checkpoint.variables.checkpoint import Container
from lnfold.checkpoint.variables.object_names import unique_names
from lnfold.checkpoint.variables.variable import Storage, Variable
from lnfold.errors import UnsupportedError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    import numpy as np

    from lnfold.checkpoint.bundle.entry import Shape
    from lnfold.checkpoint.bundle.slices import Box
    from lnfold.checkpoint.bytes.wire import Buffer

# A TensorProto has less than 2 GiB, and a block is closed after the entry that fills it.
LARGEST_V1_BLOCK = (2 << 30) + (1 << 20)

_SLICE_META = {1: ("name", TEXT), 2: ("shape", SPAN), 3: ("dtype", INT), 4: ("slices", [SPAN])}
_META = {1: ("tensors", [_SLICE_META]), 2: ("version", VERSION)}
_DATA = {1: ("name", TEXT), 2: ("slice", SPAN), 3: ("tensor", SPAN)}
_ENTRY = {1: ("meta", _META), 2: ("data", _DATA)}


def is_v1(file: PositionedFile) -> bool:
    """Whether a table is a V1 checkpoint: its first value begins with a message, not a number."""
    first = SortedTable(file, LARGEST_V1_BLOCK).first_entry()
    return first is not None and first[0] == b"" and bytes(first[1][:1]) == b"\x0a"


class TensorSlices(Storage, Container):
    """An open V1 checkpoint of one or several files.

    Raises:
        DamagedError, ChangedWhileReadError: the files contradict themselves or one another.
    """

    __slots__ = ("_parts", "_tables", "_tensors")

    def __init__(self, paths: Iterable[str]) -> None:
        self._tables = [SortedTable(PositionedFile(path), LARGEST_V1_BLOCK) for path in paths]
        # Name → number of its type, shape; and its slices, each with the table that holds it.
        self._tensors: dict[str, tuple[str, Shape]] = {}
        self._parts: dict[str, list[tuple[Box, bytes, SortedTable]]] = {}
        for table in self._tables:
            self._read_meta(table)
        for name, parts in self._parts.items():
            try:
                check_tiling([place for place, _, _ in parts], self._tensors[name][1])
            except ValueError as error:
                table = parts[0][2] if parts else self._tables[0]
                raise table.file.damaged(str(error), variable=name) from error

    def files(self) -> list[str]:
        """The shards."""
        return [table.file.path for table in self._tables]

    def variables(self) -> list[Variable]:
        """One Variable for every tensor, called as the file does, without ``:0``.

        Their ``nbytes`` are those of the array, because the file stores numbers in less or in
        more; 0 for text.
        """
        names = unique_names({key: [key.removesuffix(":0"), key] for key in self._tensors})
        return [
            Variable(names[key], key, shape, dtype, self._stored_bytes(key), self)
            for key, (dtype, shape) in self._tensors.items()
        ]

    def close(self) -> None:
        for table in self._tables:
            table.file.close()

    def content_id(self) -> str:
        import hashlib

        # Every block is followed by its checksum; all of them together stand for the contents.
        digest = hashlib.sha256()
        for table in self._tables:
            for trailer in table.trailers():
                digest.update(trailer)
        return f"blocks-sha256:{digest.hexdigest()}"

    def unverified(self) -> Iterator[str]:
        known = {(key, id(table)) for parts in self._parts.values() for _, key, table in parts}
        for table in self._tables:
            strangers = sum(key != b"" and (key, id(table)) not in known for key, *_ in table)
            if strangers:
                yield f"{table.file.path} holds {strangers} slices that belong to no variable"

    def read(self, variable: Variable) -> np.ndarray:
        import numpy as np

        from lnfold.checkpoint.bytes.dtypes import numpy_dtype
        from lnfold.checkpoint.v1.tensor_proto import holds

        if not holds(variable.dtype):
            raise UnsupportedError(
                f"V1 checkpoints cannot hold {variable.dtype}",
                variable=variable.name,
                remedy="Save it with TensorFlow as a V2 checkpoint.",
            )
        parts = self._parts[variable.key]
        if len(parts) == 1:
            return self._part(variable, *parts[0]).reshape(variable.shape)
        dtype = object if variable.dtype == STRING else numpy_dtype(variable.dtype)
        whole = np.empty(variable.shape, dtype)
        return assemble(whole, ((part[0], self._part(variable, *part)) for part in parts))

    def _part(self, variable: Variable, place: Box, key: bytes, table: SortedTable) -> np.ndarray:
        from lnfold.checkpoint.v1.tensor_proto import decode_tensor

        value = table.get(key)
        if value is None:
            raise table.file.damaged("a slice that is announced is missing", variable=variable.name)
        shape = tuple(stop - start for start, stop in place)
        elements = 1
        for length in shape:
            elements *= length
        try:
            data = message(value, _ENTRY)["data"]
            if data is None or data["tensor"] is None:
                raise WireError("an entry without values", 0)
            flat = decode_tensor(value, data["tensor"], variable.dtype, elements)
        except WireError as error:
            raise table.file.damaged(str(error), variable=variable.name) from error
        return flat.reshape(shape)

    def _read_meta(self, table: SortedTable) -> None:
        first = table.first_entry()
        try:
            if first is None or first[0] != b"":
                raise WireError("the table does not begin with the list of its tensors", 0)
            meta = message(first[1], _ENTRY)["meta"]
            if meta is None:
                raise WireError("the table does not begin with the list of its tensors", 0)
            check_version(meta["version"])
            for tensor in meta["tensors"]:
                self._add(table, first[1], tensor)
        except (WireError, ValueError) as error:
            raise table.file.damaged(str(error)) from error

    def _add(self, table: SortedTable, buffer: Buffer, tensor: dict[str, Any]) -> None:
        """Add one tensor, or more slices of a tensor that another shard has slices of."""
        name = tensor["name"]
        if NAMES.get(tensor["dtype"]) is None:
            raise WireError(f"'{name}' has the impossible element type {tensor['dtype']}", 0)
        shape, _ = decode_shape(buffer, *tensor["shape"]) if tensor["shape"] else ((), 1)
        known = self._tensors.setdefault(name, (NAMES[tensor["dtype"]], shape))
        if known != (NAMES[tensor["dtype"]], shape):
            raise WireError(f"'{name}' has one type or shape here and another in another file", 0)
        key = name.encode("utf-8", "surrogateescape")
        parts = self._parts.setdefault(name, [])
        for span in tensor["slices"]:
            extents = decode_slice(buffer, *span)
            parts.append((box(extents, shape), slice_key(key, extents), table))

    def _stored_bytes(self, key: str) -> int:
        dtype, shape = self._tensors[key]
        elements = 1
        for length in shape:
            elements *= length
        return elements * ITEM_BYTES.get(dtype, 0)
