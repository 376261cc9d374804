"""HDF5's addresses and object headers: the ground that groups and arrays stand on.

    superblock 0, 1   signature · versions · sizes of offsets and lengths · … · root group entry
    superblock 2, 3   signature · version · sizes · flags · base · extension · end · root header
    header version 1  1 · 0 · uint16 messages · uint32 references · uint32 size · 4 zeros, then
                      messages: uint16 type · uint16 size · uint8 flags · 3 zeros · data
    header version 2  "OHDR" · 2 · flags · [times] · [limits] · size, then
                      messages: uint8 type · uint16 size · uint8 flags · [uint16 order] · data

Addresses count from the base address, lengths are bytes, all numbers are little-endian. The file
format is read here rather than by its C library because that one loops or crashes on damage that
a single changed bit can do. What Keras and h5py write by default is understood; the rest is
refused by name.
"""

from __future__ import annotations

from lnfold.errors import UnsupportedError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import IO

SIGNATURE = b"\x89HDF\r\n\x1a\n"
# A file may begin with a block of the user's own, of one of these sizes or of a larger power of 2.
SIGNATURE_OFFSETS = (0, 512, 1024, 2048, 4096)

_CONTINUATION = 0x10
_LARGEST_HEADER = 64 << 20
_SHARED = 0x02


class Hdf5Error(ValueError):
    """Bytes that contradict HDF5's format; whoever knows the file turns it into an error."""


class Message:
    """One message of an object header: its number, and its data."""

    __slots__ = ("data", "is_shared", "kind")

    def __init__(self, kind: int, data: bytes, flags: int) -> None:
        self.kind = kind
        self.data = data
        self.is_shared = bool(flags & _SHARED)


class Hdf5File:
    """An open HDF5 file as a space of addresses.

    Attributes:
        size: bytes behind the base address.
        offset_bytes, length_bytes: how wide addresses and lengths are.
        root: address of the header of the root group.

    Raises:
        Hdf5Error: also from every method; UnsupportedError: a younger version of the format.
    """

    __slots__ = ("_base", "_stream", "length_bytes", "offset_bytes", "root", "size")

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        total = stream.seek(0, 2)
        self._base = self._find(total)
        self.size = total - self._base
        start = self.read(0, min(96, self.size))
        version = start[8] if len(start) > 8 else -1
        if version in (0, 1):
            self.offset_bytes, self.length_bytes = start[13], start[14]
            position = 24 if version == 0 else 28
            # Base, free space, end, driver, then the entry of the root: name, header.
            self.root = self.address(start, position + 5 * self.offset_bytes)
        elif version in (2, 3):
            self.offset_bytes, self.length_bytes = start[9], start[10]
            self.root = self.address(start, 12 + 3 * self.offset_bytes)
        else:
            raise UnsupportedError(
                f"version {version} of HDF5's superblock is not known",
                remedy="Load the weights with Keras and save them again.",
            )
        if self.offset_bytes not in (4, 8) or self.length_bytes not in (4, 8):
            raise Hdf5Error(f"addresses of {self.offset_bytes} bytes")

    def read(self, address: int, size: int) -> bytes:
        """Exactly ``size`` bytes at ``address``."""
        if address < 0 or size < 0 or address + size > self.size:
            raise Hdf5Error(f"{size} bytes at {address} lie outside of the file's {self.size}")
        self._stream.seek(self._base + address)
        found = self._stream.read(size)
        if len(found) != size:
            raise Hdf5Error(f"the file ends inside {size} bytes at {address}")
        return found

    def address(self, data: bytes, position: int) -> int:
        """The address at a position of some bytes."""
        return number(data, position, self.offset_bytes)

    def length(self, data: bytes, position: int) -> int:
        """The length at a position of some bytes."""
        return number(data, position, self.length_bytes)

    def is_undefined(self, address: int) -> bool:
        """Whether an address stands for none."""
        return address == (1 << 8 * self.offset_bytes) - 1

    def messages(self, address: int) -> list[Message]:
        """The messages of the object header at ``address``."""
        start = self.read(address, min(16, self.size - address) if address < self.size else 16)
        if start[:4] == b"OHDR":
            return self._messages_2(address)
        if start[0] != 1:
            raise Hdf5Error(f"no object header at {address}")
        blocks = [(address + 16, number(start, 8, 4))]
        found: list[Message] = []
        done = 0
        for position, size in blocks:
            done += size
            if done > _LARGEST_HEADER or len(blocks) > 1000:
                raise Hdf5Error(f"the object header at {address} has no end")
            content = self.read(position, size)
            at = 0
            while at + 8 <= size:
                kind, length = number(content, at, 2), number(content, at + 2, 2)
                data = content[at + 8 : at + 8 + length]
                if len(data) < length:
                    raise Hdf5Error(f"a message is longer than the header at {address}")
                self._add(found, blocks, Message(kind, data, content[at + 4]))
                at += 8 + length
        return found

    def _messages_2(self, address: int) -> list[Message]:
        start = self.read(address, min(64, self.size - address))
        flags = start[5]
        position = 6 + (16 if flags & 0x20 else 0) + (4 if flags & 0x10 else 0)
        width = 1 << (flags & 3)
        head = 6 if flags & 0x04 else 4
        blocks = [(address + position + width, number(start, position, width))]
        found: list[Message] = []
        done = 0
        for number_of_block, (block, length) in enumerate(blocks):
            done += length
            if done > _LARGEST_HEADER or len(blocks) > 1000:
                raise Hdf5Error(f"the object header at {address} has no end")
            content = self.read(block, length)
            # Later blocks begin with a signature and end with a checksum; the first does not.
            at, end = (0, length) if number_of_block == 0 else (4, length - 4)
            while at + head <= end:
                size = number(content, at + 1, 2)
                data = content[at + head : at + head + size]
                if at + head + size > end:
                    raise Hdf5Error(f"a message is longer than the header at {address}")
                self._add(found, blocks, Message(content[at], data, content[at + 3]))
                at += head + size
        return found

    def _add(self, found: list[Message], blocks: list[tuple[int, int]], message: Message) -> None:
        """Keep a message, or note where the header goes on."""
        if message.kind == _CONTINUATION:
            data = message.data
            blocks.append((self.address(data, 0), self.length(data, self.offset_bytes)))
        elif message.kind:
            found.append(message)

    def _find(self, total: int) -> int:
        self.size, self._base = total, 0
        for offset in SIGNATURE_OFFSETS:
            if offset + 8 <= total and self.read(offset, 8) == SIGNATURE:
                return offset
        raise Hdf5Error("the file does not begin as HDF5 does")


def number(data: bytes, position: int, size: int) -> int:
    """The unsigned number of ``size`` bytes at ``position``."""
    if position < 0 or position + size > len(data):
        raise Hdf5Error("a structure is shorter than its contents")
    return int.from_bytes(data[position : position + size], "little")
