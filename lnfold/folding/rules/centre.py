"""The mean over the units, taken out of kernel and bias in front of a LayerNorm.

    LayerNorm(x·W + b) = RMSNorm(x·W_c + b_c),   W_c = W − mean over units, b_c likewise

for every epsilon ≥ 0 and any number of units (E01; arXiv:2305.14858, section 3). LayerNorm
ignores c·1 in the bias and v·1ᵀ in the kernel (E02), so the stock form centres and keeps it.
"""

from __future__ import annotations

import numpy as np

from lnfold.folding.editing.rewrite import (
    Array,
    dense_with,
    finite,
    matrix,
    names,
    replaced,
    vector,
)
from lnfold.folding.editing.steps import Applied, Outcome, Reason, Refused, Rule, Setting
from lnfold.folding.editing.streams import stream_of
from lnfold.network.records.layers import Dense, Layer, LayerNorm, Network, RMSNorm
from lnfold.relations.question.centred import offset


def centre(network: Network, layer: Layer, setting: Setting) -> Outcome:
    """Centres every writer of what a LayerNorm reads; in other forms than stock, to RMSNorm."""
    if not isinstance(layer, LayerNorm):
        return None
    stream = stream_of(network, layer)
    if isinstance(stream, Refused):
        return stream
    parameters = [one for dense in stream.writers for one in (dense.kernel, dense.bias)]
    if not finite(*parameters):
        return Refused(Reason.NOT_FINITE, layer.input)
    largest = max(offset(one) for dense in stream.writers for one in _rows(dense))
    if setting.stock and largest <= 1:
        return None  # the means are what rounding to the storage leaves: folded already
    layers: dict[str, Layer] = {one.name: _centred(one) for one in stream.writers}
    if not setting.stock:
        layers.update({norm.name: _without_mean(norm) for norm in stream.norms})
    measured = (
        ("largest mean over the units, in ulps of the largest number", largest),
        ("dense layers centred together", float(len(stream.writers))),
        ("norms that read them", float(len(stream.norms))),
    )
    return Applied(replaced(network, layers), measured, names(*parameters))


def centred_rows(array: Array) -> Array:
    """[…, units] minus its mean over the units, float64.

    Twice: where all units are equal but far from 0, what rounding leaves of the first mean
    would otherwise be all that is left to divide by sqrt(epsilon).
    """
    once = array - array.mean(axis=-1, keepdims=True)
    return np.asarray(once - once.mean(axis=-1, keepdims=True))


def _centred(dense: Dense) -> Dense:
    bias = None if dense.bias is None else centred_rows(vector(dense.bias, dense.units, 0.0))
    return dense_with(dense, centred_rows(matrix(dense)), bias)


def _rows(dense: Dense) -> list[Array]:
    return [dense.kernel.array] + ([] if dense.bias is None else [dense.bias.array.ravel()])


def _without_mean(norm: LayerNorm) -> RMSNorm:
    return RMSNorm(norm.name, norm.inputs, norm.scope, norm.gamma, norm.beta, norm.epsilon)


CENTRE = Rule(
    "centre",
    "E01, E02",
    "LayerNorm(x·W + b) = RMSNorm(x·W_c + b_c), W_c and b_c without their means over the units",
    centre,
)
