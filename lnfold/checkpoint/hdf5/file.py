"""The arrays of an HDF5 file, by their paths."""

from __future__ import annotations

from lnfold.checkpoint.bytes.dtypes import ITEM_BYTES, STRING, aligned_bytes, as_numbers
from lnfold.checkpoint.bytes.limits import ALLOWANCE, PIECE_BYTES
from lnfold.checkpoint.hdf5.array import Array
from lnfold.checkpoint.hdf5.attributes import has_attribute, text_attribute
from lnfold.checkpoint.hdf5.groups import is_group, links
from lnfold.checkpoint.hdf5.headers import Hdf5Error, Hdf5File
from lnfold.checkpoint.hdf5.heaps import Heaps
from lnfold.errors import UnsupportedError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import IO, NoReturn

    import numpy as np

    from lnfold.checkpoint.bytes.positioned_file import PositionedFile


class Hdf5:
    """An open HDF5 file. Groups that links lead to twice are entered once, so cycles end.

    Attributes:
        file: what it is, or is in.
        arrays: path → array, in the order of the file.
        notes: links that were not followed.

    Raises:
        DamagedError: also from every method, on any contradiction.
        UnsupportedError: it is sound, as far as that was looked at, but too unusual.
    """

    __slots__ = ("_groups", "_heaps", "_space", "arrays", "file", "notes")

    def __init__(self, file: PositionedFile, stream: IO[bytes]) -> None:
        self.file = file
        self.arrays: dict[str, Array] = {}
        # Path of a group → address of its header.
        self._groups: dict[str, int] = {}
        self.notes: list[str] = []
        try:
            self._space = Hdf5File(stream)
            self._heaps = Heaps(self._space)
            self._collect()
        except Hdf5Error as error:
            self._damaged(error)
        except UnsupportedError as error:
            raise UnsupportedError(error.message, file=file.path, remedy=error.remedy) from error

    def text_attribute(self, group: str, name: str) -> str | None:
        """A text among the attributes of a group, None if it, or the group, is not there."""
        if group not in self._groups:
            return None
        try:
            messages = self._space.messages(self._groups[group])
            return text_attribute(self._space, self._heaps, messages, name)
        except Hdf5Error as error:
            self._damaged(error)

    def has_attribute(self, group: str, name: str) -> bool:
        """Whether a group has an attribute of this name."""
        try:
            return has_attribute(self._space, self._space.messages(self._groups[group]), name)
        except Hdf5Error as error:
            self._damaged(error)

    def read(self, path: str, name: str) -> np.ndarray:
        """The whole array at ``path``; ``name`` is what errors call it."""
        array = self._readable(path, name)
        try:
            if array.type.dtype == STRING:
                return self._strings(array)
            if array.chunk is not None:
                return self._assembled(array)
            whole = aligned_bytes(array.nbytes)
            done = 0
            for piece in self._stretches(array):
                whole[done : done + piece.size] = piece
                done += piece.size
            return _numbers(whole, array).reshape(array.shape)
        except Hdf5Error as error:
            self._damaged(error, name)

    def pieces(self, path: str, name: str) -> Iterator[np.ndarray]:
        """The same in pieces of one dimension."""
        array = self._readable(path, name)
        if array.type.dtype == STRING or array.chunk is not None:
            yield self.read(path, name).reshape(-1)
            return
        try:
            for piece in self._stretches(array):
                yield _numbers(piece, array)
        except Hdf5Error as error:
            self._damaged(error, name)

    def _collect(self) -> None:
        waiting = [("", self._space.root)]
        entered: set[int] = set()
        known: dict[int, Array] = {}
        while waiting:
            path, address = waiting.pop()
            if address in known:
                self.arrays[path] = known[address]
                continue
            messages = self._space.messages(address)
            if not is_group(messages) and address != self._space.root:
                # Anything else than an array is a type with a name: of no use to anybody here.
                if any(message.kind == 0x08 for message in messages):
                    self.arrays[path] = known[address] = Array(self._space, messages)
                continue
            self._groups[path] = address
            if address in entered:
                self.notes.append(f"the group {path} is linked to twice; it was entered once")
                continue
            entered.add(address)
            below = []
            for name, target in links(self._space, messages):
                inside = f"{path}/{name}" if path else name
                if target is None:
                    self.notes.append(f"{inside} is a link to elsewhere and was not followed")
                else:
                    below.append((inside, target))
            if len({inside for inside, _ in below}) < len(below):
                raise Hdf5Error(f"the group '{path}' has two members of the same name")
            waiting.extend(reversed(below))

    def _readable(self, path: str, name: str) -> Array:
        """An array of a known type that is no larger than its file can make it."""
        array = self.arrays[path]
        if array.type.dtype is None:
            raise UnsupportedError(
                "it holds values of a type that is neither number nor text",
                file=self.file.path,
                variable=name,
                remedy="Read it with h5py.",
            )
        if array.nbytes > self.file.size + ALLOWANCE:
            raise UnsupportedError(
                f"it announces {array.nbytes} bytes, far more than the whole file of "
                f"{self.file.size} bytes",
                file=self.file.path,
                variable=name,
                remedy="If you trust the file, save the array again uncompressed.",
            )
        return array

    def _stretches(self, array: Array) -> Iterator[np.ndarray]:
        import numpy as np

        item = array.type.size
        step = PIECE_BYTES - PIECE_BYTES % item or item
        for start in range(0, array.nbytes, step):
            stored = array.contiguous(start, min(start + step, array.nbytes))
            if len(stored) != min(step, array.nbytes - start):
                raise Hdf5Error("an array is shorter than its shape")
            yield np.frombuffer(stored, np.uint8)

    def _assembled(self, array: Array) -> np.ndarray:
        """An array stored in chunks; those that were never written hold zeros."""
        import numpy as np

        assert array.chunk is not None
        whole = _numbers(np.zeros(array.nbytes, np.uint8), array).reshape(array.shape)
        for place, stored in array.chunks():
            chunk = _numbers(np.frombuffer(stored, np.uint8), array).reshape(array.chunk)
            spans = [
                slice(start, min(start + length, end))
                for start, length, end in zip(place, array.chunk, array.shape, strict=True)
            ]
            inside = tuple(slice(0, span.stop - span.start) for span in spans)
            whole[tuple(spans)] = chunk[inside]
        return whole

    def _strings(self, array: Array) -> np.ndarray:
        import numpy as np

        size = array.type.size
        if array.chunk is not None:
            raise UnsupportedError(
                "text stored in chunks is not read",
                file=self.file.path,
                remedy="Read it with h5py.",
            )
        stored = array.contiguous(0, array.nbytes)
        texts = [stored[start : start + size] for start in range(0, array.nbytes, size)]
        if array.type.is_variable:
            texts = [self._heaps.get(reference) for reference in texts]
        flat = np.empty(len(texts), object)
        flat[:] = [text.rstrip(b"\0") for text in texts]
        return flat.reshape(array.shape)

    def _damaged(self, error: Hdf5Error, name: str | None = None) -> NoReturn:
        raise self.file.damaged(
            f"the HDF5 file is damaged: {error}",
            variable=name,
            remedy="Copy it again from where it was written.",
        ) from error


def _numbers(stored: np.ndarray, array: Array) -> np.ndarray:
    assert array.type.dtype in ITEM_BYTES
    return as_numbers(stored, array.type.dtype, array.type.big_endian)
