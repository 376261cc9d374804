"""A random call for every operation of the table: arrays and attributes that fit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from lnfold.network.operations.operation import Family
from lnfold.network.operations.table import OPERATIONS

Case = tuple[list[np.ndarray], dict[str, Any]]
Random = np.random.Generator


def lengths(random: Random, least: int = 0, most: int = 4, smallest: int = 0) -> tuple[int, ...]:
    """A shape; one axis in ten is empty."""
    rank = int(random.integers(least, most + 1))
    return tuple(int(max(one, smallest)) for one in random.integers(0, 5, rank) + 1 - 1 * (
        random.random(rank) < 0.1
    ))  # fmt: skip


def floats(random: Random, shape: tuple[int, ...], dtype: str = "f4") -> np.ndarray:
    return random.standard_normal(shape).astype(dtype)


def beside(random: Random, shape: tuple[int, ...]) -> tuple[int, ...]:
    """A shape that is broadcast with another."""
    cut = shape[int(random.integers(0, len(shape) + 1)) :]
    return tuple(1 if random.random() < 0.3 else one for one in cut)


def axis_of(random: Random, rank: int) -> int:
    return int(random.integers(-rank, rank)) if rank else 0


def ints(*values: int) -> np.ndarray:
    return np.asarray(values, "i4")


POSITIVE = {"Sqrt", "Rsqrt", "Log", "Log1p", "Acosh", "Pow", "Xlogy", "Reciprocal", "Inv"}
INSIDE = {"Asin", "Acos", "Atanh"}
WHOLE = {"FloorDiv", "FloorMod", "Mod", "TruncateMod", "Div", "RealDiv"}


def elementwise(name: str, random: Random) -> Case:
    row = OPERATIONS[name]
    shape = lengths(random)
    if name in ("Softmax", "LogSoftmax"):
        shape = (*shape[:3], int(random.integers(1, 6)))
    x = floats(random, shape)
    if name in POSITIVE:
        x = np.abs(x) + 0.1 + (name == "Acosh")
    if name in INSIDE:
        x = np.tanh(x)
    if name == "AddN":
        return [x, floats(random, shape), floats(random, shape)], {}
    if name == "ClipByValue":
        low, high = sorted(random.standard_normal(2))
        return [x, np.float32(low), np.float32(high)], {}
    if name in ("BiasAdd", "BiasAddV1"):
        layout = "NCHW" if name == "BiasAdd" and random.random() < 0.5 else "NHWC"
        shape = lengths(random, 4, 4) if layout == "NCHW" else lengths(random, 2, 4)
        units = shape[1] if layout == "NCHW" else shape[-1]
        attributes = {"data_format": layout} if name == "BiasAdd" else {}
        return [floats(random, shape), floats(random, (units,))], attributes
    if name == "Cast":
        return [x * 3], {"DstT": int(random.choice([1, 2, 3, 9, 10, 19]))}
    if name == "LeakyRelu":
        return [x], {"alpha": float(np.float32(random.random()))}
    if row.operands == 1:
        return [x], {}
    y = floats(random, beside(random, shape))
    if name in WHOLE and random.random() < 0.5:
        numbers = random.integers(-9, 10, shape), random.integers(1, 5, y.shape)
        return [numbers[0].astype("i4"), numbers[1].astype("i4")], {}
    if name in ("DivNoNan", "MulNoNan", "Xdivy"):
        x, y = np.round(x), np.round(y)
    if name in ("Xlogy",):
        y = np.abs(y) + 0.1
    return ([x, y] if random.random() < 0.5 or name in ("Xlogy", "Pow") else [y, x]), {}


def choice(name: str, random: Random) -> Case:
    shape = lengths(random)
    x, y = np.round(floats(random, shape)), np.round(floats(random, beside(random, shape)))
    if name.startswith("Logical"):
        return [x > 0, y > 0][: OPERATIONS[name].operands], {}
    if name == "SelectV2":
        return [y > 0, x, y], {}
    if name == "Select":
        rows = random.random() < 0.5 and x.ndim > 0
        condition = random.random(x.shape[:1] if rows else x.shape) < 0.5
        return [condition, x, floats(random, shape)], {}
    if name.startswith("Is"):
        return [np.where(random.random(shape) < 0.3, np.nan, x * np.float32(1e38))], {}
    return [x, y], {}


def reduction(name: str, random: Random) -> Case:
    shape = lengths(random, 1, 4, smallest=1)
    x = floats(random, shape)
    if name in ("ArgMax", "ArgMin"):
        kind = int(random.choice([3, 9]))
        return [x, np.int32(axis_of(random, x.ndim))], {"output_type": kind}
    if name in ("Cumsum", "Cumprod"):
        flags = {key: bool(random.random() < 0.5) for key in ("exclusive", "reverse")}
        return [x, np.int32(axis_of(random, x.ndim))], flags
    many = int(random.integers(0, x.ndim + 1))
    axes = random.permutation(x.ndim)[:many] - x.ndim * (random.random() < 0.5)
    if name in ("All", "Any"):
        x = x > 0
    elif random.random() < 0.3:
        x = (x * 5).astype("i4")
    return [x, axes.astype("i4")], {"keep_dims": bool(random.random() < 0.5)}


def layout(name: str, random: Random) -> Case:
    shape = lengths(random, 1, 4, smallest=1)
    x = floats(random, shape)
    axis = axis_of(random, x.ndim)
    parts = [floats(random, shape) for _ in range(int(random.integers(1, 4)))]
    cut = shape[axis]
    inner = sorted(random.integers(0, cut + 1, 2).tolist())
    pads = random.integers(0, 3, (x.ndim, 2)).astype("i4")
    cases: dict[str, Callable[[], Case]] = {
        "Reshape": lambda: ([x, ints(-1, *shape[::-1][:1])], {}),
        "ExpandDims": lambda: ([x, np.int32(axis_of(random, x.ndim + 1))], {}),
        "Squeeze": lambda: ([x[None, :, None], ints()][:1], {"squeeze_dims": (0,)}),
        "Transpose": lambda: ([x, random.permutation(x.ndim).astype("i4")], {}),
        "ConcatV2": lambda: ([*parts, np.int32(axis)], {}),
        "Concat": lambda: ([np.int32(axis % x.ndim), *parts, x], {}),
        "Pack": lambda: (parts, {"axis": axis_of(random, x.ndim + 1)}),
        "Unpack": lambda: ([x], {"axis": axis, "num": cut}),
        "Split": lambda: ([np.int32(axis), x], {"num_split": cut}),
        "SplitV": lambda: (
            [x, ints(inner[0], inner[1] - inner[0], -1), np.int32(axis)],
            {"num_split": 3},
        ),
        "Tile": lambda: ([x, random.integers(0, 3, x.ndim).astype("i4")], {}),
        "BroadcastTo": lambda: ([floats(random, beside(random, shape)), ints(*shape)], {}),
        "Pad": lambda: ([x, pads], {}),
        "PadV2": lambda: ([x, pads, np.float32(2.5)], {}),
        "MirrorPad": lambda: (
            [x, np.minimum(pads, np.array(shape)[:, None] - 1).astype("i4")],
            {"mode": str(random.choice(["REFLECT", "SYMMETRIC"]))},
        ),
        "ReverseV2": lambda: ([x, ints(axis)], {}),
    }
    return cases[name]()


def strided(random: Random, x: np.ndarray) -> Case:
    """Bounds for every axis, some of them left open, taken away, new, or an ellipsis."""
    entries = int(random.integers(1, x.ndim + 1))
    step = random.choice([1, 1, 2, -1], entries)
    begin, end = random.integers(-4, 5, entries), random.integers(-4, 5, entries)
    masks = {name: 0 for name in ("begin", "end", "ellipsis", "new_axis", "shrink_axis")}
    for axis in range(entries):
        bit = 1 << axis
        kind = random.random()
        masks["begin"] |= bit * bool(random.random() < 0.5)
        masks["end"] |= bit * bool(random.random() < 0.5)
        if kind < 0.15:
            masks["new_axis"] |= bit
        elif kind < 0.4:
            masks["shrink_axis"] |= bit
            begin[axis], step[axis] = int(random.integers(0, 2)) - 1, 1
        elif kind < 0.5 and not masks["ellipsis"]:
            masks["ellipsis"] |= bit
    bounds = [one.astype("i4") for one in (begin, end, step)]
    return [x, *bounds], {f"{name}_mask": mask for name, mask in masks.items()}


def indexing(name: str, random: Random) -> Case:
    x = floats(random, lengths(random, 1, 4, smallest=1))
    axis = axis_of(random, x.ndim)
    places = random.integers(0, x.shape[axis], lengths(random, 0, 2)).astype("i4")
    first = random.integers(0, len(x), lengths(random, 0, 2)).astype("i4")
    begin = np.array([int(random.integers(0, one)) for one in x.shape], "i4")
    size = np.array(
        [int(random.integers(-1, n - b + 1)) for n, b in zip(x.shape, begin, strict=True)]
    )
    cases: dict[str, Callable[[], Case]] = {
        "Slice": lambda: ([x, begin, size.astype("i4")], {}),
        "StridedSlice": lambda: strided(random, x),
        "Gather": lambda: ([x, first], {}),
        "GatherV2": lambda: gathered(random, x, places, axis),
        "OneHot": lambda: (
            [places, np.int32(3), np.float32(2), np.float32(-1)],
            {"axis": int(random.integers(-1, places.ndim + 1))},
        ),
        "Shape": lambda: ([x], {"out_type": int(random.choice([3, 9]))}),
        "Size": lambda: ([x], {"out_type": int(random.choice([3, 9]))}),
        "Rank": lambda: ([x], {}),
        "Fill": lambda: ([ints(*x.shape), np.float32(7)], {}),
        "Range": lambda: ([np.int32(-2), np.int32(random.integers(-2, 9)), np.int32(2)], {}),
    }
    return cases[name]()


def gathered(random: Random, x: np.ndarray, places: np.ndarray, axis: int) -> Case:
    if random.random() < 0.5 or x.ndim < 2:
        return [x, places, np.int32(axis)], {}
    batched = random.integers(0, x.shape[1], (len(x), int(random.integers(1, 4)))).astype("i4")
    return [x, batched, np.int32(1)], {"batch_dims": 1}


EQUATIONS = {
    "ab,bc->ac": ((3, 4), (4, 2)),
    "abc,cd->abd": ((2, 3, 4), (4, 5)),
    "abc,cde->abde": ((2, 3, 4), (4, 2, 3)),
    "abcd,cde->abe": ((2, 3, 2, 3), (2, 3, 4)),
    "...a,ab->...b": ((2, 3, 4), (4, 2)),
    "aecd,abcd->acbe": ((2, 5, 3, 4), (2, 6, 3, 4)),
    "acbe,aecd->abcd": ((2, 3, 6, 5), (2, 5, 3, 4)),
    "ab->ba": ((3, 4),),
    "abc->a": ((3, 4, 2),),
}


def product(name: str, random: Random) -> Case:
    if name == "Einsum":
        equation = str(random.choice(list(EQUATIONS)))
        return [floats(random, one) for one in EQUATIONS[equation]], {"equation": equation}
    rows, inner, columns = random.integers(1, 5, 3).tolist()
    batch = lengths(random, 0, 2, smallest=1) if name != "MatMul" else ()
    keys = ("transpose_a", "transpose_b") if name == "MatMul" else ("adj_x", "adj_y")
    flags = {key: bool(random.random() < 0.5) for key in keys}
    left = (*batch, inner, rows) if flags[keys[0]] else (*batch, rows, inner)
    right = (columns, inner) if flags[keys[1]] else (inner, columns)
    same = name == "BatchMatMul" or random.random() < 0.5
    right = (*batch, *right) if same else right
    return [floats(random, left), floats(random, right)], flags


def window(name: str, random: Random) -> Case:
    batch, height, width = 2, *random.integers(3, 8, 2).tolist()
    high, wide = random.integers(1, 4, 2).tolist()
    padding = str(random.choice(["SAME", "VALID"]))
    down = int(random.integers(1, 3))
    attributes: dict[str, Any] = {"strides": (1, down, down, 1), "padding": padding}
    if name in ("MaxPool", "AvgPool"):
        x = floats(random, (batch, height, width, 3))
        return [x], {**attributes, "ksize": (1, high, wide, 1), "data_format": "NHWC"}
    spread = int(random.integers(1, 3)) if down == 1 and name == "Conv2D" else 1
    attributes["dilations"] = (1, spread, spread, 1)
    if padding == "VALID":
        high, wide = min(high, 2), min(wide, 2)
    if name == "Conv2D":
        if random.random() < 0.2:
            attributes |= {"padding": "EXPLICIT", "explicit_paddings": (0, 0, 1, 2, 0, 1, 0, 0)}
        groups = int(random.choice([1, 1, 2]))
        kernel = floats(random, (high, wide, 4 // groups, 6))
        return [floats(random, (batch, height, width, 4)), kernel], attributes
    return [
        floats(random, (batch, height, width, 3)),
        floats(random, (high, wide, 3, 2)),
    ], attributes


CASES: dict[Family, Callable[[str, Random], Case]] = {
    Family.ELEMENTWISE: elementwise,
    Family.CHOICE: choice,
    Family.REDUCTION: reduction,
    Family.LAYOUT: layout,
    Family.INDEXING: indexing,
    Family.SHAPE: indexing,
    Family.PRODUCT: product,
    Family.WINDOW: window,
}
