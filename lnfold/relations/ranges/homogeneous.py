"""A dense layer and the norm that reads it, on inputs with a one appended.

With x̃ = (x, 1) and T the kernel over the bias, both minus what the norm subtracts,

    y_c = x̃·T        s(x)² = mean(y_c²) + epsilon = ‖R·x̃‖²        z = y_c/s(x)

where R is any square root of T·Tᵀ/n + epsilon·e·eᵀ, e the last unit vector. Everything that
lnfold proves about units starts from T and R. R comes from an orthogonal factorisation of
the matrix with the rows T/√n and √epsilon·e, never from the Gram matrix: that one squares the
condition, and in float32 gives negative variances near a zero of s.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lnfold.network.records.layers import BatchNorm, Dense, LayerNorm, Norm, Parameter

Array = np.ndarray


@dataclass(frozen=True, slots=True, eq=False)
class Lifted:
    """What a norm makes of an input x of the dense layer before it; float64.

    Attributes:
        rows: T [inputs + 1, units], kernel over bias, centred for LayerNorm.
        epsilon: as the program holds it; 0 where it is not known.
        gamma, beta: [units]; ones and zeros where there are none.
        rounding: [inputs + 1], how far a number of each row of T may be off; None for not at all.
        sizes: [inputs + 1], the largest number of each row of the dense layer itself, before the
            mean is taken out; None where that is T's.
    """

    rows: Array
    epsilon: float
    gamma: Array
    beta: Array
    rounding: Array | None = None
    sizes: Array | None = None

    @property
    def inputs(self) -> int:
        return int(self.rows.shape[0]) - 1

    @property
    def units(self) -> int:
        return int(self.rows.shape[1])

    @property
    def dimensions(self) -> int:
        """In how many dimensions y_c lies: n − 1 where the units sum to 0, n where they need not.

        |z_i| never passes the root of it.
        """
        # row by row: where the others cancel, the smallest row is all there is
        ulps = 4 * self.units * np.finfo(np.float64).eps * np.abs(self.rows).max(axis=1, initial=0)
        centred = bool((np.abs(self.rows.sum(axis=1)) <= ulps).all())
        return self.units - int(centred)

    @property
    def finite(self) -> bool:
        return bool(
            np.isfinite(self.rows).all()
            and np.isfinite(self.gamma).all()
            and np.isfinite(self.beta).all()
        )

    def centred(self, x: Array) -> Array:
        """y_c [rows, units] for inputs x [rows, inputs]."""
        centred: Array = x @ self.rows[:-1] + self.rows[-1]
        return centred

    def deviations(self, x: Array) -> Array:
        """s(x) [rows]."""
        s: Array = np.sqrt(np.square(self.centred(x)).mean(axis=1) + self.epsilon)
        return s

    def normalised(self, x: Array) -> Array:
        """z [rows, units]; 0 where a row's deviation is 0, which needs epsilon = 0."""
        y = self.centred(x)
        s = np.sqrt(np.square(y).mean(axis=1, keepdims=True) + self.epsilon)
        z: Array = np.divide(y, s, out=np.zeros_like(y), where=s > 0)
        return z

    def root(self) -> Array:
        """The matrix [units + 1, inputs + 1] whose product with x̃ has the length s(x)."""
        last = np.zeros((1, self.inputs + 1))
        last[0, -1] = np.sqrt(self.epsilon)
        return np.vstack([self.rows.T / np.sqrt(self.units), last])


def lift(dense: Dense, norm: Norm) -> Lifted:
    """The pair as T, epsilon, gamma and beta.

    Raises:
        ValueError: a BatchNorm, which computes no statistics of its own.
    """
    if isinstance(norm, BatchNorm):
        raise ValueError("BatchNorm divides by stored statistics")
    kernel = dense.kernel.array.astype(np.float64)
    bias = vector(dense.bias, dense.units, 0.0)
    rows = np.vstack([kernel, bias])
    sizes = np.abs(rows).max(axis=1, initial=0.0)
    rounding = np.zeros(len(rows))
    if isinstance(norm, LayerNorm):
        # the second mean is the first one's rounding, which is not small beside equal columns
        for _ in range(2):
            rows -= rows.mean(axis=1, keepdims=True)
        rounding = 2 * dense.units * np.finfo(np.float64).eps * np.abs(rows).max(axis=1, initial=0)
    return Lifted(
        rows,
        as_held(norm.epsilon.value or 0.0, dense.kernel),
        vector(norm.gamma, dense.units, 1.0),
        vector(norm.beta, dense.units, 0.0),
        rounding,
        sizes,
    )


def as_held(constant: float, beside: Parameter) -> float:
    """A constant of a config as the program holds it: in float32 beside anything but float64."""
    return constant if beside.array.dtype == np.float64 else float(np.float32(constant))


def vector(parameter: Parameter | None, units: int, absent: float) -> Array:
    """A parameter as float64 [units]; one number is spread, None stands for ``absent``."""
    if parameter is None:
        return np.full(units, absent)
    return np.broadcast_to(parameter.array.ravel().astype(np.float64), (units,)).copy()
