"""The elements of an array that NumPy saved, from the bytes behind its header."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lnfold.checkpoint.bytes.dtypes import STRING, as_numbers, numpy_dtype
from lnfold.checkpoint.numpy_files.npy_header import NpyHeader
from lnfold.errors import UnsupportedError

if TYPE_CHECKING:
    import numpy as np


def stored_dtype(header: NpyHeader, file: str, name: str) -> np.dtype[np.generic]:
    """NumPy's type of the stored elements.

    Raises:
        UnsupportedError: they are neither numbers nor text.
    """
    import numpy as np

    if header.dtype is None:
        kind = "pickled objects" if header.descr[1:2] == "O" else f"values of {header.descr}"
        raise UnsupportedError(
            f"it holds {kind}, which are not an array of numbers or text",
            file=file,
            variable=name,
            remedy="In the program that wrote it, save arrays of numbers with numpy.savez.",
        )
    return np.dtype(header.descr) if header.dtype == STRING else numpy_dtype(header.dtype)


def elements(raw: np.ndarray, header: NpyHeader, dtype: np.dtype[np.generic]) -> np.ndarray:
    """Stored bytes [n · item_bytes] as [n] elements of this machine; texts as bytes in UTF-8."""
    import numpy as np

    if header.dtype == STRING:
        text = raw.view(dtype) if header.item_bytes else np.empty(header.count, "S1")
        encoded = np.char.encode(text, "utf-8") if dtype.kind == "U" else text
        flat = np.empty(encoded.size, object)
        flat[:] = encoded.tolist()
        return flat
    assert header.dtype is not None
    return as_numbers(raw, header.dtype, header.big_endian)


def shaped(flat: np.ndarray, header: NpyHeader) -> np.ndarray:
    """All the elements in the array's shape and in C order."""
    import numpy as np

    if header.fortran_order:
        flat = np.ascontiguousarray(flat.reshape(header.shape[::-1]).T)
    return flat.reshape(header.shape)
