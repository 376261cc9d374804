"""How fast a layer can change with its input: a bound for all inputs, and what was found.

    ‖∂u/∂x‖ ≤ max|gamma|·‖W_c‖ / s_min        s_min of ``least_deviation``

because I − z·zᵀ/n is a contraction and no input has a smaller deviation than s_min. The product
must be taken apart like this: ‖diag(gamma)·W_c‖/s_min is *not* a bound, as gamma acts after the
projection. Norms are spectral. Beside the bound stands the largest norm found where it is
largest, at the rows with the smallest s(x), by power iteration: a lower estimate.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lnfold.relations.ranges.homogeneous import Lifted

Array = np.ndarray

ROWS = 32
WIDE = 1024  # beyond it all eigenvalues take too long
_ROUNDS = 30
_FEWER_ROUNDS = 8  # for wide layers: still a lower estimate
SEED = 0


@dataclass(frozen=True, slots=True)
class Steepness:
    """The Lipschitz constant of one pair.

    Attributes:
        gamma, kernel, deviation: max|gamma|, ‖W_c‖ and s_min, the factors of the bound.
        found: the largest slope found; None without inputs.
    """

    gamma: float
    kernel: float
    deviation: float
    found: float | None

    @property
    def bound(self) -> float | None:
        """None where s_min is 0, or the product is too large for a number."""
        slope = self.gamma * self.kernel / self.deviation if self.deviation > 0 else np.inf
        return slope if np.isfinite(slope) else None


def steepness(lifted: Lifted, smallest: float, x: Array | None) -> Steepness:
    """The Lipschitz constant of one pair.

    Args:
        smallest: s_min, over the inputs that there can be.
        x: inputs of the dense layer [rows, inputs], or None.
    """
    return Steepness(
        float(np.abs(lifted.gamma).max(initial=0.0)),
        spectral_norm(lifted.rows[:-1]),
        smallest,
        None if x is None or not len(x) else _sampled(lifted, x),
    )


def spectral_norm(kernel: Array) -> float:
    """An upper bound of ‖W‖, the largest singular value; infinite where W is not finite."""
    kernel = np.asarray(kernel, np.float64)
    if not np.isfinite(kernel).all():
        return float(np.inf)
    return float(np.sqrt(_largest_square(kernel)))


def _largest_square(kernel: Array) -> float:
    """An upper bound of ‖W‖²: the largest eigenvalue of the smaller Gram matrix, rounded up.

    For wide layers ‖G⁴‖_F^(1/4) ≥ that eigenvalue, at most size^(1/8) times as large.
    """
    gram = kernel @ kernel.T if kernel.shape[0] <= kernel.shape[1] else kernel.T @ kernel
    rounding = gram.shape[0] * np.finfo(float).eps * float(np.trace(gram))
    if gram.shape[0] > WIDE:
        scale = float(np.trace(gram)) or 1.0
        gram = gram / scale
        # a symmetric matrix times its own transpose costs BLAS half of what a product does
        square = gram @ gram.T
        root = float(np.sqrt(np.sqrt(np.linalg.norm(square @ square.T))))
        return scale * root + float(rounding)
    largest = float(np.linalg.eigvalsh(gram)[-1])
    return largest + float(rounding)


def _sampled(lifted: Lifted, x: Array) -> float:
    s = lifted.deviations(x)
    steepest = np.argsort(s)[:ROWS]
    steepest = steepest[s[steepest] > 0]
    if not steepest.size:
        return 0.0
    z, s = lifted.normalised(x[steepest]), s[steepest, None]
    kernel = lifted.rows[:-1]
    direction = np.random.default_rng(SEED).standard_normal((steepest.size, lifted.inputs))
    length = np.zeros(steepest.size)
    for _ in range(_ROUNDS if kernel.size <= WIDE**2 else _FEWER_ROUNDS):
        direction /= np.maximum(np.linalg.norm(direction, axis=1, keepdims=True), 1e-300)
        moved = direction @ kernel
        moved = lifted.gamma * (moved - z * (z * moved).mean(axis=1, keepdims=True)) / s
        length = np.linalg.norm(moved, axis=1)
        back = lifted.gamma * moved
        back = (back - z * (z * back).mean(axis=1, keepdims=True)) / s
        direction = back @ kernel.T
    return float(length.max())
