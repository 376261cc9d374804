"""Where a network ends: its last dense layers, what alone reads them on, and their joins.

A graph goes on behind a network: losses, samplers and statistics read its output. A head
stays within the network's own operations: an activation, a norm, a scale or a clip of the
last dense layer. The value and the advantages of a dueling network join in a sum.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from lnfold.network.records.kinds import Activation, Add, Affine, Centre, Clip, Dense
from lnfold.network.records.norms import Norm
from lnfold.recovery.graph.branches import truth
from lnfold.recovery.graph.node import Node
from lnfold.recovery.names.scopes import scope_of
from lnfold.recovery.patterns.layer_patterns import LayerPatterns
from lnfold.recovery.wiring.cuts import Cuts

_HEADS: Final = (Norm, Activation, Affine, Clip)
_NEAR: Final = 16  # operations that the largest formula spans


class Heads:
    """Finds the heads of one graph's networks."""

    def __init__(self, patterns: LayerPatterns) -> None:
        self._patterns = patterns
        self._graph = patterns.graph
        self._through = patterns.through
        self._cuts = Cuts(patterns)

    def biased(self, dense: Dense) -> Dense:
        """The dense layer with the bias that is added to its product, if one is."""
        for reader in self._readers(dense.name):
            layer = self._patterns.dense(reader.name)
            if layer is not None and layer.kernel is dense.kernel:
                return layer
        return dense

    def head(self, end: str) -> str:
        """The value that a network delivers whose last dense layer, or join, is ``end``.

        Stays within the operations' own scope, since losses and samplers read on from there.
        An operation that cannot be read is no end, wherever it stands: see ``cuts``.
        """
        scope = scope_of(scope_of(end))
        passed: set[str] = set()
        while end not in passed:
            passed.add(end)
            following = self._following(end, scope) or self._cuts.continuation(end, scope)
            end = following or end
        return end

    def readers(self, end: str) -> tuple[str, ...]:
        """What reads a network's output on and is no part of it: an arg max, probabilities."""
        return self._cuts.readers(end)

    def joined(self, ends: Sequence[str]) -> list[str]:
        """The ends, with every pair that a dueling network adds up replaced by the sum."""
        sums: dict[str, str] = {}
        for end in ends:
            for node in self._near_readers(end):
                layer = self._patterns.layer(node.name)
                if isinstance(layer, Add) and len(layer.inputs) == 2:
                    parts = [self._uncentred(one) for one in layer.inputs]
                    if set(parts) <= set(ends) and parts != list(layer.inputs):
                        for part in parts:
                            sums.setdefault(part, layer.name)
        return list(dict.fromkeys(sums.get(end, end) for end in ends))

    def _uncentred(self, tensor: str) -> str:
        layer = self._patterns.layer(tensor)
        return layer.input if isinstance(layer, Centre) else tensor

    def _following(self, end: str, scope: str) -> str | None:
        found = []
        for node in self._near_readers(end):
            layer = self._patterns.layer(node.name)
            if isinstance(layer, _HEADS) and layer.inputs == (end,) and _within(layer.name, scope):
                found.append(layer)
        norms = [layer.name for layer in found if isinstance(layer, Norm)]
        if norms:
            return norms[-1]
        direct = {node.name for node in self._readers(end)}
        if len(direct) == 1 and found:
            return found[-1].name
        # swish and gelu read their input twice: the function is what all readers lead to
        spelled = [layer.name for layer in found if self._covers(layer.name, end, direct)]
        return spelled[-1] if spelled else None

    def _covers(self, tensor: str, end: str, readers: set[str]) -> bool:
        """Whether a value is computed from all readers of an end."""
        pending, seen = [tensor], {end}
        while pending and len(seen) < 4 * _NEAR:
            one = pending.pop()
            if one not in seen:
                seen.add(one)
                pending.extend(map(self._through, self._graph.node(one).inputs))
        return readers <= seen

    def _readers(self, tensor: str) -> list[Node]:
        """Who reads a value, seen through operations that hand it on unchanged."""
        readers: dict[str, Node] = {}
        pending, seen = [tensor], {tensor}
        while pending:
            name = pending.pop().partition(":")[0]
            for node in self._graph.consumers.get(name, []):
                if node.name in seen or not self._is_reached(node, name):
                    continue
                seen.add(node.name)
                if self._through(node.name) != node.name:
                    pending.append(node.name)
                else:
                    readers[node.name] = node
        return list(readers.values())

    def _is_reached(self, reader: Node, name: str) -> bool:
        """Whether a reader of a Switch stands in the branch that inference takes."""
        switch = self._graph.nodes[name]
        if switch.op != "Switch" or len(switch.inputs) != 2:
            return True
        taken = truth(self._graph.nodes, switch.inputs[1])
        if taken is None:
            return True
        tensors = [one for one in reader.inputs if one.partition(":")[0] == name]
        return any(int(one.partition(":")[2] or 0) == taken for one in tensors)

    def _near_readers(self, end: str) -> list[Node]:
        """The operations that a few steps lead to, nearest first."""
        seen: dict[str, Node] = {}
        level = [end]
        for _ in range(_NEAR):
            readers = [node for tensor in level for node in self._readers(tensor)]
            level = [node.name for node in readers if node.name not in seen]
            seen.update({node.name: node for node in readers})
            if not level or len(seen) > 4 * _NEAR:
                break
        return list(seen.values())


def _within(name: str, scope: str) -> bool:
    return not scope or name.startswith(scope + "/")
