"""What kind of file something is, from its bytes and never from its name."""

from __future__ import annotations

from lnfold.checkpoint.hdf5_file import SIGNATURE, SIGNATURE_OFFSETS
from lnfold.checkpoint.positioned_file import PositionedFile
from lnfold.checkpoint.sorted_table import FOOTER_BYTES, ends_like_a_table

TABLE, HDF5, ZIP, PICKLE, TEXT, UNKNOWN = "table", "HDF5", "zip", "pickle", "text", "unknown"

# Beginnings of files that people mistake for checkpoints: (offset, bytes, what it is).
_OTHERS = (
    (0, b"\x93NUMPY", "a single NumPy array (.npy)"),
    (4, b"TFL3", "a TensorFlow Lite model"),
    (0, b"GGUF", "a GGUF model"),
    (0, b"\x1f\x8b", "compressed with gzip; unpack it first"),
    (0, b"BZh", "compressed with bzip2; unpack it first"),
    (0, b"\xfd7zXZ\x00", "compressed with xz; unpack it first"),
    (0, b"\x28\xb5\x2f\xfd", "compressed with zstd; unpack it first"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive; unpack it first"),
    (257, b"ustar", "a tar archive; unpack it first"),
    (8, b'{"', "a safetensors file"),
)


def recognise(file: PositionedFile) -> str:
    """One of the constants of this module."""
    if ends_like_a_table(file.read(max(0, file.size - FOOTER_BYTES), min(file.size, FOOTER_BYTES))):
        return TABLE
    start = file.read(0, min(file.size, SIGNATURE_OFFSETS[-1] + len(SIGNATURE)))
    if any(start[at : at + len(SIGNATURE)] == SIGNATURE for at in SIGNATURE_OFFSETS):
        return HDF5
    if start[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
        return ZIP
    if is_pickle(start, file.read(max(0, file.size - 1), min(1, file.size))):
        return PICKLE
    if start and _is_text(start[:512]):
        return TEXT
    return UNKNOWN


def is_pickle(start: bytes, last: bytes) -> bool:
    """Whether bytes begin (and, where older protocols leave doubt, end) as a pickle does."""
    if len(start) >= 2 and start[0] == 0x80 and 2 <= start[1] <= 5:
        return True
    # Protocols 0 and 1 begin with the opcode of a mark, a global or an empty container.
    return (last == b"." and start[:1] in (b"(", b"c", b"]", b"}") and b"\n" in start[:200]) or (
        last == b"." and start[:2] in (b"]q", b"}q", b"(l", b"(d", b"cc")
    )


def description(file: PositionedFile) -> str:
    """What a file that is no checkpoint seems to be, in words."""
    start = file.read(0, min(file.size, 512))
    if not start:
        return "an empty file"
    if not start.strip(b"\0"):
        return "a file of zeros"
    for offset, magic, name in _OTHERS:
        if start[offset : offset + len(magic)] == magic:
            return name
    if _is_text(start):
        return "a text file"
    return "a file of another kind"


def _is_text(start: bytes) -> bool:
    if any(byte < 0x20 and byte not in b"\t\n\r\f\x1b" for byte in start):
        return False
    try:
        start.decode("utf-8")
    except UnicodeDecodeError as error:
        # A character may be cut where the sample ends.
        return error.start >= len(start) - 3
    return True
