"""The tensors in the shards of a bundle: their bytes, verified, as arrays.

A tensor begins at any byte. Numbers are stored in C order, in the byte order of the machine that
wrote them; the checksum covers them as they are stored.
"""

from __future__ import annotations

from lnfold.checkpoint.bundle.string_tensor import decode_strings
from lnfold.checkpoint.bytes.checksum import crc32c, mask
from lnfold.checkpoint.bytes.dtypes import (
    ITEM_BYTES,
    STRING,
    aligned_bytes,
    as_numbers,
    numpy_dtype,
)
from lnfold.checkpoint.bytes.limits import PIECE_BYTES
from lnfold.checkpoint.bytes.positioned_file import changed_while_read
from lnfold.checkpoint.bytes.wire import WireError
from lnfold.errors import UnsupportedError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    import numpy as np

    from lnfold.checkpoint.bundle.entry import Entry
    from lnfold.checkpoint.bundle.index import BundleIndex
    from lnfold.checkpoint.bundle.shards import Shards
    from lnfold.checkpoint.bytes.positioned_file import PositionedFile
    from lnfold.errors import InputError


class StoredTensors:
    """Reads what the entries of an index refer to.

    Every method takes an entry and the name of the variable that it belongs to, and raises
    DamagedError or ChangedWhileReadError when the bytes are not those that were written.
    """

    __slots__ = ("_index", "_shards")

    def __init__(self, index: BundleIndex, shards: Shards) -> None:
        self._index = index
        self._shards = shards

    def array(self, entry: Entry, name: str, dtype: str) -> np.ndarray:
        """The tensor, in the shape of its entry."""
        import numpy as np

        size = entry[5]
        # Before anything is allocated: whether the bytes can be there at all.
        file = self.file(entry, name)
        array: np.ndarray
        if dtype == STRING:
            array = np.empty(entry[2], object)
            array[:] = self.strings(entry, name)
        elif size <= PIECE_BYTES:
            stored = file.read(entry[4], size)
            self.compare(crc32c(stored), entry, name)
            # The contents of a bytes object begin at a multiple of 16: aligned for any number.
            array = self._native(np.frombuffer(stored, np.uint8), dtype, name)
        else:
            whole = aligned_bytes(size)
            for _ in self._stream(entry, name, PIECE_BYTES, lambda start, stop: whole[start:stop]):
                pass
            array = self._native(whole, dtype, name)
        try:
            return array.reshape(entry[1])
        except ValueError as error:
            raise UnsupportedError(
                f"NumPy has no array of the shape {list(entry[1])} ({error})",
                variable=name,
                remedy="Only TensorFlow itself can restore it.",
            ) from error

    def pieces(
        self, entry: Entry, name: str, dtype: str, buffer: np.ndarray | None = None
    ) -> Iterator[np.ndarray]:
        """The elements in order, a piece at a time in ``buffer`` if there are many."""
        if entry[5] <= PIECE_BYTES or dtype not in ITEM_BYTES:
            yield self.array(entry, name, dtype).reshape(-1)
            return
        reused = aligned_bytes(PIECE_BYTES) if buffer is None else buffer
        step = reused.size
        for piece in self._stream(entry, name, step, lambda start, stop: reused[: stop - start]):
            yield self._native(piece, dtype, name)

    def strings(self, entry: Entry, name: str) -> list[bytes]:
        """The elements of a tensor of strings."""
        file = self.file(entry, name)
        stored = file.read(entry[4], entry[5])
        try:
            return decode_strings(stored, entry[2], entry[6], self._index.big_endian)
        except WireError as error:
            raise self.damaged(file, entry, name, str(error)) from error

    def variants(self, entry: Entry, name: str) -> bytes:
        """The stored bytes of a tensor of variants, which is no array."""
        from lnfold.checkpoint.bundle.variant_tensor import check_variants

        file = self.file(entry, name)
        stored = file.read(entry[4], entry[5])
        try:
            check_variants(stored, entry[2], entry[6], self._index.big_endian)
        except WireError as error:
            raise self.damaged(file, entry, name, str(error)) from error
        return stored

    def file(self, entry: Entry, name: str) -> PositionedFile:
        """The shard of an entry, known to be long enough for it."""
        if not entry[5]:
            # No byte is asked for, and its shard need not exist.
            return self._index.file
        file = self._shards.file(entry[3])
        stop = entry[4] + entry[5]
        if stop > file.size:
            raise file.damaged(
                f"its bytes {entry[4]} to {stop} lie past the end of the file, "
                f"which has {file.size} bytes",
                variable=name,
                remedy="The file is cut: copy it again from where it was written.",
            )
        return file

    def compare(self, crc: int, entry: Entry, name: str) -> None:
        """Whether ``crc`` is the checksum that the index holds."""
        if mask(crc) != entry[6]:
            message = f"the checksum is wrong ({entry[6]:#010x} stored, {mask(crc):#010x} computed)"
            raise self.damaged(self.file(entry, name), entry, name, message)

    def damaged(self, file: PositionedFile, entry: Entry, name: str, message: str) -> InputError:
        """The error for bytes that are not those that the index was written for."""
        if self._index.file.is_being_written():
            return changed_while_read(self._index.file.path, message, variable=name)
        remedy = "Copy the checkpoint again, or take another step."
        if file.identity[3] > self._index.file.identity[3]:
            remedy += " Its data is younger than its index: the save may have been interrupted."
        return file.damaged(message, variable=name, offset=entry[4], remedy=remedy)

    def _stream(
        self, entry: Entry, name: str, step: int, window: Callable[[int, int], np.ndarray]
    ) -> Iterator[np.ndarray]:
        """Fill ``window(start, stop)`` with the stored bytes, ``step`` of them after the other.

        The checksum is updated while a piece is in the cache, and compared after the last.
        """
        file = self.file(entry, name)
        crc = 0
        for start in range(0, entry[5], step):
            piece = window(start, min(start + step, entry[5]))
            file.read_into(piece.data, entry[4] + start)
            crc = crc32c(piece, crc)
            yield piece
        self.compare(crc, entry, name)

    def _native(self, stored: np.ndarray, dtype: str, name: str) -> np.ndarray:
        """Stored bytes as numbers of this machine's byte order."""
        array_dtype(dtype, name)
        return as_numbers(stored, dtype, self._index.big_endian)


def array_dtype(dtype: str, name: str) -> np.dtype[Any]:
    """NumPy's type for the array of a variable.

    Raises:
        UnsupportedError: there is none.
    """
    if dtype == STRING:
        import numpy as np

        return np.dtype(object)
    if dtype not in ITEM_BYTES:
        raise UnsupportedError(
            f"it holds {dtype} values, which are not an array of numbers or text",
            variable=name,
            remedy="Only TensorFlow itself can restore it.",
        )
    return numpy_dtype(dtype)
