"""Which ends of a graph belong to one network, and where one network ends in another.

Networks are told apart by their variables. Ends that share layers are the heads of one network.
A set of kernels that is also applied to something else, as a discriminator is to real and to
generated data, is a network of its own: what it is fed by is another one, which ends there.
"""

from __future__ import annotations

from collections.abc import Sequence

from lnfold.network.records.layers import LSTM, Dense
from lnfold.recovery.wiring.backward_walk import SOURCES, Walk, Walker

Kernels = frozenset[str]
Group = tuple[list[str], Walk]  # the ends of one network, and what lies behind them


class Parts:
    """Divides the ends of one graph among its networks."""

    def __init__(self, walker: Walker) -> None:
        self._walker = walker

    def networks(self, ends: Sequence[str]) -> list[Group]:
        """The ends of each network with what lies behind them, each network once."""
        walks = {end: self._walker.walk([end]) for end in ends}
        apart = self._applied_elsewhere(walks)
        if apart:
            self._walker.keep_apart(apart)
            walks = {end: self._walker.walk([end]) for end in self._with_feeders(ends)}
        return self._without_repetitions(
            [(heads, self._walker.walk(heads)) for heads in _sharing_layers(walks)]
        )

    def _applied_elsewhere(self, walks: dict[str, Walk]) -> list[Kernels]:
        """The kernels of networks that stand alone at one place and behind others at another."""
        by_last: dict[str, set[Kernels]] = {}
        for end, walk in walks.items():
            last = self._walker.last_kernel(end)
            if last:
                by_last.setdefault(last, set()).add(kernels_of(walk))
        return [
            one
            for found in by_last.values()
            for one in found
            if any(one < other for other in found)
        ]

    def _with_feeders(self, ends: Sequence[str]) -> list[str]:
        """The ends, and the values of other networks that those behind them read."""
        found = dict.fromkeys(ends)
        pending = list(ends)
        while pending:
            for tensor in self._walker.walk([pending.pop()]).inputs:
                if tensor not in found and self._walker.last_kernel(tensor):
                    found[tensor] = None
                    pending.append(tensor)
        return list(found)

    def _without_repetitions(self, groups: list[Group]) -> list[Group]:
        """One group for each set of kernels: a re-entered scope is the same network.

        The instance whose inputs come from outside wins over one fed by another network.
        """
        best: dict[Kernels, tuple[int, list[str], Walk]] = {}
        for heads, walk in groups:
            kernels = kernels_of(walk)
            fed = sum(self._walker.graph.node(tensor).op not in SOURCES for tensor in walk.inputs)
            if kernels not in best or fed < best[kernels][0]:
                best[kernels] = (fed, heads, walk)
        holders: dict[str, list[Kernels]] = {}
        for kernels in best:
            for one in kernels:
                holders.setdefault(one, []).append(kernels)
        return [
            (heads, walk)
            for kernels, (_, heads, walk) in best.items()
            if not any(
                kernels < other
                for other in min((holders[one] for one in kernels), key=len, default=list(best))
            )
        ]


def kernels_of(walk: Walk) -> Kernels:
    """What tells one network from another: its kernels, or its norms where it has none."""
    kernels = frozenset(
        parameter.name
        for layer in walk.layers.values()
        if isinstance(layer, Dense | LSTM)
        for role, parameter in layer.parameters()
        if role in ("kernel", "recurrent_kernel")
    )
    return kernels or walk.variables()


def _sharing_layers(walks: dict[str, Walk]) -> list[list[str]]:
    """Ends that share dense layers are the heads of one network."""
    groups: dict[int, tuple[set[str], list[str]]] = {}
    group_of: dict[str, int] = {}  # dense layer → the group that holds it
    for number, (end, walk) in enumerate(walks.items()):
        layers, heads = {dense.name for dense in walk.denses}, list[str]()
        for shared in sorted({group_of[one] for one in layers if one in group_of}):
            other_layers, other_heads = groups.pop(shared)
            layers |= other_layers
            heads += other_heads
        groups[number] = layers, [*heads, end]
        group_of.update(dict.fromkeys(layers, number))
    return [heads for _, heads in groups.values()]
