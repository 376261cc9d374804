"""Windows that move over places: convolutions and pooling, of two dimensions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

from lnfold.network.operations.operation import (
    Array,
    Attributes,
    Family,
    Operands,
    Operation,
    Shape,
    Shapes,
)

Pairs = tuple[tuple[int, int], tuple[int, int]]


def _places(attributes: Attributes, values: Sequence[Any]) -> tuple[Any, Any]:
    """The two of four values, one an axis, that belong to height and width."""
    first = attributes["data_format"].index("H")
    return values[first], values[first + 1]


def _padding(
    attributes: Attributes, size: tuple[int, int], window: tuple[int, int], step: tuple[int, int]
) -> Pairs:
    """How many places are added before and after, for height and for width."""
    kind = attributes["padding"]
    if kind == "VALID":
        return (0, 0), (0, 0)
    if kind == "EXPLICIT":
        explicit = attributes["explicit_paddings"]
        first = 2 * attributes["data_format"].index("H")
        return tuple(explicit[first : first + 2]), tuple(explicit[first + 2 : first + 4])
    found = []
    for length, wide, stride in zip(size, window, step, strict=True):
        total = max((-(-length // stride) - 1) * stride + wide - length, 0)
        found.append((total // 2, total - total // 2))
    return found[0], found[1]


def _counts(
    attributes: Attributes, size: Shape, window: tuple[int, int], step: tuple[int, int]
) -> Shape:
    """How many windows fit, None where a length is not known."""
    found: list[int | None] = []
    for place, length in enumerate(size):
        if length is None:
            found.append(None)
            continue
        both = (length, length)
        added = sum(_padding(attributes, both, window, step)[place])
        found.append(max((length + added - window[place]) // step[place] + 1, 0))
    return tuple(found)


def _channels_last(attributes: Attributes, x: Array) -> Array:
    return np.moveaxis(x, 1, -1) if attributes["data_format"] == "NCHW" else x


def _as_given(attributes: Attributes, y: Array) -> Array:
    return np.moveaxis(y, -1, 1) if attributes["data_format"] == "NCHW" else y


def _windows(
    attributes: Attributes, x: Array, window: tuple[int, int], step: tuple[int, int],
    reach: tuple[int, int], fill: float,
) -> Array:  # fmt: skip
    """Every window of x [batch, height, width, channels]: [batch, rows, columns, channels, h, w].

    A window has ``window`` places, ``reach`` wide with what is left out between them.
    """
    size = (x.shape[1], x.shape[2])
    pads = _padding(attributes, size, reach, step)
    x = np.pad(x, ((0, 0), *pads, (0, 0)), constant_values=fill)
    if x.shape[1] < reach[0] or x.shape[2] < reach[1]:
        raise ValueError(f"windows of {reach} in {x.shape[1:3]} places")
    views = np.lib.stride_tricks.sliding_window_view(x, reach, axis=(1, 2))
    apart = [(one - 1) // max(many - 1, 1) for one, many in zip(reach, window, strict=True)]
    return views[:, :: step[0], :: step[1], :, :: max(apart[0], 1), :: max(apart[1], 1)]


def _steps(attributes: Attributes) -> tuple[int, int]:
    down, across = _places(attributes, attributes["strides"])
    if down < 1 or across < 1:
        raise ValueError(f"strides {down}, {across}")
    return int(down), int(across)


def _reach(attributes: Attributes, kernel: Sequence[int | None]) -> tuple[int, int]:
    spread = _places(attributes, attributes["dilations"])
    return tuple(((one or 1) - 1) * by + 1 for one, by in zip(kernel[:2], spread, strict=True))


def _convolution(attributes: Attributes, x: Array, kernel: Array) -> Array:
    """Σ of window·kernel; groups where the kernel takes fewer channels than there are."""
    x = _channels_last(attributes, x)
    high, wide, taken, units = kernel.shape
    groups = x.shape[-1] // max(taken, 1)
    if groups < 1 or taken * groups != x.shape[-1] or units % groups:
        raise ValueError(f"a kernel {kernel.shape} over {x.shape[-1]} channels")
    step, reach = _steps(attributes), _reach(attributes, kernel.shape)
    views = _windows(attributes, x, (high, wide), step, reach, 0.0)
    places = views.shape[:3]
    flat = views.transpose(0, 1, 2, 4, 5, 3).reshape(-1, high * wide, groups, taken)
    parts = []
    for group in range(groups):
        columns = flat[:, :, group].reshape(len(flat), -1)
        share = slice(group * (units // groups), (group + 1) * (units // groups))
        parts.append(columns @ kernel[..., share].reshape(high * wide * taken, -1))
    found = parts[0] if groups == 1 else np.concatenate(parts, axis=1)
    return _as_given(attributes, found.reshape(*places, units))


def _depthwise(attributes: Attributes, x: Array, kernel: Array) -> Array:
    """Each channel with kernels of its own: [height, width, channels, times]."""
    x = _channels_last(attributes, x)
    high, wide, channels, times = kernel.shape
    if channels != x.shape[-1]:
        raise ValueError(f"a kernel {kernel.shape} over {x.shape[-1]} channels")
    step, reach = _steps(attributes), _reach(attributes, kernel.shape)
    views = _windows(attributes, x, (high, wide), step, reach, 0.0)
    found = np.einsum("brcdhw,hwdt->brcdt", views, kernel, optimize=True)
    return _as_given(attributes, found.reshape(*views.shape[:3], channels * times))


def _pool(function: Callable[..., Array], fill: float) -> Callable[..., Array]:
    def compute(attributes: Attributes, x: Array) -> Array:
        x = _channels_last(attributes, x)
        high, wide = (int(one) for one in _places(attributes, attributes["ksize"]))
        step = _steps(attributes)
        of = {"explicit_paddings": (), **attributes}
        fits = np.issubdtype(x.dtype, np.floating)
        views = _windows(of, x, (high, wide), step, (high, wide), fill if fits else 0)
        return _as_given(attributes, function(views, axis=(-2, -1)).astype(x.dtype))

    return compute


def _mean_of_known(views: Array, axis: tuple[int, ...]) -> Array:
    return np.asarray(np.nanmean(views, axis=axis))


def _after(operands: Operands, window: tuple[int, int], units: int | None) -> Shapes:
    shape, attributes = operands.first, {"explicit_paddings": (), **operands.attributes}
    if shape is None or len(shape) != 4:
        return (None,)
    batch = shape[0]
    rows = _counts(attributes, _places(attributes, shape), window, _steps(attributes))
    if attributes["data_format"] == "NCHW":
        return ((batch, units, *rows),)
    return ((batch, *rows, units),)


def _convolved(operands: Operands) -> Shapes:
    kernel = operands.shapes[1]
    if kernel is None or len(kernel) != 4 or None in kernel[:2]:
        return (None,)
    return _after(operands, _reach(operands.attributes, kernel), kernel[3])


def _convolved_deep(operands: Operands) -> Shapes:
    kernel = operands.shapes[1]
    if kernel is None or len(kernel) != 4 or None in kernel[:2]:
        return (None,)
    units = None if None in kernel else (kernel[2] or 0) * (kernel[3] or 0)
    return _after(operands, _reach(operands.attributes, kernel), units)


def _pooled(operands: Operands) -> Shapes:
    shape = operands.first
    if shape is None or len(shape) != 4:
        return (None,)
    high, wide = _places(operands.attributes, operands.attributes["ksize"])
    channels = shape[operands.attributes["data_format"].index("C")]
    return _after(operands, (high, wide), channels)


_MOVES: Final = {"strides": (1, 1, 1, 1), "padding": "VALID", "data_format": "NHWC"}
_CONVOLVES: Final = {**_MOVES, "dilations": (1, 1, 1, 1), "explicit_paddings": ()}
_POOLS: Final = {**_MOVES, "ksize": (1, 1, 1, 1)}

WINDOWS: Final = (
    Operation(("Conv2D",), Family.WINDOW, _convolution, _convolved, _CONVOLVES, 2),
    Operation(
        ("DepthwiseConv2dNative",), Family.WINDOW, _depthwise, _convolved_deep, _CONVOLVES, 2
    ),
    Operation(("MaxPool",), Family.WINDOW, _pool(np.max, -np.inf), _pooled, _POOLS, 1),
    Operation(("AvgPool",), Family.WINDOW, _pool(_mean_of_known, np.nan), _pooled, _POOLS, 1),
)
