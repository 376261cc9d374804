"""What every layer of a network is made of: its parameters and its place among the others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import ClassVar

import numpy as np

from lnfold.errors import GraphError
from lnfold.network.facts.evidence import Fact

Array = np.ndarray
Shape = tuple[int | None, ...]  # of a value, the batch first; None for a length that is open


@dataclass(frozen=True, slots=True, eq=False)
class Parameter:
    """An array that the checkpoint holds or that follows from what it holds.

    Attributes:
        array: the values, read-only, in the dtype that the checkpoint stores.
        variables: the checkpoint variables it was computed from; exactly one, unchanged or
            reshaped, for an ordinary parameter; none for a constant of the graph.
        where: the graph node that delivers it, where a graph was read.
    """

    array: Array
    variables: tuple[str, ...] = ()
    where: str = ""

    def __post_init__(self) -> None:
        array = np.asarray(self.array)
        if array.flags.writeable:
            array = array.copy()
            array.flags.writeable = False
        object.__setattr__(self, "array", array)

    def __repr__(self) -> str:
        return f"Parameter({self.name!r}, {self.array.dtype}, {self.shape})"

    @property
    def name(self) -> str:
        """What to call it: its variable, or the node that computes it."""
        return self.variables[0] if len(self.variables) == 1 else self.where

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.array.shape)


def holds_numbers(array: Array) -> bool:
    """Whether an array holds real numbers: no texts, no truths, nothing complex."""
    return array.dtype.kind not in "OSUbc"


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """What every layer has.

    Attributes:
        name: unique in its network; the name of the value it produces.
        inputs: the values it reads.
        scope: the scope of its variables, or of its operation where it has none.
    """

    kind: ClassVar[str] = "layer"
    name: str
    inputs: tuple[str, ...]
    scope: str

    @property
    def input(self) -> str:
        """The one value it reads, for the layers that read one."""
        return self.inputs[0]

    def parameters(self) -> Iterator[tuple[str, Parameter]]:
        """The parameters that are present, with the names of their roles."""
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, Parameter):
                yield field.name, value

    def facts(self) -> Iterator[tuple[str, Fact[object]]]:
        """The facts that are no arrays, with their evidence."""
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, Fact):
                yield field.name, value

    def variables(self) -> tuple[str, ...]:
        """The checkpoint variables it reads, each once."""
        names = [name for _, parameter in self.parameters() for name in parameter.variables]
        return tuple(dict.fromkeys(names))

    def output_width(self, widths: list[int]) -> int:
        """The units it delivers for inputs of these widths, 0 standing for an unknown one.

        Raises:
            GraphError: its parameters do not fit; the message names the variable.
        """
        for role, parameter in self.parameters():
            if widths[0] and parameter.array.size not in (1, widths[0]):
                raise GraphError(
                    f"{role} holds {parameter.array.size} numbers for {widths[0]} units",
                    variable=parameter.name,
                )
        return widths[0]

    def output_shape(self, shapes: Sequence[Shape]) -> Shape:
        """The shape of what it delivers for inputs of these shapes: that of the longest, with
        its own units.

        Raises:
            GraphError: its parameters do not fit; the message names the variable.
        """
        units = self.output_width([shape[-1] or 0 for shape in shapes])
        longest = max(shapes, key=len, default=(None, None))
        return (*longest[:-1], units or None)


def expect_units(vector: Parameter | None, units: int, beside: Parameter) -> None:
    """GraphError unless a vector is absent or holds one number a unit."""
    if vector is not None and vector.array.size != units:
        raise GraphError(
            f"expected {units} numbers, as {beside.name} {beside.shape} has units, "
            f"found shape {vector.shape}",
            variable=vector.name,
        )
