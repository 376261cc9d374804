"""HDF5's heaps: where values of variable length lie.

    reference    uint32 length · address of a collection · uint32 index
    collection   "GCOL" · 1 · 3 zeros · size, then objects:
                 uint16 index · uint16 references · 4 zeros · size · data padded to 8 bytes

Object 0 is what is left over; nothing comes behind it.
"""

from __future__ import annotations

from lnfold.checkpoint.hdf5.headers import Hdf5Error, Hdf5File, number


class Heaps:
    """The collections of a file, each read once.

    Raises:
        Hdf5Error: from ``get``, if they do not hold what is referred to.
    """

    __slots__ = ("_collections", "_file", "_room")

    def __init__(self, file: Hdf5File) -> None:
        self._file = file
        # Address of a collection → index → value.
        self._collections: dict[int, dict[int, memoryview]] = {}
        # Collections that lie in one another would be more than the file.
        self._room = file.size

    def get(self, reference: bytes) -> bytes:
        """What a reference refers to."""
        length = number(reference, 0, 4)
        address = self._file.address(reference, 4)
        index = number(reference, 4 + self._file.offset_bytes, 4)
        if not length:
            return b""
        if address not in self._collections:
            self._collections[address] = self._collection(address)
        value = self._collections[address].get(index)
        if value is None or len(value) < length:
            raise Hdf5Error(f"the heap at {address} has no object {index} of {length} bytes")
        return bytes(value[:length])

    def _collection(self, address: int) -> dict[int, memoryview]:
        file = self._file
        head = file.read(address, 8 + file.length_bytes)
        size = file.length(head, 8)
        self._room -= size
        if head[:5] != b"GCOL\x01" or self._room < 0:
            raise Hdf5Error(f"no heap at {address}")
        content = file.read(address, size)
        view = memoryview(content)
        found: dict[int, memoryview] = {}
        position = len(head)
        while position + len(head) <= size:
            index, stored = number(content, position, 2), file.length(content, position + 8)
            start = position + len(head)
            if not index:
                break
            found[index] = view[start : start + stored]
            position = start + (stored + 7 & ~7)
        return found
