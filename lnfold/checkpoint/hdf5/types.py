"""HDF5's shapes and types of elements.

dataspace   1 · rank · flags · 5 zeros · lengths…         or 2 · rank · flags · kind · lengths…
datatype    version << 4 | class · 3 bytes of flags · uint32 size · properties
            class 0 integer · 1 float · 3 text · 5 opaque · 8 enumeration · 9 text of variable
            length; the others are no arrays of numbers or text
"""

from __future__ import annotations

from lnfold.checkpoint.bytes.dtypes import ITEM_BYTES, STRING
from lnfold.checkpoint.hdf5.headers import Hdf5Error, Hdf5File, number

_LARGEST_RANK = 32

# Position and width of exponent and mantissa, and the bias → the type.
_FLOATS: dict[tuple[int, ...], str] = {
    (10, 5, 0, 10, 15): "float16",
    (7, 8, 0, 7, 127): "bfloat16",
    (23, 8, 0, 23, 127): "float32",
    (52, 11, 0, 52, 1023): "float64",
}


class Type:
    """The type of the elements of an array or attribute.

    Attributes:
        dtype: TensorFlow's name, None if there is none for it.
        size: bytes of one element as it is stored.
        big_endian: the order of the bytes of a number.
        is_variable: whether an element is a reference into a heap.
    """

    __slots__ = ("big_endian", "dtype", "is_variable", "size")

    def __init__(
        self, dtype: str | None, size: int, big_endian: bool = False, is_variable: bool = False
    ) -> None:
        self.dtype = dtype
        self.size = size
        self.big_endian = big_endian
        self.is_variable = is_variable


def decode_shape(file: Hdf5File, data: bytes) -> tuple[int, ...]:
    """The shape in a dataspace message.

    Raises:
        Hdf5Error: it is none.
    """
    version, rank, flags = number(data, 0, 1), number(data, 1, 1), number(data, 2, 1)
    if version not in (1, 2) or rank > _LARGEST_RANK:
        raise Hdf5Error(f"a shape of version {version} and {rank} dimensions")
    if version == 2 and number(data, 3, 1) == 2:
        # A null dataspace has no element at all.
        return (0,)
    if flags & 2 and version == 1:
        raise Hdf5Error("a shape with permuted dimensions")
    start = 8 if version == 1 else 4
    width = file.length_bytes
    shape = tuple(number(data, start + width * axis, width) for axis in range(rank))
    if any(length >> 62 for length in shape):
        raise Hdf5Error(f"the shape {list(shape)} is impossible")
    return shape


def decode_type(data: bytes) -> Type:
    """The type in a datatype message.

    Raises:
        Hdf5Error: it is none.
    """
    kind, flags, size = number(data, 0, 1) & 0x0F, number(data, 1, 3), number(data, 4, 4)
    if not size:
        raise Hdf5Error("elements of 0 bytes")
    big_endian = bool(flags & 1)
    if kind == 0:
        name = f"{'int' if flags & 8 else 'uint'}{8 * size}"
        plain = number(data, 8, 2) == 0 and number(data, 10, 2) == 8 * size
        return Type(name if plain and name in ITEM_BYTES else None, size, big_endian)
    if kind == 1:
        parts = (*(number(data, at, 1) for at in range(12, 16)), number(data, 16, 4))
        dtype = _FLOATS.get(parts)
        plain = number(data, 8, 2) == 0 and number(data, 10, 2) == 8 * size and not flags & 0x40
        fits = dtype is not None and ITEM_BYTES[dtype] == size
        return Type(dtype if plain and fits else None, size, big_endian)
    if kind == 3:
        return Type(STRING, size)
    if kind == 5 and size == 2:
        # Keras stores bfloat16, which HDF5 does not know, as two bytes of no kind.
        return Type("bfloat16", size)
    if kind == 8:
        return _enumeration(data, flags & 0xFFFF)
    if kind == 9 and flags & 0x0F == 1:
        return Type(STRING, size, is_variable=True)
    return Type(None, size)


def _enumeration(data: bytes, members: int) -> Type:
    """h5py writes bool as an enumeration of FALSE and TRUE over int8."""
    base = decode_type(data[8:])
    is_bool = members == 2 and base.size == 1 and b"FALSE\0" in data and b"TRUE\0" in data
    return Type("bool" if is_bool else base.dtype, base.size, base.big_endian)
