"""The arithmetic of a program: the type it computes in, and how its roundings add up.

u is the unit roundoff, half the distance from 1 to the next number. A sum of n products is off
by at most n·u·Σ|products| in any order of summation (Jeannerod and Rump, Improved error bounds
for inner products in floating-point arithmetic, SIAM J. Matrix Anal. Appl. 34, 2013); roundings
that are independent leave √n·u (Higham and Mary, A new approach to probabilistic rounding error
analysis, SIAM J. Sci. Comput. 41, 2019).

In half precision NumPy, TensorFlow and the matrix units of processors add in float32 and round the
sum once. That is what is to be expected; at the worst, every partial sum is rounded to half.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from lnfold.network.operations.float_types import float_type, limits_of
from lnfold.network.records.layers import Array, Parameter

SINGLE: Final = 2.0**-24  # the unit roundoff of float32
MULTIPLE: Final = 3  # of the root of the sum of squares: no healthy program was seen beyond it


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """Roundings in one type, taken at their worst or as independent.

    Attributes:
        dtype: what values and parameters are rounded to.
        roundoff: u.
        tiny: the smallest normal number; what is smaller may be flushed to zero.
        largest: beyond it lies infinity.
        independent: roundings add like the root of the sum of their squares; else they are all
            at their largest, with the signs that do most harm.
    """

    dtype: np.dtype
    roundoff: float
    tiny: float
    largest: float
    independent: bool

    def rounding(self, summed: Array | int, others: int = 0) -> Array:
        """The relative error of a sum of ``summed`` products and of ``others`` roundings more."""
        u = self.roundoff
        if self.independent:
            if u > SINGLE:
                squares = summed * SINGLE**2 + (others + np.sign(summed)) * u**2
                return np.asarray(np.sqrt(squares))
            return np.asarray(np.sqrt(summed + others) * u)
        return np.asarray((1 + summed * u) * (1 + u) ** others - 1)

    def over_units(self, errors: Array) -> Array:
        """What errors of the units of a row make together: [rows, units] to [rows, 1]."""
        if self.independent:
            return np.asarray(np.sqrt(np.square(errors).sum(axis=1, keepdims=True)))
        return np.asarray(errors.sum(axis=1, keepdims=True))

    def through(self, errors: Array, sizes: Array) -> Array:
        """What errors make after a product with a matrix of these sizes."""
        if self.independent:
            return np.asarray(np.sqrt(np.square(errors) @ np.square(sizes)))
        return np.asarray(errors @ sizes)

    def together(self, first: Array, *rest: Array) -> Array:
        """What errors of several origins make in one place."""
        if not rest:
            return first
        if self.independent:
            return np.asarray(np.sqrt(sum((np.square(one) for one in rest), np.square(first))))
        return np.asarray(sum(rest, first))

    def box(self, errors: Array) -> Array:
        """How far values may be off where a layer is looked at around them."""
        return MULTIPLE * errors if self.independent else errors

    def rounded(self, exact: Array) -> Array:
        """How far the numbers are off that are nearest to exact ones: 0 where one is exact.

        Numbers below the smallest normal one may be taken for zero.
        """
        with np.errstate(all="ignore"):
            same = exact.astype(self.dtype).astype(np.float64) == exact
        size = np.abs(exact)
        off: Array = np.where(same, 0.0, self.roundoff * size)
        off = np.where((size < self.tiny) & (size > 0), size, off)
        return np.asarray(np.where(size > self.largest, np.inf, off))

    def vector(self, parameter: Parameter | None, absent: float) -> tuple[Array, Array]:
        """A parameter that is broadcast over rows, in float64, and how far it is rounded off."""
        if parameter is None:
            return np.full(1, absent), np.zeros(1)
        array = parameter.array.astype(np.float64).reshape(-1)
        return array, self.rounded(array)


def worst_and_independent(precision: str) -> tuple[Arithmetic, Arithmetic]:
    """The two readings of a type: what cannot be passed, and what is to be expected."""
    dtype = float_type(precision)
    eps, tiny, largest = limits_of(dtype)
    return (
        Arithmetic(dtype, eps / 2, tiny, largest, independent=False),
        Arithmetic(dtype, eps / 2, tiny, largest, independent=True),
    )
