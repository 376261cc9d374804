"""A network as lines that people read: one for a sequence, a tree where it branches.

    a: observation [8] → Dense 64 → relu
    ├─ b: Dense 64 → relu → Dense 64
    └─ c: Dense 64 → sigmoid
    a + b → concat …

Each line is a run of layers (``lnfold.report.words.runs``). The branches of a value hang below the
line that ends in it; what joins them stands at that line's own level, so that a hundred
residual blocks are no deeper than one. A letter names the value that a line ends in, for the
line that joins it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from string import ascii_lowercase
from typing import Final

from lnfold.errors import GraphError
from lnfold.network.records.deferred import Carried, Divided
from lnfold.network.records.layers import Add, Concat, Layer, Multiply, Network
from lnfold.report.words.chain import joined, outside, steps, title
from lnfold.report.words.runs import Run, runs_of
from lnfold.text.number_format import printable

_DEEPEST: Final = 12  # branches inside branches
_MOST: Final = 2000  # layers
_LONGEST: Final = 60  # lines; a larger network is better drawn


@dataclass(frozen=True, slots=True)
class Line:
    """One line: what leads it, what leads the lines that it is continued on, and its text.

    Spaces inside a step are no-break spaces, so that lines break between steps.
    """

    lead: str
    hanging: str
    text: str


def tree(network: Network) -> list[Line]:
    """The lines of a network, from its inputs to its outputs."""
    if len(network.layers) > _MOST:
        return [Line("", "", f"{len(network.layers):,} layers: lnfold graph draws them")]
    lines: list[Line] = []
    for line in _Drawing(network).lines():
        if len(lines) == _LONGEST:
            return [*lines, Line("", "", "… and more: lnfold graph draws all of it")]
        lines.append(line)
    return lines


class _Drawing:
    def __init__(self, network: Network) -> None:
        self._network = network
        self._inputs = {one.name for one in network.inputs}
        self._roots = runs_of(network)
        self._joined = set(_joined_values(self._roots))
        self._letters: dict[str, str] = {}
        try:
            self._widths = network.widths()
        except GraphError:
            self._widths = {}  # layers that do not fit each other are told as gaps

    def lines(self) -> Iterator[Line]:
        if len(self._roots) == 1:
            (run,) = self._roots
            yield Line("", "  ", self._text(run))
            yield from self._below(run.children, "", 0)
        else:
            yield from self._below(self._roots, "", 0)

    def _below(self, runs: list[Run], lead: str, depth: int) -> Iterator[Line]:
        """The branches that hang below a value, then what joins them, and so on."""
        while runs:
            *branches, last = runs
            joins = bool(last.joined) and not any(map(self._delivers, branches))
            if not joins:
                branches = runs
            if branches and depth == _DEEPEST:
                yield Line(f"{lead}└─ ", lead, "… branches inside branches")
                return
            for run in branches:
                stem, beside = ("└─ ", "   ") if run is branches[-1] else ("├─ ", "│  ")
                yield Line(lead + stem, f"{lead}{beside}  ", self._text(run))
                yield from self._below(run.children, lead + beside, depth + 1)
            if not joins:
                return
            yield Line(lead, f"{lead}  ", self._text(last))
            runs = last.children

    def _delivers(self, run: Run) -> bool:
        """Whether an output is computed in a run, or in what hangs below it."""
        pending = [run]
        while pending:
            one = pending.pop()
            if one.last in self._network.outputs:
                return True
            pending += one.children
        return False

    def _text(self, run: Run) -> str:
        """A run in words, with the letter that it is joined by and the output that it is."""
        said = [outside(self._network, run.entrance)] if run.entrance else []
        layers = run.layers
        if run.joined:
            said.append(self._join(layers[0]))
            layers = layers[1:]
        said += steps(self._network, layers)
        text = joined(said, "\N{NO-BREAK SPACE}")
        outputs = self._network.outputs
        if run.last in outputs and len(outputs) > 1:
            name = printable(run.last.removeprefix(f"{self._network.name}/"))
            text += f" = {name}\N{NO-BREAK SPACE}[{self._width(run.last)}]"
        return f"{self._letter(run.last)}: {text}" if run.last in self._joined else text

    def _join(self, layer: Layer) -> str:
        """A layer that joins several values, in words."""
        operands = [
            self._letter(one) if one in self._joined else outside(self._network, one)
            for one in layer.inputs
            if one in self._joined or one in self._inputs
        ]
        if isinstance(layer, Add):
            return " + ".join(operands)
        if isinstance(layer, Multiply):
            return " × ".join(operands)
        if isinstance(layer, Divided):
            return " ÷ ".join(operands)
        if isinstance(layer, Carried) and len(operands) == 2:
            return f"{operands[0]} + {operands[1]}·vector"
        if isinstance(layer, Concat):
            return f"concat {', '.join(operands)} [{self._width(layer.name)}]"
        what, _, remark = title(layer).partition(" (")
        remark = f" ({remark}" if remark else ""
        return f"{what} of {', '.join(dict.fromkeys(operands))}{remark}"

    def _letter(self, value: str) -> str:
        """The letter of a value: a … z, then a1 … z1, in the order in which they are shown."""
        if value not in self._letters:
            turn, place = divmod(len(self._letters), len(ascii_lowercase))
            self._letters[value] = ascii_lowercase[place] + (str(turn) if turn else "")
        return self._letters[value]

    def _width(self, value: str) -> str:
        return str(self._widths.get(value) or "?")


def _joined_values(roots: list[Run]) -> Iterator[str]:
    pending = list(roots)
    while pending:
        run = pending.pop()
        yield from run.joined
        pending += run.children
