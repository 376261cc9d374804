"""A network as runs of layers that each only the next one reads, and how the runs hang together.

A run hangs below the value that everything in it is computed from: its immediate dominator
(Cooper, Harvey and Kennedy, A Simple, Fast Dominance Algorithm, 2001; one pass here, since a
network has no cycles). So the branches of a value hang below it, and so does what joins them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from lnfold.network.records.layers import Layer, Network

ROOT: Final = ""  # stands above all inputs


@dataclass(slots=True, eq=False)
class Run:
    """Layers of which each is read by the next alone.

    Attributes:
        entrance: the input of the network that it begins with; empty where it does not.
        layers: in order; none where an input is all there is.
        joined: the values that its first layer joins; empty where that reads one.
        children: the runs that hang below the value that it ends in, in the network's order.
    """

    entrance: str = ""
    layers: list[Layer] = field(default_factory=list)
    joined: tuple[str, ...] = ()
    children: list[Run] = field(default_factory=list)

    @property
    def last(self) -> str:
        """The value that it ends in."""
        return self.layers[-1].name if self.layers else self.entrance


def runs_of(network: Network) -> list[Run]:
    """The runs that hang below no value: those of the inputs, and what joins several of them."""
    return _Runs(network).roots


class _Runs:
    def __init__(self, network: Network) -> None:
        self.roots: list[Run] = []
        self._inputs = {one.name for one in network.inputs}
        self._outputs = set(network.outputs)
        self._fed = _fed(network)
        self._layers = [layer for layer in network.layers if layer.name in self._fed]
        self._readers: dict[str, list[str]] = {}
        for layer in self._layers:
            for value in dict.fromkeys(layer.inputs):
                self._readers.setdefault(value, []).append(layer.name)
        self._ending: dict[str, Run] = {}
        self._dominator: dict[str, str] = {}
        self._depth = {ROOT: 0}
        for layer in self._layers:
            self._place(layer)

    def _place(self, layer: Layer) -> None:
        """Puts a layer at the end of a run, or at the head of a new one."""
        values = self._inner(layer)
        for value in values:
            if value not in self._depth:
                self._start(Run(value), ROOT)
        if len(values) == 1 and self._is_read_by_one(values[0]):
            run = self._ending.pop(values[0])
            run.layers.append(layer)
            self._settle(layer.name, values[0])
            self._ending[layer.name] = run
        else:
            joined = tuple(values) if len(values) > 1 else ()
            self._start(Run(layers=[layer], joined=joined), self._shared_dominator(values))

    def _inner(self, layer: Layer) -> list[str]:
        """The values that a layer reads, without inputs that it alone reads beside others."""
        values = [one for one in dict.fromkeys(layer.inputs) if one in self._fed]
        inner = [one for one in values if one not in self._inputs or not self._is_read_by_one(one)]
        return inner or values[:1]

    def _is_read_by_one(self, value: str) -> bool:
        return len(self._readers[value]) == 1 and value not in self._outputs

    def _start(self, run: Run, above: str) -> None:
        (self._ending[above].children if above else self.roots).append(run)
        self._ending[run.last] = run
        self._settle(run.last, above)

    def _settle(self, value: str, above: str) -> None:
        self._dominator[value] = above
        self._depth[value] = self._depth[above] + 1

    def _shared_dominator(self, values: list[str]) -> str:
        """The nearest value that everything these are computed from passes through."""
        shared, *others = values or [ROOT]
        for other in others:
            while shared != other:
                if self._depth[shared] >= self._depth[other]:
                    shared = self._dominator[shared]
                else:
                    other = self._dominator[other]
        return shared


def _fed(network: Network) -> set[str]:
    """The values that depend on an input; all of them where the network has none.

    What depends on none (the mask of an attention, the noise of a dropout) would tear the
    tree apart: it comes from nowhere and is joined everywhere.
    """
    fed = {one.name for one in network.inputs}
    for layer in network.layers:
        if not fed.isdisjoint(layer.inputs):
            fed.add(layer.name)
    return fed if network.inputs else {layer.name for layer in network.layers}
