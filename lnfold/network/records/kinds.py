"""The kinds of layer that are no normalisations: what each computes from a row x."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from lnfold.errors import GraphError
from lnfold.network.facts.evidence import Fact
from lnfold.network.records.layer import Layer, Parameter, expect_units

_WIDEST: Final = 2**31 - 1  # units of a row; concatenations may double it again and again


@dataclass(frozen=True, slots=True, eq=False)
class Dense(Layer):
    """y = x·kernel + bias. kernel [inputs, units], bias [units] or None."""

    kind = "dense"
    kernel: Parameter
    bias: Parameter | None = None

    def __post_init__(self) -> None:
        if len(self.kernel.shape) != 2:
            raise GraphError(
                f"a dense kernel has two dimensions, this one has shape {self.kernel.shape}",
                variable=self.kernel.name,
            )
        expect_units(self.bias, self.units, self.kernel)

    @property
    def units(self) -> int:
        return self.kernel.shape[1]

    def output_width(self, widths: list[int]) -> int:
        if widths[0] not in (0, self.kernel.shape[0]):
            raise GraphError(
                f"the kernel takes {self.kernel.shape[0]} inputs but is fed {widths[0]}",
                variable=self.kernel.name,
            )
        return self.units


@dataclass(frozen=True, slots=True, eq=False)
class Activation(Layer):
    """A function of each unit alone (softmax: of each row).

    ``alpha`` is leaky relu's slope for negative inputs or swish's factor, and None for the
    others.
    """

    kind = "activation"
    function: Fact[str]
    alpha: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class PRelu(Layer):
    """x where x > 0, else slopes·x. slopes [units] or scalar. He et al., arXiv:1502.01852."""

    kind = "prelu"
    slopes: Parameter


@dataclass(frozen=True, slots=True, eq=False)
class Concat(Layer):
    """The units of several values side by side, in the order of ``inputs``."""

    kind = "concat"

    def output_width(self, widths: list[int]) -> int:
        if sum(widths) > _WIDEST:
            raise GraphError(f"'{self.name}' puts more than {_WIDEST} units side by side")
        return sum(widths) if all(widths) else 0


@dataclass(frozen=True, slots=True, eq=False)
class Slice(Layer):
    """The units from ``start`` up to, not including, ``stop``."""

    kind = "slice"
    start: int
    stop: int

    def output_width(self, widths: list[int]) -> int:
        if widths[0] and not 0 <= self.start < self.stop <= widths[0]:
            raise GraphError(f"'{self.name}' takes units {self.start}:{self.stop} of {widths[0]}")
        return self.stop - self.start


@dataclass(frozen=True, slots=True, eq=False)
class Add(Layer):
    """The sum of several values: a residual connection. A single unit is added to all units."""

    kind = "add"

    def output_width(self, widths: list[int]) -> int:
        return common_width(self, widths)


@dataclass(frozen=True, slots=True, eq=False)
class Multiply(Layer):
    """The product of several values, unit by unit: a gate."""

    kind = "multiply"

    def output_width(self, widths: list[int]) -> int:
        return common_width(self, widths)


@dataclass(frozen=True, slots=True, eq=False)
class Centre(Layer):
    """x − mean(x): the advantages of a dueling network. Wang et al., arXiv:1511.06581, eq. 9."""

    kind = "centre"


@dataclass(frozen=True, slots=True, eq=False)
class Standardize(Layer):
    """(x − mean) / deviation with stored statistics: an observation normaliser."""

    kind = "standardize"
    mean: Parameter
    deviation: Parameter


@dataclass(frozen=True, slots=True, eq=False)
class Affine(Layer):
    """x·scale + shift with vectors or scalars; None stands for 1 and 0."""

    kind = "affine"
    scale: Parameter | None = None
    shift: Parameter | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Clip(Layer):
    """min(max(x, low), high), bounds [units] or scalar; None where there is no bound."""

    kind = "clip"
    low: Parameter | None = None
    high: Parameter | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Opaque(Layer):
    """An operation that lnfold does not run; a network that holds one is not complete.

    Attributes:
        operation: what it is: TensorFlow's name of the operation, or what is known of it.
        reads: the checkpoint variables that it reads.
        units: the width it delivers, 0 where nothing says it.
        said: a fingerprint of its attributes and constants; empty where none was taken.
    """

    kind = "opaque"
    operation: str
    reads: tuple[str, ...] = ()
    units: int = 0
    said: str = ""

    def variables(self) -> tuple[str, ...]:
        return self.reads

    def output_width(self, widths: list[int]) -> int:
        return self.units


def common_width(layer: Layer, widths: list[int]) -> int:
    """The width of values that are combined unit by unit, where single units are broadcast."""
    found = set(widths) - {0, 1}
    if len(found) > 1:
        raise GraphError(
            f"values of {' and '.join(map(str, sorted(found)))} units are combined unit by unit "
            f"(node '{layer.name}')"
        )
    return found.pop() if found else 0 if 0 in widths else 1
