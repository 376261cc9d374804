"""What kind of file something is, from its bytes and never from its name."""

from __future__ import annotations

from lnfold.checkpoint.bundle.sorted_table import FOOTER_BYTES, ends_like_a_table
from lnfold.checkpoint.bytes.positioned_file import PositionedFile
from lnfold.checkpoint.finding.nearby import ACCEPTED
from lnfold.checkpoint.hdf5.headers import SIGNATURE, SIGNATURE_OFFSETS

TABLE, HDF5, ZIP, PICKLE, TEXT, UNKNOWN = "table", "HDF5", "zip", "pickle", "text", "unknown"

# So many bytes tell a text.
SAMPLE_BYTES = 512

# Beginnings of files that people mistake for checkpoints: (offset, bytes, what it is, what to do).
_UNPACK = "Unpack it first."
_CONVERT = (
    "Only what TensorFlow, Keras and NumPy write is read: take the checkpoint it was made from."
)
_OTHERS = (
    (0, b"\x93NUMPY", "a single NumPy array (.npy)", "Save arrays by name with numpy.savez."),
    (4, b"TFL3", "a TensorFlow Lite model", _CONVERT),
    (0, b"GGUF", "a GGUF model", _CONVERT),
    (0, b"\x1f\x8b", "compressed with gzip", _UNPACK),
    (0, b"BZh", "compressed with bzip2", _UNPACK),
    (0, b"\xfd7zXZ\x00", "compressed with xz", _UNPACK),
    (0, b"\x28\xb5\x2f\xfd", "compressed with zstd", _UNPACK),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive", _UNPACK),
    (257, b"ustar", "a tar archive", _UNPACK),
    (8, b'{"', "a safetensors file", _CONVERT),
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
    if start and _is_text(start[:SAMPLE_BYTES]):
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


def description(file: PositionedFile) -> tuple[str, str]:
    """What a file that is no checkpoint seems to be, and what to do about it, in words."""
    start = file.read(0, min(file.size, SAMPLE_BYTES))
    if not start.strip(b"\0"):
        what = "a file of zeros" if start else "an empty file"
        return what, "The save or the copy was cut short: copy it again from where it was written."
    for offset, magic, name, remedy in _OTHERS:
        if start[offset : offset + len(magic)] == magic:
            return name, remedy
    return "a text file" if _is_text(start) else "a file of another kind", ACCEPTED


def _is_text(start: bytes) -> bool:
    if any(byte < 0x20 and byte not in b"\t\n\r\f\x1b" for byte in start):
        return False
    try:
        start.decode("utf-8")
    except UnicodeDecodeError as error:
        # A character may be cut where the sample ends.
        return error.start >= len(start) - 3
    return True
