"""One operation of a graph: its name, its kind, the tensors it reads; attributes on demand."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from lnfold.checkpoint.bytes.wire import SPAN, TEXT, WireError, message
from lnfold.errors import GraphError
from lnfold.recovery.graph.attributes import (
    READABLE,
    Attribute,
    Shape,
    Span,
    decode_attribute,
    decode_tensor,
)

if TYPE_CHECKING:
    import numpy as np

_ENTRY = {1: ("key", TEXT), 2: ("value", SPAN)}


class Node:
    """One operation: its name, its kind, the tensors it reads; attributes on demand."""

    __slots__ = ("_attributes", "_buffer", "inputs", "name", "op")

    def __init__(
        self,
        name: str,
        op: str,
        inputs: tuple[str, ...],
        buffer: bytes = b"",
        attributes: tuple[Span, ...] = (),
    ) -> None:
        self.name = name
        self.op = op
        self.inputs = inputs
        self._buffer = buffer
        self._attributes = attributes

    def __repr__(self) -> str:
        return f"Node({self.name!r}, {self.op!r}, {self.inputs!r})"

    def renamed(self, name: str, inputs: tuple[str, ...]) -> Node:
        """The same operation under another name, reading other tensors."""
        return Node(name, self.op, inputs, self._buffer, self._attributes)

    def attribute(self, name: str) -> Attribute:
        """The attribute of that name; an empty one where the node has none."""
        try:
            for span in self._attributes:
                entry = message(self._buffer, _ENTRY, *span)
                if entry["key"] == name and entry["value"] is not None:
                    return decode_attribute(self._buffer, entry["value"])
        except WireError as error:
            raise GraphError(
                f"attribute '{name}' of node '{self.name}' is damaged ({error})",
                offset=error.offset,
            ) from error
        return Attribute()

    def encoded_attributes(self) -> Iterator[bytes]:
        """The attributes as they are stored, each with its name."""
        return (self._buffer[start:end] for start, end in self._attributes)

    def number(self, name: str, default: float) -> float:
        """A float, int or bool attribute; ``default`` is the operation's own default."""
        numbers = self.attribute(name).numbers
        return numbers[0] if numbers else default

    def integer(self, name: str, default: int) -> int:
        """An int or bool attribute, or a type by its number; GraphError where it is a float."""
        return (self.integers(name) or [default])[0]

    def integers(self, name: str) -> list[int]:
        """The numbers of an attribute that are ints, bools or types; GraphError for floats."""
        found = self.attribute(name).numbers
        integers = [one for one in found if isinstance(one, int)]
        if len(integers) < len(found):
            raise GraphError(f"attribute '{name}' of node '{self.name}' is {found}, no integers")
        return integers

    def shape(self) -> Shape:
        """The declared shape of a placeholder or variable; None where there is none."""
        shapes = self.attribute("shape").shapes
        return shapes[0] if shapes else None

    def output_shape(self, index: int = 0) -> Shape:
        """The static shape TensorFlow inferred for an output, where it was kept."""
        shapes = self.attribute("_output_shapes").shapes
        return shapes[index] if index < len(shapes) else None

    @property
    def is_constant(self) -> bool:
        """Whether it is a Const of a type that NumPy has."""
        return self.op == "Const" and self.number("dtype", 1) in READABLE

    def constant(self) -> np.ndarray:
        """The tensor of a Const node; GraphError where it holds none."""
        span = self.attribute("value").tensor
        if span is None:
            raise GraphError(f"node '{self.name}' is a Const without a tensor")
        try:
            return decode_tensor(self._buffer, span, self.name)
        except WireError as error:
            raise GraphError(
                f"the constant '{self.name}' is damaged ({error})", offset=error.offset
            ) from error
