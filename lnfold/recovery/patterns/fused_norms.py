"""FusedBatchNorm → the layer that it stands for, which need not be a batch norm.

With ``is_training`` False it is BatchNorm with stored statistics. Keras 2 computes LayerNorm
with it, too: the rows become the channels of one image, [1, rows, units, 1] in NCHW layout,
scale and offset are ones and zeros, and ``is_training`` is True, so that every "channel" is
normalised by its own statistics; gamma and beta follow as Mul and AddV2.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from lnfold.network.facts.evidence import Fact, Source
from lnfold.network.records.kinds import Opaque
from lnfold.network.records.layer import Layer, Parameter
from lnfold.network.records.norms import BatchNorm, LayerNorm, is_epsilon
from lnfold.recovery.graph.node import Node
from lnfold.recovery.names.scopes import layer_scope, scope_of
from lnfold.recovery.patterns.algebra import Algebra, TooLongError

FUSED: Final = frozenset(["FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3"])

# What a graph means that leaves an attribute out (tensorflow/core/ops/nn_ops.cc).
_EPSILON: Final = 1e-4
_IS_TRAINING: Final = 1
_NHWC, _NCHW = b"NHWC", b"NCHW"


class FusedNorms:
    """Recognises the fused normalisations of one graph."""

    def __init__(self, algebra: Algebra) -> None:
        self._algebra = algebra
        self._constants = algebra.constants
        self._through = algebra.through

    def norm(self, tensor: str) -> Layer | None:
        """The normalisation that delivers a tensor, or None."""
        node = self._algebra.graph.node(tensor)
        if node.op in FUSED and ":" not in tensor and len(node.inputs) == 5:
            return self._batch_norm(tensor, node)
        return self._layer_norm(tensor)

    def _batch_norm(self, tensor: str, node: Node) -> Layer:
        value = self._through(node.inputs[0])
        if node.number("is_training", _IS_TRAINING):
            what = f"{node.op} in training mode, whose statistics are those of the batch"
            return self._opaque(tensor, value, node, what)
        if self._layout(node) != _NHWC:
            return self._opaque(tensor, value, node, f"{node.op} with channels first")
        epsilon = self._epsilon(node)
        if epsilon is None:
            return self._opaque(tensor, value, node, f"{node.op} of an impossible epsilon")
        if not all(self._constants.is_constant(one) for one in node.inputs[1:]):
            return self._opaque(tensor, value, node, f"{node.op} of computed statistics")
        gamma, beta, mean, variance = (self._constants.value(one) for one in node.inputs[1:])
        scope = layer_scope((gamma if gamma.variables else mean).name)
        return BatchNorm(
            tensor,
            (value,),
            scope,
            None if _is_all(gamma, 1) else gamma,
            None if _is_all(beta, 0) else beta,
            epsilon,
            mean,
            variance,
        )

    def _opaque(self, tensor: str, value: str, node: Node, what: str) -> Opaque:
        constants = [one for one in node.inputs[1:] if self._constants.is_constant(one)]
        reads = [name for one in constants for name in self._constants.value(one).variables]
        units = self._algebra.passage.shapes.units(tensor) or 0
        return Opaque(tensor, (value,), scope_of(tensor), what, tuple(dict.fromkeys(reads)), units)

    # ── layer norm ────────────────────────────────────────────────────────────────────────

    def _layer_norm(self, tensor: str) -> Layer | None:
        """gamma·unit + beta, where unit is a fused normalisation of rows."""
        for unit in (tensor, *self._algebra.within(tensor, 4)):
            found = self._unit(unit)
            if found is None:
                continue
            value, epsilon = found
            try:
                terms = self._algebra.expand(tensor, {unit: "unit"})
            except TooLongError:
                continue
            gains = [product for product in terms if "unit" in product]
            shifts = [product for product in terms if "unit" not in product]
            if len(gains) != 1 or len(shifts) > 1 or set(terms.values()) != {1.0}:
                continue
            gain = [leaf for leaf in gains[0] if leaf != "unit"]
            shift = list(shifts[0]) if shifts else []
            if len(gain) > 1 or len(shift) > 1 or (shifts and not shift):
                continue
            if not all(self._constants.is_constant(leaf) for leaf in (*gain, *shift)):
                continue
            gamma = self._constants.value(gain[0]) if gain else None
            beta = self._constants.value(shift[0]) if shift else None
            named = gamma or beta
            scope = layer_scope(named.name) if named else scope_of(tensor)
            return LayerNorm(tensor, (value,), scope, gamma, beta, epsilon)
        return None

    def _unit(self, tensor: str) -> tuple[str, Fact[float]] | None:
        """(x, epsilon) of Reshape(FusedBatchNorm(Reshape(x, [1, rows, units, 1])))."""
        graph, shapes = self._algebra.graph, self._algebra.passage.shapes
        node = graph.node(tensor)
        if node.op != "Reshape" or not node.inputs:
            return None
        fused = graph.node(self._through(node.inputs[0]))
        if fused.op not in FUSED or not fused.number("is_training", _IS_TRAINING):
            return None
        if len(fused.inputs) != 5 or self._layout(fused) != _NCHW:
            return None
        if not self._filled(fused.inputs[1], 1) or not self._filled(fused.inputs[2], 0):
            return None
        image = graph.node(self._through(fused.inputs[0]))
        if image.op != "Reshape" or len(image.inputs) != 2:
            return None
        layout = shapes.integers(image.inputs[1])
        units = shapes.units(image.inputs[0])
        if layout is None or len(layout) != 4 or units is None:
            return None
        if (layout[0], layout[2], layout[3]) != (1, units, 1) or shapes.units(tensor) != units:
            return None
        epsilon = self._epsilon(fused)
        return None if epsilon is None else (self._through(image.inputs[0]), epsilon)

    def _filled(self, tensor: str, number: float) -> bool:
        """Whether every element of a tensor, however many there are, is that number."""
        node = self._algebra.graph.node(self._through(tensor))
        if node.op == "Fill" and len(node.inputs) == 2:
            tensor = node.inputs[1]
        if self._constants.variables_read(tensor) != frozenset():
            return False
        return bool((self._constants.value(tensor).array == number).all())

    def _epsilon(self, node: Node) -> Fact[float] | None:
        """What is added to the variance; None for what no norm can have."""
        stored = node.attribute("epsilon").numbers
        where = f"{node.name}, attribute epsilon"
        if not stored:
            return Fact(_EPSILON, Source.GRAPH, f"{where} (left out: TensorFlow's default)")
        return Fact(stored[0], Source.GRAPH, where) if is_epsilon(stored[0]) else None

    def _layout(self, node: Node) -> bytes:
        texts = node.attribute("data_format").texts
        return texts[0] if texts and texts[0] else _NHWC


def _is_all(parameter: Parameter, number: float) -> bool:
    """Whether it stands for an absent parameter: no variable, and all elements that number."""
    return not parameter.variables and bool((np.asarray(parameter.array) == number).all())
