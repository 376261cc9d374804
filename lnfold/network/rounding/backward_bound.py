"""Backward from an output: what each rounding, wherever it is made, does to that output.

The derivative of the output by every value, as an interval over the boxes that the running bound
found, times what is rounded off there. What units share, such as a mean's rounding, is summed
before its size is taken: |Σ derivative·direction|·size. To the first order this is the most that
roundings can do (a Jacobian with intervals); the squares' root instead of the sum is what
independent ones do.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from lnfold.network.records.layers import Array, Network
from lnfold.network.rounding.alike_units import together_where_alike
from lnfold.network.rounding.arithmetic import Arithmetic
from lnfold.network.rounding.seen import Seen, Step
from lnfold.network.rounding.slopes import Pair


def backward_bound(
    network: Network,
    seen: Mapping[str, Seen],
    steps: Mapping[str, Step],
    output: str,
    arithmetic: Arithmetic,
    alike: Mapping[str, Array],
) -> Array:
    """How far each unit of an output may be off, [rows, units]; NaN where nothing can be said."""
    found: Array = np.empty(seen[output].exact.shape)
    for unit in range(found.shape[1]):
        seed: Array = np.zeros(found.shape)
        seed[:, unit] = 1
        derivatives = {output: (seed, np.zeros(found.shape))}
        found[:, unit] = _from(network, seen, steps, derivatives, arithmetic, alike)
    return found


def _from(
    network: Network,
    seen: Mapping[str, Seen],
    steps: Mapping[str, Step],
    derivatives: dict[str, Pair],
    arithmetic: Arithmetic,
    alike: Mapping[str, Array],
) -> Array:
    """All that roundings do to a number of each row, from its derivatives by one value: [rows]."""
    parts: list[Array] = []
    for layer in reversed(network.layers):
        if layer.name not in derivatives:
            continue
        centre, radius = derivatives.pop(layer.name)
        step = steps[layer.name]
        effects = _effects(centre, radius, step.unit)
        effects = together_where_alike(effects, alike.get(layer.name))
        parts.append(arithmetic.over_units(effects)[:, 0])
        for one in step.shared:
            around = (radius * np.abs(one.direction)).sum(axis=1)
            along = np.abs((centre * one.direction).sum(axis=1))
            parts.append((along + around) * one.size[:, 0])
        for name, slope in zip(layer.inputs, step.slopes, strict=True):
            pulled = slope.pull(centre, radius)
            if name in derivatives:
                before = derivatives[name]
                pulled = before[0] + pulled[0], before[1] + pulled[1]
            derivatives[name] = pulled
    for name, (centre, radius) in derivatives.items():
        effects = _effects(centre, radius, seen[name].errors)
        parts.append(arithmetic.over_units(effects)[:, 0])
    return arithmetic.together(*parts)


def _effects(centre: Array, radius: Array, errors: Array) -> Array:
    """What errors of single units do by these derivatives: [rows, units]."""
    if not errors.any():
        return np.zeros(centre.shape)
    weights = np.abs(centre) + radius
    if not np.isfinite(errors).all():
        # what does not reach the output does nothing to it, even where it is infinite
        errors = np.where(weights == 0, 0.0, errors)
    return np.asarray(weights * errors)
