"""Writing the sorted table that ``sorted_table`` reads, byte for byte as TensorFlow does."""

from __future__ import annotations

from typing import IO

from lnfold.checkpoint.bundle.sorted_table import FOOTER_BYTES, MAGIC
from lnfold.checkpoint.bytes.checksum import crc32c, mask
from lnfold.checkpoint.bytes.wire import encode_varint

# A block is closed by the entry that makes it this long.
_BLOCK_BYTES = 256 << 10
# Every so many entries a key is written whole.
_RESTART_INTERVAL = 16


class TableWriter:
    """Takes entries in increasing order of their keys; ``finish`` completes the file."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._offset = 0
        self._block = _Block(_RESTART_INTERVAL)
        self._index = _Block(1)
        self._last_key = b""
        # Handle of the block that was closed last; its separator needs the key behind it.
        self._pending: bytes | None = None

    def add(self, key: bytes, value: bytes) -> None:
        """One entry.

        Raises:
            ValueError: its key does not lie above the one before.
        """
        if (self._block.entries or self._pending is not None) and key <= self._last_key:
            raise ValueError(f"key {key!r} behind {self._last_key!r}")
        if self._pending is not None:
            self._index.add(_separator(self._last_key, key), self._pending)
            self._pending = None
        self._block.add(key, value)
        self._last_key = key
        if self._block.size >= _BLOCK_BYTES:
            self._close_block()

    def finish(self) -> None:
        """Write the index and the footer."""
        if self._block.entries:
            self._close_block()
        metaindex = self._write(_Block(1))
        if self._pending is not None:
            self._index.add(_successor(self._last_key), self._pending)
        handles = metaindex + self._write(self._index)
        self._file.write(handles.ljust(FOOTER_BYTES - len(MAGIC), b"\0") + MAGIC)

    def _close_block(self) -> None:
        self._pending = self._write(self._block)
        self._block = _Block(_RESTART_INTERVAL)

    def _write(self, block: _Block) -> bytes:
        """Write a block, uncompressed, and return its handle."""
        content = block.content() + b"\0"
        self._file.write(content + mask(crc32c(content)).to_bytes(4, "little"))
        handle = encode_varint(self._offset) + encode_varint(len(content) - 1)
        self._offset += len(content) + 4
        return handle


class _Block:
    """Entries whose keys are written as what differs from the key before."""

    def __init__(self, restart_interval: int) -> None:
        self._interval = restart_interval
        self._bytes = bytearray()
        self._restarts = [0]
        self._last = b""
        self.entries = 0

    @property
    def size(self) -> int:
        """How long the block would be if it ended here."""
        return len(self._bytes) + 4 * len(self._restarts) + 4

    def add(self, key: bytes, value: bytes) -> None:
        shared = 0
        if self.entries % self._interval:
            shared = _common(self._last, key)
        elif self.entries:
            self._restarts.append(len(self._bytes))
        self._bytes += encode_varint(shared) + encode_varint(len(key) - shared)
        self._bytes += encode_varint(len(value)) + key[shared:] + value
        self._last = key
        self.entries += 1

    def content(self) -> bytes:
        numbers = [*self._restarts, len(self._restarts)]
        return bytes(self._bytes) + b"".join(n.to_bytes(4, "little") for n in numbers)


def _common(one: bytes, other: bytes) -> int:
    """How many bytes both begin with."""
    length = min(len(one), len(other))
    for index in range(length):
        if one[index] != other[index]:
            return index
    return length


def _separator(below: bytes, above: bytes) -> bytes:
    """A short key that is at least ``below`` and less than ``above``."""
    shared = _common(below, above)
    if shared < min(len(below), len(above)):
        byte = below[shared]
        if byte < 0xFF and byte + 1 < above[shared]:
            return below[:shared] + bytes([byte + 1])
    return below


def _successor(key: bytes) -> bytes:
    """A short key that is at least ``key``."""
    for index, byte in enumerate(key):
        if byte != 0xFF:
            return key[:index] + bytes([byte + 1])
    return key
