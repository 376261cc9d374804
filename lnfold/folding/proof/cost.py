"""How many multiplications and divisions a network takes for one observation.

Additions, square roots and activations other than these layers' own are the same before and
after, or few, and are not counted. BatchNorm, Standardize and the like count one a unit: what
is constant in them is multiplied beforehand.
"""

from __future__ import annotations

from lnfold.network.records.deferred import Carried, Deviation, Divided, TriangleDeviation
from lnfold.network.records.layers import (
    LSTM,
    Affine,
    BatchNorm,
    Dense,
    Layer,
    LayerNorm,
    Network,
    RMSNorm,
    Standardize,
)


def multiplications(network: Network) -> int:
    """Of all layers, for one observation; layers of unknown kinds count nothing."""
    widths = network.widths()
    return sum(_of(layer, [widths[name] for name in layer.inputs]) for layer in network.layers)


def _of(layer: Layer, widths: list[int]) -> int:
    if isinstance(layer, Dense):
        return layer.kernel.shape[0] * layer.units
    if isinstance(layer, LSTM):
        # both kernels, and three products of a gate and a state
        return (layer.taken + layer.units) * 4 * layer.units + 3 * layer.units
    if isinstance(layer, LayerNorm | RMSNorm):
        # the squares, the division by s, gamma
        return widths[0] * (2 if layer.gamma is None else 3)
    if isinstance(layer, Deviation):
        return widths[0] + (2 if len(layer.inputs) > 1 else 0)
    if isinstance(layer, TriangleDeviation):
        return _triangle(layer)
    if isinstance(layer, Affine):
        return 0 if layer.scale is None else widths[0]
    return widths[0] if isinstance(layer, Carried | Divided | BatchNorm | Standardize) else 0


def _triangle(layer: TriangleDeviation) -> int:
    """The entries of the lower triangle but for its last row, and one square a column."""
    rows, columns = layer.triangle.shape
    return sum(min(row + 1, columns) for row in range(rows - 1)) + columns
