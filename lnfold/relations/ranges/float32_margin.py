"""How far float32 may move a norm's z from what exact arithmetic delivers.

With u = 2⁻²⁴, d inputs, n units and Y = Σ|x_j|·max_i|W_ji| + max_i|b_i|, a float32 program that
sums in any order has y to (d + 2)·u·Y, the mean to n·u·Y more, and s to what both and its own
n + 8 roundings do, so that

    |z_float32 − z_i| ≤ (1 + |z_i|)·2·(d + n + 8)·u·Y/s + |z_i|·(n + 8)·u

as long as that is small (Higham, Accuracy and Stability of Numerical Algorithms, section 3.1).
Y/s over a box is ``unit_ranges``'s ``share``. Whatever y was, |z_float32| ≤ √n·(1 + (n + 8)·u).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from lnfold.network.records.layers import BatchNorm, Dense, Network, Norm
from lnfold.relations.ranges.homogeneous import vector
from lnfold.relations.ranges.reach import Reach

Array = np.ndarray

UNIT: Final = 2.0**-24
_SMALL: Final = 0.1  # beyond it the first order says nothing


def float32_margin(network: Network, norm: Norm, reaches: Mapping[str, Reach], z: Array) -> Array:
    """What float32 may move each z by [units]; infinite where that is not known.

    Args:
        reaches: the boxes of all values.
        z: the largest |z| of each unit.
    """
    read = reaches[norm.input].box
    before = network.producer(norm.input)
    far = _far(read.low, read.high)
    inputs = 0
    if isinstance(before, Dense):
        box, inputs = reaches[before.input].box, before.kernel.shape[0]
        bias = np.abs(vector(before.bias, before.units, 0.0))
        kernel = np.abs(before.kernel.array.astype(np.float64))
        with np.errstate(invalid="ignore"):
            products = kernel * _far(box.low, box.high)[:, None]
        far = np.nan_to_num(products, nan=0.0, posinf=np.inf).sum(axis=0) + bias
    units = read.width
    if isinstance(norm, BatchNorm):
        deviation = np.sqrt(vector(norm.moving_variance, units, 1.0) + (norm.epsilon.value or 0.0))
        sizes = far + np.abs(vector(norm.moving_mean, units, 0.0))
        with np.errstate(all="ignore"):
            moved = (inputs + 8) * UNIT * sizes / deviation + 8 * UNIT * z
        return np.asarray(np.nan_to_num(moved, nan=np.inf, posinf=np.inf))
    known = reaches[norm.name].normalised
    with np.errstate(divide="ignore"):
        share = known[0].share if known else far.max() / np.sqrt(norm.epsilon.value or 0.0)
    first = 2 * (inputs + units + 8) * UNIT * share
    if not first < _SMALL:
        return np.full(units, np.inf)
    return np.asarray((1 + z) * first + z * (units + 8) * UNIT)


def _far(low: Array, high: Array) -> Array:
    return np.asarray(np.maximum(np.abs(low), np.abs(high)))
