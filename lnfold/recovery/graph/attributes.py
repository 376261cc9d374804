"""AttrValue, TensorShapeProto and TensorProto: what graph nodes carry beside their edges.

After tensorflow/core/framework/{attr_value,tensor,tensor_shape}.proto. A message is named by
its place in the file's bytes: ``buffer`` and the span ``(start, end)``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from lnfold.checkpoint.bytes import wire
from lnfold.checkpoint.bytes.wire import FIXED32, FIXED64, INT, LENGTH, SPAN, UINT, VARINT
from lnfold.errors import GraphError

Shape = tuple[int | None, ...] | None
Span = tuple[int, int]

_SHAPE: Final = {2: ("dim", [{1: ("size", INT)}]), 3: ("unknown_rank", UINT)}
_ATTRIBUTE: Final[dict[int, tuple[str, Any]]] = {
    1: ("list", SPAN),
    2: ("texts", [wire.BYTES]),
    3: ("integers", [INT]),
    4: ("floats", [wire.FIXED]),
    5: ("booleans", [INT]),
    6: ("types", [INT]),
    7: ("shapes", [_SHAPE]),
    8: ("tensor", SPAN),
    10: ("function", {1: ("name", wire.TEXT)}),
}

# DataType number → (NumPy dtype, the field of TensorProto that lists its values)
_NUMERIC: Final[dict[int, tuple[np.dtype[Any], int]]] = {
    1: (np.dtype("<f4"), 5),
    2: (np.dtype("<f8"), 6),
    3: (np.dtype("<i4"), 7),
    4: (np.dtype("u1"), 7),
    5: (np.dtype("<i2"), 7),
    6: (np.dtype("i1"), 7),
    9: (np.dtype("<i8"), 10),
    10: (np.dtype("?"), 11),
    17: (np.dtype("<u2"), 7),
    19: (np.dtype("<f2"), 13),
    22: (np.dtype("<u4"), 16),
    23: (np.dtype("<u8"), 17),
}
_STRING: Final = 7
READABLE: Final = frozenset([*_NUMERIC, _STRING])  # the DataTypes of constants that are arrays
_LARGEST_CONSTANT: Final = 1 << 28  # elements: a graph message cannot be larger than 2 GiB


@dataclass(slots=True)
class Attribute:
    """The values of one AttrValue by their kind; a single value is a list of one."""

    texts: list[bytes] = field(default_factory=list)
    numbers: list[float] = field(default_factory=list)
    shapes: list[Shape] = field(default_factory=list)
    tensor: Span | None = None
    function: str = ""


def decode_attribute(buffer: bytes, span: Span) -> Attribute:
    """Decodes an AttrValue, its list of values included."""
    found = wire.message(buffer, _ATTRIBUTE, *span)
    if found["list"] is not None:
        inner = wire.message(buffer, {**_ATTRIBUTE, 4: ("packed", [SPAN])}, *found["list"])
        found = {**inner, "floats": []}
    numbers = [*found["integers"], *found["booleans"], *found["types"]]
    numbers += [_float(bits) for bits in found["floats"]]
    shapes = [_shape(shape) for shape in found["shapes"]]
    function = found["function"]["name"] if found["function"] else ""
    return Attribute(found["texts"], numbers, shapes, found["tensor"], function)


def decode_tensor(buffer: bytes, span: Span, name: str) -> np.ndarray:
    """A TensorProto as a read-only array; strings as an array of bytes objects.

    TensorProto {1 dtype, 2 tensor_shape, 4 tensor_content, 5… typed lists}; a list shorter
    than the shape repeats its last value, zero where there is none.

    Raises:
        GraphError: sizes that contradict each other, or a dtype that is no array of numbers.
    """
    dtype_number, content = 0, None
    shape: tuple[int, ...] = ()
    lists: dict[int, list[tuple[int, Any]]] = {}
    for number, kind, value in wire.fields(buffer, *span):
        if number == 1 and kind == VARINT:
            dtype_number = value
        elif number == 2 and kind == LENGTH:
            shape = _known(_shape(wire.message(buffer, _SHAPE, *value)), name)
        elif number == 4 and kind == LENGTH:
            content = value
        else:
            lists.setdefault(number, []).append((kind, value))
    size = math.prod(shape)
    if size > _LARGEST_CONSTANT:
        raise GraphError(f"a constant of shape {shape}, larger than a graph can be", variable=name)
    array: np.ndarray
    filler: Any = b""
    if dtype_number == _STRING:
        texts = [buffer[slice(*value)] for kind, value in lists.get(8, []) if kind == LENGTH]
        array = np.empty(len(texts), object)
        array[:] = texts
    elif dtype_number not in _NUMERIC:
        raise GraphError(f"a constant of DataType {dtype_number}", variable=name)
    else:
        dtype, list_field = _NUMERIC[dtype_number]
        filler = dtype.type(0)
        if content is not None and content[0] < content[1]:
            if content[1] - content[0] != size * dtype.itemsize:
                raise GraphError(
                    f"a constant of shape {shape} holds {content[1] - content[0]} bytes",
                    variable=name,
                )
            array = np.frombuffer(buffer, dtype, size, content[0])
        else:
            array = _listed(buffer, lists.get(list_field, []), dtype)
    if array.size < size:
        rest = np.empty(size - array.size, array.dtype)
        rest[:] = array[-1] if array.size else filler
        array = np.concatenate([array, rest])
    if array.size != size:
        raise GraphError(f"a constant of shape {shape} lists {array.size} values", variable=name)
    array = array.reshape(shape)
    array.flags.writeable = False
    return array


def _known(shape: Shape, name: str) -> tuple[int, ...]:
    if shape is None or None in shape:
        raise GraphError("a constant of unknown shape", variable=name)
    return tuple(size for size in shape if size is not None)


def _shape(message: dict[str, Any]) -> Shape:
    if message["unknown_rank"]:
        return None
    sizes = [dim["size"] for dim in message["dim"]]
    return tuple(None if size < 0 else size for size in sizes)


def _float(bits: int) -> float:
    return float(np.uint32(bits).view(np.float32))


def _listed(buffer: bytes, entries: list[tuple[int, Any]], dtype: np.dtype[Any]) -> np.ndarray:
    """A typed list of values: one by one, or packed in one run."""
    if dtype.kind == "f" and dtype.itemsize > 2:
        kind = FIXED64 if dtype.itemsize == 8 else FIXED32
        raw = b"".join(
            value.to_bytes(dtype.itemsize, "little") if wire_type == kind else buffer[slice(*value)]
            for wire_type, value in entries
            if wire_type in (kind, LENGTH)
        )
        return np.frombuffer(raw[: len(raw) // dtype.itemsize * dtype.itemsize], dtype)
    numbers: list[int] = []
    for wire_type, value in entries:
        if wire_type == VARINT:
            numbers.append(value)
        elif wire_type == LENGTH:
            position, end = value
            while position < end:
                number, position = wire.varint(buffer, position, end)
                numbers.append(number)
    # negative numbers are ten-byte varints, half precision is its bits as an integer: in both
    # cases the low bytes are the value
    modulus = 1 << (8 * dtype.itemsize)
    low = np.array([number % modulus for number in numbers], f"u{dtype.itemsize}")
    return low.view(dtype)
