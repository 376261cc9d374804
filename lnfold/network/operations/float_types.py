"""What the float types can hold, bfloat16 included, which NumPy itself does not know."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

FLOATS: Final = ("float16", "bfloat16", "float32", "float64")


def is_float(dtype: np.dtype) -> bool:
    """Whether a dtype is one of FLOATS."""
    return dtype.name in FLOATS


def float_type(name: str) -> np.dtype:
    """The dtype of one of FLOATS."""
    if name == "bfloat16":
        import ml_dtypes

        found: np.dtype = np.dtype(ml_dtypes.bfloat16)
        return found
    return np.dtype(name)


def limits_of(dtype: np.dtype) -> tuple[float, float, float]:
    """eps, the smallest normal number and the largest number of one of FLOATS."""
    found: Any = np
    if dtype.name == "bfloat16":
        import ml_dtypes

        found = ml_dtypes
    found = found.finfo(dtype)
    return float(found.eps), float(found.tiny), float(found.max)
