"""Whether the mean over the units has been taken out of numbers that were then rounded."""

from __future__ import annotations

import numpy as np

from lnfold.network.operations.float_types import is_float, limits_of
from lnfold.network.records.layers import Array, Dense


def offset(array: Array) -> float:
    """The largest |mean over the units| of a row of […, units], in ulps of its largest number.

    Rounding every number of a centred row leaves a mean of half an ulp at most. For float64
    the ulp is taken 64 times as large: folding itself rounds there.
    """
    rows = array.astype(np.float64)
    size = np.abs(rows).max(axis=-1, initial=0.0)
    # whole numbers are stored as they are
    eps = limits_of(array.dtype)[0] if is_float(array.dtype) else 0.0
    ulp = max(eps, 2.0**-46) * size
    mean = np.abs(rows.mean(axis=-1))
    with np.errstate(invalid="ignore", divide="ignore"):
        return float(np.where(mean > 0, mean / ulp, 0.0).max(initial=0.0))


def centred(dense: Dense) -> bool:
    """Whether kernel and bias have no mean over the units but what rounding left."""
    rows = [dense.kernel.array, *([] if dense.bias is None else [dense.bias.array.ravel()])]
    return all(is_float(one.dtype) and offset(one) <= 1 for one in rows)
