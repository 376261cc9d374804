"""Tensors → layers: which layer delivers a tensor.

The kinds are asked in turn, the largest formulas first: a normalisation is made of sums and
products, and a bias is a sum. A node that none of them knows is opaque: named, not run, and
seen through to what it reads.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from lnfold.errors import GraphError
from lnfold.network.facts.evidence import Fact, Source
from lnfold.network.records.layers import (
    Activation,
    Add,
    Centre,
    Concat,
    Dense,
    Layer,
    Multiply,
    Opaque,
    Rearrange,
    Slice,
)
from lnfold.recovery.graph.constants import Constants
from lnfold.recovery.graph.fingerprint import constant_fingerprint, fingerprint, node_fingerprint
from lnfold.recovery.graph.graph import Graph
from lnfold.recovery.graph.node import Node
from lnfold.recovery.graph.op_names import words
from lnfold.recovery.names.scopes import scope_of
from lnfold.recovery.patterns.algebra import Algebra
from lnfold.recovery.patterns.dense import DensePatterns
from lnfold.recovery.patterns.elementwise import Elementwise
from lnfold.recovery.patterns.fused_norms import FusedNorms
from lnfold.recovery.patterns.layouts import LayoutPatterns
from lnfold.recovery.patterns.lstm import LSTMPatterns
from lnfold.recovery.patterns.norms import NormPatterns
from lnfold.recovery.patterns.reduce_mean import mean_of
from lnfold.recovery.patterns.scaling import ScalingPatterns

_ACTIVATIONS: Final = {
    "Relu": "relu",
    "Relu6": "relu6",
    "LeakyRelu": "leaky_relu",
    "Elu": "elu",
    "Selu": "selu",
    "Tanh": "tanh",
    "Sigmoid": "sigmoid",
    "Softplus": "softplus",
    "Softsign": "softsign",
    "Softmax": "softmax",
    "LogSoftmax": "log_softmax",
    "Abs": "abs",
    "Exp": "exp",
}
# Operations whose other inputs say how to lay out the first.
_REARRANGING: Final = words(
    "Reshape Transpose ExpandDims Squeeze Tile Slice StridedSlice Mean Sum Max Min Pad PadV2"
)
# Inputs of operations that are read, one operation anew for each of its outputs.
_MOST_INPUTS: Final = 1 << 20
_INPUTS_A_NODE: Final = 16
_LEAKY_RELU_ALPHA: Final = 0.2  # TensorFlow's default, which stripped graphs leave out


class LayerPatterns:
    """Recognises the layers of one graph, one tensor at a time."""

    def __init__(self, constants: Constants) -> None:
        self.constants = constants
        self.graph: Graph = constants.graph
        self.through = constants.passage.through
        self._shapes = constants.passage.shapes
        self._algebra = Algebra(constants)
        self._norms = NormPatterns(self._algebra)
        self._fused = FusedNorms(self._algebra)
        self._denses = DensePatterns(self._algebra)
        self._elementwise = Elementwise(self._algebra)
        self._scalings = ScalingPatterns(self._algebra)
        self._lstms = LSTMPatterns(self._algebra, self._activation)
        self._layouts = LayoutPatterns(self._algebra)
        self._layers: dict[str, Layer | None] = {}
        self._inputs_left = max(_MOST_INPUTS, _INPUTS_A_NODE * len(self.graph.nodes))
        self._readings: tuple[Callable[[str, Node], Layer | None], ...] = (
            lambda tensor, node: self._denses.dense(tensor),
            lambda tensor, node: self._fused.norm(tensor),
            lambda tensor, node: self._norms.norm(tensor),
            self._activation,
            lambda tensor, node: self._scalings.scaling(tensor),
            lambda tensor, node: self._lstms.lstm(tensor),
            self._concat,
            self._slice,
            self._combination,
            self._layouts.rearrangement,
        )

    def layer(self, tensor: str) -> Layer | None:
        """The layer that delivers a tensor, its ``inputs`` tensors of the graph.

        None for what no input changes and for what comes from outside; every other operation
        that is not known is an Opaque layer.
        """
        tensor = self.through(tensor)
        if tensor not in self._layers:
            self._layers[tensor] = self._read(tensor, self.graph.node(tensor))
        return self._layers[tensor]

    def dense(self, tensor: str) -> Dense | None:
        """The dense layer that delivers a tensor, or whose units it holds as shorter rows."""
        layer = self.layer(tensor)
        if isinstance(layer, Rearrange) and layer.input.partition(":")[0] == layer.name:
            layer = self.layer(layer.input)
        return layer if isinstance(layer, Dense) else None

    def _read(self, tensor: str, node: Node) -> Layer | None:
        # every output of an operation is read on its own: many of many inputs take the product
        self._inputs_left -= len(node.inputs)
        if self._inputs_left < 0:
            raise GraphError(
                f"too many operations deliver many values of many: '{node.name}' has "
                f"{len(node.inputs)} inputs",
                file=self.graph.where,
                remedy="Choose one end with --output-node NODE.",
            )
        if self.constants.is_constant(tensor):
            return None
        for reading in self._readings:
            layer = reading(tensor, node)
            if layer is not None:
                return layer
        if node.op.startswith("Placeholder"):
            return None
        return self._opaque(tensor, node)

    def _activation(self, tensor: str, node: Node) -> Layer | None:
        function = _ACTIVATIONS.get(node.op)
        alpha: float | None = None
        if function is None:
            found = self._elementwise.activation(tensor)
            if found is None:
                return None
            source, function, alpha = found
        else:
            source = self.through(node.inputs[0])
            if function == "leaky_relu":
                alpha = node.number("alpha", _LEAKY_RELU_ALPHA)
        fact = Fact(function, Source.GRAPH, node.name)
        return Activation(tensor, (source,), scope_of(node.name), fact, alpha)

    def _concat(self, tensor: str, node: Node) -> Layer | None:
        if node.op != "ConcatV2" or not self._is_last_axis(node.inputs[-1], tensor):
            return None
        if any(self.constants.is_constant(one) for one in node.inputs[:-1]):
            return None
        parts = tuple(self.through(one) for one in node.inputs[:-1])
        return Concat(tensor, parts, scope_of(tensor))

    def _is_last_axis(self, axis: str, tensor: str) -> bool:
        if not self.constants.is_number(axis):
            return False
        rank = self._shapes.rank(tensor)
        return int(self.constants.number(axis)) in (-1, None if rank is None else rank - 1)

    def _slice(self, tensor: str, node: Node) -> Layer | None:
        """Split along the units, and x[:, a:b]."""
        if node.op == "Split" and len(node.inputs) == 2:
            units = self._shapes.units(node.inputs[1])
            parts = node.integer("num_split", 0)
            if not units or not parts or not self._is_last_axis(node.inputs[0], node.inputs[1]):
                return None
            size, index = units // parts, int(tensor.partition(":")[2] or 0)
            source = self.through(node.inputs[1])
            return Slice(tensor, (source,), scope_of(node.name), index * size, (index + 1) * size)
        if node.op != "StridedSlice" or len(node.inputs) != 4:
            return None
        return self._strided_slice(tensor, node)

    def _strided_slice(self, tensor: str, node: Node) -> Layer | None:
        begin, end, step = (self._shapes.integers(one) for one in node.inputs[1:])
        shape = self._shapes.shape(node.inputs[0])
        odd = ("ellipsis_mask", "new_axis_mask", "shrink_axis_mask")
        if shape is None or not shape or any(node.number(name, 0) for name in odd):
            return None
        if begin is None or end is None or step is None or set(step) != {1}:
            return None
        units, last = shape[-1], len(shape) - 1
        if units is None or not len(begin) == len(end) == len(shape):
            return None
        bounds = []
        for axis in range(len(shape)):
            low = 0 if node.integer("begin_mask", 0) >> axis & 1 else begin[axis]
            high = None if node.integer("end_mask", 0) >> axis & 1 else end[axis]
            if axis != last and (low != 0 or high is not None):
                return None
            bounds.append((low, high))
        low, high = bounds[-1]
        if low is None:
            return None
        start, stop, _ = slice(low, high).indices(units)
        source = self.through(node.inputs[0])
        return Slice(tensor, (source,), scope_of(tensor), start, stop) if start < stop else None

    def _combination(self, tensor: str, node: Node) -> Layer | None:
        """Sums and products of values, and x − mean(x)."""
        if len(node.inputs) < 2 or any(self.constants.is_constant(one) for one in node.inputs):
            return None
        sources = tuple(map(self.through, node.inputs))
        if node.op == "Sub":
            mean = mean_of(self._algebra, sources[1])
            if mean is not None and mean.over_units and mean.value == sources[0]:
                return Centre(tensor, sources[:1], scope_of(tensor))
        if node.op == "Sub" or not self._combines_rows(node):
            return None
        if node.op in ("Add", "AddV2", "AddN", "BiasAdd"):
            return Add(tensor, sources, scope_of(tensor))
        return Multiply(tensor, sources, scope_of(tensor)) if node.op == "Mul" else None

    def _combines_rows(self, node: Node) -> bool:
        """Whether values are combined row by row: of one rank, and alike but for their units.

        The shapes are those that the node itself sees, behind whatever lays rows out for it.
        """
        shapes = [self._shapes.shape(one) for one in node.inputs]
        known = [shape for shape in shapes if shape is not None]
        if len({len(shape) for shape in known}) > 1:
            return False
        for axis, sizes in enumerate(zip(*(shape[:-1] for shape in known), strict=True)):
            lengths = {size for size in sizes if size is not None}
            if len(lengths) > 1 or (axis and lengths == {1} and None in sizes):
                return False  # one row would be broadcast to several
        return True

    def _opaque(self, tensor: str, node: Node) -> Opaque:
        """An operation that is not run, with the values and the variables that it reads."""
        sources: dict[str, None] = {}
        reads: dict[str, None] = {}
        for one in node.inputs[:1] if node.op in _REARRANGING else node.inputs:
            if self._shapes.integers(one) is not None:
                continue  # a shape, not a value
            variables = self.constants.variables_read(one)
            if variables is None:
                sources[self.through(one)] = None
            else:
                reads.update(dict.fromkeys(self.constants.names(variables)))
        units = self._shapes.units(tensor) or 0
        return Opaque(
            tensor,
            tuple(sources),
            scope_of(node.name),
            node.op,
            tuple(reads),
            units,
            self._fingerprint(node),
        )

    def _fingerprint(self, node: Node) -> str:
        """What two operations have in common that compute the same; empty where it is too long."""
        told = [node_fingerprint(node)]
        for one in node.inputs:
            integers = self._shapes.integers(one)
            if self.constants.variables_read(one) is not None:
                told.append(constant_fingerprint(self.graph, one))
            elif integers is not None:
                told.append(repr(integers))
        return fingerprint(*told) if all(told) else ""
