"""The header of an array in NumPy's own format, read without NumPy.

    93 "NUMPY" · version, two bytes · length of the header, 2 bytes (version 1) or 4 (2 and 3) ·
    the text of {'descr': '<f4', 'fortran_order': False, 'shape': (64, 64)}, padded

The text is evaluated as a literal only. What it may describe that needs unpickling is refused.
"""

from __future__ import annotations

import ast
from math import prod

MAGIC = b"\x93NUMPY"
ENDING = ".npy"
# NumPy's own limit: longer texts can exhaust the parser.
LARGEST_HEADER = 10_000
# NumPy's own limits too: 64 axes from version 2 on, and what a C int counts.
_MOST_AXES = 32
_LARGEST_ITEM = (1 << 31) - 1

_KINDS = {
    "b1": "bool",
    "i1": "int8",
    "i2": "int16",
    "i4": "int32",
    "i8": "int64",
    "u1": "uint8",
    "u2": "uint16",
    "u4": "uint32",
    "u8": "uint64",
    "f2": "float16",
    "f4": "float32",
    "f8": "float64",
    "c8": "complex64",
    "c16": "complex128",
    # What NumPy makes of bfloat16, which it does not know: two bytes of no kind.
    "V2": "bfloat16",
}


def member_of(key: str) -> str:
    """What the member of an ``.npz`` that holds an array is called."""
    return key + ENDING


class NpyHeader:
    """What the header says.

    Attributes:
        dtype: TensorFlow's name; ``string`` for text and bytes, None for what is no array.
        item_bytes: bytes of one element.
        descr: NumPy's own word for the type.
        data_start: bytes before the first element.
    """

    __slots__ = (
        "big_endian",
        "data_start",
        "descr",
        "dtype",
        "fortran_order",
        "item_bytes",
        "shape",
    )

    def __init__(self, start: bytes) -> None:
        """Parse the first bytes of a file, at least ``LARGEST_HEADER + 12`` or all of them.

        Raises:
            ValueError: it is no such file, or a damaged one.
        """
        if start[:6] != MAGIC or len(start) < 12 or not 1 <= start[6] <= 3:
            raise ValueError("it does not begin as a NumPy array does")
        width = 2 if start[6] == 1 else 4
        length = int.from_bytes(start[8 : 8 + width], "little")
        self.data_start = 8 + width + length
        if length > LARGEST_HEADER or self.data_start > len(start):
            raise ValueError(f"its header announces {length} bytes")
        text = start[8 + width : self.data_start].decode("utf-8" if start[6] == 3 else "latin-1")
        try:
            header = ast.literal_eval(text.strip())
        except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError) as error:
            raise ValueError("its header is no literal") from error
        if not isinstance(header, dict) or header.keys() != {"descr", "fortran_order", "shape"}:
            raise ValueError("its header lacks the type, the order or the shape")
        shape = header["shape"]
        if not isinstance(shape, tuple) or not all(
            type(length) is int and 0 <= length < 1 << 63 for length in shape
        ):
            raise ValueError(f"its shape is {shape!r}")
        if len(shape) > _MOST_AXES:
            raise ValueError(f"its shape has {len(shape)} axes, and an array at most {_MOST_AXES}")
        self.shape: tuple[int, ...] = shape
        self.fortran_order = bool(header["fortran_order"])
        self.descr = str(header["descr"])
        self.big_endian = self.descr[:1] == ">"
        self._read_type()

    @property
    def count(self) -> int:
        """How many elements there are."""
        return prod(self.shape)

    @property
    def data_bytes(self) -> int:
        """How many bytes they take."""
        return self.count * self.item_bytes

    def _read_type(self) -> None:
        kind, digits = self.descr[1:2], self.descr[2:]
        self.dtype: str | None = None
        self.item_bytes = 0
        known = self.descr[:1] in tuple("<>|=") and kind != "O"
        if not known or not digits.isascii() or not digits.isdigit() or len(digits) > 9:
            return
        self.item_bytes = int(digits) * (4 if kind == "U" else 1)
        if kind not in "SU":
            self.dtype = _KINDS.get(self.descr[1:])
        elif self.item_bytes <= _LARGEST_ITEM:
            self.dtype = "string"
