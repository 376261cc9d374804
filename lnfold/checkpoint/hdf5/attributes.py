"""The attributes of an HDF5 object that hold text: names of layers, the config of the model.

message 0x0C   1 · 0 · uint16 sizes of name, type, shape; each padded to 8 bytes; value
               2 · flags · the same sizes, not padded      3 · flags · sizes · charset · …
heap           "GCOL" · 1 · 3 zeros · size, then objects:
               uint16 index · uint16 references · 4 zeros · size · data padded to 8 bytes
"""

from __future__ import annotations

from lnfold.checkpoint.bytes.dtypes import STRING
from lnfold.checkpoint.hdf5.dense_storage import dense_messages
from lnfold.checkpoint.hdf5.headers import Hdf5Error, Hdf5File, Message, number
from lnfold.checkpoint.hdf5.heaps import Heaps
from lnfold.checkpoint.hdf5.types import Type, decode_shape, decode_type

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

ATTRIBUTE, ATTRIBUTE_INFO = 0x0C, 0x15


def has_attribute(file: Hdf5File, messages: list[Message], wanted: str) -> bool:
    """Whether an object with these messages has an attribute of this name."""
    return _find(file, messages, wanted) is not None


def text_attribute(
    file: Hdf5File, heaps: Heaps, messages: list[Message], wanted: str
) -> str | None:
    """A scalar text among the attributes of an object, None if there is none of this name.

    Raises:
        Hdf5Error: it contradicts the format.
    """
    found = _find(file, messages, wanted)
    if found is None:
        return None
    kind, shape, value = found
    if kind.dtype != STRING or decode_shape(file, shape) not in ((), (1,)):
        return None
    if kind.is_variable:
        value = heaps.get(value)
    return (
        value[: kind.size if not kind.is_variable else None]
        .rstrip(b"\0")
        .decode("utf-8", "surrogateescape")
    )


def _find(file: Hdf5File, messages: list[Message], wanted: str) -> tuple[Type, bytes, bytes] | None:
    """Type, shape and value of an attribute, the latter two undecoded."""
    for data in _attributes(file, messages):
        version = number(data, 0, 1)
        if version not in (1, 2, 3):
            raise Hdf5Error(f"an attribute of version {version}")
        position = 9 if version == 3 else 8
        parts = []
        for at in (2, 4, 6):
            size = number(data, at, 2)
            parts.append(data[position : position + size])
            if len(parts[-1]) < size:
                raise Hdf5Error("an attribute is longer than its message")
            position += (size + 7 & ~7) if version == 1 else size
        name, kind, shape = parts
        if name.rstrip(b"\0") == wanted.encode() and not (version > 1 and data[1] & 3):
            return decode_type(kind), shape, data[position:]
    return None


def _attributes(file: Hdf5File, messages: list[Message]) -> Iterator[bytes]:
    """The attributes in a header, and those that it keeps in dense storage."""
    for message in messages:
        if message.kind == ATTRIBUTE and not message.is_shared:
            yield message.data
        elif message.kind == ATTRIBUTE_INFO:
            start = 2 + (2 if number(message.data, 1, 1) & 1 else 0)
            heap = file.address(message.data, start)
            if not file.is_undefined(heap):
                tree = file.address(message.data, start + file.offset_bytes)
                yield from dense_messages(file, heap, tree)
