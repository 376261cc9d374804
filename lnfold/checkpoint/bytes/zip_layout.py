"""Whether the parts of a zip archive say the same of one another, and cover it without a rest.

    members      local header (30) · name · extra · data · descriptor, where flag 8 announces one
    directory    central header (46) · name · extra · comment, once a member
    end          [zip64 end (56 …) · locator (20)] · end (22) · comment

Both headers of a member repeat its version, flags, method, time, checksum, sizes and name, so
that a change of either is seen. What stands once and carries nothing: the system that made a
member, its attributes, extra fields, comments, bytes between members, and of compressed data
what changes nothing of what it unpacks to (the bits behind its end, codes of no symbol).
PKWARE, APPNOTE.TXT 6.3.10, sections 4.3 and 4.4.
"""

from __future__ import annotations

import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import IO

_CENTRAL = struct.Struct("<4s H 10s 3I 5H 2I")
_LOCAL = struct.Struct("<4s 10s 3I 2H")
_END = struct.Struct("<4s 4H 2I H")
_END_64, _LOCATOR = struct.Struct("<4s Q 2H 2I 4Q"), struct.Struct("<4s I Q I")
_DESCRIPTOR_FLAG = 8
_BIG, _ZIP64 = 0xFFFFFFFF, 1
# The end has 22 bytes and a comment of at most 65535.
_LONGEST_END = 22 + 65535


class Contradiction(ValueError):
    """Two parts of an archive that exclude each other; the message says which."""


class Stream:
    """A stream to read from at explicit places.

    Attributes:
        size: in bytes.
    """

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self.size = stream.seek(0, 2)

    def at(self, start: int, size: int) -> bytes:
        """``size`` bytes from ``start``; Contradiction where they end before."""
        if start < 0 or size < 0 or start + size > self.size:
            raise Contradiction(f"{size} bytes at byte {start} lie outside of it")
        self._stream.seek(start)
        return self._stream.read(size)


class Part:
    """A stretch of the archive: from ``start`` to before ``stop``, and what it is."""

    __slots__ = ("start", "stop", "what")

    def __init__(self, start: int, stop: int, what: str) -> None:
        self.start, self.stop, self.what = start, stop, what


def oddities(stream: IO[bytes]) -> list[str]:
    """What is odd about an archive though nothing in it is damaged, in words.

    Raises:
        Contradiction: two of its parts exclude each other.
    """
    whole = Stream(stream)
    notes: list[str] = []
    members, start, size, end = _directory_and_end(whole)
    parts = [Part(start, start + size, "the directory"), end]
    at = start
    for _ in range(members):
        at, part = _member(whole, at, start + size, notes)
        parts.append(part)
    if at != start + size:
        raise Contradiction(f"its directory ends at byte {at}, announced is {start + size}")
    notes += _uncovered(sorted(parts, key=lambda part: (part.start, part.stop)), whole.size)
    return notes


def _directory_and_end(whole: Stream) -> tuple[int, int, int, Part]:
    """How many members there are, where the directory is and how long, and the end."""
    tail_start = max(0, whole.size - _LONGEST_END)
    tail = whole.at(tail_start, whole.size - tail_start)
    found = tail.rfind(b"PK\x05\x06")
    if found < 0 or found + _END.size > len(tail):
        raise Contradiction("it has no record at its end")
    at = tail_start + found
    _, disk, start_disk, here, members, size, start, comment = _END.unpack_from(tail, found)
    end = Part(at, at + _END.size + comment, "the end")
    if end.stop > whole.size:
        raise Contradiction("the comment at its end is longer than what is left")
    locator = whole.at(at - _LOCATOR.size, _LOCATOR.size) if at >= _LOCATOR.size else b""
    if locator[:4] == b"PK\x06\x07":
        _, disk_64, at_64, _ = _LOCATOR.unpack(locator)
        mark, *_, disk, start_disk, here, members, size, start = _END_64.unpack(
            whole.at(at_64, _END_64.size)
        )
        if mark != b"PK\x06\x06" or disk_64:
            raise Contradiction("its long end does not lie where the locator says")
        end.start = at_64
    if disk or start_disk or here != members:
        raise Contradiction("its end speaks of other disks or of members elsewhere")
    if start + size > end.start:
        raise Contradiction(f"its directory reaches from byte {start} into its end at {end.start}")
    return members, start, size, end


def _member(whole: Stream, at: int, stop: int, notes: list[str]) -> tuple[int, Part]:
    """Where the next entry of the directory is, and what the member of this one takes."""
    signature, _, facts, crc, packed, size, *lengths, disk, _, _, start = _CENTRAL.unpack(
        whole.at(at, _CENTRAL.size)
    )
    behind = at + _CENTRAL.size
    name, extra, _ = _pieces(whole, behind, lengths)
    if signature != b"PK\x01\x02" or behind + sum(lengths) > stop:
        raise Contradiction(f"its directory is broken at byte {at}")
    size, packed, start = _long((size, packed, start), extra)
    called = f"member '{name.decode('utf-8', 'backslashreplace')}'"
    if disk:
        raise Contradiction(f"its {called} is said to lie on another disk")
    local, local_facts, *sums, name_length, extra_length = _LOCAL.unpack(
        whole.at(start, _LOCAL.size)
    )
    local_name, local_extra = _pieces(whole, start + _LOCAL.size, [name_length, extra_length])
    # version 2 · flags 2 · method 2 · time 2 · date 2
    if local != b"PK\x03\x04" or local_name != name or local_facts[2:6] != facts[2:6]:
        raise Contradiction(f"its {called} is another one where the directory says that it lies")
    if local_facts != facts:
        notes.append(f"the two headers of {called} differ in their time or version")
    data_stop = start + _LOCAL.size + name_length + extra_length + packed
    if facts[2] & _DESCRIPTOR_FLAG:
        data_stop += _descriptor(whole, data_stop, (crc, packed, size), called)
        silent = {0, _BIG}
        agree = all(
            one in {said, *silent} for one, said in zip(sums, (crc, packed, size), strict=True)
        )
    else:
        agree = [sums[0], *_long((sums[2], sums[1]), local_extra)] == [crc, size, packed]
    if not agree:
        raise Contradiction(f"the two headers of {called} differ in checksum or size")
    return behind + sum(lengths), Part(start, data_stop, called)


def _pieces(whole: Stream, at: int, lengths: list[int]) -> Iterator[bytes]:
    for length in lengths:
        yield whole.at(at, length)
        at += length


def _long(values: tuple[int, ...], extra: bytes) -> tuple[int, ...]:
    """Values of which those that 4 bytes do not hold stand in the extra field, in this order."""
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<2H", extra, at)
        if kind == _ZIP64:
            numbers = list(
                struct.unpack_from(f"<{min(length, len(extra) - at - 4) // 8}Q", extra, at + 4)
            )
            return tuple(numbers.pop(0) if one == _BIG and numbers else one for one in values)
        at += 4 + length
    return values


def _descriptor(whole: Stream, at: int, sums: tuple[int, int, int], called: str) -> int:
    """How long the record behind a member's data is, which repeats its checksum and sizes."""
    found = whole.at(at, max(0, min(24, whole.size - at)))
    for mark in (b"PK\x07\x08", b""):
        for form in ("<I2I", "<I2Q"):
            try:
                wanted = mark + struct.pack(form, *sums)
            except struct.error:
                continue
            if found.startswith(wanted):
                return len(wanted)
    raise Contradiction(f"what stands behind {called} differs from the directory")


def _uncovered(parts: list[Part], size: int) -> Iterator[str]:
    """Stretches that belong to nothing; Contradiction for one that belongs to two parts."""
    at, before = 0, "its beginning"
    for part in parts:
        if part.start < at:
            raise Contradiction(f"{part.what} and {before} share bytes from byte {part.start} on")
        if part.start > at:
            yield f"{part.start - at} bytes between {before} and {part.what} belong to nothing"
        at, before = part.stop, part.what
    if at < size:
        yield f"{size - at} bytes behind {before} belong to nothing"
