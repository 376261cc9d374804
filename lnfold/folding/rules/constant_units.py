"""Units of a norm that the weights prove to be constant, moved into the next bias.

    gamma_i = 0:  f(gamma_i·z_i + beta_i) = f(beta_i), whatever the input

Their contribution f(beta_i)·W'_i goes into the next bias and the row W'_i becomes zero; their
own kernel column stays, because the statistics still need it (E06). A gamma so tiny that
|gamma_i|·sqrt(n) is lost when it is added to beta_i in float64 counts as zero (E04b), since
|z_i| ≤ sqrt(n); and the single unit of a one-unit LayerNorm always is constant (E20).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from lnfold.folding.editing.consumers import Slot, readers_of
from lnfold.folding.editing.pushing import Pushed, contributions, without_bias
from lnfold.folding.editing.rewrite import (
    Array,
    finite,
    names,
    replaced,
    units_of,
    vector,
    with_values,
)
from lnfold.folding.editing.steps import Applied, Outcome, Reason, Refused, Rule, Setting
from lnfold.network.records.layers import Layer, LayerNorm, Network, Norm, PRelu, RMSNorm
from lnfold.network.running.run import step_of

_LOST = 2.0**-54  # less than half an ulp of 1 in float64: adding it changes nothing


def constant_units(network: Network, layer: Layer, setting: Setting) -> Outcome:
    """Moves what constant units contribute into the biases of everything that reads them."""
    if not isinstance(layer, LayerNorm | RMSNorm):
        return None
    width = units_of(network, layer)
    beta = vector(layer.beta, width, 0.0)
    constant = _constant(layer, vector(layer.gamma, width, 1.0), beta)
    if not constant.any():
        return None
    if not finite(layer.gamma, layer.beta):
        return Refused(Reason.NOT_FINITE, layer.name)
    slots = readers_of(network, layer.name)
    if isinstance(slots, Refused):
        return slots
    if not any(_rows_of(slot, constant).any() for slot in slots):
        return None  # nothing comes from them any more: folded already
    wider = next((one for slot in slots for one in slot.through if _wider(one, width)), None)
    if wider is not None:
        return Refused(Reason.CONCATENATED, wider.name)
    missing = without_bias(slots)
    if setting.stock and missing:
        return Refused(Reason.NO_BIAS, missing)
    pushed = Pushed()
    for slot, added in contributions(slots, width, lambda one: _passed(one, beta) * constant):
        pushed.shift(slot, added)
    for slot in slots:
        pushed.rows(slot, width)[constant] = 0
    norm = _silenced(layer, constant, width)
    read = names(layer.gamma, layer.beta, *(slot.dense.kernel for slot in slots))
    measured = (("constant units", float(constant.sum())), ("units", float(width)))
    return Applied(replaced(network, {**pushed.layers(), layer.name: norm}), measured, read)


def _constant(layer: Norm, gamma: Array, beta: Array) -> Array:
    """Which units are constant: [units] of bool."""
    size = np.abs(gamma) * np.sqrt(gamma.size)
    constant = (gamma == 0) | (size < _LOST * np.abs(beta))
    if isinstance(layer, LayerNorm) and gamma.size == 1 and layer.epsilon.value:
        constant[:] = True
    return np.asarray(constant)


def _passed(slot: Slot, beta: Array) -> Array:
    """The units' constant values after the activations on the way."""
    value = beta[None, :]
    for one in slot.through:
        value = step_of(one, np.float64)(value)
    return np.asarray(value[0])


def _wider(layer: Layer, width: int) -> bool:
    """Whether an activation's slopes are those of a concatenation that holds more units."""
    return isinstance(layer, PRelu) and layer.slopes.array.size not in (1, width)


def _rows_of(slot: Slot, constant: Array) -> Array:
    kernel = slot.dense.kernel.array
    return np.asarray(kernel[slot.start : slot.start + constant.size][constant])


def _silenced(layer: Norm, constant: Array, width: int) -> Norm:
    """The norm with gamma and beta of the constant units at zero, where it has them."""
    gamma, beta = layer.gamma, layer.beta
    if gamma is not None:
        gamma = with_values(gamma, np.where(constant, 0.0, vector(gamma, width, 1.0)))
    if beta is not None:
        beta = with_values(beta, np.where(constant, 0.0, vector(beta, width, 0.0)))
    return replace(layer, gamma=gamma, beta=beta)


CONSTANT_UNITS = Rule(
    "constant-units",
    "E06, E04b, E20",
    "f(0·z + beta)·W' = f(beta)·W', into the next bias; the unit stays in the statistics",
    constant_units,
)
