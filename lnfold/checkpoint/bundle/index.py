"""What an ``.index`` file says, checked for every contradiction that it can have with itself.

The index is a sorted table. Its first key is empty and holds the header; every other holds the
entry of one tensor: dtype, shape, shard, offset, size, checksum. A partitioned variable has an
entry with its whole shape and the places of its slices, and one more entry for each slice,
under a key that begins with a zero byte.
"""

from __future__ import annotations

from lnfold.checkpoint.bundle.entry import decode_entry, decode_header, decode_usual_entry
from lnfold.checkpoint.bundle.ordered_code import slice_key
from lnfold.checkpoint.bundle.slices import box, check_tiling
from lnfold.checkpoint.bundle.sorted_table import SortedTable
from lnfold.checkpoint.bytes.dtypes import ITEM_BYTES, LARGEST_NUMBER, NAMES, STRING
from lnfold.checkpoint.bytes.wire import WireError, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import NoReturn

    from lnfold.checkpoint.bundle.entry import Entry, Head
    from lnfold.checkpoint.bundle.slices import Box
    from lnfold.checkpoint.bytes.positioned_file import PositionedFile

# Writers close a block at 256 KiB; one entry can be longer, with thousands of slices.
_LARGEST_BLOCK = 256 << 20
_KEY_BYTES = 16 << 20
# TensorFlow reads tensors that share bytes, but reading the same ones for ever helps nobody.
_OVERLAPS = 16


class BundleIndex:
    """The decoded index. Everything it announces is in it, or there is none.

    Attributes:
        num_shards: how many data files it announces.
        big_endian: the byte order of the numbers in them.
        entries: key → entry of every variable.
        partitioned: the keys of those that are stored in slices.
        slices: key → entry of every slice of a partitioned variable.
        ends: shard → the end of the last byte that an entry refers to.

    Raises:
        DamagedError, ChangedWhileReadError: on any contradiction.
    """

    __slots__ = (
        "big_endian",
        "ends",
        "entries",
        "file",
        "num_shards",
        "partitioned",
        "slices",
        "table",
    )

    def __init__(self, file: PositionedFile) -> None:
        self.file = file
        self.table = SortedTable(file, _LARGEST_BLOCK)
        self.entries: dict[str, Entry] = {}
        self.partitioned: list[str] = []
        self.slices: dict[bytes, Entry] = {}
        self.ends: dict[int, int] = {}
        items = iter(self.table)
        self._read_header(items)
        self._read_entries(items)
        for name in self.partitioned:
            self._check_slices(name, self.entries[name])

    def parts(self, key: str) -> list[tuple[Box, bytes, Entry]]:
        """The slices of a partitioned variable: place in the whole, key, entry."""
        _, shape, _, _, _, _, _, extents = self.entries[key]
        name = key.encode("utf-8", "surrogateescape")
        keys = [slice_key(name, place) for place in extents]
        return [
            (box(place, shape), part_key, self.slices[part_key])
            for place, part_key in zip(extents, keys, strict=True)
        ]

    def _read_header(self, items: Iterator[tuple[bytes, bytes, int, int]]) -> None:
        key, block, start, stop = next(items, (None, b"", 0, 0))
        if key != b"":
            raise self.file.damaged("the table does not begin with the header of a bundle")
        try:
            self.num_shards, self.big_endian = decode_header(block[start:stop])
        except WireError as error:
            raise self.file.damaged(str(error)) from error

    def _read_entries(self, items: Iterator[tuple[bytes, bytes, int, int]]) -> None:
        heads: dict[bytes, Head] = {}
        entries, slices, ends = self.entries, self.slices, self.ends
        num_shards = self.num_shards
        # Keys are written as what differs from the key before: few bytes can be many.
        room = _KEY_BYTES + 32 * self.file.size
        total = 0
        for key, block, start, stop in items:
            entry = decode_usual_entry(block, start, stop, heads)
            if entry is None:
                try:
                    entry = decode_entry(block, start, stop)
                except WireError as error:
                    self._damaged(key, f"its entry in the index is damaged: {error}")
                self._check_rarity(key, entry)
            room -= len(key)
            if room < 0:
                self._damaged(key[:100], "the keys up to here are longer than the index can mean")
            _, _, _, shard, offset, size, _, places = entry
            if places:
                self.partitioned.append(text(key))
            else:
                if shard >= num_shards:
                    self._damaged(key, f"its entry names shard {shard}, of {num_shards} shards")
                total += size
                if shard not in ends or offset + size > ends[shard]:
                    ends[shard] = offset + size
            if key[0]:
                entries[text(key)] = entry
            else:
                slices[key] = entry

        if total > _OVERLAPS * sum(ends.values()):
            raise self.file.damaged(
                f"its tensors have {total} bytes in {sum(ends.values())} bytes of data, so they "
                "lie on one another"
            )

    def _check_rarity(self, key: bytes, entry: Entry) -> None:
        """What is not an array of numbers in the usual writing: slices, text, or damage."""
        dtype, shape, elements, _, _, size, _, places = entry
        if not 0 < dtype < LARGEST_NUMBER:
            self._damaged(key, f"its entry names the impossible element type {dtype}")
        name = NAMES.get(dtype, "")
        if places:
            if key[0] == 0:
                self._damaged(key, "a slice cannot have slices of its own")
        elif name in ITEM_BYTES:
            if elements * ITEM_BYTES[name] != size:
                self._damaged(
                    key,
                    f"shape {list(shape)} of {name} takes {elements * ITEM_BYTES[name]} bytes, "
                    f"its entry says {size}",
                )
        elif name == STRING and size < elements:
            self._damaged(key, f"{size} bytes cannot hold {elements} strings")

    def _check_slices(self, name: str, entry: Entry) -> None:
        dtype, shape, _, _, _, _, _, places = entry
        key = name.encode("utf-8", "surrogateescape")
        boxes = []
        for extents in places:
            part = self.slices.get(slice_key(key, extents))
            if part is None:
                self._damaged(key, f"the index lacks its slice {list(extents)}")
            try:
                tile = box(extents, shape)
            except ValueError as error:
                self._damaged(key, str(error))
            if part[0] != dtype:
                self._damaged(key, f"its slice {list(extents)} has another element type")
            if part[1] != tuple(stop - start for start, stop in tile):
                self._damaged(
                    key, f"its slice {list(extents)} is stored with the shape {list(part[1])}"
                )
            boxes.append(tile)
        try:
            check_tiling(boxes, shape)
        except ValueError as error:
            self._damaged(key, str(error))

    def _damaged(self, key: bytes, message: str) -> NoReturn:
        raise self.file.damaged(message, variable=text(key))
