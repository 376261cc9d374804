"""What each kind of layer rounds off by itself, and how it carries what came before: one row each.

u is the unit roundoff. Every usual way to write a layer down stays within: a kernel that was
multiplied by what follows and rounded once more, a division as a product with the reciprocal.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from lnfold.network.records.layers import (
    LSTM,
    Activation,
    Add,
    Affine,
    Array,
    BatchNorm,
    Centre,
    Clip,
    Concat,
    Dense,
    Layer,
    LayerNorm,
    Multiply,
    PRelu,
    Rearrange,
    RMSNorm,
    Slice,
    Standardize,
)
from lnfold.network.rounding.activations import activation
from lnfold.network.rounding.arithmetic import Arithmetic
from lnfold.network.rounding.deferred import DEFERRED_ROUNDING
from lnfold.network.rounding.lstm import lstm
from lnfold.network.rounding.norms import batch_norm, mean_rounding, row_norm
from lnfold.network.rounding.products import product
from lnfold.network.rounding.seen import Row, Seen, Shared, Step
from lnfold.network.rounding.slopes import Centred, Kernel, Moved, Placed, UnitByUnit, same
from lnfold.network.running.run import step_of
from lnfold.network.running.run_inputs import as_rows


def _dense(layer: Dense, arithmetic: Arithmetic, out: Array, x: Seen) -> Step:
    kernel = layer.kernel.array.astype(np.float64)
    bias = None if layer.bias is None else arithmetic.vector(layer.bias, 0.0)[0]
    unit, highest = product(x, kernel, bias, arithmetic)
    return Step((Kernel(kernel),), unit, highest=highest)


def _prelu(layer: PRelu, arithmetic: Arithmetic, out: Array, x: Seen) -> Step:
    slopes, off = arithmetic.vector(layer.slopes, 1.0)
    either = np.abs(x.exact) <= x.box
    low = np.where(either, np.minimum(slopes, 1), np.where(x.exact > 0, 1.0, slopes))
    high = np.where(either, np.maximum(slopes, 1), low)
    negative = np.maximum(x.box - x.exact, 0)
    unit = (2 * arithmetic.roundoff * np.abs(slopes) + off) * negative
    unit = unit + arithmetic.tiny * (negative > 0)
    return Step((UnitByUnit((low + high) / 2, (high - low) / 2, x.width),), unit)


def _concat(layer: Concat, arithmetic: Arithmetic, out: Array, *parts: Seen) -> Step:
    ends = np.cumsum([part.width for part in parts]).tolist()
    slopes = [
        Placed(end - part.width, end, out.shape[1], taken=False)
        for end, part in zip(ends, parts, strict=True)
    ]
    return Step(tuple(slopes), np.zeros((1, 1)))


def _slice(layer: Slice, arithmetic: Arithmetic, out: Array, x: Seen) -> Step:
    return Step((Placed(layer.start, layer.stop, x.width, taken=True),), np.zeros((1, 1)))


def _add(layer: Add, arithmetic: Arithmetic, out: Array, *parts: Seen) -> Step:
    sizes = sum((part.most for part in parts), np.zeros((1, 1)))
    unit = arithmetic.rounding(len(parts) - 1) * sizes
    return Step(tuple(same(part.width) for part in parts), unit, highest=sizes)


def _multiply(layer: Multiply, arithmetic: Arithmetic, out: Array, *parts: Seen) -> Step:
    """x̂·ŷ − x·y = (x̂ − x)·ŷ + x·(ŷ − y), and so on: the others' products over their boxes."""
    slopes = []
    for place, part in enumerate(parts):
        exact, most = np.ones((1, 1)), np.ones((1, 1))
        for other in (*parts[:place], *parts[place + 1 :]):
            exact, most = exact * other.exact, most * other.most
        slopes.append(UnitByUnit(exact, most - np.abs(exact), part.width))
    sizes = np.prod(np.broadcast_arrays(*(part.most for part in parts)), axis=0)
    unit = arithmetic.rounding(0, len(parts) - 1) * sizes + arithmetic.tiny * (sizes > 0)
    return Step(tuple(slopes), unit)


def _centre(layer: Centre, arithmetic: Arithmetic, out: Array, x: Seen) -> Step:
    d = mean_rounding(x, arithmetic)
    size = np.abs(out) + x.box + x.box.mean(axis=1, keepdims=True)
    unit = arithmetic.roundoff * (size + d) + arithmetic.tiny
    shared = Shared(-np.ones((1, x.width)), d)
    return Step((Centred(),), unit, (shared,), x.width * x.most)


def _standardize(layer: Standardize, arithmetic: Arithmetic, out: Array, x: Seen) -> Step:
    """(x − mean)/deviation, x·(1/deviation) − mean/deviation; both may be the graph's results."""
    mean, mean_off = arithmetic.vector(layer.mean, 0.0)
    deviation, deviation_off = arithmetic.vector(layer.deviation, 1.0)
    u = arithmetic.roundoff
    if len(layer.mean.variables) > 1:
        mean_off = mean_off + 4 * u * np.abs(mean)
    if len(layer.deviation.variables) > 1:
        deviation_off = deviation_off + 4 * u * np.abs(deviation)
    inverse = 1 / deviation
    most = 1 / (np.abs(deviation) - deviation_off)
    unit = (most - np.abs(inverse) + 4 * u * most) * (np.abs(x.exact - mean) + x.box)
    unit = unit + (2 * u * x.most + 3 * u * np.abs(mean) + mean_off) * most + arithmetic.tiny
    return Step((UnitByUnit(inverse[None], np.zeros((1, 1)), x.width),), unit)


def _affine(layer: Affine, arithmetic: Arithmetic, out: Array, x: Seen) -> Step:
    scale, scale_off = arithmetic.vector(layer.scale, 1.0)
    shift, shift_off = arithmetic.vector(layer.shift, 0.0)
    u = arithmetic.roundoff
    product_size = x.most * np.abs(scale)
    # a scale of 1/255 may be a division by 255, so it counts twice
    roundings = (layer.scale is not None) * 2 + (layer.shift is not None)
    unit = roundings * u * product_size + scale_off * x.most + shift_off
    if layer.shift is not None:
        unit = unit + u * np.abs(shift)
    if roundings:
        unit = unit + arithmetic.tiny
    return Step((UnitByUnit(scale[None], np.zeros((1, 1)), x.width),), unit)


def _clip(layer: Clip, arithmetic: Arithmetic, out: Array, x: Seen) -> Step:
    low, low_off = arithmetic.vector(layer.low, -np.inf)
    high, high_off = arithmetic.vector(layer.high, np.inf)
    low_off, high_off = (np.where(np.isfinite(off), off, 0.0) for off in (low_off, high_off))
    inside = (x.exact - x.box > low + low_off) & (x.exact + x.box < high - high_off)
    outside = (x.exact + x.box < low - low_off) | (x.exact - x.box > high + high_off)
    centre = np.where(inside, 1.0, np.where(outside, 0.0, 0.5))
    radius = np.where(inside | outside, 0.0, 0.5)
    unit = np.where(inside, 0.0, np.maximum(low_off, high_off))
    return Step((UnitByUnit(centre, radius, x.width),), unit)


def _rearrange(layer: Rearrange, arithmetic: Arithmetic, out: Array, x: Seen) -> Step:
    step = step_of(layer, np.float64)
    return Step((Moved(lambda rows: as_rows(step(rows))),), np.zeros((1, 1)))


LOCAL_ROUNDING: Final[dict[type[Layer], Row]] = {
    Dense: _dense,
    LayerNorm: row_norm,
    RMSNorm: row_norm,
    BatchNorm: batch_norm,
    Activation: activation,
    PRelu: _prelu,
    Concat: _concat,
    Add: _add,
    Multiply: _multiply,
    Slice: _slice,
    Centre: _centre,
    Standardize: _standardize,
    Affine: _affine,
    Clip: _clip,
    LSTM: lstm,
    Rearrange: _rearrange,
    **DEFERRED_ROUNDING,
}
