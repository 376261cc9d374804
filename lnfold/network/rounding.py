"""How much of a difference float32 rounding alone explains, measured on the network itself.

Two correct float32 programs differ because they add in different orders. So the network is
run in float64 as the reference and in float32 several times, each time summing in another
random order; the largest error of these runs is the rounding noise of the network on these
inputs. A tolerance is a small multiple of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from lnfold.network.layers import Array, Network
from lnfold.network.run import run

SHUFFLED_RUNS = 3
MULTIPLE = 4  # another program's rounding may be this much worse than the worst run seen here
SEED = 0
BFLOAT16_PER_FLOAT16 = 8  # NumPy has no bfloat16; its significand is three bits shorter


@dataclass(frozen=True, slots=True, eq=False)
class Rounding:
    """The outputs of a network and their rounding noise.

    Attributes:
        single, double: outputs in float32 and float64, by name.
        error: the largest |float32 − float64| of the network as it stands.
        noise: the largest |error| against float64 over the runs in shuffled orders, in the
            network's own precision: a network that computes in float16 is not held to float32.
        tolerance: MULTIPLE · noise plus MULTIPLE ulps of the largest output.
    """

    single: Mapping[str, Array]
    double: Mapping[str, Array]
    error: float
    noise: float
    tolerance: float


def measure_rounding(network: Network, inputs: Mapping[str, Array]) -> Rounding:
    """Runs a network in float64 and, in several orders, in the precision of the original."""
    double = run(network, inputs, np.float64)
    single = run(network, inputs, np.float32)
    own = np.float32 if network.precision == "float32" else np.float16
    coarser = BFLOAT16_PER_FLOAT16 if network.precision == "bfloat16" else 1
    noise = 0.0
    for seed in range(SHUFFLED_RUNS):
        shuffled = run(network, inputs, own, shuffle=np.random.default_rng([SEED, seed]))
        noise = max(noise, largest_difference(shuffled, double))
    # what is no number on both sides needs no tolerance
    finite = (np.abs(one[np.isfinite(one)]) for one in double.values())
    scale = max((float(one.max(initial=0)) for one in finite), default=0.0)
    noise *= coarser
    ulp = coarser * float(np.finfo(own).eps) * scale
    return Rounding(
        single, double, largest_difference(single, double), noise, MULTIPLE * (noise + ulp)
    )


def largest_difference(left: Mapping[str, Array], right: Mapping[str, Array]) -> float:
    """The largest |left − right| over all outputs; NaN on one side only counts as infinite."""
    found = [float(_off(left[name], right[name]).max(initial=0.0)) for name in left]
    return max(found, default=0.0)


def row_differences(left: Mapping[str, Array], right: Mapping[str, Array]) -> Array:
    """The same for each row: [rows], float64."""
    rows = [_off(left[name], right[name]).max(axis=1, initial=0.0) for name in left]
    largest: Array = np.max(rows, axis=0)
    return largest


def _off(left: Array, right: Array) -> Array:
    a, b = np.asarray(left, np.float64), np.asarray(right, np.float64)
    with np.errstate(invalid="ignore"):
        difference = np.where((a == b) | (np.isnan(a) & np.isnan(b)), 0.0, np.abs(a - b))
    return np.nan_to_num(difference, nan=np.inf)
