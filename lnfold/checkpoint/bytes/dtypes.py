"""TensorFlow's numbers for element types, their names, and how many bytes an element takes.

On disk the types of 2 and 4 bits take one byte an element, and the quantised types are the
plain integers of their width.
"""

from __future__ import annotations

import sys

from lnfold.errors import UnsupportedError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import numpy as np

STRING, RESOURCE, VARIANT = "string", "resource", "variant"

# DataType of TensorFlow's types.proto. 100 and above are references, never on disk.
NAMES: dict[int, str] = {
    1: "float32",
    2: "float64",
    3: "int32",
    4: "uint8",
    5: "int16",
    6: "int8",
    7: STRING,
    8: "complex64",
    9: "int64",
    10: "bool",
    11: "qint8",
    12: "quint8",
    13: "qint32",
    14: "bfloat16",
    15: "qint16",
    16: "quint16",
    17: "uint16",
    18: "complex128",
    19: "float16",
    20: RESOURCE,
    21: VARIANT,
    22: "uint32",
    23: "uint64",
    24: "float8_e5m2",
    25: "float8_e4m3fn",
    26: "float8_e4m3fnuz",
    27: "float8_e4m3b11fnuz",
    28: "float8_e5m2fnuz",
    29: "int4",
    30: "uint4",
    31: "int2",
    32: "uint2",
    33: "float4_e2m1fn",
}

# Numbers below this one may get a meaning some day.
LARGEST_NUMBER = 100

NUMBERS = {name: number for number, name in NAMES.items()}

# Types without an entry have no fixed size.
ITEM_BYTES: dict[str, int] = {
    **dict.fromkeys(("int8", "uint8", "qint8", "quint8", "bool"), 1),
    **dict.fromkeys(("int4", "uint4", "int2", "uint2", "float4_e2m1fn"), 1),
    **dict.fromkeys(("float8_e5m2", "float8_e4m3fn", "float8_e4m3fnuz"), 1),
    **dict.fromkeys(("float8_e4m3b11fnuz", "float8_e5m2fnuz"), 1),
    **dict.fromkeys(("int16", "uint16", "qint16", "quint16", "float16", "bfloat16"), 2),
    **dict.fromkeys(("int32", "uint32", "qint32", "float32"), 4),
    **dict.fromkeys(("int64", "uint64", "float64", "complex64"), 8),
    "complex128": 16,
}

_PLAIN = {
    "qint8": "int8",
    "quint8": "uint8",
    "qint16": "int16",
    "quint16": "uint16",
    "qint32": "int32",
}

BEYOND_NUMPY = frozenset(
    name for name in ITEM_BYTES if name.startswith(("bfloat", "float8", "float4"))
) | {"int4", "uint4", "int2", "uint2"}


def component_bytes(dtype: str) -> int:
    """How many bytes change places together when the byte order does: a complex has two parts."""
    return ITEM_BYTES[dtype] // (2 if dtype.startswith("complex") else 1)


def numpy_dtype(dtype: str) -> np.dtype[np.generic]:
    """NumPy's type, in native byte order, for a type of fixed size.

    Raises:
        UnsupportedError: the type is younger than the installed ml_dtypes.
    """
    import numpy as np

    if dtype in BEYOND_NUMPY:
        import ml_dtypes

        if not hasattr(ml_dtypes, dtype):
            raise UnsupportedError(
                f"the installed ml_dtypes {ml_dtypes.__version__} does not know {dtype}",
                remedy="Install a newer ml_dtypes.",
            )
        beyond: np.dtype[np.generic] = np.dtype(getattr(ml_dtypes, dtype))
        return beyond
    return np.dtype(_PLAIN.get(dtype, dtype))


def as_numbers(stored: np.ndarray, dtype: str, big_endian: bool) -> np.ndarray:
    """Stored bytes as numbers of this machine's byte order; a copy only if that differs."""
    width = component_bytes(dtype)
    if width > 1 and big_endian == (sys.byteorder == "little"):
        stored = stored.view(f"u{width}").byteswap()
    return stored.view(numpy_dtype(dtype))


def aligned_bytes(size: int) -> np.ndarray:
    """``size`` bytes of memory, not initialised, that begin where a page does.

    Reading from the page cache into memory at another place of a page takes twice as long.
    """
    import numpy as np

    page = 4096
    memory = np.empty(size + page, np.uint8)
    address: int = memory.__array_interface__["data"][0]
    start = -address % page
    return memory[start : start + size]


def tensorflow_name(dtype: np.dtype[np.generic]) -> str | None:
    """TensorFlow's name for NumPy's type: ``string`` for text and bytes, None if it has none."""
    if dtype.kind in "SUO":
        return STRING
    return dtype.name if dtype.name in ITEM_BYTES else None
