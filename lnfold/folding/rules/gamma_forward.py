"""The sizes of gamma, through positively homogeneous activations into the next kernels' rows.

    f(gamma·z + beta) = gamma·f(z + beta/gamma)      gamma > 0, f(c·x) = c·f(x) for c > 0

so |gamma| scales the rows of every kernel that reads the unit and beta is divided by it (E04).
identity, relu, leaky relu, prelu and abs are such functions. relu6 becomes one when its clip moves
along, per unit: min(max(gamma·u, 0), 6) = gamma·min(max(u, 0), 6/gamma). Of a concatenation
only the unit's own rows change (E31). The sign stays, as ±1, except on linear paths.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from lnfold.folding.editing.consumers import Slot, function_of, lets_factors_through, readers_of
from lnfold.folding.editing.pushing import affine_forward
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
from lnfold.network.operations.float_types import limits_of
from lnfold.network.records.layers import (
    Clip,
    Layer,
    LayerNorm,
    Network,
    Norm,
    Parameter,
    RMSNorm,
)


def gamma_forward(network: Network, layer: Layer, setting: Setting) -> Outcome:
    """Leaves −1, 0 or 1 in gamma, or nothing at all where every unit has 1."""
    if not isinstance(layer, LayerNorm | RMSNorm) or layer.gamma is None:
        return None
    width = units_of(network, layer)
    gamma, beta = vector(layer.gamma, width, 1.0), vector(layer.beta, width, 0.0)
    if not finite(layer.gamma, layer.beta):
        return Refused(Reason.NOT_FINITE, layer.name)
    moved = bool(np.isin(gamma, (-1.0, 0.0, 1.0)).all())
    if moved and (setting.stock or (gamma == -1).any()):
        return None
    if (gamma == 1).all():
        return _without_gamma(network, layer)
    slots = readers_of(network, layer.name)
    if isinstance(slots, Refused):
        return slots
    refusal = _blocked(slots, layer, setting)
    if refusal is not None:
        return refusal
    linear = all(slot.linear for slot in slots)
    wanted = gamma if linear else np.abs(gamma)
    kept = (gamma == 0) | ~_representable(wanted, beta, slots, setting)
    if (kept & (gamma != 0)).any() and (kept | np.isin(gamma, (-1.0, 0.0, 1.0))).all():
        return Refused(Reason.PRECISION, layer.name, float(np.abs(gamma).min()))
    scale = np.where(kept, 1.0, wanted)
    left = gamma / scale
    if not setting.stock:
        left[_unread(slots, width)] = 1.0  # any number does, and ones can be left out
    if moved and (left == gamma).all():
        return None
    layers: dict[str, Layer] = dict(affine_forward(slots, scale, np.zeros(width)))
    layers.update(_moved_clips(slots, scale))
    layers[layer.name] = _rescaled(layer, left, beta / scale, setting)
    read = names(layer.gamma, layer.beta, *(slot.dense.kernel for slot in slots))
    measured = (
        ("smallest |gamma| moved", float(np.abs(scale).min())),
        ("largest |gamma| moved", float(np.abs(scale).max())),
        ("negative gammas", float((gamma < 0).sum())),
        ("units that keep their gamma", float((kept & (gamma != 0)).sum())),
    )
    return Applied(replaced(network, layers), measured, read)


def _blocked(slots: tuple[Slot, ...], layer: Norm, setting: Setting) -> Refused | None:
    """The first activation that lets no factor through."""
    for slot in slots:
        if slot.homogeneous:
            continue
        clipped = [one for one in slot.through if function_of(one) == "relu6"]
        others = [one for one in slot.through if not lets_factors_through(one)]
        if len(clipped) != 1 or others != clipped or clipped[0].input != layer.name:
            return Refused(Reason.ACTIVATED, others[0].name)
        if setting.stock:
            return Refused(Reason.CLIP_FIXED, clipped[0].name)
    return None


def _representable(scale: Array, beta: Array, slots: tuple[Slot, ...], setting: Setting) -> Array:
    """Which units can do without their gamma in the storage's range: [units] of bool.

    beta/gamma and gamma·W' must not overflow, and gamma must be far enough from the smallest
    numbers that gamma·W' keeps its digits.
    """
    eps, tiny, largest = limits_of(setting.storage)
    size = np.abs(scale)
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        fits = (size >= tiny / eps) & (np.abs(beta) / size <= largest)
    for slot in slots:
        rows = slot.dense.kernel.array[slot.start : slot.start + scale.size].astype(np.float64)
        fits &= np.abs(rows).max(axis=1, initial=0.0) * size <= largest
    return np.asarray(fits)


def _unread(slots: tuple[Slot, ...], width: int) -> Array:
    """Units that every reader multiplies by zero: [units] of bool."""
    unread = np.ones(width, bool)
    for slot in slots:
        unread &= ~slot.dense.kernel.array[slot.start : slot.start + width].any(axis=1)
    return unread


def _moved_clips(slots: tuple[Slot, ...], scale: Array) -> dict[str, Layer]:
    """relu6 with its clip at 6/scale, per unit."""
    clips: dict[str, Layer] = {}
    for slot in slots:
        for one in slot.through:
            if function_of(one) == "relu6":
                low, high = Parameter(np.zeros(1)), Parameter(6 / scale, (), f"{one.name}/high")
                clips[one.name] = Clip(one.name, one.inputs, one.scope, low, high)
    return clips


def _rescaled(layer: Norm, gamma: Array, beta: Array, setting: Setting) -> Norm:
    new_gamma = None
    if setting.stock or (gamma != 1).any():
        new_gamma = with_values(layer.gamma, gamma)
    new_beta = None if layer.beta is None else with_values(layer.beta, beta)
    return replace(layer, gamma=new_gamma, beta=new_beta)


def _without_gamma(network: Network, layer: Norm) -> Applied:
    """A gamma of ones, left out."""
    changed = replaced(network, {layer.name: replace(layer, gamma=None)})
    return Applied(changed, (("gamma", 1.0),), names(layer.gamma))


GAMMA_FORWARD = Rule(
    "gamma-forward",
    "E04, E31",
    "f(gamma·z + beta)·W' = f(±z + beta/|gamma|)·(|gamma|·W')",
    gamma_forward,
)
