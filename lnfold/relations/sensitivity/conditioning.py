"""Rows on which float32 programs must differ: a mean much larger than the deviation.

LayerNorm subtracts mean(y) from y. What float32 loses there, |mean(y)|·2⁻²⁴ and |y|·2⁻²⁴, is
then divided by s(x), so a row's normalised units are known to about

    (|mean(y)| + max|y|)·2⁻²⁴ / s(x)

and no better, in whatever order a program adds. A constant row has s(x) = √epsilon: with
epsilon 1e-12 the loss can be as large as the value.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lnfold.network.records.layers import LayerNorm, Norm
from lnfold.relations.question.std import deviations

Array = np.ndarray

HALF_ULP = 2.0**-24
ILL = 1e-3  # a normalised unit that is known to fewer than three digits


@dataclass(frozen=True, slots=True)
class Conditioning:
    """How well float32 knows the normalised units.

    Attributes:
        worst, median: over the rows, of (|mean| + max|y|)·2⁻²⁴/s; in units of z.
        ill: the share of rows on which it passes ``ILL``.
    """

    worst: float
    median: float
    ill: float


def conditioning(norm: Norm, read: Array) -> Conditioning | None:
    """The conditioning on rows [rows, units] that a norm reads; None without finite rows."""
    y = np.asarray(read, np.float64)
    s = deviations(norm, y)
    mean = np.abs(y.mean(axis=1)) if isinstance(norm, LayerNorm) else 0.0
    lost = (mean + np.abs(y).max(axis=1, initial=0.0)) * HALF_ULP
    with np.errstate(all="ignore"):
        rows = np.where(lost == 0, 0.0, lost / s)
    rows = rows[~np.isnan(rows)]
    if not rows.size:
        return None
    return Conditioning(float(rows.max()), float(np.median(rows)), float((rows > ILL).mean()))
