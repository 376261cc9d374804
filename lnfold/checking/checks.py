"""Two runs of one network → a verdict that rests on measured rounding noise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

import numpy as np

from lnfold.errors import UsageError
from lnfold.network.layers import Network
from lnfold.network.rounding import Rounding, largest_difference, row_differences

Array = np.ndarray


class Against(Enum):
    """What the NumPy float32 run is compared with."""

    FLOAT64 = "float64"
    EXPECTED = "expected"
    TENSORFLOW = "tensorflow"

    @property
    def sentence(self) -> str:
        return _SENTENCES[self]


_SENTENCES = {
    Against.FLOAT64: "the same network in float64",
    Against.EXPECTED: "the outputs given",
    Against.TENSORFLOW: "the graph, run by TensorFlow",
}


@dataclass(frozen=True, slots=True)
class Check:
    """One comparison: ``passed`` where ``max_abs`` does not exceed ``tolerance``.

    Attributes:
        errors: the largest |difference| of any output in each row [rows].
        undefined: in how many rows an output is NaN, which agrees with nothing but NaN.
    """

    against: Against
    max_abs: float
    tolerance: float
    errors: Array = field(repr=False, compare=False)
    undefined: int = 0

    @property
    def rows(self) -> int:
        """How many rows were compared."""
        return int(self.errors.size)

    @property
    def passed(self) -> bool:
        return self.max_abs <= self.tolerance


def check_float64(rounding: Rounding) -> Check:
    """The plain float32 run against float64, judged by the runs in other orders."""
    errors = row_differences(rounding.single, rounding.double)
    return Check(
        Against.FLOAT64, rounding.error, rounding.tolerance, errors, undefined_rows(rounding.single)
    )


def check_outputs(
    network: Network, rounding: Rounding, outputs: Mapping[str, Array], against: Against
) -> Check:
    """The float32 run against outputs from elsewhere.

    Args:
        outputs: by the names of the network's outputs, or ``outputs`` for the only one.

    Raises:
        UsageError: an output is missing or has another shape.
    """
    matched = {}
    for name in network.outputs:
        key = name if name in outputs or len(network.outputs) > 1 else "outputs"
        if key not in outputs:
            raise UsageError(
                f"no expected array for output '{name}' of network {network.name}; "
                f"there are: {', '.join(sorted(outputs)) or 'none'}",
                remedy="Name it 'outputs', or as the network's output is called.",
            )
        expected, found = np.asarray(outputs[key]), rounding.single[name]
        if expected.dtype.kind not in "fiub" or expected.reshape(-1).size != found.size:
            raise UsageError(
                f"the expected array '{key}' has shape {expected.shape}, "
                f"network {network.name} delivers {found.shape}"
            )
        matched[name] = expected.reshape(found.shape)
    return Check(
        against,
        largest_difference(rounding.single, matched),
        rounding.tolerance,
        row_differences(rounding.single, matched),
        undefined_rows(rounding.single),
    )


def undefined_rows(outputs: Mapping[str, Array]) -> int:
    """In how many rows any of the outputs is NaN."""
    rows = [np.isnan(one).any(axis=1) for one in outputs.values()]
    return int(np.any(rows, axis=0).sum()) if rows else 0
