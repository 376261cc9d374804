"""The standard deviation s(x) that a normalisation divides by, over the inputs used."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lnfold.network.records.layers import LayerNorm, Norm
from lnfold.relations.question.distribution import histogram

Array = np.ndarray

BINS = 40


@dataclass(frozen=True, slots=True)
class Deviation:
    """The spread of s(x). ``variation`` is its standard deviation over its mean: 0 would mean
    that one vector suffices. ``histogram`` counts rows in equal bins from least to greatest."""

    minimum: float
    mean: float
    maximum: float
    variation: float
    histogram: tuple[int, ...] = ()


def deviations(norm: Norm, read: Array) -> Array:
    """s(x) of every row of ``read`` [rows, units], what the norm reads: [rows], float64.

    s = sqrt(mean(y_c²) + epsilon); an unknown epsilon counts as 0.
    """
    y = np.asarray(read, np.float64)
    with np.errstate(all="ignore"):  # rows that are not finite have no finite s(x)
        if isinstance(norm, LayerNorm):
            y = y - y.mean(axis=1, keepdims=True)
        s: Array = np.sqrt(np.square(y).mean(axis=1) + (norm.epsilon.value or 0.0))
    return s


def spread(s: Array) -> Deviation | None:
    """The spread of s(x), None where no row gave a finite one."""
    finite = s[np.isfinite(s)]
    if not finite.size:
        return None
    mean = float(finite.mean())
    variation = float(finite.std()) / mean if mean else 0.0
    low, high = float(finite.min()), float(finite.max())
    return Deviation(low, mean, high, variation, histogram(finite, BINS))
