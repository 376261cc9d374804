"""Negative gammas, absorbed into the centred kernel in front of an RMSNorm.

    gamma_i·z_i = |gamma_i|·(−z_i),   −z_i by the sign of column i of kernel and bias

for RMSNorm: mean(y²) does not see the sign of a unit (E05). A LayerNorm does, through the
mean, so the stock form keeps −1 in gamma.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from lnfold.folding.editing.rewrite import (
    bias_of,
    dense_with,
    finite,
    matrix,
    names,
    replaced,
    vector,
    with_values,
)
from lnfold.folding.editing.steps import Applied, Outcome, Reason, Refused, Rule, Setting
from lnfold.network.records.layers import Dense, Layer, Network, RMSNorm


def sign(network: Network, layer: Layer, setting: Setting) -> Outcome:
    """Makes the gamma of an RMSNorm positive by flipping units of the dense layer before it."""
    if setting.stock or not isinstance(layer, RMSNorm) or layer.gamma is None:
        return None
    dense = network.producer(layer.input)
    if not isinstance(dense, Dense):
        # any factor passes a linear path whole; elsewhere the sign stays in gamma
        return None
    if not finite(dense.kernel, dense.bias, layer.gamma):
        return Refused(Reason.NOT_FINITE, dense.name)
    gamma = vector(layer.gamma, dense.units, 1.0)
    signs = np.where(gamma < 0, -1.0, 1.0)
    if (signs == 1).all():
        return None
    if dense.name in network.outputs or len(network.consumers(dense.name)) > 1:
        others = [one.name for one in network.consumers(dense.name) if one is not layer]
        return Refused(Reason.READ_ELSEWHERE, (*others, dense.name)[0])
    bias = None if dense.bias is None else bias_of(dense) * signs
    layers: dict[str, Layer] = {
        dense.name: dense_with(dense, matrix(dense) * signs, bias),
        layer.name: replace(layer, gamma=with_values(layer.gamma, gamma * signs)),
    }
    measured = (("negative gammas", float((signs < 0).sum())),)
    read = names(dense.kernel, dense.bias, layer.gamma)
    return Applied(replaced(network, layers), measured, read)


SIGN = Rule(
    "sign",
    "E05",
    "gamma·z = |gamma|·(sign(gamma)·z), the signs into the centred kernel's columns",
    sign,
)
