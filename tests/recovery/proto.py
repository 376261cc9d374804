"""A few lines that write protobuf, so that graphs can be made without TensorFlow."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

FLOAT, INT32, BOOL, STRING = 1, 3, 10, 7
_DTYPES = {np.dtype("f4"): FLOAT, np.dtype("i4"): INT32, np.dtype("?"): BOOL}


def varint(number: int) -> bytes:
    number &= (1 << 64) - 1
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def integer(field: int, number: int) -> bytes:
    return varint(field << 3) + varint(number)


def block(field: int, content: bytes | str) -> bytes:
    data = content.encode("utf-8", "surrogateescape") if isinstance(content, str) else content
    return varint(field << 3 | 2) + varint(len(data)) + data


def shape(sizes: tuple[int | None, ...]) -> bytes:
    return b"".join(block(2, integer(1, -1 if size is None else size)) for size in sizes)


def tensor(array: np.ndarray) -> bytes:
    array = np.asarray(array)
    head = integer(1, _DTYPES[array.dtype]) + block(2, shape(array.shape))
    return head + block(4, array.tobytes())


Attributes = Mapping[str, bytes]


def node(name: str, op: str, *inputs: str, **attributes: bytes) -> bytes:
    """A NodeDef; attribute values are encoded AttrValues."""
    out = block(1, name) + block(2, op) + b"".join(block(3, one) for one in inputs)
    for key, value in attributes.items():
        out += block(5, block(1, key) + block(2, value))
    return out


def constant(name: str, value: object, dtype: str = "f4") -> bytes:
    array = np.asarray(value, dtype)
    kind = integer(6, _DTYPES[array.dtype])
    return node(name, "Const", value=block(8, tensor(array)), dtype=kind)


def placeholder(name: str, sizes: tuple[int | None, ...], dtype: int = FLOAT) -> bytes:
    sized = block(7, shape(sizes))
    return node(name, "Placeholder", shape=sized, dtype=integer(6, dtype))


def variable(name: str, sizes: tuple[int, ...]) -> bytes:
    return node(name, "VariableV2", shape=block(7, shape(sizes)), dtype=integer(6, FLOAT))


def call(name: str, function: str, *inputs: str) -> bytes:
    return node(name, "PartitionedCall", *inputs, f=block(10, block(1, function)))


def function(name: str, arguments: list[str], results: dict[str, str], *nodes: bytes) -> bytes:
    signature = block(1, name) + b"".join(block(2, block(1, one)) for one in arguments)
    signature += b"".join(block(3, block(1, one)) for one in results)
    out = block(1, signature) + b"".join(block(3, one) for one in nodes)
    for key, value in results.items():
        out += block(4, block(1, key) + block(2, value))
    return out


def graph(*nodes: bytes, functions: tuple[bytes, ...] = ()) -> bytes:
    """A GraphDef."""
    library = b"".join(block(1, one) for one in functions)
    return b"".join(block(1, one) for one in nodes) + (block(2, library) if library else b"")


def meta_graph(*nodes: bytes, functions: tuple[bytes, ...] = ()) -> bytes:
    """A MetaGraphDef, what a .meta file holds."""
    return block(2, graph(*nodes, functions=functions))
