"""The same numbers in other places: reshaped, turned, joined, cut, repeated, padded."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

from lnfold.network.operations.operation import (
    Array,
    Attributes,
    Family,
    Integers,
    Operands,
    Operation,
    Shape,
    Shapes,
    axes_in,
    broadcast,
    integers_of,
)


def _row(
    names: str,
    compute: Callable[..., Any],
    shape: Callable[[Operands], Shapes],
    operands: int | None,
    moved: slice = slice(0, 1),
    **attributes: Any,
) -> Operation:
    return Operation(
        tuple(names.split()), Family.LAYOUT, compute, shape, attributes, operands, moved
    )


def filled(shape: Shape | None, target: Integers) -> Shape | None:
    """What a shape becomes where a target names the lengths, −1 for the one that is left."""
    if target is None:
        return None
    sizes = [None if size is None or size < 0 else size for size in target]
    if sizes.count(None) == 1 and shape is not None and None not in shape:
        rest = math.prod(size for size in sizes if size is not None)
        total = math.prod(size for size in shape if size is not None)
        if rest and total % rest == 0:
            sizes[sizes.index(None)] = total // rest
    return tuple(sizes)


def _reshape(attributes: Attributes, x: Array, shape: Array) -> Array:
    return x.reshape(integers_of(shape))


def _expanded(operands: Operands) -> Shapes:
    shape, axis = operands.first, operands.known(1)
    if shape is None or axis is None or len(axis) != 1:
        return (None,)
    (place,) = axes_in(axis, len(shape) + 1)
    return ((*shape[:place], 1, *shape[place:]),)


def _expand(attributes: Attributes, x: Array, axis: Array) -> Array:
    return np.expand_dims(x, integers_of(axis)[0])


def _squeeze(attributes: Attributes, x: Array) -> Array:
    return np.squeeze(x, tuple(attributes["squeeze_dims"]) or None)


def _squeezed(operands: Operands) -> Shapes:
    shape = operands.first
    if shape is None:
        return (None,)
    named = axes_in(operands.attributes["squeeze_dims"], len(shape)) if shape else ()
    if not named and None in shape:
        return (None,)  # a length that is not known may be 1
    return (
        tuple(
            size for axis, size in enumerate(shape) if not (axis in named if named else size == 1)
        ),
    )


def _turn(attributes: Attributes, x: Array, order: Array) -> Array:
    return np.transpose(x, integers_of(order))


def _turned(operands: Operands) -> Shapes:
    shape, order = operands.first, operands.known(1)
    if shape is None or order is None or sorted(axes_in(order, len(shape))) != [*range(len(shape))]:
        return (None,)
    return (tuple(shape[axis] for axis in order),)


def _joined(shapes: Sequence[Shape | None], axis: tuple[int, ...] | None) -> Shapes:
    known = [shape for shape in shapes if shape is not None]
    if len(known) < len(shapes) or not known or axis is None or len(axis) != 1:
        return (None,)
    (along,) = axes_in(axis, len(known[0]))
    if any(len(shape) != len(known[0]) for shape in known):
        return (None,)
    lengths = [shape[along] for shape in known]
    found = [
        next((one for one in sizes if one is not None), None) for sizes in zip(*known, strict=True)
    ]
    found[along] = None if None in lengths else sum(one for one in lengths if one is not None)
    return (tuple(found),)


def _joined_before(operands: Operands) -> Shapes:
    return _joined(operands.shapes[:-1], operands.known(len(operands.shapes) - 1))


def _joined_behind(operands: Operands) -> Shapes:
    return _joined(operands.shapes[1:], operands.known(0))


def _concat(attributes: Attributes, *parts: Array) -> Array:
    return np.concatenate(parts[:-1], integers_of(parts[-1])[0])


def _concat_first(attributes: Attributes, axis: Array, *parts: Array) -> Array:
    return np.concatenate(parts, integers_of(axis)[0])


def _stack(attributes: Attributes, *parts: Array) -> Array:
    return np.stack(parts, attributes["axis"])


def _stacked(operands: Operands) -> Shapes:
    shape = broadcast(*operands.shapes)
    if shape is None:
        return (None,)
    (place,) = axes_in([operands.attributes["axis"]], len(shape) + 1)
    return ((*shape[:place], len(operands.shapes), *shape[place:]),)


def _unstack(attributes: Attributes, x: Array) -> tuple[Array, ...]:
    return tuple(np.moveaxis(x, attributes["axis"], 0))


def _unstacked(operands: Operands) -> Shapes:
    shape, many = operands.first, int(operands.attributes["num"])
    if shape is None:
        return (None,) * many
    (along,) = axes_in([operands.attributes["axis"]], len(shape))
    return ((*shape[:along], *shape[along + 1 :]),) * many


def _split(attributes: Attributes, axis: Array, x: Array) -> tuple[Array, ...]:
    return tuple(np.split(x, attributes["num_split"], integers_of(axis)[0]))


def _split_shapes(operands: Operands) -> Shapes:
    many = int(operands.attributes["num_split"])
    shape, axis = operands.shapes[1], operands.known(0)
    if shape is None or axis is None:
        return (None,) * many
    (along,) = axes_in(axis, len(shape))
    size = shape[along]
    part = None if size is None else size // max(many, 1)
    return ((*shape[:along], part, *shape[along + 1 :]),) * many


def _split_by(attributes: Attributes, x: Array, sizes: Array, axis: Array) -> tuple[Array, ...]:
    along, lengths = integers_of(axis)[0], list(integers_of(sizes))
    if -1 in lengths:
        rest = x.shape[along] - sum(one for one in lengths if one >= 0)
        lengths[lengths.index(-1)] = rest
    return tuple(np.split(x, np.cumsum(lengths)[:-1], along))


def _split_by_shapes(operands: Operands) -> Shapes:
    shape, sizes, axis = operands.first, operands.known(1), operands.known(2)
    many = int(operands.attributes["num_split"])
    if shape is None or sizes is None or axis is None:
        return (None,) * many
    (along,) = axes_in(axis, len(shape))
    whole = shape[along]
    rest = None if whole is None else whole - sum(one for one in sizes if one >= 0)
    return tuple(
        (*shape[:along], size if size >= 0 else rest, *shape[along + 1 :]) for size in sizes
    )


def _tile(attributes: Attributes, x: Array, times: Array) -> Array:
    return np.tile(x, integers_of(times))


def _tiled(operands: Operands) -> Shapes:
    shape, times = operands.first, operands.known(1)
    if shape is None or times is None:
        return (None,)
    pairs = zip(shape, times, strict=True)
    return (tuple(None if size is None else size * many for size, many in pairs),)


def _broadcast_to(attributes: Attributes, x: Array, shape: Array) -> Array:
    return np.broadcast_to(x, integers_of(shape))


def _pad(attributes: Attributes, x: Array, widths: Array, *value: Array) -> Array:
    constant = value[0] if value else 0
    return np.pad(x, np.asarray(widths).tolist(), constant_values=constant)


def _mirror(attributes: Attributes, x: Array, widths: Array) -> Array:
    mode = {"REFLECT": "reflect", "SYMMETRIC": "symmetric"}[attributes["mode"]]
    return np.pad(x, np.asarray(widths).tolist(), mode=mode)  # type: ignore[call-overload, no-any-return]


def _padded(operands: Operands) -> Shapes:
    shape, widths = operands.first, operands.known(1)
    if shape is None or widths is None or len(widths) != 2 * len(shape):
        return (None,)
    pairs = zip(shape, widths[::2], widths[1::2], strict=True)
    return (tuple(None if size is None else size + a + b for size, a, b in pairs),)


def _reverse(attributes: Attributes, x: Array, axes: Array) -> Array:
    return np.flip(x, axes_in(integers_of(axes), x.ndim))


LAYOUTS: Final = (
    _row("Reshape", _reshape, lambda one: (filled(one.first, one.integers[1]),), 2),
    _row("ExpandDims", _expand, _expanded, 2),
    _row("Squeeze", _squeeze, _squeezed, 1, squeeze_dims=()),
    _row("Transpose", _turn, _turned, 2),
    _row("ConcatV2", _concat, _joined_before, None, slice(0, -1)),
    _row("Concat", _concat_first, _joined_behind, None, slice(1, None)),
    _row("Pack", _stack, _stacked, None, slice(0, None), axis=0),
    _row("Unpack", _unstack, _unstacked, 1, axis=0, num=0),
    _row("Split", _split, _split_shapes, 2, slice(1, 2), num_split=1),
    _row("SplitV", _split_by, _split_by_shapes, 3, num_split=1),
    _row("Tile", _tile, _tiled, 2),
    _row("BroadcastTo", _broadcast_to, lambda one: (one.integers[1],), 2),
    _row("Pad", _pad, _padded, 2),
    _row("PadV2", _pad, _padded, 3),
    _row("MirrorPad", _mirror, _padded, 2, mode="REFLECT"),
    _row("ReverseV2", _reverse, lambda one: (one.first,), 2),
)
