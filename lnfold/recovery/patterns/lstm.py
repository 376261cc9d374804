"""Tensors → LSTM layers: a loop over time whose round is the cell.

Keras writes an LSTM as a loop over lists of tensors: a round reads x_t from one list, computes
the cell and puts h_t into another. The cell is matched by what it computes, like every layer:

    c' = s(z_f)·c + s(z_i)·a(z_c)     h' = s(z_o)·a(c')     z = x·K + h·R + b in four parts

A loop that does anything else, such as one with a mask, is left as what it is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from lnfold.network.facts.evidence import Fact, Source
from lnfold.network.records.kinds import Activation
from lnfold.network.records.layer import Layer, Parameter
from lnfold.network.records.recurrent import LSTM
from lnfold.recovery.graph.loops import Loop
from lnfold.recovery.graph.node import Node
from lnfold.recovery.names.scopes import scope_of
from lnfold.recovery.patterns.algebra import SUMS, Algebra
from lnfold.recovery.patterns.sequences import Sequences

_GATES: Final = 4
_MOST_TERMS: Final = 8  # of the sum that the gates are cut from

ReadActivation = Callable[[str, Node], Layer | None]


@dataclass(frozen=True, slots=True)
class Cell:
    """What one round of a loop computes: the parts of an LSTM record, and where its state is.

    Attributes:
        x: the tensor in the round that is read as x_t.
        hidden, cell: the places of h and c among the loop's values.
    """

    x: str
    hidden: int
    cell: int
    kernel: Parameter
    recurrent_kernel: Parameter | None
    bias: Parameter | None
    activation: Fact[str]
    recurrent_activation: Fact[str]
    gates: str
    forget_bias: float


class LSTMPatterns:
    """Recognises the LSTM layers of one graph.

    Args:
        activation: reads an activation, whatever its spelling.
    """

    def __init__(self, algebra: Algebra, activation: ReadActivation) -> None:
        self._algebra = algebra
        self._constants = algebra.constants
        self._graph = algebra.graph
        self._through = algebra.through
        self._activation = activation
        self._sequences = Sequences(algebra)
        self._cells: dict[str, Cell | None] = {}

    def lstm(self, tensor: str) -> LSTM | None:
        """The LSTM that delivers a tensor: h of every step, or h or c of the last."""
        delivered = self._sequences.delivered(tensor)
        if delivered is None:
            return None
        name, place, last = delivered
        loop = self._graph.loops[name]
        if name not in self._cells:
            self._cells[name] = self._cell(loop)
        cell = self._cells[name]
        if cell is None:
            return None
        if place not in (cell.hidden, cell.cell):  # a list: what a round puts into it
            written = self._sequences.written(loop, place)
            if written is None or self._through(written[0]) != self._through(
                loop.after[cell.hidden]
            ):
                return None
            last = last or written[1]
            place = cell.hidden
        return self._layer(tensor, name, cell, place, last)

    def _layer(self, tensor: str, name: str, cell: Cell, place: int, last: bool) -> LSTM | None:
        loop = self._graph.loops[name]
        sequence = self._sequences.read(loop, cell.x)
        if sequence is None:
            return None
        inputs = [sequence.source]
        steps = sequence.steps
        states: list[Parameter | None] = []
        for one in (cell.hidden, cell.cell):
            initial = self._through(loop.initial[one])
            if self._sequences.is_zero(initial):
                states.append(None)
            elif self._constants.is_constant(initial):
                states.append(self._constants.value(initial))
            else:
                inputs.append(initial)
        kept = [self._sequences.is_kept(name, loop, one) for one in (cell.hidden, cell.cell)]
        if kept[0] != kept[1] or (kept[0] and len(states) != 2):
            return None
        if kept[0]:
            steps = None  # the state goes on from call to call
        units = cell.kernel.shape[1] // _GATES if len(cell.kernel.shape) == 2 else 0
        if any(one is not None and one.array.size != units for one in states):
            return None  # a state for each of several sequences
        if len(inputs) == 2 or (len(inputs) == 3 and sequence.steps != 1):
            return None  # a row of state for several rows of x
        return LSTM(
            tensor,
            tuple(inputs),
            scope_of(cell.kernel.name),
            cell.kernel,
            cell.recurrent_kernel,
            cell.bias,
            cell.activation,
            cell.recurrent_activation,
            hidden=states[0] if states else None,
            cell=states[1] if states else None,
            steps=steps,
            gates=cell.gates,
            forget_bias=cell.forget_bias,
            delivers="cell" if place == cell.cell else "hidden",
            last=last and sequence.steps != 1,
            stateful=kept[0],
        )

    # ── the cell ──────────────────────────────────────────────────────────────────────────

    def _cell(self, loop: Loop) -> Cell | None:
        """The cell that a round of a loop is, or None."""
        after = [self._through(one) for one in loop.after]
        for hidden, tensor in enumerate(after):
            for gate, squashed in self._factors(tensor):
                output, squash = self._applied(gate), self._applied(squashed)
                if output is None or squash is None or squash[0] not in after:
                    continue
                cell = after.index(squash[0])
                found = self._state(loop, hidden, cell, output, squash)
                if found is not None:
                    return found
        return None

    def _state(
        self,
        loop: Loop,
        hidden: int,
        cell: int,
        output: tuple[str, Fact[str]],
        squash: tuple[str, Fact[str]],
    ) -> Cell | None:
        """c' = s(z_f)·c + s(z_i)·a(z_c), where s and a are those of the output."""
        node = self._graph.node(squash[0])
        if node.op not in SUMS or len(node.inputs) != 2:
            return None
        before = loop.before[cell]
        parts: dict[str, str] = {"o": output[0]}
        for term in map(self._through, node.inputs):
            for gate, value in self._factors(term):
                applied = self._applied(gate)
                if applied is None or applied[1].value != output[1].value:
                    continue
                candidate = self._applied(value)
                if value == before:
                    parts["f"] = applied[0]
                elif candidate is not None and candidate[1].value == squash[1].value:
                    parts["i"], parts["c"] = applied[0], candidate[0]
        if len(parts) != _GATES:
            return None
        return self._gates(loop, hidden, cell, parts, squash[1], output[1])

    def _factors(self, tensor: str) -> list[tuple[str, str]]:
        """The factors of a product of two, in both orders."""
        node = self._graph.node(tensor)
        if node.op != "Mul" or len(node.inputs) != 2:
            return []
        left, right = map(self._through, node.inputs)
        return [(left, right), (right, left)]

    def _applied(self, tensor: str) -> tuple[str, Fact[str]] | None:
        """(value, function) of an activation without a factor of its own."""
        layer = self._activation(tensor, self._graph.node(tensor))
        if not isinstance(layer, Activation) or layer.alpha is not None:
            return None
        return layer.input, layer.function

    def _gates(
        self,
        loop: Loop,
        hidden: int,
        cell: int,
        parts: dict[str, str],
        activation: Fact[str],
        recurrent_activation: Fact[str],
    ) -> Cell | None:
        """The sum that the gates are cut from, and the order that they are cut in."""
        forget_bias = 0.0
        node = self._graph.node(parts["f"])
        if node.op in SUMS and len(node.inputs) == 2:
            left, right = map(self._through, node.inputs)
            for value, added in ((left, right), (right, left)):
                if self._constants.is_number(added):
                    parts["f"], forget_bias = value, self._constants.number(added)
        places: dict[int, str] = {}
        sums = set()
        for gate, tensor in parts.items():
            split = self._graph.node(tensor)
            if split.op != "Split" or split.number("num_split", 0) != _GATES:
                return None
            if len(split.inputs) != 2 or not self._is_axis_1(split.inputs[0]):
                return None
            places[int(tensor.partition(":")[2] or 0)] = gate
            sums.add(self._through(split.inputs[1]))
        if sorted(places) != list(range(_GATES)) or len(sums) != 1:
            return None
        kernels = self._kernels(sums.pop(), loop.before[hidden])
        if kernels is None:
            return None
        x, kernel, recurrent, bias = kernels
        order = "".join(places[place] for place in range(_GATES))
        return Cell(
            x,
            hidden,
            cell,
            kernel,
            recurrent,
            bias,
            Fact(activation.value, Source.GRAPH, activation.where),
            Fact(recurrent_activation.value, Source.GRAPH, recurrent_activation.where),
            order,
            forget_bias,
        )

    def _is_axis_1(self, axis: str) -> bool:
        return self._constants.is_number(axis) and self._constants.number(axis) in (1, -1)

    def _kernels(
        self, tensor: str, hidden: str
    ) -> tuple[str, Parameter, Parameter | None, Parameter | None] | None:
        """x, its kernel, the kernel of h, and the bias of a sum of products with them."""
        products: dict[str, Parameter] = {}
        biases: list[Parameter] = []
        pending = [tensor]
        for _ in range(_MOST_TERMS):
            if not pending:
                break
            one = pending.pop()
            node = self._graph.node(one)
            if self._constants.is_constant(one):
                biases.append(self._constants.value(one))
            elif node.op in SUMS and len(node.inputs) == 2:
                pending.extend(map(self._through, node.inputs))
            elif node.op == "MatMul" and self._is_plain_product(node):
                products[self._through(node.inputs[0])] = self._constants.value(node.inputs[1])
            else:
                return None
        if pending or len(biases) > 1 or any(not one.variables for one in products.values()):
            return None
        recurrent = products.pop(hidden, None)
        if len(products) != 1:
            return None
        ((value, kernel),) = products.items()
        if recurrent is None:
            joined = self._graph.node(value)  # TensorFlow 1's cells: [x, h] times one kernel
            if joined.op != "ConcatV2" or len(joined.inputs) != 3:
                return None
            value, state = map(self._through, joined.inputs[:2])
            if state != hidden or not self._is_axis_1(joined.inputs[2]):
                return None
        bias = biases[0] if biases else None
        if bias is not None and bias.array.size != kernel.shape[-1]:
            return None
        return value, kernel, recurrent, bias

    def _is_plain_product(self, node: Node) -> bool:
        turned = node.number("transpose_a", 0) or node.number("transpose_b", 0)
        return len(node.inputs) == 2 and not turned and self._constants.is_constant(node.inputs[1])
