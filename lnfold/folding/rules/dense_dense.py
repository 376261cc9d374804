"""Two dense layers with nothing between them are one.

(x·W + b)·W' + b' = x·(W·W') + (b·W' + b')
"""

from __future__ import annotations

from dataclasses import replace

from lnfold.folding.editing.rewrite import bias_of, dense_with, finite, matrix, names, replaced
from lnfold.folding.editing.steps import Applied, Outcome, Reason, Refused, Rule, Setting
from lnfold.network.records.layers import Dense, Layer, Network


def dense_dense(network: Network, layer: Layer, setting: Setting) -> Outcome:
    """Multiplies a dense layer into the only dense layer that reads it, where that is cheaper."""
    if setting.stock or not isinstance(layer, Dense) or layer.name in network.outputs:
        return None
    readers = network.consumers(layer.name)
    following = readers[0] if len(readers) == 1 else None
    if not isinstance(following, Dense):
        return None
    parameters = (layer.kernel, layer.bias, following.kernel, following.bias)
    if not finite(*parameters):
        return Refused(Reason.NOT_FINITE, layer.name)
    rows, units, width = layer.kernel.shape[0], layer.units, following.units
    apart, merged = rows * units + units * width, rows * width
    if merged > apart:
        return Refused(Reason.COSTLIER, following.name, float(merged - apart))
    kernel = matrix(layer) @ matrix(following)
    bias = None
    if layer.bias is not None or following.bias is not None:
        bias = bias_of(layer) @ matrix(following) + bias_of(following)
    one = replace(dense_with(following, kernel, bias), inputs=layer.inputs)
    measured = (("multiplications apart", float(apart)), ("in one", float(merged)))
    return Applied(
        replaced(network, {layer.name: (), following.name: one}), measured, names(*parameters)
    )


DENSE_DENSE = Rule("dense-dense", "E07", "(x·W + b)·W' + b' = x·(W·W') + (b·W' + b')", dense_dense)
