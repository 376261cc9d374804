"""Units on one side of their activation's kink for every input: pruned, or merged.

The range of z_i over all inputs x is known exactly. With R the triangle of the side channel,
s = ‖R·(x, 1)‖, and T_i the column of unit i in the kernel and bias,

    sup over R^d of T_i·(x, 1)/s = ‖R⁻ᵀT_i‖        where its maximiser has a last entry > 0
                                 = ‖R_x⁻ᵀW_i‖      else: the limit x → ∞, without the bias   (E13)

A unit that never is positive behind a relu is dead: its column and its row go. One that never
is negative is linear, and all linear units of a layer become one dense layer on x (E23):

    relu(T_i·x̃/s + beta_i) = T_i·x̃/s + beta_i

The statistics do not need the columns any more: s comes from the triangle.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from lnfold.folding.editing.rewrite import (
    Array,
    bias_of,
    dense_with,
    free_name,
    matrix,
    names,
    replaced,
    vector,
    with_values,
)
from lnfold.folding.editing.steps import Applied, Outcome, Reason, Refused, Rule, Setting
from lnfold.network.records.deferred import Divided, TriangleDeviation
from lnfold.network.records.layers import Activation, Add, Dense, Layer, Network, Parameter

_MARGIN = 1e-9  # of the unit's own range: no rounding of the proof turns a sign


def proven_units(network: Network, layer: Layer, setting: Setting) -> Outcome:
    """Prunes and merges the proven units between a side channel and the next dense layer."""
    if setting.stock or not isinstance(layer, Divided):
        return None
    place = _place(network, layer)
    if place is None or isinstance(place, Refused):
        return place
    low, high = unit_ranges(place.dense, place.deviation, layer.shift)
    unread = ~place.following.kernel.array.any(axis=1)
    dead = (high <= -_MARGIN * (high - low)) | unread
    linear = (low >= _MARGIN * (high - low)) & ~dead
    rows, units, width = *place.dense.kernel.shape, place.following.units
    merged = linear if linear.sum() * (rows + width + 1) > (rows + 1) * width else linear & False
    if not (dead | merged).any():
        return Refused(Reason.UNPROVEN, layer.name)
    measured = (
        ("units", float(units)),
        ("never positive, or read by nobody", float(dead.sum())),
        ("never negative, merged", float(merged.sum())),
        ("smallest margin", float(np.abs(np.where(low > 0, low, high))[dead | merged].min())),
    )
    read = names(place.dense.kernel, place.dense.bias, layer.shift, place.following.kernel)
    return Applied(_pruned(network, place, ~(dead | merged), merged), measured, read)


def unit_ranges(
    dense: Dense, deviation: TriangleDeviation, shift: Parameter | None
) -> tuple[Array, Array]:
    """The infimum and supremum over all inputs of what Divided delivers, [units] each."""
    triangle = deviation.triangle.array.astype(np.float64)
    columns = np.vstack([matrix(dense), bias_of(dense)])
    beta = vector(shift, dense.units, 0.0)
    return beta - suprema(triangle, -columns), beta + suprema(triangle, columns)


def suprema(triangle: Array, columns: Array) -> Array:
    """sup over x of columns·(x, 1)/‖(x, 1)·triangle‖, [units]."""
    # the least u with triangle·u = column is the norm in the statistics' own coordinates
    inside, *_ = np.linalg.lstsq(triangle, columns, rcond=None)
    maximiser, *_ = np.linalg.lstsq(triangle.T, inside, rcond=None)
    limit, *_ = np.linalg.lstsq(triangle[:-1], columns[:-1], rcond=None)
    attained = maximiser[-1] > 0
    lengths = np.linalg.norm(inside, axis=0), np.linalg.norm(limit, axis=0)
    return np.asarray(np.where(attained, *lengths))


@dataclass(frozen=True, slots=True, eq=False)
class _Place:
    """Dense → Divided by a triangle's deviation → relu → Dense, and nothing else reads it."""

    dense: Dense
    deviation: TriangleDeviation
    divided: Divided
    activation: Activation
    following: Dense


def _place(network: Network, divided: Divided) -> _Place | Refused | None:
    dense = network.producer(divided.inputs[0])
    deviation = network.producer(divided.inputs[1])
    if not isinstance(dense, Dense) or not isinstance(deviation, TriangleDeviation):
        return None
    chain: list[Layer] = []
    value = divided.name
    for kind in (Activation, Dense):
        readers = network.consumers(value)
        if value in network.outputs or len(readers) != 1 or not isinstance(readers[0], kind):
            return Refused(Reason.READ, readers[0].name if readers else value)
        chain.append(readers[0])
        value = readers[0].name
    activation, following = chain
    assert isinstance(activation, Activation)
    assert isinstance(following, Dense)
    if activation.function.value != "relu":
        return Refused(Reason.NOT_RELU, activation.name)
    return _Place(dense, deviation, divided, activation, following)


def _pruned(network: Network, place: _Place, kept: Array, merged: Array) -> Network:
    dense, divided, following = place.dense, place.divided, place.following
    shift = None
    if divided.shift is not None:
        shift = with_values(divided.shift, vector(divided.shift, dense.units, 0.0)[kept])
    layers: dict[str, Layer | tuple[Layer, ...]] = {
        dense.name: dense_with(dense, matrix(dense)[:, kept], bias_of(dense)[kept]),
        divided.name: replace(divided, shift=shift),
    }
    rows = matrix(following)
    bias = following.bias
    if merged.any() and divided.shift is not None:
        beta = vector(divided.shift, dense.units, 0.0)
        added = bias_of(following) + beta[merged] @ rows[merged]
        bias = with_values(bias, added, f"{following.scope}/bias")
    kernel = with_values(following.kernel, rows[kept])
    if not merged.any():
        layers[following.name] = replace(following, kernel=kernel, bias=bias)
        return replaced(network, layers)
    main, linear, quotient = (
        free_name(network, f"{following.name}/{part}") for part in ("kept", "linear", "linear/z")
    )
    layers[following.name] = (
        replace(following, name=main, kernel=kernel, bias=bias),
        Dense(
            linear,
            dense.inputs,
            following.scope,
            Parameter(matrix(dense)[:, merged] @ rows[merged], (), f"{linear}/kernel"),
            Parameter(bias_of(dense)[merged] @ rows[merged], (), f"{linear}/bias"),
        ),
        Divided(quotient, (linear, divided.inputs[1]), following.scope),
        Add(following.name, (main, quotient), following.scope),
    )
    return replaced(network, layers)


PROVEN_UNITS = Rule(
    "proven-units",
    "E13, E23",
    "relu(u) = 0 where sup u ≤ 0 and relu(u) = u where inf u ≥ 0, over all inputs",
    proven_units,
)
