"""Where the graph goes on behind the last layer that lnfold can read: a cut, or the end.

What trains, chooses and samples reads a network's output, too: a loss combines it with
targets, arg max picks from it, noise is added to it. None of these is part of the network. An
operation whose meaning is not known is: whatever is fed by the network alone and cannot be
read may be its last step, and an activation behind one certainly is.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Final

from lnfold.network.operations.operation import Family
from lnfold.network.operations.table import OPERATIONS, names_of
from lnfold.network.records.kinds import Activation, Add, Concat, Multiply, Opaque
from lnfold.network.records.norms import Norm
from lnfold.recovery.graph.node import Node
from lnfold.recovery.graph.op_names import words
from lnfold.recovery.graph.questions import Answers
from lnfold.recovery.patterns.layer_patterns import LayerPatterns

_FARTHEST: Final = 64  # operations that are looked at behind an end
_MOST_SOURCES: Final = 64  # placeholders that are told apart behind one value

# What chooses, compares, counts or sums up what a network delivers ends it for sure.
_GOING_ON: Final = frozenset(["Select", "SelectV2", "Fill", "Range", "Cumsum", "Cumprod"])
_CHOOSING: Final = names_of(Family.REDUCTION, Family.CHOICE, Family.SHAPE) - _GOING_ON | words(
    """
    AsString AudioSummary AudioSummaryV2 Bincount CTCBeamSearchDecoder CTCGreedyDecoder
    CTCLoss CTCLossV2 CombinedNonMaxSuppression ConfusionMatrix Const DenseBincount Enter
    Gather GatherNd GatherV2 ImageSummary ImageSummaryV2 InTopK InTopKV2 L2Loss
    Multinomial NonMaxSuppression NonMaxSuppressionV2 NonMaxSuppressionV3
    NonMaxSuppressionV4 NonMaxSuppressionV5 OneHot OnesLike PrintV2 QueueEnqueue
    QueueEnqueueMany QueueEnqueueManyV2 QueueEnqueueV2 RefEnter RestoreSlice Save
    SaveSlices ScatterAdd ScatterNdUpdate ScatterUpdate ShapeN
    SoftmaxCrossEntropyWithLogits SparseSoftmaxCrossEntropyWithLogits StatelessMultinomial
    StringFormat TensorSummary TensorSummaryV2 TopK TopKV2 Unique UniqueV2 Where WriteFile
    WriteHistogramSummary WriteImageSummary WriteScalarSummary WriteSummary ZerosLike
    """
)
# Mathematics whose meaning is known though it is no layer that lnfold runs.
_MATHEMATICS: Final = OPERATIONS.keys() | words(
    """
    Angle DepthToSpace Diag DiagPart Digamma DynamicStitch IdentityN Imag InvGrad Lgamma
    MatrixBandPart MatrixDiag MatrixDiagPart Merge Ndtri Real Reverse Roll SpaceToDepth
    Switch TruncateDiv Xlog1py
    """
)
_MATHEMATICAL: Final = (Opaque, Add, Multiply, Concat)
_SAMPLING: Final = tuple(
    f"{stateless}{name}"
    for stateless in ("", "Stateless")
    for name in ("Random", "Multinomial", "TruncatedNormal", "Parameterized", "Shuffle")
)
# What an output is combined with others by, in front of an activation.
_MIXING: Final = words("Add AddV2 AddN Sub Mul Identity Select SelectV2 Where")
_FUNCTIONS_OF_PYTHON: Final = words("PyFunc PyFuncStateless EagerPyFunc")


class Cuts:
    """Tells behind which ends of one graph a network goes on."""

    def __init__(self, patterns: LayerPatterns) -> None:
        self._patterns = patterns
        self._graph = patterns.graph
        self._constants = patterns.constants
        self._sources: Answers[str, frozenset[str] | None] = Answers(
            lambda name: [one.partition(":")[0] for one in self._graph.node(name).inputs],
            self._sources_of,
            None,
        )

    def continuation(self, end: str, scope: str) -> str | None:
        """A value behind an end that the network goes on to, None where it ends there.

        The value of an operation that cannot be read and that the network alone feeds; in the
        network's scope that of a sum with what the end was computed from, or of an activation or
        a norm behind other mathematics, or behind an operation that cannot be read and that
        inputs of its own feed, too: a mask.
        """
        for tensor, node, apart, alone in self._behind(end):
            layer = self._patterns.layer(tensor)
            if alone and isinstance(layer, Opaque) and self._is_strange(node):
                return tensor
            if layer is None or (scope and not node.name.startswith(f"{scope}/")):
                continue
            if isinstance(layer, Add) and end in layer.inputs and self._is_residual(layer, end):
                return layer.name
            if apart and isinstance(layer, Activation | Norm):
                return layer.name
        return None

    def readers(self, end: str) -> tuple[str, ...]:
        """What reads an end on, fed by it alone: an arg max, probabilities, a log.

        And an activation of its sum or product with something else: a mask, noise.
        """
        found: list[str] = []
        first = end.partition(":")[0]
        pending, seen = [(first, False)], {first}
        for name, mixed in pending:  # it grows
            for node in self._readers(name):
                if node.name in seen or len(seen) > _FARTHEST:
                    continue
                alone = self._is_alone(node, first)
                if mixed or not alone:
                    seen.add(node.name)
                    if isinstance(self._patterns.layer(node.name), Activation):
                        found.append(f"{node.op} '{node.name}', of other values, too")
                    elif node.op in _MIXING:
                        pending.append((node.name, True))
                    continue
                seen.add(node.name)
                if self._patterns.through(node.name) != node.name:
                    pending.append((node.name, False))  # an Identity
                else:
                    found.append(f"{node.op} '{node.name}'")
        return tuple(found)

    def _behind(self, end: str) -> Iterator[tuple[str, Node, bool, bool]]:
        """What reads an end on, nearest first: the value it delivers, and the operation.

        With it goes whether mathematics stands on the way that is no layer of a head, and whether
        nothing feeds it but what feeds the end. What else feeds, too, ends the way, unless it
        cannot be read.
        """
        first = end.partition(":")[0]
        pending, seen = [(first, False, True)], {first}
        for name, apart, alone in pending:  # it grows
            for node in self._readers(name):
                if node.name in seen or node.op in _CHOOSING or len(seen) > _FARTHEST:
                    continue
                seen.add(node.name)
                layer = self._patterns.dense(node.name)
                begins_another = layer is not None and bool(layer.kernel.variables)
                now_alone = alone and self._is_alone(node, first)
                if begins_another or (alone and not now_alone and not self._is_strange(node)):
                    continue
                tensor = self._value_of(node)
                yield tensor, node, apart, now_alone
                mathematics = isinstance(self._patterns.layer(tensor), _MATHEMATICAL)
                pending.append((node.name, apart or mathematics, now_alone))

    def _value_of(self, node: Node) -> str:
        """The value of an operation that is read on, the first that inputs change."""
        read = [
            tensor
            for reader in self._readers(node.name)
            for tensor in reader.inputs
            if tensor.partition(":")[0] == node.name and self._patterns.layer(tensor) is not None
        ]
        return read[0] if read else node.name

    def _is_residual(self, layer: Add, end: str) -> bool:
        """Whether a sum adds to an end what the end was computed from."""
        others, behind, pending = set(layer.inputs) - {end}, set[str](), deque([end])
        while pending and len(behind) < _FARTHEST:
            tensor = pending.popleft()
            if tensor not in behind:
                behind.add(tensor)
                found = self._patterns.layer(tensor)
                pending.extend(() if found is None else found.inputs)
        return bool(others) and others <= behind

    def _readers(self, name: str) -> list[Node]:
        return self._graph.consumers.get(name, [])

    def _is_strange(self, node: Node) -> bool:
        """Whether nothing is known of what an operation computes; that it delivers is."""
        if node.op in _MATHEMATICS or node.op in _CHOOSING or node.op.startswith(_SAMPLING):
            return False
        if node.op in _FUNCTIONS_OF_PYTHON and not node.attribute("Tout").numbers:
            return False  # called for what it does
        return node.output_shape() != ()

    def _is_alone(self, node: Node, end: str) -> bool:
        """Whether nothing feeds a node that does not feed an end."""
        behind, own = self._sources(node.name), self._sources(end)
        return behind is not None and own is not None and behind <= own

    def _sources_of(self, name: str) -> frozenset[str] | None:
        """What comes from outside behind a node: placeholders, iterators, random numbers."""
        node = self._graph.node(name)
        if self._constants.is_constant(name):
            return frozenset()
        if node.op.startswith(("Placeholder", *_SAMPLING)) or not node.inputs:
            return frozenset([name])
        found: frozenset[str] = frozenset()
        for one in node.inputs:
            behind = self._sources.known(one.partition(":")[0])
            if behind is None:
                return None
            found = found if behind <= found else found | behind
        return found or frozenset([name]) if len(found) <= _MOST_SOURCES else None
