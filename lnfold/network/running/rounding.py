"""How far a network's outputs may be off by rounding: what is expected, and what is proved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from lnfold.network.float_types import float_type
from lnfold.network.given_rows import joins_rows, matched_inputs
from lnfold.network.layers import Array, Network
from lnfold.network.run import run
from lnfold.network.running.arithmetic import worst_and_independent
from lnfold.network.running.running_bound import exact_values, running_bound

BLOCK_NUMBERS: Final = 2**17  # of all values of a block of rows: a megabyte for each array of them


@dataclass(frozen=True, slots=True, eq=False)
class Rounding:
    """The outputs of a network, and how far a program's may be from the exact ones.

    All are [rows, units] by the outputs' names. Two programs may be the sum of their two
    distances apart.

    Attributes:
        single: in the original's own precision, as NumPy runs it: float32 unless the network
            computes in half.
        double: in float64.
        estimate: what independent roundings do, MULTIPLE times the root of the sum of their
            squares: healthy programs stay within. Never more than ``proved``.
        proved: what no program in this precision passes, whatever the order of its sums and in
            any usual spelling. Infinite where nothing can be said: where the exact number is
            not finite, or a program may overflow. TensorFloat-32, products as Strassen's and
            operations in less than the network's precision are not covered.
    """

    single: Mapping[str, Array]
    double: Mapping[str, Array]
    estimate: Mapping[str, Array]
    proved: Mapping[str, Array]


def measure_rounding(network: Network, inputs: Array | Mapping[str, Array]) -> Rounding:
    """Runs a network in float64 and in its own precision, and bounds what rounding does.

    Raises:
        IncompleteNetworkError, UsageError: as ``run`` does.
    """
    single = run(network, inputs, float_type(network.precision).type)
    given = matched_inputs(network, inputs, np.float64)
    rows = len(next(iter(given.values())))
    units = sum(network.widths().values())
    size = rows if joins_rows(network) else max(BLOCK_NUMBERS // max(units, 1), 1)
    found: list[dict[str, list[Array]]] = [{name: [] for name in network.outputs} for _ in "dep"]
    with np.errstate(all="ignore"):  # what is not finite shows in the values
        for start in range(0, max(rows, 1), max(size, 1)):
            block = {name: one[start : start + size] for name, one in given.items()}
            for parts, one in zip(found, _of_block(network, block), strict=True):
                for name in network.outputs:
                    parts[name].append(one[name])
    double, estimate, proved = (
        {name: np.concatenate(arrays) for name, arrays in parts.items()} for parts in found
    )
    return Rounding(single, double, estimate, proved)


def _of_block(network: Network, block: Mapping[str, Array]) -> tuple[dict[str, Array], ...]:
    """The exact outputs of some rows, the estimates and the proved bounds."""
    values = exact_values(network, block)
    worst, independent = worst_and_independent(network.precision)
    double, estimate, proved = {}, {}, {}
    bound = running_bound(network, values, worst)[0]
    expected = running_bound(network, values, independent)[0]
    for name in network.outputs:
        double[name] = values[name]
        # the exact values are float64, which rounds, too
        proved[name] = bound[name].errors * (1 + np.finfo(np.float64).eps / worst.roundoff / 2)
        estimate[name] = np.fmin(expected[name].box, proved[name])
    return double, estimate, proved
