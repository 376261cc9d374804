"""The groups of an HDF5 file: names → addresses of objects.

    old   a message 0x11 with a B-tree and a heap of names:
          "TREE" · kind 0 · level · uint16 entries · two siblings · key, child, key, child, … key
          "SNOD" · 1 · 0 · uint16 symbols · each: name in the heap, header, uint32 kind, 20 bytes
          "HEAP" · 0 · 3 zeros · size · free list · address of the names, each ended by a zero
    new   a message 6 for every link: 1 · flags · [kind] · [order] · [charset] · length · name · …
          If they are many, a message 2 says where dense storage has them.

Links that lead elsewhere, by name or into other files, are never followed.
"""

from __future__ import annotations

from lnfold.checkpoint.hdf5.dense_storage import dense_messages
from lnfold.checkpoint.hdf5.headers import Hdf5Error, Hdf5File, Message, number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

LINK_INFO, LINK, SYMBOL_TABLE = 0x02, 0x06, 0x11

_LONGEST_HEAP = 64 << 20
_SOFT = 2
# No tree of a file that a computer holds is this high.
_HIGHEST = 16


def is_group(messages: list[Message]) -> bool:
    """Whether an object with these messages holds others."""
    return any(message.kind in (LINK_INFO, LINK, SYMBOL_TABLE) for message in messages)


def links(file: Hdf5File, messages: list[Message]) -> Iterator[tuple[str, int | None]]:
    """Name and address of everything in a group; no address for links that lead elsewhere.

    Raises:
        Hdf5Error: the group contradicts the format.
    """
    for message in messages:
        if message.kind == SYMBOL_TABLE:
            yield from _symbols(file, message.data)
        elif message.kind == LINK:
            yield _link(file, message.data)
        elif message.kind == LINK_INFO:
            start = 2 + (8 if number(message.data, 1, 1) & 1 else 0)
            heap = file.address(message.data, start)
            if not file.is_undefined(heap):
                tree = file.address(message.data, start + file.offset_bytes)
                for data in dense_messages(file, heap, tree):
                    yield _link(file, data)


def tree_children(
    file: Hdf5File, address: int, kind: int, key_bytes: int
) -> Iterator[tuple[bytes, int]]:
    """Every leaf of a B-tree with the key in front of it.

    Raises:
        Hdf5Error: a node is none, or leads back to one that was met.
    """
    met: set[int] = set()
    waiting = [(address, _HIGHEST)]
    while waiting:
        node, highest = waiting.pop()
        if node in met:
            raise Hdf5Error(f"the tree leads back to its node at {node}")
        met.add(node)
        head = file.read(node, 8 + 2 * file.offset_bytes)
        level, entries = head[5], number(head, 6, 2)
        if head[:4] != b"TREE" or head[4] != kind or level > highest:
            raise Hdf5Error(f"no node of a tree at {node}")
        step = key_bytes + file.offset_bytes
        content = file.read(node + len(head), entries * step + key_bytes)
        below = []
        for start in range(0, entries * step, step):
            child = file.address(content, start + key_bytes)
            if level:
                below.append((child, level - 1))
            else:
                yield content[start : start + key_bytes], child
        waiting.extend(reversed(below))


def _symbols(file: Hdf5File, data: bytes) -> Iterator[tuple[str, int | None]]:
    names = _heap(file, file.address(data, file.offset_bytes))
    entry_bytes = 2 * file.offset_bytes + 24
    met: set[int] = set()
    for _, address in tree_children(file, file.address(data, 0), 0, file.length_bytes):
        if address in met:
            raise Hdf5Error(f"the group lists its members at {address} twice")
        met.add(address)
        head = file.read(address, 8)
        if head[:5] != b"SNOD\x01":
            raise Hdf5Error(f"no list of members at {address}")
        content = file.read(address + 8, entry_bytes * number(head, 6, 2))
        for start in range(0, len(content), entry_bytes):
            name_at = file.address(content, start)
            end = names.find(b"\0", name_at)
            if name_at >= len(names) or end < 0:
                raise Hdf5Error(f"a name at {name_at} lies outside of its heap")
            target = file.address(content, start + file.offset_bytes)
            is_soft = number(content, start + 2 * file.offset_bytes, 4) == _SOFT
            yield _text(names[name_at:end]), None if is_soft else target


def _heap(file: Hdf5File, address: int) -> bytes:
    """The names of a group, one behind the other."""
    head = file.read(address, 8 + 2 * file.length_bytes + file.offset_bytes)
    size = file.length(head, 8)
    if head[:5] != b"HEAP\x00" or size > _LONGEST_HEAP:
        raise Hdf5Error(f"no heap of names at {address}")
    return file.read(file.address(head, 8 + 2 * file.length_bytes), size)


def _link(file: Hdf5File, data: bytes) -> tuple[str, int | None]:
    flags = number(data, 1, 1)
    position = 2
    kind = 0
    if flags & 0x08:
        kind = number(data, position, 1)
        position += 1
    position += 8 if flags & 0x04 else 0
    position += 1 if flags & 0x10 else 0
    width = 1 << (flags & 3)
    length = number(data, position, width)
    position += width
    name = data[position : position + length]
    if data[0] != 1 or len(name) != length:
        raise Hdf5Error("a link is damaged")
    return _text(name), file.address(data, position + length) if kind == 0 else None


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")
