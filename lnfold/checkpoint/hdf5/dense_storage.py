"""HDF5's dense storage: messages of a group or object that are too many for its header.

    tree   "BTHD" · 0 · kind · uint32 bytes of a node · uint16 bytes of a record · uint16 depth ·
           2 percentages · root · uint16 records in it · records in all
           "BTLF" · 0 · kind · records          "BTIN" · 0 · kind · records · children, each:
           address · records in it · [records below it, unless its children are leaves]
           record of kind 5 (links): uint32 hash · id        of kind 8 (attributes): id · …
    heap   "FRHP" · 0 · uint16 bytes of an id · uint16 bytes of filters · flags · uint32 largest
           object · … · uint16 width · bytes of the first and of the largest direct block · uint16
           bits of an offset · uint16 · root · uint16 rows of the root, 0 for a direct block
           "FHDB" · 0 · heap · offset · … contents       "FHIB" · 0 · heap · offset · blocks
    id     flags · offset in the heap · length

Blocks lie in rows of ``width``; those of the first two rows have the first size S, and row r
blocks of 2^(r-1) S. A block larger than the largest direct one is a table of blocks itself. All
blocks together are one space of offsets, in which an id points.
"""

from __future__ import annotations

from lnfold.checkpoint.hdf5.headers import Hdf5Error, Hdf5File, number
from lnfold.errors import UnsupportedError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

# Kind of tree → where in a record the id is.
_ID_AT = {5: 4, 8: 0}
_DEEPEST = 16


def dense_messages(file: Hdf5File, heap: int, tree: int) -> Iterator[bytes]:
    """The data of every message that a tree finds in a heap.

    Raises:
        Hdf5Error: they contradict the format or one another.
        UnsupportedError: an object is too large for the blocks of the heap.
    """
    objects = _Heap(file, heap)
    for identity in _identities(file, tree):
        yield objects.get(identity)


def _identities(file: Hdf5File, address: int) -> Iterator[bytes]:
    head = file.read(address, 22 + file.offset_bytes + file.length_bytes)
    kind, node_bytes, record_bytes = head[5], number(head, 6, 4), number(head, 10, 2)
    depth, root = number(head, 12, 2), file.address(head, 16)
    if head[:5] != b"BTHD\0" or kind not in _ID_AT or depth > _DEEPEST or record_bytes < 8:
        raise Hdf5Error(f"no tree of messages at {address}")
    leaf_most = (node_bytes - 10) // record_bytes
    count_bytes = _bytes_for(leaf_most)
    # Bytes of a pointer to a child, for every level above the leaves.
    pointers, most, below_bytes = [0], leaf_most, 0
    for _ in range(depth):
        pointers.append(file.offset_bytes + count_bytes + below_bytes)
        here = (node_bytes - 10 - pointers[-1]) // (record_bytes + pointers[-1])
        most = (here + 1) * most + here
        below_bytes = _bytes_for(most)
    met: set[int] = set()
    waiting = [(root, number(head, 16 + file.offset_bytes, 2), depth)]
    while waiting:
        node, count, level = waiting.pop()
        if not count:
            continue
        if node in met:
            raise Hdf5Error(f"the tree leads back to its node at {node}")
        met.add(node)
        pointer = pointers[level]
        content = file.read(node, 6 + count * record_bytes + (count + 1) * pointer)
        if content[:6] != (b"BTIN\0" if level else b"BTLF\0") + bytes([kind]):
            raise Hdf5Error(f"no node of a tree of messages at {node}")
        for start in range(6, 6 + count * record_bytes, record_bytes):
            yield content[start + _ID_AT[kind] : start + record_bytes]
        if level:
            for start in range(6 + count * record_bytes, len(content), pointer):
                child = file.address(content, start)
                held = number(content, start + file.offset_bytes, count_bytes)
                waiting.append((child, held, level - 1))


class _Heap:
    """A fractal heap: objects by their ids."""

    __slots__ = (
        "_file",
        "_first",
        "_largest",
        "_length_bytes",
        "_offset_bytes",
        "_room",
        "_root",
        "_rows",
        "_width",
    )

    def __init__(self, file: Hdf5File, address: int) -> None:
        self._file = file
        # Objects that lie on one another would be more than the file.
        self._room = file.size
        table = 14 + 10 * file.length_bytes + 2 * file.offset_bytes
        head = file.read(address, table + 8 + 2 * file.length_bytes + file.offset_bytes)
        if head[:5] != b"FRHP\0":
            raise Hdf5Error(f"no heap of messages at {address}")
        if number(head, 7, 2):
            raise UnsupportedError(
                "it has a group whose list of members is compressed",
                remedy="Load the weights with Keras and save them again, or use h5repack.",
            )
        self._width, bits = number(head, table, 2), table + 2 + 2 * file.length_bytes
        self._first = file.length(head, table + 2)
        self._largest = file.length(head, table + 2 + file.length_bytes)
        self._offset_bytes = (number(head, bits, 2) + 7) // 8
        longest = number(head, 10, 4)
        self._length_bytes = min(
            (self._largest.bit_length() + 6) // 8, _bytes_for(longest) if longest else 1
        )
        self._root = file.address(head, bits + 4)
        self._rows = number(head, bits + 4 + file.offset_bytes, 2)
        sizes = (self._width, self._first, self._largest)
        if any(size < 1 or size & (size - 1) for size in sizes) or not self._offset_bytes:
            raise Hdf5Error(f"the heap at {address} has blocks of impossible sizes")

    def get(self, identity: bytes) -> bytes:
        """The object of an id."""
        if identity[0]:
            raise UnsupportedError(
                "it has an attribute or a name that is longer than 4 KB, outside of its heap",
                remedy="Load the weights with Keras and save them again.",
            )
        offset = number(identity, 1, self._offset_bytes)
        length = number(identity, 1 + self._offset_bytes, self._length_bytes)
        address, start, size = self._block(offset)
        if self._file.read(address, 5) != b"FHDB\0" or offset + length > start + size:
            raise Hdf5Error(f"no block of a heap at {address}")
        self._room -= length
        if self._room < 0:
            raise Hdf5Error("the objects of a heap are more than the file")
        return self._file.read(address + offset - start, length)

    def _block(self, offset: int) -> tuple[int, int, int]:
        """Address, first offset and size of the direct block that an offset lies in."""
        address, start, size, rows = self._root, 0, self._first, self._rows
        for _ in range(_DEEPEST):
            if not rows:
                return address, start, size
            # In units of a whole row of blocks of the first size.
            unit = self._width * self._first
            row = ((offset - start) // unit).bit_length()
            size = self._first << max(0, row - 1)
            column = (offset - start - (self._width * size if row else 0)) // size
            if row >= rows or self._file.read(address, 5) != b"FHIB\0":
                raise Hdf5Error(f"no block for the offset {offset} of a heap")
            wide = self._file.offset_bytes
            entry = address + 5 + wide + self._offset_bytes + (row * self._width + column) * wide
            start += (self._width * size if row else 0) + column * size
            address = self._file.address(self._file.read(entry, wide), 0)
            rows = 0 if size <= self._largest else (size // unit).bit_length()
        raise Hdf5Error("the blocks of a heap are nested too deep")


def _bytes_for(largest: int) -> int:
    """How many bytes HDF5 takes for numbers up to ``largest``."""
    if largest < 1:
        raise Hdf5Error("a node of a tree that has room for no record")
    return (largest.bit_length() - 1) // 8 + 1
