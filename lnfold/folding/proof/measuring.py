"""The two numbers of every certificate: the error in float64, and the growth of rounding.

The reference is the original network in float64. An exact identity leaves a difference of
float64 noise. What is stored is rounded to float32 or float16; its error against the
reference is compared with that of the original itself, both run in the precision that the
program computes in. Then ``lnfold check`` is asked whether the two agree.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from lnfold.checking.checks import Checking
from lnfold.checking.comparison import Comparison
from lnfold.checking.observations import Observations, drawn
from lnfold.errors import CannotTellError
from lnfold.network.operations.float_types import limits_of
from lnfold.network.records.layers import Array, Network
from lnfold.network.running.differences import largest_difference
from lnfold.network.running.run import run_rows

ROWS = 256
SHUFFLED_RUNS = 3  # orders of summation besides the plain one
MULTIPLE = 4  # noise may be this much worse than the worst run seen
FAR = 10.0  # a quarter of the drawn rows lies this much further out, where clips and tails are


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """A network as it was, and what folding it is measured against.

    Attributes:
        network: the original.
        inputs: what it is run on.
        outputs: its outputs in float64.
        scales: the largest |output|, by name.
        errors: the largest rounding error of the original in ``precision``, by output; the
            worst of several orders of summation, and no less than half an ulp of the scale.
        precision: what the program computes in: np.float32, float16 or bfloat16.
        checking: the original, ready to be compared with.
    """

    network: Network
    inputs: Mapping[str, Array]
    outputs: Mapping[str, Array]
    scales: Mapping[str, float]
    errors: Mapping[str, float]
    precision: type
    checking: Checking


def observations_for(network: Network, not_run: Sequence[str] = ()) -> Observations:
    """Drawn inputs, a quarter of them ten times as far from the middle.

    Args:
        not_run: operations whose values are among the inputs, as nothing runs them.
    """
    found = drawn(network, ROWS)
    inputs = {}
    for name, array in found.inputs.items():
        far = np.array(array)
        middle = far.mean(axis=0)
        far[: ROWS // 4] = middle + FAR * (far[: ROWS // 4] - middle)
        inputs[name] = far
    origin = f"{found.origin}, a quarter of them {FAR:g} times as far out"
    if not_run:
        origin += f"; what is not run ({', '.join(not_run)}) is drawn likewise"
    return Observations(inputs, origin)


def reference(network: Network, inputs: Mapping[str, Array], precision: type) -> Reference:
    """Runs the original, in float64 and in several orders in ``precision``.

    Raises:
        CannotTellError: its outputs are not finite there, so that nothing can be proved.
    """
    outputs = run_rows(network, inputs, np.float64)
    _expect_finite(network, outputs, "float64")
    scales = {name: _scale(array) for name, array in outputs.items()}
    half_ulp = limits_of(np.dtype(precision))[0] / 2
    errors = _errors(network, inputs, outputs, precision)
    _expect_finite(network, errors, np.dtype(precision).name)
    floored = {name: max(error, half_ulp * scales[name]) for name, error in errors.items()}
    checking = Checking.of(network, Observations(inputs, ""))
    return Reference(network, inputs, outputs, scales, floored, precision, checking)


def _expect_finite(network: Network, found: Mapping[str, object], where: str) -> None:
    for name, one in found.items():
        if not np.isfinite(np.asarray(one)).all():
            raise CannotTellError(
                f"network {network.name} cannot be folded: output '{name}' is not finite in "
                f"{where} for some of the inputs, so nothing can be proved",
                remedy="Leave it out by naming the others with --network.",
            )


def against_original(known: Reference, stored: Network) -> Comparison:
    """What ``lnfold check`` says of the original and a folded network, on the same inputs."""
    return known.checking.with_network(stored)


def float64_error(known: Reference, exact: Network) -> float:
    """The largest difference in float64 of any output, relative to that output's scale."""
    found = run_rows(exact, known.inputs, np.float64)
    return max(
        _relative(largest_difference({name: found[name]}, {name: known.outputs[name]}), scale)
        for name, scale in known.scales.items()
    )


def float64_noise(known: Reference) -> float:
    """How far the original's own outputs are from certain in float64, relative to their scale.

    That is what other orders of summation change, and what an ulp more or less in every
    parameter changes: where a norm divides by almost nothing, float64 is no better than that.
    """
    noise = 0.0
    jittered = (
        _jittered(known.network, np.random.default_rng([1, seed])) for seed in range(SHUFFLED_RUNS)
    )
    for network in (known.network, *jittered):
        errors = _errors(network, known.inputs, known.outputs, np.float64)
        noise = max(noise, *(_relative(errors[name], one) for name, one in known.scales.items()))
    return noise


def _jittered(network: Network, random: np.random.Generator) -> Network:
    """The network with every parameter an ulp larger or smaller, as float64."""
    layers = []
    for layer in network.layers:
        changed: dict[str, Any] = {}
        for role, parameter in layer.parameters():
            array = parameter.array.astype(np.float64)
            signs = random.choice([-1.0, 1.0], array.shape)
            changed[role] = replace(parameter, array=array + signs * np.spacing(array))
        layers.append(replace(layer, **changed) if changed else layer)
    return replace(network, layers=tuple(layers))


def rounding_ratio(known: Reference, stored: Network, *, plain: bool = False) -> float:
    """The rounding error of a folded network over the original's; the worst output's.

    Of both the worst of the same orders of summation; ``plain`` takes only the plain order
    of the folded network.
    """
    runs = 0 if plain else SHUFFLED_RUNS
    errors = _errors(stored, known.inputs, known.outputs, known.precision, runs)
    return max(
        _relative(errors[name], before) if errors[name] or before else 1.0
        for name, before in known.errors.items()
    )


def _errors(
    network: Network,
    inputs: Mapping[str, Array],
    outputs: Mapping[str, Array],
    dtype: type,
    shuffled_runs: int = SHUFFLED_RUNS,
) -> dict[str, float]:
    """By output, the largest error of a plain run and of runs in shuffled orders."""
    generators = [None, *(np.random.default_rng([0, seed]) for seed in range(shuffled_runs))]
    runs = [run_rows(network, inputs, dtype, shuffle=generator) for generator in generators]
    return {
        name: max(largest_difference({name: one[name]}, {name: array}) for one in runs)
        for name, array in outputs.items()
    }


def _scale(array: Array) -> float:
    finite = np.abs(array[np.isfinite(array)])
    return float(finite.max(initial=0.0))


def _relative(error: float, scale: float) -> float:
    if error == 0:
        return 0.0
    return error / scale if scale else float("inf")
