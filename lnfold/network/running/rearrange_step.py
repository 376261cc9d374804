"""What a value becomes whose last axes are laid out otherwise."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from lnfold.errors import UsageError
from lnfold.network.records.layer import Array
from lnfold.network.records.layouts import Rearrange


def rearrange_step(
    layer: Rearrange, dtype: type, shuffle: np.random.Generator | None
) -> Callable[..., Array]:
    """From x [..., *taken] to [..., *given]; rows that follow each other are taken together."""
    many, size = len(layer.taken), math.prod(layer.taken)

    def step(x: Array) -> Array:
        if x.ndim > many and x.shape[-many:] == layer.taken:
            left = x.shape[:-many]
        elif x.size % size:
            raise UsageError(
                f"{x.size // x.shape[-1]} rows are no whole number of observations: "
                f"'{layer.name}' takes {layer.taken} at a time"
            )
        else:  # rows that follow each other
            left = (x.size // size,)
        whole = x.reshape(*left, *layer.taken)
        if layer.order is not None:
            kept = range(len(left))
            whole = whole.transpose(*kept, *(len(left) + axis for axis in layer.order))
        return np.ascontiguousarray(whole).reshape(*left, *layer.given)

    return step
