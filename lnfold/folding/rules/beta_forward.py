"""Beta, into the next biases where nothing but identities stands in between.

    (gamma·z + beta)·W' + b' = (gamma·z)·W' + (b' + beta·W')                       (E07, E09)

All readers or none: a reader that is not dense would miss its beta.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from lnfold.folding.editing.consumers import readers_of
from lnfold.folding.editing.pushing import affine_forward, without_bias
from lnfold.folding.editing.rewrite import finite, names, replaced, vector, with_values
from lnfold.folding.editing.steps import Applied, Outcome, Reason, Refused, Rule, Setting
from lnfold.network.records.deferred import Divided
from lnfold.network.records.layers import Layer, LayerNorm, Network, RMSNorm


def beta_forward(network: Network, layer: Layer, setting: Setting) -> Outcome:
    """Moves beta into every dense layer that reads the norm; in stock form zeros stay."""
    if isinstance(layer, Divided):
        beta = layer.shift
    elif isinstance(layer, LayerNorm | RMSNorm):
        beta = layer.beta
    else:
        return None
    if beta is None or (setting.stock and not beta.array.any()):
        return None
    if not finite(beta):
        return Refused(Reason.NOT_FINITE, layer.name)
    slots = readers_of(network, layer.name)
    if isinstance(slots, Refused):
        return slots
    shifted = next((one for slot in slots for one in slot.through if not slot.linear), None)
    if shifted is not None and beta.array.any():
        return Refused(Reason.SHIFTED, shifted.name)
    missing = without_bias(slots)
    if setting.stock and missing:
        return Refused(Reason.NO_BIAS, missing)
    width = network.widths()[layer.name] or beta.array.size
    values = vector(beta, width, 0.0)
    left = with_values(beta, np.zeros(width)) if setting.stock else None
    norm: Layer
    norm = replace(layer, shift=left) if isinstance(layer, Divided) else replace(layer, beta=left)
    layers: dict[str, Layer] = dict(affine_forward(slots, np.ones(width), values))
    measured = (("largest |beta|", float(np.abs(values).max(initial=0.0))),)
    read = names(beta, *(slot.dense.kernel for slot in slots))
    return Applied(replaced(network, {**layers, layer.name: norm}), measured, read)


BETA_FORWARD = Rule(
    "beta-forward",
    "E07, E09",
    "(gamma·z + beta)·W' + b' = gamma·z·W' + (b' + beta·W')",
    beta_forward,
)
