"""The record of an LSTM layer: what it computes from rows that follow each other in time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from lnfold.errors import GraphError
from lnfold.network.facts.evidence import Fact
from lnfold.network.records.layer import Layer, Parameter, Shape, expect_units

GATES: Final = "ifco"  # Keras: input, forget, candidate, output; TensorFlow 1's cells: icfo


@dataclass(frozen=True, slots=True, eq=False)
class LSTM(Layer):
    """h_t and c_t for every row x_t. Hochreiter and Schmidhuber, Neural Computation 9(8), 1997.

    z = x_t·kernel + h_(t−1)·recurrent_kernel + bias, cut into four gates z_i, z_f, z_c, z_o;

        c_t = s(z_f + forget_bias)·c_(t−1) + s(z_i)·a(z_c)        h_t = s(z_o)·a(c_t)

    with a ``activation`` (tanh) and s ``recurrent_activation`` (sigmoid). The last axis but one of
    x [..., time, inputs] is time, and each sequence starts from the initial state. Where the
    original keeps its state from one call to the next, all rows of a run are one sequence.

    Attributes:
        inputs: x; or x, h and c, where a state from outside goes with every row.
        kernel: [inputs, 4·units]; [inputs + units, 4·units] with the recurrent kernel below
            it where that is None, as TensorFlow 1's cells store it.
        recurrent_kernel: [units, 4·units] or None.
        bias: [4·units] or None.
        hidden, cell: the state that a sequence starts from, [units]; None for zeros.
        gates: the order of the gates in the columns: a permutation of i, f, c and o.
        forget_bias: what is added to z_f beside the bias.
        steps: how many rows are a sequence, where x comes as rows [.., inputs] without an axis
            for time; None where time has its axis.
        delivers: "hidden" for h_t, "cell" for c_t.
        last: whether only the last step of each sequence is delivered: [..., units].
        stateful: whether the state goes on from call to call: the rows of a run are calls.
    """

    kind = "lstm"
    kernel: Parameter
    recurrent_kernel: Parameter | None
    bias: Parameter | None
    activation: Fact[str]
    recurrent_activation: Fact[str]
    hidden: Parameter | None = None
    cell: Parameter | None = None
    steps: int | None = None
    gates: str = GATES
    forget_bias: float = 0.0
    delivers: str = "hidden"
    last: bool = False
    stateful: bool = False

    def __post_init__(self) -> None:
        shape = self.kernel.shape
        if len(shape) != 2 or shape[1] % 4 or not shape[1] or self.taken < 1:
            raise GraphError(
                f"an LSTM's kernel has shape [inputs, 4·units], this one {shape}",
                variable=self.kernel.name,
            )
        recurrent = self.recurrent_kernel
        if recurrent is not None and recurrent.shape != (self.units, 4 * self.units):
            raise GraphError(
                f"expected shape {(self.units, 4 * self.units)}, as {self.kernel.name} {shape} "
                f"has 4·{self.units} columns, found {recurrent.shape}",
                variable=recurrent.name,
            )
        expect_units(self.bias, 4 * self.units, self.kernel)
        for state in (self.hidden, self.cell):
            expect_units(state, self.units, self.kernel)
        if sorted(self.gates) != sorted(GATES) or len(self.inputs) not in (1, 3):
            raise GraphError(f"no gates of an LSTM: {self.gates}", variable=self.kernel.name)
        if self.delivers not in ("hidden", "cell") or (self.steps or 1) < 1:
            raise GraphError("an LSTM delivers h or c of sequences", variable=self.kernel.name)

    @property
    def units(self) -> int:
        return self.kernel.shape[1] // 4

    @property
    def taken(self) -> int:
        """The units of x."""
        rows = self.kernel.shape[0]
        return rows - self.units if self.recurrent_kernel is None else rows

    def output_width(self, widths: list[int]) -> int:
        expected = (self.taken, self.units, self.units)
        for width, units in zip(widths, expected, strict=False):
            if width not in (0, units):
                raise GraphError(
                    f"the LSTM takes {units} inputs but is fed {width}", variable=self.kernel.name
                )
        return self.units

    def output_shape(self, shapes: Sequence[Shape]) -> Shape:
        self.output_width([shape[-1] or 0 for shape in shapes])
        rows = shapes[-1][:-1]
        if not self.last or len(self.inputs) == 3:
            return (*rows, self.units)
        return (*(rows[:-1] or (None,)), self.units)
