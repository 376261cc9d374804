"""A norm of a norm, with nothing between but one factor and one shift for all units.

With z = y_c/sqrt(v + e₁), v = mean(y_c²), and the same a and c for every unit,

    LN(a·z + c; e₂) = a·z/sqrt(a²·v/(v + e₁) + e₂)
                    = sign(a)/sqrt(1 + e₂/a²) · y_c/sqrt(v + e₁·e₂/(a² + e₂))          (E32)

so one norm with another epsilon is left. Dropping the first norm and its epsilon is no identity.
A LayerNorm ignores c; an RMSNorm does not, and needs c = 0.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from lnfold.folding.editing.rewrite import finite, names, replaced, units_of, vector, with_values
from lnfold.folding.editing.steps import Applied, Outcome, Reason, Refused, Rule, Setting
from lnfold.network.records.layers import Layer, LayerNorm, Network, Parameter, RMSNorm


def norm_norm(network: Network, layer: Layer, setting: Setting) -> Outcome:
    """Puts one norm in the place of ``layer`` and the only norm that reads it."""
    if setting.stock or not isinstance(layer, LayerNorm | RMSNorm):
        return None
    readers = network.consumers(layer.name)
    following = readers[0] if len(readers) == 1 else None
    if not isinstance(following, LayerNorm | RMSNorm):
        return None
    if layer.name in network.outputs:
        return Refused(Reason.DELIVERED, layer.name)
    if not finite(layer.gamma, layer.beta, following.gamma):
        return Refused(Reason.NOT_FINITE, layer.name)
    width = units_of(network, layer)
    gamma, beta = vector(layer.gamma, width, 1.0), vector(layer.beta, width, 0.0)
    factor, shift = float(gamma[0]), float(beta[0])
    if factor == 0 or (gamma != factor).any() or (beta != shift).any():
        return Refused(Reason.UNEVEN, layer.name)
    if isinstance(layer, RMSNorm) and isinstance(following, LayerNorm):
        return Refused(Reason.MEAN_BETWEEN, following.name)
    if isinstance(following, RMSNorm) and shift != 0:
        return Refused(Reason.UNEVEN, layer.name)
    first, second = layer.epsilon.value or 0.0, following.epsilon.value or 0.0
    epsilon = first * second / (factor**2 + second)
    scale = math.copysign(1 / math.sqrt(1 + second / factor**2), factor)
    gained = with_values(
        following.gamma or Parameter(np.ones(width), (), f"{following.scope}/gamma"),
        vector(following.gamma, width, 1.0) * scale,
    )
    one = replace(
        layer,
        name=following.name,
        scope=following.scope,
        gamma=gained,
        beta=following.beta,
        epsilon=replace(layer.epsilon, value=epsilon),
    )
    measured = (("factor between", factor), ("epsilon of the one norm", epsilon))
    read = names(layer.gamma, layer.beta, following.gamma)
    return Applied(replaced(network, {layer.name: (), following.name: one}), measured, read)


NORM_NORM = Rule(
    "norm-norm",
    "E32",
    "LN(a·LN(y; e1) + c; e2) = sign(a)/sqrt(1 + e2/a²)·LN(y; e1·e2/(a² + e2))",
    norm_norm,
)
