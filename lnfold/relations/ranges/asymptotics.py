"""Far from the origin a normalised layer forgets bias and epsilon: only a direction is left.

For an input t·u, with T = (W_c over b_c) and n units,

    z(t·u) → z∞(u) = u·W_c / √(‖u·W_c‖²/n)        t → ∞

which is the layer with bias 0 and epsilon 0, whatever the length of u. As x/‖x‖ changes by at
most 2·‖e‖/‖x‖ when e is added to x,

    ‖z(t·u) − z∞(u)‖ ≤ 2·√n·√(‖b_c‖² + n·epsilon) / (t·‖u·W_c‖)

so the difference falls as 1/t. A network whose inputs reach such a layer freely is therefore
bounded and extrapolates by direction alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from lnfold.relations.ranges.homogeneous import Lifted

Array = np.ndarray

TIMES: Final = (1.0, 10.0, 100.0, 1000.0)


@dataclass(frozen=True, slots=True)
class FarOut:
    """How far a layer is from its limit on inputs t times as long as some.

    Attributes:
        times: t.
        found: for each t the largest |gamma_i·(z_i(t·x) − z∞_i(x))| of any unit on any row.
        bound: for each t what the formula allows on the rows, times max|gamma|.
    """

    times: tuple[float, ...]
    found: tuple[float, ...]
    bound: tuple[float, ...]


def far_out(lifted: Lifted, x: Array) -> FarOut | None:
    """How fast a pair forgets its bias and epsilon.

    Args:
        x: inputs of the dense layer [rows, inputs]; rows that the kernel maps to 0 have no limit.

    Returns:
        None where no row has a limit.
    """
    along = x @ lifted.rows[:-1]
    length = np.linalg.norm(along, axis=1)
    kept = length > 1e-9 * np.linalg.norm(lifted.rows[:-1]) * np.linalg.norm(x, axis=1)
    if not kept.any():
        return None
    root = np.sqrt(lifted.units)
    limit = root * along[kept] / length[kept, None]
    added = np.sqrt(np.square(lifted.rows[-1]).sum() + lifted.units * lifted.epsilon)
    gamma = np.abs(lifted.gamma)
    found, bound = [], []
    for t in TIMES:
        off = np.abs(lifted.normalised(t * x[kept]) - limit) * gamma
        found.append(float(off.max(initial=0.0)))
        bound.append(float(2 * root * added / (t * length[kept].min()) * gamma.max(initial=0.0)))
    return FarOut(TIMES, tuple(found), tuple(bound))
