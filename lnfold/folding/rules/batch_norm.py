"""BatchNorm with stored statistics: an affine map of each unit, into the dense layer beside it.

With g = gamma/sqrt(variance + epsilon) and c = beta − mean·g:

    dense before:  (x·W + b)·g + c = x·(W·g) + (b·g + c)
    dense after:   (y·g + c)·W' + b' = y·(g·W') + (b' + c·W')                           (E11)

Here one bias vector is the exact answer. In stock form the layer stays in the graph and is
made to do nothing: mean 0, variance 1 − epsilon, gamma 1, beta 0; where the dense layer has no
bias, beta keeps the shift.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from lnfold.folding.editing.consumers import readers_of
from lnfold.folding.editing.pushing import affine_forward, without_bias
from lnfold.folding.editing.rewrite import (
    Array,
    bias_of,
    dense_with,
    finite,
    matrix,
    names,
    replaced,
    units_of,
    vector,
    with_values,
)
from lnfold.folding.editing.steps import Applied, Outcome, Reason, Refused, Rule, Setting
from lnfold.network.operations.float_types import is_float, limits_of
from lnfold.network.records.layers import BatchNorm, Dense, Layer, Network, Parameter


def batch_norm(network: Network, layer: Layer, setting: Setting) -> Outcome:
    """Into the dense layer before it, else into all dense layers after it."""
    if not isinstance(layer, BatchNorm):
        return None
    width = units_of(network, layer)
    variance = vector(layer.moving_variance, width, 1.0) + (layer.epsilon.value or 0.0)
    statistics = (layer.gamma, layer.beta, layer.moving_mean, layer.moving_variance)
    if not finite(*statistics) or (variance <= 0).any():
        return Refused(Reason.NOT_FINITE, layer.name)
    gain = vector(layer.gamma, width, 1.0) / np.sqrt(variance)
    shift = vector(layer.beta, width, 0.0) - vector(layer.moving_mean, width, 0.0) * gain
    before = network.producer(layer.input)
    if isinstance(before, Dense) and _read_alone(network, before):
        return _backward(network, before, layer, gain, shift, setting)
    return _forward(network, layer, gain, shift, setting)


def _read_alone(network: Network, dense: Dense) -> bool:
    return len(network.consumers(dense.name)) == 1 and dense.name not in network.outputs


def _backward(
    network: Network, dense: Dense, norm: BatchNorm, gain: Array, shift: Array, setting: Setting
) -> Outcome:
    free = dense.bias is not None or not setting.stock
    if setting.stock and _idle(norm, gain, shift if free else np.zeros(1)):
        return None
    bias = bias_of(dense) * gain + shift if free else None
    folded = dense_with(dense, matrix(dense) * gain, bias)
    if setting.stock:
        left = np.zeros(gain.size) if free else shift
        layers: dict[str, Layer] = {dense.name: folded, norm.name: _made_idle(norm, left)}
        changed = replaced(network, layers)
    else:
        # the norm's name stays: it is what the rest of the network reads
        changed = replaced(network, {dense.name: (), norm.name: replace(folded, name=norm.name)})
    return Applied(changed, _measured(gain), names(dense.kernel, dense.bias, *_vectors(norm)))


def _forward(
    network: Network, norm: BatchNorm, gain: Array, shift: Array, setting: Setting
) -> Outcome:
    if setting.stock and _idle(norm, gain, shift):
        return None
    slots = readers_of(network, norm.name)
    if isinstance(slots, Refused):
        return slots
    shifted = next((one for slot in slots for one in slot.through if not slot.linear), None)
    if shifted is not None:
        return Refused(Reason.SHIFTED, shifted.name)
    missing = without_bias(slots)
    if setting.stock and missing:
        return Refused(Reason.NO_BIAS, missing)
    layers: dict[str, Layer] = dict(affine_forward(slots, gain, shift))
    read = names(*_vectors(norm), *(slot.dense.kernel for slot in slots))
    if setting.stock:
        layers[norm.name] = _made_idle(norm, np.zeros(gain.size))
        return Applied(replaced(network, layers), _measured(gain), read)
    gone = {norm.name: norm.input}
    return Applied(replaced(network, {**layers, norm.name: ()}, gone), _measured(gain), read)


def _made_idle(norm: BatchNorm, shift: Array) -> BatchNorm:
    """The same layer adding ``shift`` and nothing else; without a beta the mean takes it."""
    units = shift.size
    ones, zeros = np.ones(units), np.zeros(units)
    return replace(
        norm,
        gamma=None if norm.gamma is None else with_values(norm.gamma, ones),
        beta=None if norm.beta is None else with_values(norm.beta, shift),
        moving_mean=with_values(norm.moving_mean, zeros if norm.beta is not None else -shift),
        moving_variance=with_values(norm.moving_variance, ones - (norm.epsilon.value or 0.0)),
    )


def _idle(norm: BatchNorm, gain: Array, shift: Array) -> bool:
    """Whether it already does nothing, up to what its own variance can be stored with."""
    stored = norm.moving_variance.array.dtype
    ulp = limits_of(stored)[0] if is_float(stored) else 0.0
    return bool(np.abs(gain - 1).max(initial=0.0) <= ulp and not shift.any())


def _vectors(norm: BatchNorm) -> tuple[Parameter | None, ...]:
    return (norm.gamma, norm.beta, norm.moving_mean, norm.moving_variance)


def _measured(gain: Array) -> tuple[tuple[str, float], ...]:
    size = np.abs(gain)
    return (("smallest gain", float(size.min())), ("largest gain", float(size.max())))


BATCH_NORM = Rule(
    "batch-norm",
    "E11",
    "(x·W + b − mean)·g + beta = x·(W·g) + ((b − mean)·g + beta), g = gamma/sqrt(variance + eps)",
    batch_norm,
)
