"""Zip archives that nobody has to trust: nothing is unpacked, and nothing grows without bound.

A member is read where it lies if it is stored as it is, else through a bounded decompression.
Names are names and never become paths.
"""

from __future__ import annotations

import io
import zipfile
import zlib

from lnfold.checkpoint.bytes.limits import ALLOWANCE
from lnfold.checkpoint.bytes.positioned_file import PositionedFile
from lnfold.checkpoint.bytes.window import Window
from lnfold.errors import LnfoldError, UnsupportedError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import IO

# The record at the end has 22 bytes and a comment of at most 65535.
_LONGEST_END = 22 + 65535

# What zipfile and zlib raise on archives that contradict themselves.
BAD_ZIP = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
    UnicodeDecodeError,
    ValueError,
    OverflowError,
    LookupError,
    OSError,
)


class ZipArchive:
    """An open archive.

    Attributes:
        file: the file that it is, or is in.
        members: name → what its directory says of it.

    Raises:
        DamagedError: also from every method, on any contradiction.
    """

    __slots__ = ("_limit", "_stream", "_zip", "file", "members")

    def __init__(self, file: PositionedFile, stream: IO[bytes] | None = None) -> None:
        self.file = file
        self._stream = stream or io.BufferedReader(Window(file))
        self._limit = file.size + ALLOWANCE
        try:
            self._zip = zipfile.ZipFile(self._stream)
            infos = self._zip.infolist()
        except LnfoldError:
            raise
        except BAD_ZIP as error:
            raise file.damaged(f"the zip archive is damaged: {error}") from error
        self.members = {info.filename: info for info in infos}
        if len(self.members) < len(infos):
            raise file.damaged("the zip archive has two members of the same name")
        announced = self._announced()
        if announced is not None and announced != len(infos):
            raise file.damaged(
                f"the zip archive announces {announced} members, its directory has {len(infos)}"
            )

    def _announced(self) -> int | None:
        """How many members the record at the end of the archive counts, if they fit into it."""
        size = self._stream.seek(0, io.SEEK_END)
        self._stream.seek(max(0, size - _LONGEST_END))
        end = self._stream.read()
        # Total number of entries: 10 bytes behind the signature.
        at = end.rfind(b"PK\x05\x06") + 10
        count = int.from_bytes(end[at : at + 2], "little")
        return None if count == 0xFFFF else count

    def size(self, name: str) -> int:
        """How many bytes a member has when it is unpacked.

        Raises:
            UnsupportedError: so many that it can only be meant to fill the memory.
        """
        size = self.members[name].file_size
        if size > self._limit:
            raise UnsupportedError(
                f"its member {name} announces {size} bytes, far more than the whole file of "
                f"{self.file.size} bytes",
                file=self.file.path,
                remedy="If you trust the file, unpack it and save its arrays uncompressed.",
            )
        return size

    def bound_together(self) -> None:
        """UnsupportedError where all members, held at once, can only be meant to fill the memory.

        One member may be within the limit of ``size`` though a thousand of them are not.
        """
        total = sum(info.file_size for info in self.members.values())
        if total > self._limit:
            raise UnsupportedError(
                f"its members announce {total} bytes together, far more than the whole file of "
                f"{self.file.size} bytes",
                file=self.file.path,
                remedy="If you trust the file, save its arrays uncompressed.",
            )

    def read(self, name: str, largest: int) -> bytes:
        """A whole member of at most ``largest`` bytes, its checksum verified."""
        size = self.members[name].file_size
        if size > largest:
            raise self.file.damaged(f"its member {name} announces {size} bytes")
        return b"".join(self.chunks(name))

    def chunks(self, name: str, chunk_bytes: int = 1 << 20) -> Iterator[bytes]:
        """A member in pieces, no more than it announces; the checksum is verified at the end."""
        left = self.size(name)
        try:
            with self._zip.open(self.members[name]) as stream:
                while left:
                    chunk = stream.read(min(chunk_bytes, left))
                    if not chunk:
                        raise EOFError(f"{left} bytes are missing")
                    left -= len(chunk)
                    yield chunk
                if stream.read(1):
                    raise EOFError("there are more bytes than announced")
        except LnfoldError:
            raise
        except BAD_ZIP as error:
            raise self.file.damaged(f"its member {name} is damaged: {error}") from error

    def beginning(self, name: str, size: int) -> bytes:
        """At most the first ``size`` bytes of a member, unverified."""
        try:
            with self._zip.open(self.members[name]) as stream:
                return stream.read(size)
        except LnfoldError:
            raise
        except BAD_ZIP as error:
            raise self.file.damaged(f"its member {name} is damaged: {error}") from error

    def open_member(self, name: str) -> IO[bytes]:
        """A member to seek in: where it lies if it is stored as it is, else in memory.

        Where it lies, its checksum is not verified: reading all of it would be the price. Who
        reads values from it calls ``verify`` before.
        """
        info = self.members[name]
        if info.compress_type != zipfile.ZIP_STORED or info.flag_bits & 1:
            return io.BytesIO(self.read(name, self._limit))
        # The local header: 26 bytes, then the lengths of the name and of the extra field.
        header = self.file.read(info.header_offset, 30)
        lengths = int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little")
        start = info.header_offset + 30 + lengths
        if header[:4] != b"PK\x03\x04" or start + info.file_size > self.file.size:
            raise self.file.damaged(f"its member {name} does not lie where the directory says")
        return io.BufferedReader(Window(self.file, start, info.file_size))

    def oddities(self) -> list[str]:
        """What is odd about its layout though nothing is damaged; DamagedError where it is."""
        from lnfold.checkpoint.bytes.zip_layout import Contradiction, oddities

        try:
            return oddities(self._stream)
        except Contradiction as error:
            raise self.file.damaged(f"the zip archive is damaged: {error}") from error

    def verify(self, name: str) -> None:
        """Read a whole member for its checksum alone."""
        for _ in self.chunks(name):
            pass

    def close(self) -> None:
        """Close the archive and its file."""
        self._zip.close()
        self.file.close()

    def checksums(self) -> list[tuple[str, int, int]]:
        """Name, size and CRC-32 of every member, as the directory has them."""
        return sorted((name, info.file_size, info.CRC) for name, info in self.members.items())
