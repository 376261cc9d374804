"""An array of an HDF5 file: where its bytes are, and how to get them.

    layout 3   3 · class · 0 compact: uint16 size, bytes · 1 contiguous: address, size ·
               2 chunked: rank + 1, address of a B-tree, uint32 lengths of a chunk, item size
    filters    1 · count · 6 zeros, or 2 · count, then each: uint16 number · [uint16 length of its
               name] · uint16 flags · uint16 values · [name] · values

Of the filters those that h5py applies by itself are undone: shuffle, deflate, Fletcher's checksum.
"""

from __future__ import annotations

import zlib

from lnfold.checkpoint.bytes.limits import ALLOWANCE
from lnfold.checkpoint.hdf5.groups import tree_children
from lnfold.checkpoint.hdf5.headers import Hdf5Error, Hdf5File, Message, number
from lnfold.checkpoint.hdf5.types import Type, decode_shape, decode_type
from lnfold.errors import UnsupportedError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

SHAPE, TYPE, EXTERNAL, LAYOUT, FILTERS = 0x01, 0x03, 0x07, 0x08, 0x0B

_DEFLATE, _SHUFFLE, _FLETCHER = 1, 2, 3


class Array:
    """An array, not yet read.

    Attributes:
        shape: the length of every dimension.
        type: of its elements.
        nbytes: how many bytes its elements take.
        chunk: shape of a chunk, None if the array is stored in one piece.
    """

    __slots__ = ("_address", "_compact", "_file", "_filters", "chunk", "nbytes", "shape", "type")

    def __init__(self, file: Hdf5File, messages: list[Message]) -> None:
        """From the messages of its header.

        Raises:
            Hdf5Error: they contradict the format or one another.
        """
        by_kind = {message.kind: message for message in messages}
        if not {SHAPE, TYPE, LAYOUT} <= by_kind.keys():
            raise Hdf5Error("an array without shape, type or place")
        self._file = file
        self.shape = decode_shape(file, by_kind[SHAPE].data)
        is_known = not by_kind[TYPE].is_shared
        self.type = decode_type(by_kind[TYPE].data) if is_known else Type(None, 1)
        self.nbytes = self.type.size
        for length in self.shape:
            self.nbytes *= length
        self._filters = _filters(by_kind[FILTERS].data) if FILTERS in by_kind else []
        self._compact: bytes | None = None
        self._address = 0
        self.chunk: tuple[int, ...] | None = None
        if EXTERNAL in by_kind:
            raise UnsupportedError(
                "it has an array whose values lie in other files",
                remedy="Load the weights with Keras and save them again.",
            )
        self._read_layout(by_kind[LAYOUT].data)

    def contiguous(self, start: int, stop: int) -> bytes:
        """Bytes ``start`` to ``stop`` of an array stored in one piece."""
        if self._compact is not None:
            return self._compact[start:stop]
        if self._file.is_undefined(self._address):
            # Space that was never written to holds zeros.
            return bytes(stop - start)
        return self._file.read(self._address + start, stop - start)

    def chunks(self) -> Iterator[tuple[tuple[int, ...], bytes]]:
        """Place of the first element, and the bytes of every chunk that was written.

        Raises:
            Hdf5Error: a chunk lies outside of the array, or is not what it was.
        """
        assert self.chunk is not None
        size = self.type.size
        for length in self.chunk:
            size *= length
        if size > self._file.size + ALLOWANCE:
            raise Hdf5Error(f"chunks of {size} bytes in a file of {self._file.size}")
        if self._file.is_undefined(self._address):
            return
        rank = len(self.shape)
        met: set[tuple[int, ...]] = set()
        for key, address in tree_children(self._file, self._address, 1, 8 + 8 * (rank + 1)):
            place = tuple(number(key, 8 + 8 * axis, 8) for axis in range(rank))
            steps = zip(place, self.shape, self.chunk, strict=True)
            if place in met or any(at >= length or at % step for at, length, step in steps):
                raise Hdf5Error(f"a chunk at {place} does not belong there")
            met.add(place)
            if len(met) * size > 16 * (self.nbytes + ALLOWANCE):
                raise Hdf5Error(f"chunks of {size} bytes make more than an array of {self.nbytes}")
            stored = self._file.read(address, number(key, 0, 4))
            yield place, self._unfiltered(stored, number(key, 4, 4), size)

    def _read_layout(self, data: bytes) -> None:
        version, kind = number(data, 0, 1), number(data, 1, 1)
        file = self._file
        if version not in (3, 4) or (version == 4 and kind > 1):
            raise UnsupportedError(
                f"it has an array with a layout of version {version}, which is not read",
                remedy="Load the weights with Keras and save them again, or use h5repack.",
            )
        if kind == 0:
            self._compact = data[4 : 4 + number(data, 2, 2)]
            size = len(self._compact)
        elif kind == 1:
            self._address = file.address(data, 2)
            size = file.length(data, 2 + file.offset_bytes)
            if file.is_undefined(self._address):
                size = self.nbytes
        elif kind == 2:
            rank = number(data, 2, 1) - 1
            self._address = file.address(data, 3)
            start = 3 + file.offset_bytes
            self.chunk = tuple(number(data, start + 4 * axis, 4) for axis in range(rank))
            if rank != len(self.shape) or not all(self.chunk):
                raise Hdf5Error(f"chunks of the shape {self.chunk} in an array of {self.shape}")
            return
        else:
            raise Hdf5Error(f"an array of the unknown layout {kind}")
        if size != self.nbytes or self._filters:
            raise Hdf5Error(f"an array of {self.nbytes} bytes is stored in {size}")

    def _unfiltered(self, stored: bytes, skipped: int, size: int) -> bytes:
        """A chunk as it was before the filters, which were applied in their order."""
        for position in reversed(range(len(self._filters))):
            kind = self._filters[position]
            if skipped >> position & 1:
                continue
            if kind == _FLETCHER:
                stored = _verified(stored)
            elif kind == _DEFLATE:
                inflate = zlib.decompressobj()
                try:
                    stored = inflate.decompress(stored, size + 4)
                except zlib.error as error:
                    raise Hdf5Error(f"a compressed chunk is damaged: {error}") from error
            elif kind == _SHUFFLE:
                stored = _unshuffled(stored, self.type.size)
            else:
                raise UnsupportedError(
                    f"it has an array behind the unknown filter {kind}",
                    remedy="Save the weights again without compression, or with gzip.",
                )
        if len(stored) != size:
            raise Hdf5Error(f"a chunk of {size} bytes has {len(stored)}")
        return stored


def _filters(data: bytes) -> list[int]:
    """The numbers of the filters in a pipeline."""
    version, count = number(data, 0, 1), number(data, 1, 1)
    position = 8 if version == 1 else 2
    found = []
    for _ in range(count):
        kind = number(data, position, 2)
        found.append(kind)
        has_name = version == 1 or kind >= 256
        name = number(data, position + 2, 2) if has_name else 0
        position += 4 if has_name else 2
        values = number(data, position + 2, 2)
        position += 4 + (name + 7 & ~7 if version == 1 else name) + 4 * values
        # Version 1 keeps to multiples of 8.
        position += 4 if version == 1 and values % 2 else 0
    return found


def _verified(stored: bytes) -> bytes:
    """A chunk without the checksum behind it."""
    from lnfold.checkpoint.hdf5.fletcher import fletcher32

    found = int.from_bytes(stored[-4:], "little")
    stored = stored[:-4]
    computed = fletcher32(stored)
    # Before 1.6.3 the library swapped the bytes of both halves on little-endian machines.
    swapped = (computed & 0x00FF00FF) << 8 | (computed >> 8) & 0x00FF00FF
    if found not in (computed, swapped):
        raise Hdf5Error(
            f"the checksum of a chunk is wrong ({found:#010x} stored, {computed:#010x} computed)"
        )
    return stored


def _unshuffled(stored: bytes, item: int) -> bytes:
    """Bytes that were sorted by their place in the element, as they were."""
    count = len(stored) // item
    out = bytearray(stored)
    for place in range(item):
        out[place : count * item : item] = stored[place * count : (place + 1) * count]
    return bytes(out)
