"""One vector after all: on a sphere, a dense layer and its norm are a matrix and one bias.

With x̃ = (x, 1), T and R of ``lifted`` (‖R·x̃‖ = s(x)),

    q(x) = R·x̃ / ‖R·x̃‖                       a point of the unit sphere in inputs + 1 dimensions
    gamma·z + beta = q(x)·M + beta            M = R⁻ᵀ·T·diag(gamma)

bias, gamma and epsilon are gone: they live in R and M. What remains is beta, the one bias
vector. R is the triangle of an orthogonal factorisation; where that is singular, R is made of
the singular vectors that are left, with as many rows as the rank. Exact for every input with
s(x) > 0; costs (d+1)(d+2)/2 multiplications for q in place of n squares.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lnfold.relations.ranges.homogeneous import Lifted

Array = np.ndarray

_SINGULAR = 1e-13


@dataclass(frozen=True, slots=True, eq=False)
class SphereForm:
    """The exact one-bias form.

    Attributes:
        root: R [rank, inputs + 1], upper triangular where it is square and not singular.
        matrix: M [rank, units].
        beta: the one bias vector [units].
        condition: of R: largest by smallest singular value.
    """

    root: Array
    matrix: Array
    beta: Array
    condition: float

    def points(self, x: Array) -> Array:
        """q [rows, rank] for inputs x [rows, inputs]; 0 where s(x) is 0."""
        lifted = x @ self.root[:, :-1].T + self.root[:, -1]
        length = np.linalg.norm(lifted, axis=1, keepdims=True)
        points: Array = np.divide(lifted, length, out=np.zeros_like(lifted), where=length > 0)
        return points

    def __call__(self, x: Array) -> Array:
        """gamma·z + beta [rows, units] for inputs x [rows, inputs]."""
        delivered: Array = self.points(x) @ self.matrix + self.beta
        return delivered


def sphere_form(lifted: Lifted) -> SphereForm:
    """The form of one pair; O(inputs²·units).

    Raises:
        ValueError: a parameter is NaN or infinite.
    """
    if not lifted.finite:
        raise ValueError("a parameter is NaN or infinite")
    left, singular, right = np.linalg.svd(lifted.root(), full_matrices=False)
    rank = int((singular > singular[0] * _SINGULAR * max(lifted.rows.shape)).sum())
    condition = float(singular[0] / singular[rank - 1]) if rank else 1.0
    if rank == lifted.inputs + 1:
        basis, root = np.linalg.qr(lifted.root())
    else:
        basis, root = left[:, :rank], singular[:rank, None] * right[:rank]
    # the basis' rows are R⁻ᵀ·T_i/√n: no inverse is ever formed
    matrix = np.sqrt(lifted.units) * basis[:-1].T * lifted.gamma
    return SphereForm(root, matrix, lifted.beta, condition)
