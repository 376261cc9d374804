"""The numbers in a TensorProto as V1 checkpoints write it: only a repeated field, no dtype.

Field numbers, and how their values are written:

    5 float_val   6 double_val   9 scomplex_val   12 dcomplex_val    packed little-endian floats
    7 int_val (int8 … int32, uint8, uint16, quantised)   10 int64_val   11 bool_val
    13 half_val (the 16 bits)   16 uint32_val   17 uint64_val         packed varints
    8 string_val                                                     one field an element
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lnfold.checkpoint.bytes.dtypes import STRING, numpy_dtype
from lnfold.checkpoint.bytes.wire import FIXED32, FIXED64, LENGTH, VARINT, WireError, fields

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lnfold.checkpoint.bytes.wire import Buffer, Span

_FLOATS = {
    "float32": (5, "<f4"),
    "float64": (6, "<f8"),
    "complex64": (9, "<f4"),
    "complex128": (12, "<f8"),
}
_VARINTS = {
    **dict.fromkeys(("int8", "uint8", "int16", "uint16", "int32"), 7),
    **dict.fromkeys(("qint8", "quint8", "qint16", "quint16", "qint32"), 7),
    "int64": 10,
    "bool": 11,
    **dict.fromkeys(("float16", "bfloat16"), 13),
    "uint32": 16,
    "uint64": 17,
}
_STRING_FIELD = 8

# So many bytes of varints are decoded at a time: decoding takes many times their memory.
_VARINT_BYTES = 1 << 18


def holds(dtype: str) -> bool:
    """Whether a V1 checkpoint can hold this type."""
    return dtype in _FLOATS or dtype in _VARINTS or dtype == STRING


def decode_tensor(buffer: Buffer, span: Span, dtype: str, elements: int) -> np.ndarray:
    """The elements, flat, in native byte order.

    Raises:
        WireError: there are more or fewer than ``elements``, or other than the type allows.
    """
    start, end = span
    if dtype == STRING:
        return _strings(buffer, start, end, elements)
    if dtype in _FLOATS:
        number, item = _FLOATS[dtype]
        runs = [np.frombuffer(run, item) for run in _float_runs(buffer, start, end, number, item)]
        target = numpy_dtype(dtype)
        found = sum(run.size for run in runs)
        _expect(found * np.dtype(item).itemsize, elements * target.itemsize)
        # A copy in any case: values begin at any byte, and with them the block would stay.
        flat = np.concatenate(runs or [np.empty(0, item)]).astype(np.dtype(item).newbyteorder("="))
        return flat.view(target)
    if elements > end - start:
        raise WireError(f"{end - start} bytes cannot hold {elements} elements", start)
    return _from_varints(buffer, start, end, dtype, elements)


def _float_runs(buffer: Buffer, start: int, end: int, wanted: int, item: str) -> Iterator[Buffer]:
    size = int(item[-1])
    for number, kind, value in fields(buffer, start, end):
        if number != wanted:
            continue
        if kind == LENGTH:
            if (value[1] - value[0]) % size:
                raise WireError("packed floats end inside a number", value[0])
            yield buffer[value[0] : value[1]]
        elif kind == (FIXED32 if size == 4 else FIXED64):
            yield value.to_bytes(size, "little")
        else:
            raise WireError(f"floats have wire type {kind}", start)


def _from_varints(buffer: Buffer, start: int, end: int, dtype: str, elements: int) -> np.ndarray:
    target = numpy_dtype(dtype)
    words: np.dtype[Any] = np.dtype(np.uint16) if _VARINTS[dtype] == 13 else target
    low, high = (0, 1) if dtype == "bool" else (np.iinfo(words).min, np.iinfo(words).max)
    flat = np.empty(elements, words)
    done = 0
    for run in _varint_runs(buffer, start, end, _VARINTS[dtype]):
        numbers = run.view(np.int64) if words.kind == "i" else run
        if run.size and not (low <= numbers.min() and numbers.max() <= high):
            raise WireError(f"a number does not fit into {dtype}", start)
        if done + run.size > elements:
            raise WireError(f"more than {elements} elements", start)
        flat[done : done + run.size] = numbers
        done += run.size
    _expect(done, elements)
    return flat.view(target)


def _varint_runs(buffer: Buffer, start: int, end: int, wanted: int) -> Iterator[np.ndarray]:
    for number, kind, value in fields(buffer, start, end):
        if number != wanted:
            continue
        if kind == VARINT:
            yield np.array([value], np.uint64)
        elif kind == LENGTH:
            yield from _packed_varints(np.frombuffer(buffer[value[0] : value[1]], np.uint8))
        else:
            raise WireError(f"numbers have wire type {kind}", start)


def _packed_varints(raw: np.ndarray) -> Iterator[np.ndarray]:
    """All varints of ``raw`` as uint64, the i-th byte of a window of them at once."""
    position = 0
    while position < raw.size:
        window = raw[position : position + _VARINT_BYTES]
        last = np.flatnonzero(window < 0x80)
        if not last.size:
            raise WireError("a packed number does not end", position)
        first = np.concatenate(([0], last[:-1] + 1))
        width = last - first + 1
        if int(width.max()) > 10:
            raise WireError("a packed number is longer than 64 bits", position)
        numbers = np.zeros(last.size, np.uint64)
        for index in range(int(width.max())):
            has = np.flatnonzero(width > index)
            septets = (window[first[has] + index] & 0x7F).astype(np.uint64)
            numbers[has] |= septets << np.uint64(7 * index)
        yield numbers
        position += int(last[-1]) + 1


def _strings(buffer: Buffer, start: int, end: int, elements: int) -> np.ndarray:
    found = [
        bytes(buffer[value[0] : value[1]])
        for number, kind, value in fields(buffer, start, end)
        if number == _STRING_FIELD and kind == LENGTH
    ]
    _expect(len(found), elements)
    flat = np.empty(elements, object)
    flat[:] = found
    return flat


def _expect(found: int, expected: int) -> None:
    if found != expected:
        raise WireError(f"{found} values instead of {expected}", 0)
