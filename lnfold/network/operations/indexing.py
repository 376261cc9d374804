"""Numbers chosen by their places, and numbers that follow from shapes alone."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from lnfold.network.operations.operation import (
    DTYPES,
    Array,
    Attributes,
    Family,
    Operands,
    Operation,
    Shape,
    Shapes,
    axes_in,
    integers_of,
)

_MASKS: Final = ("begin_mask", "end_mask", "ellipsis_mask", "new_axis_mask", "shrink_axis_mask")


def _row(
    names: str,
    compute: Callable[..., Any],
    shape: Callable[[Operands], Shapes],
    operands: int,
    moved: slice = slice(0, 1),
    **attributes: Any,
) -> Operation:
    return Operation(
        tuple(names.split()), Family.INDEXING, compute, shape, attributes, operands, moved
    )


def _of_shapes(
    names: str,
    compute: Callable[..., Any],
    shape: Callable[[Operands], Shapes],
    operands: int,
    **attributes: Any,
) -> Operation:
    moved = slice(0, 0)  # what it delivers follows from where and how many alone
    return Operation(
        tuple(names.split()), Family.SHAPE, compute, shape, attributes, operands, moved
    )


# ── slices ────────────────────────────────────────────────────────────────────────────────────


def _slice(attributes: Attributes, x: Array, begin: Array, size: Array) -> Array:
    pairs = zip(integers_of(begin), integers_of(size), strict=True)
    places = (slice(start, None if many < 0 else start + many) for start, many in pairs)
    return x[tuple(places)]


def _cut(operands: Operands) -> Shapes:
    shape, begin, size = operands.first, operands.known(1), operands.integers[2]
    if size is None or shape is None:
        return (None,)
    if begin is None:
        return (tuple(None if one is None or one < 0 else one for one in size),)
    triples = zip(shape, begin, size, strict=True)
    return (
        tuple(
            (None if whole is None else whole - start) if one is not None and one < 0 else one
            for whole, start, one in triples
        ),
    )


def _indices(
    attributes: Attributes, begin: tuple[int, ...], end: tuple[int, ...], step: tuple[int, ...]
) -> tuple[Any, ...]:
    """What a StridedSlice means, as Python writes it."""
    from_start, to_end, dots, new, single = (attributes[name] for name in _MASKS)
    places: list[Any] = []
    for axis, (start, stop, stride) in enumerate(zip(begin, end, step, strict=True)):
        bit = 1 << axis
        if dots & bit:
            places.append(Ellipsis)
        elif new & bit:
            places.append(None)
        elif single & bit:
            places.append(start)
        else:
            places.append(
                slice(None if from_start & bit else start, None if to_end & bit else stop, stride)
            )
    return tuple(places)


def _strided(attributes: Attributes, x: Array, begin: Array, end: Array, step: Array) -> Array:
    return np.asarray(x[_indices(attributes, *map(integers_of, (begin, end, step)))])


def _strided_shape(operands: Operands) -> Shapes:
    shape = operands.first
    bounds = [operands.known(place) for place in (1, 2, 3)]
    if shape is None or None in bounds:
        return (None,)
    begin, end, step = (one or () for one in bounds)
    places = list(_indices(operands.attributes, begin, end, step))
    real = sum(one is not None and one is not Ellipsis for one in places)
    if Ellipsis not in places:
        places.append(Ellipsis)
    whole = [slice(None)] * (len(shape) - real)
    at = places.index(Ellipsis)
    places[at : at + 1] = whole
    lengths = list(shape)
    found: list[int | None] = []
    for one in places:
        if one is None:
            found.append(1)
            continue
        length = lengths.pop(0)
        if isinstance(one, slice):
            full = one.start is None and one.stop is None and one.step in (None, 1)
            known = len(range(*one.indices(length))) if length is not None else None
            found.append(length if full else known)
    return (tuple(found),)


# ── lookups ───────────────────────────────────────────────────────────────────────────────────


def _within(places: Array, length: int) -> Array:
    """IndexError where TensorFlow finds no such place: it does not count from the end."""
    if places.size and (places.min() < 0 or places.max() >= length):
        raise IndexError(f"place {places.min()} or {places.max()} of {length}")
    return places


def _gather(attributes: Attributes, x: Array, places: Array, *axis: Array) -> Array:
    (along,) = axes_in(integers_of(axis[0]) if axis else (0,), x.ndim)
    places = _within(np.asarray(places), x.shape[along])
    batch = attributes["batch_dims"]
    if batch:
        batch %= max(places.ndim, 1)
        rows = np.ndindex(*x.shape[:batch])
        parts = [np.take(x[row], places[row], axis=along - batch) for row in rows]
        shape = parts[0].shape if parts else ()
        return np.asarray(parts).reshape(*x.shape[:batch], *shape)
    return np.take(x, places, axis=along)


def _gathered(operands: Operands) -> Shapes:
    shape, places = operands.first, operands.shapes[1]
    axis = operands.known(2) if len(operands.shapes) > 2 else (0,)
    if shape is None or places is None or axis is None:
        return (None,)
    (along,) = axes_in(axis, len(shape))
    batch = operands.attributes["batch_dims"]
    return ((*shape[:along], *places[batch:], *shape[along + 1 :]),)


def _one_hot(attributes: Attributes, places: Array, depth: Array, on: Array, off: Array) -> Array:
    axis = attributes["axis"] % (places.ndim + 1)
    hot = np.expand_dims(places, axis) == np.arange(int(depth)).reshape(
        *[1] * axis, -1, *[1] * (places.ndim - axis)
    )
    return np.where(hot, on, off)


def _hot(operands: Operands) -> Shapes:
    shape, depth = operands.first, operands.integers[1]
    if shape is None or depth is None:
        return (None,)
    axis = operands.attributes["axis"] % (len(shape) + 1)
    return ((*shape[:axis], depth[0], *shape[axis:]),)


# ── from shapes ───────────────────────────────────────────────────────────────────────────────


def _typed(attributes: Attributes) -> str:
    return DTYPES.get(attributes["out_type"], "i4")


def _shape_of(attributes: Attributes, x: Array) -> Array:
    return np.asarray(x.shape, _typed(attributes))


def _rank_shape(operands: Operands) -> Shapes:
    return (None if operands.first is None else (len(operands.first),),)


def _range(attributes: Attributes, start: Array, limit: Array, step: Array) -> Array:
    return np.arange(start.item(), limit.item(), step.item(), dtype=start.dtype)


def _counted(operands: Operands) -> Shapes:
    found = [operands.known(place) for place in range(3)]
    if any(one is None or len(one) != 1 for one in found):
        return ((None,),)
    start, limit, step = (one[0] for one in found if one)
    return ((max(0, math.ceil((limit - start) / step)) if step else None,),)


def _scalar(operands: Operands) -> Shapes:
    scalar: Shape = ()
    return (scalar,)


INDEXING: Final = (
    _row("Slice", _slice, _cut, 3),
    _row("StridedSlice", _strided, _strided_shape, 4, slice(0, 1), **dict.fromkeys(_MASKS, 0)),
    _row("Gather ResourceGather", _gather, _gathered, 2, batch_dims=0),
    _row("GatherV2", _gather, _gathered, 3, batch_dims=0),
    _row("OneHot", _one_hot, _hot, 4, slice(2, 4), axis=-1),
    _of_shapes("Shape", _shape_of, _rank_shape, 1, out_type=3),
    _of_shapes("Size", lambda a, x: np.asarray(x.size, _typed(a)), _scalar, 1, out_type=3),
    _of_shapes("Rank", lambda a, x: np.asarray(x.ndim, "i4"), _scalar, 1),
    _of_shapes(
        "Fill",
        lambda a, shape, value: np.full(integers_of(shape), value),
        lambda one: (one.integers[0],),
        2,
    ),
    _of_shapes("Range", _range, _counted, 3),
)
