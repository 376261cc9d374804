"""Beta behind which a relu follows, as the relu's own threshold and a shift of the next bias.

    relu(z + beta) = max(z, −beta) + beta                                               (E52)
    relu(z + beta)·W' + b' = max(z, −beta)·W' + (b' + beta·W')

for every beta: where z + beta > 0 both sides are z + beta, elsewhere both are 0. The maximum
with zero becomes a maximum with a vector, which costs the same, and adding beta costs nothing
any more. Where beta is large, its two parts cancel and rounding grows: then it is refused.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from lnfold.folding.editing.consumers import readers_of
from lnfold.folding.editing.pushing import affine_forward
from lnfold.folding.editing.rewrite import finite, names, replaced, vector
from lnfold.folding.editing.steps import Applied, Outcome, Reason, Refused, Rule, Setting
from lnfold.network.records.deferred import Divided
from lnfold.network.records.layers import Activation, Clip, Layer, Network, Parameter, RMSNorm


def threshold(network: Network, layer: Layer, setting: Setting) -> Outcome:
    """Takes beta out of a norm that only relus read."""
    if setting.stock or not isinstance(layer, RMSNorm | Divided):
        return None
    beta = layer.shift if isinstance(layer, Divided) else layer.beta
    if beta is None:
        return None
    if not finite(beta):
        return Refused(Reason.NOT_FINITE, layer.name)
    slots = readers_of(network, layer.name)
    if isinstance(slots, Refused):
        return slots
    relus = network.consumers(layer.name)
    for one in relus:
        if not isinstance(one, Activation) or one.function.value != "relu":
            return Refused(Reason.NOT_RELU, one.name)
    behind = next((slot.through[1] for slot in slots if len(slot.through) > 1), None)
    if behind is not None:
        return Refused(Reason.SHIFTED, behind.name)
    width = network.widths()[layer.name]
    values = vector(beta, width, 0.0)
    layers: dict[str, Layer] = dict(affine_forward(slots, np.ones(width), values))
    for one in relus:
        low = Parameter(-values, beta.variables, f"{one.name}/threshold")
        layers[one.name] = Clip(one.name, one.inputs, one.scope, low, None)
    if isinstance(layer, Divided):
        layers[layer.name] = replace(layer, shift=None)
    else:
        layers[layer.name] = replace(layer, beta=None)
    measured = (("largest |beta|", float(np.abs(values).max(initial=0.0))),)
    read = names(beta, *(slot.dense.kernel for slot in slots))
    return Applied(replaced(network, layers), measured, read)


THRESHOLD = Rule(
    "threshold",
    "E52",
    "relu(z + beta)·W' + b' = max(z, −beta)·W' + (b' + beta·W')",
    threshold,
)
