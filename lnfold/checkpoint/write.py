"""Writing a V2 checkpoint that TensorFlow restores: index, data, and the state file beside them.

Everything is written under temporary names first, the data before the index, and renamed when
it is complete: a reader sees the old checkpoint or the new one.

The state file names the newest checkpoint of its folder, the one that a training run goes on
from. It is written where no other checkpoint is; a folder that holds some keeps what it says,
unless the caller asks for more.
"""

from __future__ import annotations

import os
import sys
from typing import IO, TYPE_CHECKING

import numpy as np

from lnfold.checkpoint.bundle.entry import encode_entry, encode_header
from lnfold.checkpoint.bundle.shards import shard_path
from lnfold.checkpoint.bundle.string_tensor import encode_strings
from lnfold.checkpoint.bundle.table_writer import TableWriter
from lnfold.checkpoint.bundle.tensor_bundle import TensorBundle
from lnfold.checkpoint.bytes.checksum import crc32c, mask
from lnfold.checkpoint.bytes.dtypes import (
    NUMBERS,
    STRING,
    VARIANT,
    component_bytes,
    numpy_dtype,
    tensorflow_name,
)
from lnfold.checkpoint.bytes.limits import PIECE_BYTES
from lnfold.checkpoint.finding.state_file import read_state, state_of
from lnfold.checkpoint.variables.variable import Variable
from lnfold.errors import OutputError, UnsupportedError
from lnfold.files.file_names import STATE_FILE
from lnfold.files.whole_file import together, whole_file

if TYPE_CHECKING:
    from collections.abc import Iterable


def write_checkpoint(
    prefix: str | os.PathLike[str],
    items: Iterable[tuple[str, np.ndarray | Variable]],
    *,
    overwrite: bool = False,
    newest: bool | None = None,
) -> list[str]:
    """Write ``items`` as the checkpoint ``prefix``.

    Args:
        items: (key, array or variable of another checkpoint); variables keep their types, so
            that ``qint8`` stays ``qint8``. Text is an array of ``bytes`` or ``str``.
        overwrite: whether a checkpoint that is already there may be replaced; what was read
            never is.
        newest: whether to name it in the folder's ``checkpoint`` file as the newest, beside
            those that are named there; None: only if no other checkpoint is in the folder.

    Returns:
        The files written.

    Raises:
        OutputError: one of the files is there, is an input, or cannot be written.
        UnsupportedError: a value that TensorFlow has no type for.
        DamagedError, ChangedWhileReadError: of a variable to be copied.
    """
    prefix = os.fspath(prefix)
    folder = os.path.dirname(prefix)
    data, index = shard_path(prefix, 0, 1), prefix + ".index"
    state = os.path.join(folder, STATE_FILE)
    for path in (data, index):
        if os.path.lexists(path) and not overwrite:
            raise OutputError(
                "a checkpoint of this name is already there",
                file=path,
                remedy="Choose another name, or allow it to be replaced.",
            )
    written = [index, data]
    with together():
        # Both are complete before either is renamed; the inner one, the data, is renamed first.
        with (
            whole_file(index, of_checkpoint=True) as index_file,
            whole_file(data, of_checkpoint=True) as file,
        ):
            _write_bundle(items, index_file, file)
        if newest is None:
            newest = not _has_others(prefix)
        if newest:
            earlier = read_state(state)[1] if os.path.exists(state) else []
            with whole_file(state, rewrites=True) as file:
                file.write(state_of(prefix, earlier).encode("utf-8", "surrogateescape"))
            written.append(state)
    return written


def _has_others(prefix: str) -> bool:
    """Whether the folder of ``prefix`` holds another checkpoint, or says which is the newest."""
    folder, name = os.path.split(prefix)
    try:
        names = os.listdir(folder or ".")
    except OSError:
        return False
    own = name + ".index"
    return any(one == STATE_FILE or (one.endswith(".index") and one != own) for one in names)


def _write_bundle(
    items: Iterable[tuple[str, np.ndarray | Variable]], index: IO[bytes], data: IO[bytes]
) -> None:
    """Write every value into ``data``, and where it lies into ``index``."""
    entries: dict[bytes, bytes] = {}
    offset = 0
    for key, value in items:
        name = key.encode("utf-8", "surrogateescape")
        if not name or name[0] == 0 or name in entries:
            raise ValueError(f"{key!r} cannot be a key, or comes twice")
        entries[name], size = _write_value(data, key, value, offset)
        offset += size
    table = TableWriter(index)
    table.add(b"", encode_header(1))
    for name in sorted(entries):
        table.add(name, entries[name])
    table.finish()


def _write_value(
    file: IO[bytes], key: str, value: np.ndarray | Variable, offset: int
) -> tuple[bytes, int]:
    """Write one value at the end of ``file``; its entry, and how many bytes it took."""
    dtype, shape = _type_and_shape(key, value)
    if dtype == STRING:
        stored, checksum = encode_strings(_strings(value))
        file.write(stored)
        size = len(stored)
    elif isinstance(value, Variable) and dtype == VARIANT:
        stored, checksum = _variants(value)
        file.write(stored)
        size = len(stored)
    else:
        raw = _little_endian(value.read() if isinstance(value, Variable) else value, dtype)
        crc = 0
        for start in range(0, raw.size, PIECE_BYTES):
            piece = raw[start : start + PIECE_BYTES]
            crc = crc32c(piece, crc)
            file.write(piece.data)
        size, checksum = raw.size, mask(crc)
    return encode_entry(NUMBERS[dtype], shape, offset, size, checksum), size


def _type_and_shape(key: str, value: np.ndarray | Variable) -> tuple[str, tuple[int, ...]]:
    if isinstance(value, Variable):
        return value.dtype, value.shape
    name = tensorflow_name(value.dtype)
    if name is None:
        raise UnsupportedError(
            f"TensorFlow has no type for an array of {value.dtype}",
            variable=key,
            remedy="Convert it to one that it has, or leave it out.",
        )
    return name, value.shape


def _variants(variable: Variable) -> tuple[bytes, int]:
    """Variants are no arrays, but their bytes can be copied."""
    if not isinstance(variable.storage, TensorBundle):
        raise UnsupportedError(
            "only a V2 checkpoint holds variants", variable=variable.name, remedy="Leave it out."
        )
    return variable.storage.stored_variants(variable)


def _strings(value: np.ndarray | Variable) -> list[bytes]:
    array = value.read() if isinstance(value, Variable) else value
    return [
        text if isinstance(text, bytes) else str(text).encode("utf-8", "surrogateescape")
        for text in array.reshape(-1).tolist()
    ]


def _little_endian(array: np.ndarray, dtype: str) -> np.ndarray:
    """The bytes of an array in C order, least significant first."""
    raw = np.ascontiguousarray(array, numpy_dtype(dtype)).reshape(-1)
    if sys.byteorder == "big":
        raw = raw.view(f"u{component_bytes(dtype)}").byteswap()
    return raw.view(np.uint8)
