"""The layers that the carry and the side-channel form need.

A deviation s(x) is a value of its own, a matrix [rows, 1], that later layers read. So a
division can be put off: a value v carried by s stands for v/s.

- ``Deviation``          s = sqrt(mean(y²) + epsilon·carried²)
- ``TriangleDeviation``  s = ‖(x, 1)·triangle‖, the same number from the layer's input
- ``Carried``            y + s·vector, the bias or beta of a carried value
- ``Divided``            y/s + shift
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from lnfold.errors import GraphError
from lnfold.network.facts.evidence import Fact
from lnfold.network.records.layers import Layer, Parameter


@dataclass(frozen=True, slots=True, eq=False)
class Deviation(Layer):
    """s = sqrt(mean(y²) + epsilon·carried²), [rows, 1].

    ``inputs`` are y and, where y is itself carried by a deviation, that deviation: epsilon
    belongs to y/carried, so it grows with carried². Without it the last term is epsilon.
    """

    kind = "deviation"
    epsilon: Fact[float]

    def output_width(self, widths: list[int]) -> int:
        _expect_deviation(self, widths)
        return 1


@dataclass(frozen=True, slots=True, eq=False)
class TriangleDeviation(Layer):
    """s = ‖(x, 1)·triangle‖, [rows, 1]; triangle [inputs + 1, at most inputs + 1].

    The triangle is the R of a QR decomposition, transposed: with T = [W_c; b_c] [inputs + 1,
    units] and epsilon stacked in, s² = mean((x, 1)·T)² + epsilon = ‖(x, 1)·triangle‖². The
    Gram matrix T·Tᵀ would give the same number with its digits halved, and sometimes < 0.
    """

    kind = "triangle_deviation"
    triangle: Parameter

    def output_width(self, widths: list[int]) -> int:
        if widths[0] not in (0, self.triangle.shape[0] - 1):
            raise GraphError(
                f"the triangle takes {self.triangle.shape[0] - 1} inputs but is fed {widths[0]}",
                variable=self.triangle.name,
            )
        return 1


@dataclass(frozen=True, slots=True, eq=False)
class Carried(Layer):
    """y + s·vector; ``inputs`` are y and s, vector [units]."""

    kind = "carried"
    vector: Parameter

    def output_width(self, widths: list[int]) -> int:
        _expect_deviation(self, widths)
        return Layer.output_width(self, widths)


@dataclass(frozen=True, slots=True, eq=False)
class Divided(Layer):
    """y/s + shift; ``inputs`` are y and s, shift [units] or None."""

    kind = "divided"
    shift: Parameter | None = None

    def output_width(self, widths: list[int]) -> int:
        _expect_deviation(self, widths)
        return Layer.output_width(self, widths)


DEFERRED: Final = (Deviation, TriangleDeviation, Carried, Divided)


def _expect_deviation(layer: Layer, widths: list[int]) -> None:
    """GraphError where what is read beside a value is no deviation: it has one unit."""
    for name, width in zip(layer.inputs[1:], widths[1:], strict=True):
        if width not in (0, 1):
            raise GraphError(f"'{name}', which {layer.name} reads as s(x), has {width} units")
