"""An observation normaliser, into the dense layers that read it; its clip in raw units.

clip((x − m)/d, l, h) = (clip(x, m + d·l, m + d·h) − m)/d          d > 0
((u − m)/d)·W + b = u·(W/d) + (b − (m/d)·W)                                          (E21)
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from lnfold.folding.editing.consumers import readers_of
from lnfold.folding.editing.pushing import affine_forward
from lnfold.folding.editing.rewrite import Array, finite, names, replaced, vector
from lnfold.folding.editing.steps import Applied, Outcome, Reason, Refused, Rule, Setting
from lnfold.network.records.layers import Affine, Clip, Layer, Network, Parameter, Standardize


def observation(network: Network, layer: Layer, setting: Setting) -> Outcome:
    """Takes a Standardize or an Affine in front of dense layers out of the network."""
    if setting.stock or not isinstance(layer, Standardize | Affine):
        return None
    width = network.widths()[layer.name]
    if not finite(*(parameter for _, parameter in layer.parameters())):
        return Refused(Reason.NOT_FINITE, layer.name)
    if isinstance(layer, Standardize):
        mean, deviation = vector(layer.mean, width, 0.0), vector(layer.deviation, width, 1.0)
        if (deviation <= 0).any():
            return Refused(Reason.NOT_POSITIVE, layer.name, float(deviation.min()))
        scale, shift = 1 / deviation, -mean / deviation
    else:
        scale, shift = vector(layer.scale, width, 1.0), vector(layer.shift, width, 0.0)
    clip = _only_clip(network, layer)
    if clip is not None and (scale <= 0).any():
        return Refused(Reason.NOT_POSITIVE, layer.name, float(scale.min()))
    value = layer.name if clip is None else clip.name
    slots = readers_of(network, value)
    if isinstance(slots, Refused):
        return slots
    shifted = next((one for slot in slots for one in slot.through if not slot.linear), None)
    if shifted is not None:
        return Refused(Reason.SHIFTED, shifted.name)
    layers: dict[str, Layer | tuple[Layer, ...]] = dict(affine_forward(slots, scale, shift))
    layers[layer.name] = ()
    if clip is not None:
        layers[clip.name] = _raw_clip(clip, scale, shift)
    measured = (
        ("largest |mean|/deviation", float(np.abs(shift).max(initial=0.0))),
        ("smallest deviation", float((1 / np.abs(scale)).min()) if scale.all() else 0.0),
    )
    read = names(*(one for _, one in layer.parameters()), *(slot.dense.kernel for slot in slots))
    return Applied(replaced(network, layers, {layer.name: layer.input}), measured, read)


def _only_clip(network: Network, layer: Layer) -> Clip | None:
    """The clip that is the only reader of a normaliser."""
    readers = network.consumers(layer.name)
    alone = len(readers) == 1 and layer.name not in network.outputs
    return readers[0] if alone and isinstance(readers[0], Clip) else None


def _raw_clip(clip: Clip, scale: Array, shift: Array) -> Clip:
    """The bounds where x·scale + shift meets the clip's own."""

    def moved(bound: Parameter | None) -> Parameter | None:
        if bound is None:
            return None
        values = (vector(bound, scale.size, 0.0) - shift) / scale
        return Parameter(values, (), f"{clip.name}/raw")

    return replace(clip, low=moved(clip.low), high=moved(clip.high))


OBSERVATION = Rule(
    "observation",
    "E21",
    "clip((x − m)/d, l, h)·W + b = clip(x, m + d·l, m + d·h)·(W/d) + (b − (m/d)·W)",
    observation,
)
