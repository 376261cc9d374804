"""The exact error of a constant standard deviation in the place of s(x).

    (gamma·y_c/σ̄ + beta) − (gamma·y_c/s(x) + beta) = gamma_i·z_i·(s(x)/σ̄ − 1)     any σ̄ > 0

so with sup|z_i| from ``unit_ranges`` no input of the box whose deviation lies between two
numbers can be off by more than |gamma_i|·sup|z_i|·max|s/σ̄ − 1|.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lnfold.relations.ranges.homogeneous import Lifted

Array = np.ndarray


@dataclass(frozen=True, slots=True, eq=False)
class FrozenError:
    """What a frozen deviation does to one layer, over the inputs used.

    Attributes:
        deviation: σ̄, the constant that fits gamma·z best (least squares).
        largest: the largest |error| of any unit on any row.
        bound: max over units of |gamma_i|·sup|z_i|, times the largest |s/σ̄ − 1| of the rows:
            what no input with such a deviation exceeds.
        formula_off: the largest difference between the error measured and the formula.
    """

    deviation: float
    largest: float
    bound: float
    formula_off: float


def frozen_error(lifted: Lifted, x: Array, largest_z: Array) -> FrozenError | None:
    """Freezes the deviation of a pair at its best constant.

    Args:
        x: inputs of the dense layer [rows, inputs].
        largest_z: sup|z_i| [units].

    Returns:
        None where gamma·y_c is 0 on every row, so that every constant fits.
    """
    y, s = lifted.centred(x), lifted.deviations(x)
    gained = y * lifted.gamma
    square = np.square(gained).sum(axis=1)
    weight = float((square[s > 0] / s[s > 0]).sum())
    if not weight > 0:
        return None
    constant = float(square.sum()) / weight
    z = lifted.normalised(x)
    measured = gained / constant - lifted.gamma * z
    ratio = s / constant - 1
    formula = lifted.gamma * z * ratio[:, None]
    most = float((np.abs(lifted.gamma) * largest_z).max(initial=0.0))
    return FrozenError(
        constant,
        float(np.abs(measured).max(initial=0.0)),
        most * float(np.abs(ratio).max(initial=0.0)),
        float(np.abs(measured - formula).max(initial=0.0)),
    )
