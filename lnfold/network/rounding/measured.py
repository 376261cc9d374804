"""How far a network's outputs may be off by rounding: what is expected, and what is proved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from lnfold.network.operations.float_types import float_type
from lnfold.network.records.layers import LSTM, Array, Network
from lnfold.network.rounding.alike_units import Alike, alike_units
from lnfold.network.rounding.arithmetic import MULTIPLE, worst_and_independent
from lnfold.network.rounding.backward_bound import backward_bound
from lnfold.network.rounding.forward_bound import by_rows, exact_values, running_bound
from lnfold.network.rounding.probes import probed
from lnfold.network.running.run import run_rows
from lnfold.network.running.run_inputs import as_rows, joins_rows, matched_inputs

BLOCK_NUMBERS: Final = 2**16  # of all values of a block of rows: an array of them is half a MB
LEAST_ROWS: Final = 64  # of a block, so that a wide kernel is read for many rows at once
BACKWARD_WORK: Final = 2**32  # multiplications of all backward passes: about a second of one core
UNIT_WORK: Final = 32  # what a unit of a value costs, in numbers of a kernel


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

    Each number of the output is followed back through the network, one pass for each unit of an
    output. Where that is more than BACKWARD_WORK, or rows join (sequences, rearranged values),
    the proved bound is the running bound alone, which is some ten times larger, and the estimate
    comes from random roundings (of an LSTM: from the running root of the sum of squares).

    Raises:
        IncompleteNetworkError, UsageError: as ``run`` does.
    """
    single = run_rows(network, inputs, float_type(network.precision).type)
    given = matched_inputs(network, inputs, np.float64)
    rows = len(next(iter(given.values())))
    units = sum(network.widths().values())
    joined = joins_rows(network)
    size = rows if joined else max(BLOCK_NUMBERS // max(units, 1), LEAST_ROWS)
    backward = not joined and _backward_work(network, rows) <= BACKWARD_WORK
    alike = alike_units(network)
    found: list[dict[str, list[Array]]] = [{name: [] for name in network.outputs} for _ in "dep"]
    with np.errstate(all="ignore"):  # what is not finite shows in the values
        for start in range(0, max(rows, 1), max(size, 1)):
            block = {name: one[start : start + size] for name, one in given.items()}
            for parts, one in zip(found, _of_block(network, block, backward, alike), strict=True):
                for name in network.outputs:
                    parts[name].append(one[name])
    double, estimate, proved = (
        {name: np.concatenate(arrays) for name, arrays in parts.items()} for parts in found
    )
    return Rounding(single, double, estimate, proved)


def _of_block(
    network: Network, block: Mapping[str, Array], backward: bool, alike: Alike
) -> tuple[dict[str, Array], ...]:
    """The exact outputs of some rows, the estimates and the proved bounds."""
    tensors = exact_values(network, block)
    network = by_rows(network, tensors)
    values = {name: as_rows(one) for name, one in tensors.items()}
    worst, independent = worst_and_independent(network.precision)
    bound, steps = running_bound(network, values, worst, {})
    expected, expected_steps = running_bound(network, values, independent, alike.equal)
    joined = any(isinstance(layer, LSTM) for layer in network.layers)
    roots = {} if backward or joined else probed(network, expected, expected_steps, alike.rounded)
    double, estimate, proved = {}, {}, {}
    for name in network.outputs:
        double[name] = values[name]
        most, root = bound[name].errors, roots.get(name, expected[name].errors)
        if backward:
            most = np.fmin(most, backward_bound(network, bound, steps, name, worst, {}))
            root = backward_bound(
                network, expected, expected_steps, name, independent, alike.rounded
            )
        # the exact values are float64, which rounds, too
        most = most * (1 + np.finfo(np.float64).eps / 2 / worst.roundoff)
        proved[name] = np.where(np.isfinite(bound[name].errors), most, np.inf)
        root = np.where(np.isfinite(expected[name].errors) & np.isfinite(root), root, np.inf)
        estimate[name] = np.minimum(MULTIPLE * root, proved[name])
    return double, estimate, proved


def _backward_work(network: Network, rows: int) -> int:
    """The numbers that passes back from every output would take, kernels and units."""
    widths = network.widths()
    numbers = sum(
        parameter.array.size for one in network.layers for _, parameter in one.parameters()
    )
    outputs = sum(widths[name] for name in network.outputs)
    return rows * outputs * (numbers + UNIT_WORK * sum(widths.values()))
