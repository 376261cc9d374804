"""The table of sorted keys that an index file, and a V1 checkpoint, is (LevelDB's layout).

    data blocks · metaindex block (always empty) · index block · footer

    block    entries, then uint32 positions of the restarts, then uint32 how many they are;
             behind it one byte of compression (0 none, 1 Snappy) and the masked CRC-32C
             of the block and that byte
    entry    varint shared, varint unshared, varint value length, unshared bytes, value;
             key = the first ``shared`` bytes of the key before + the unshared bytes
    index    an entry a data block: key = separator, not below the block's last key,
             value = varint offset, varint size (without the five bytes behind the block)
    footer   48 bytes: offset and size of the metaindex, of the index, zeros, magic number

A bad block is fatal: whoever skips it silently loses thousands of variables.
"""

from __future__ import annotations

from lnfold.checkpoint.bytes import snappy
from lnfold.checkpoint.bytes.checksum import crc32c, mask
from lnfold.checkpoint.bytes.wire import WireError, varint

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from typing import NoReturn

    from lnfold.checkpoint.bytes.positioned_file import PositionedFile

MAGIC = bytes.fromhex("57fb808b247547db")
FOOTER_BYTES = 48
TRAILER_BYTES = 5

_LARGEST_UNCOMPRESSED = 64 << 20


def ends_like_a_table(last_bytes: bytes) -> bool:
    """Whether a file with these last bytes claims to be a table."""
    return last_bytes.endswith(MAGIC)


class SortedTable:
    """A table in an open file; the footer and the index block are read at once.

    Args:
        largest_block: in bytes; larger ones count as damage, before anything is allocated.

    Raises:
        DamagedError: also from every method, on any contradiction or wrong checksum.
    """

    __slots__ = ("_blocks", "_largest_block", "_last_offset", "_last_values", "file")

    def __init__(self, file: PositionedFile, largest_block: int) -> None:
        self.file = file
        self._largest_block = largest_block
        # Where the block of the last ``get`` is, and what is in it.
        self._last_offset = -1
        self._last_values: dict[bytes, memoryview] = {}
        if file.size < FOOTER_BYTES:
            raise file.damaged(
                f"the file is cut: it has {file.size} bytes, a table has at least {FOOTER_BYTES}",
                remedy=_COPY_AGAIN,
            )
        start = file.size - FOOTER_BYTES
        footer = file.read(start, FOOTER_BYTES)
        if not ends_like_a_table(footer):
            raise file.damaged(
                f"the file does not end with the magic number of a table "
                f"({MAGIC.hex()} expected, {footer[-8:].hex()} found)",
                offset=file.size - len(MAGIC),
                remedy=_COPY_AGAIN,
            )
        try:
            _, position = varint(footer, 0, 40)
            _, position = varint(footer, position, 40)
            offset, position = varint(footer, position, 40)
            size, position = varint(footer, position, 40)
        except WireError as error:
            raise file.damaged(f"the footer is damaged: {error}", offset=start) from error
        # (separator, offset, size) of every data block.
        self._blocks: list[tuple[bytes, int, int]] = []
        for separator, block, start, stop in self._entries_of(offset, size, b"", first=True):
            try:
                at, position = varint(block, start, stop)
                length, position = varint(block, position, stop)
            except WireError as error:
                self._damaged(offset, f"the handle of a block is damaged: {error}")
            self._blocks.append((separator, at, length))

    def __iter__(self) -> Iterator[tuple[bytes, bytes, int, int]]:
        """Every key in strictly increasing order of its bytes, and its value ``block[start:stop]``.

        Yields:
            ``(key, block, start, stop)``.
        """
        last, first = b"", True
        for separator, offset, size in self._blocks:
            last, first = yield from self._entries_of(offset, size, last, first)
            if last > separator:
                self._damaged(offset, "a block holds a key above its separator")
            last = separator if last < separator else last

    def blocks(self) -> Iterator[tuple[int, int]]:
        """Offset and size of every data block, each verified when its turn comes."""
        for _, offset, size in self._blocks:
            self._block(offset, size)
            yield offset, size

    def trailers(self) -> Iterator[bytes]:
        """The bytes behind every data block, its checksum among them."""
        for _, offset, size in self._blocks:
            yield self.file.read(offset + size, TRAILER_BYTES)

    def first_entry(self) -> tuple[bytes, memoryview] | None:
        """The first key with its value, without reading more than one block."""
        if not self._blocks:
            return None
        _, offset, size = self._blocks[0]
        for key, block, start, stop in self._entries_of(offset, size, b"", first=True):
            return key, memoryview(block)[start:stop]
        return None

    def get(self, wanted: bytes) -> memoryview | None:
        """The value of one key, without reading more than one block."""
        low, high = 0, len(self._blocks)
        while low < high:
            middle = (low + high) // 2
            if self._blocks[middle][0] < wanted:
                low = middle + 1
            else:
                high = middle
        if low == len(self._blocks):
            return None
        _, offset, size = self._blocks[low]
        if offset != self._last_offset:
            # Variables are asked for in the order of the table: the block is often the same.
            self._last_values = {
                key: memoryview(block)[start:stop]
                for key, block, start, stop in self._entries_of(offset, size, b"", first=True)
            }
            self._last_offset = offset
        return self._last_values.get(wanted)

    def _block(self, offset: int, size: int) -> bytes:
        """The verified, uncompressed contents of the block at ``offset``."""
        if offset + size + TRAILER_BYTES > self.file.size - FOOTER_BYTES:
            self._damaged(offset, f"a block of {size} bytes reaches past the end of the table")
        if size > self._largest_block:
            self._damaged(
                offset, f"a block has {size} bytes, more than the {self._largest_block} allowed"
            )
        stored = self.file.read(offset, size + TRAILER_BYTES)
        crc = int.from_bytes(stored[-4:], "little")
        computed = mask(crc32c(stored[:-4]))
        if crc != computed:
            self._damaged(
                offset,
                f"the checksum of a block of the table is wrong "
                f"({crc:#010x} stored, {computed:#010x} computed)",
            )
        compression = stored[size]
        if compression == 0:
            return stored[:size]
        if compression != 1:
            self._damaged(offset + size, f"a block is compressed in the unknown way {compression}")
        try:
            return snappy.decompress(stored[:size], min(self._largest_block, _LARGEST_UNCOMPRESSED))
        except WireError as error:
            self._damaged(offset, str(error))

    def _entries_of(
        self, offset: int, size: int, last: bytes, first: bool
    ) -> Generator[tuple[bytes, bytes, int, int], None, tuple[bytes, bool]]:
        """Key, block, and start and stop of the value in it, for every entry of one block.

        Every key lies above the one before, and unless it is the ``first`` of the table, above
        ``last``. Returns what both are behind the block.
        """
        block = self._block(offset, size)
        end = len(block) - 4
        if end < 0:
            self._damaged(offset, "a block is too short for the number of its restarts")
        end -= 4 * int.from_bytes(block[end:], "little")
        if end < 0:
            self._damaged(offset, "a block is too short for the restarts it announces")
        key = b""
        position = 0
        try:
            while position < end:
                # Nearly every number is below 128, one byte.
                shared = block[position]
                unshared = block[position + 1]
                length = block[position + 2]
                if shared < 0x80 and unshared < 0x80 and length < 0x80:
                    position += 3
                else:
                    shared, position = varint(block, position, end)
                    unshared, position = varint(block, position, end)
                    length, position = varint(block, position, end)
                middle = position + unshared
                stop = middle + length
                if stop > end or shared > len(key):
                    self._damaged(offset, "an entry is longer than its block")
                key = key[:shared] + block[position:middle]
                if key <= last and not first:
                    self._damaged(
                        offset, f"the keys are not in increasing order ({last!r}, then {key!r})"
                    )
                first = False
                yield key, block, middle, stop
                last = key
                position = stop
        except (IndexError, WireError):
            self._damaged(offset, "a block ends inside an entry")
        return last, first

    def _damaged(self, offset: int, message: str) -> NoReturn:
        raise self.file.damaged(message, offset=offset, remedy=_COPY_AGAIN)


_COPY_AGAIN = "Copy the file again from where it was written, in binary mode."
