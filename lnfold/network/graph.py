"""GraphDef → nodes and edges: a TensorFlow graph as data, nothing in it ever executed.

Only the fields that recovery asks for are decoded: a node's name, operation and inputs, and
an attribute when somebody wants it. Messages after tensorflow/core/framework: MetaGraphDef
{2 graph_def, 5 signature_def}, GraphDef {1 node}, NodeDef {1 name, 2 op, 3 input, 5 attr}.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from lnfold.checkpoint.wire import LENGTH, SPAN, TEXT, WireError, fields, message, text
from lnfold.errors import GraphError
from lnfold.network.attributes import (
    READABLE,
    Attribute,
    Shape,
    Span,
    decode_attribute,
    decode_tensor,
)
from lnfold.network.loops import IN_A_LOOP, Loop
from lnfold.network.scopes import TF1_AVERAGE
from lnfold.network.wellformed import expect_form
from lnfold.network.words import words

if TYPE_CHECKING:
    import numpy as np

# What tf.gradients, savers and initializers add is no part of any network.
_BOOKKEEPING = re.compile(
    r"(^|/)gradients(_\d+)?/|_grad/|/Initializer/|^save(_\d+)?/|^report_uninitialized_variables"
    rf"|^{IN_A_LOOP}"
)
SIDE_OPS = words(
    """
    Assign AssignAdd AssignSub AssignVariableOp AssignAddVariableOp AssignSubVariableOp NoOp
    SaveV2 RestoreV2 VarIsInitializedOp ShardedFilename ScalarSummary HistogramSummary
    MergeSummary Assert Shape
    """
)
FIRST_SIGNATURE = "serving_default"
_LONGEST_READ = 64  # operations between a variable and the save operation
VARIABLE_OPS = frozenset(["Variable", "VariableV2", "AutoReloadVariable", "VarHandleOp"])


_ENTRY = {1: ("key", TEXT), 2: ("value", SPAN)}


class Node:
    """One operation: its name, its kind, the tensors it reads; attributes on demand."""

    __slots__ = ("_attributes", "_buffer", "inputs", "name", "op")

    def __init__(
        self,
        name: str,
        op: str,
        inputs: tuple[str, ...],
        buffer: bytes = b"",
        attributes: tuple[Span, ...] = (),
    ) -> None:
        self.name = name
        self.op = op
        self.inputs = inputs
        self._buffer = buffer
        self._attributes = attributes

    def __repr__(self) -> str:
        return f"Node({self.name!r}, {self.op!r}, {self.inputs!r})"

    def renamed(self, name: str, inputs: tuple[str, ...]) -> Node:
        """The same operation under another name, reading other tensors."""
        return Node(name, self.op, inputs, self._buffer, self._attributes)

    def attribute(self, name: str) -> Attribute:
        """The attribute of that name; an empty one where the node has none."""
        try:
            for span in self._attributes:
                entry = message(self._buffer, _ENTRY, *span)
                if entry["key"] == name and entry["value"] is not None:
                    return decode_attribute(self._buffer, entry["value"])
        except WireError as error:
            raise GraphError(
                f"attribute '{name}' of node '{self.name}' is damaged ({error})",
                offset=error.offset,
            ) from error
        return Attribute()

    def encoded_attributes(self) -> Iterator[bytes]:
        """The attributes as they are stored, each with its name."""
        return (self._buffer[start:end] for start, end in self._attributes)

    def number(self, name: str, default: float) -> float:
        """A float, int or bool attribute; ``default`` is the operation's own default."""
        numbers = self.attribute(name).numbers
        return numbers[0] if numbers else default

    def integer(self, name: str, default: int) -> int:
        """An int or bool attribute, or a type by its number; GraphError where it is a float."""
        return (self.integers(name) or [default])[0]

    def integers(self, name: str) -> list[int]:
        """The numbers of an attribute that are ints, bools or types; GraphError for floats."""
        found = self.attribute(name).numbers
        integers = [one for one in found if isinstance(one, int)]
        if len(integers) < len(found):
            raise GraphError(f"attribute '{name}' of node '{self.name}' is {found}, no integers")
        return integers

    def shape(self) -> Shape:
        """The declared shape of a placeholder or variable; None where there is none."""
        shapes = self.attribute("shape").shapes
        return shapes[0] if shapes else None

    def output_shape(self, index: int = 0) -> Shape:
        """The static shape TensorFlow inferred for an output, where it was kept."""
        shapes = self.attribute("_output_shapes").shapes
        return shapes[index] if index < len(shapes) else None

    @property
    def is_constant(self) -> bool:
        """Whether it is a Const of a type that NumPy has."""
        return self.op == "Const" and self.number("dtype", 1) in READABLE

    def constant(self) -> np.ndarray:
        """The tensor of a Const node; GraphError where it holds none."""
        span = self.attribute("value").tensor
        if span is None:
            raise GraphError(f"node '{self.name}' is a Const without a tensor")
        try:
            return decode_tensor(self._buffer, span, self.name)
        except WireError as error:
            raise GraphError(
                f"the constant '{self.name}' is damaged ({error})", offset=error.offset
            ) from error


@dataclass(frozen=True, slots=True)
class Signature:
    """What a SavedModel offers under one name: its inputs and outputs, each name → tensor."""

    name: str
    inputs: dict[str, str]
    outputs: dict[str, str]


class Graph:
    """The nodes of one graph by name, with who reads whom.

    Attributes:
        where: the file it was read from.
        signatures: what a SavedModel offers; nothing in a ``.meta``.
        objects: variable node → the number of the object that it is, in a TF 2 SavedModel.
        loops: the loops by the names of their While operations.
        notes: what the reader should know of how it was read.
        inside: the nodes of TF 1 that the rounds of loops compute.
    """

    def __init__(
        self,
        nodes: dict[str, Node],
        where: str,
        signatures: tuple[Signature, ...] = (),
        objects: Mapping[str, int] | None = None,
        loops: Mapping[str, Loop] | None = None,
        notes: tuple[str, ...] = (),
        inside: frozenset[str] = frozenset(),
    ) -> None:
        self.nodes = nodes
        self.where = where
        self.signatures = signatures
        self.objects = objects or {}
        self.loops = loops or {}
        self.notes = notes
        self.inside = inside

    def node(self, tensor: str) -> Node:
        """The node that produces a tensor called ``name`` or ``name:k``."""
        name = tensor.partition(":")[0]
        try:
            return self.nodes[name]
        except KeyError:
            raise GraphError(
                f"the graph reads from '{name}', which it does not contain", file=self.where
            ) from None

    @cached_property
    def consumers(self) -> dict[str, list[Node]]:
        """The nodes that read each node's outputs in a forward pass, in graph order."""
        readers: dict[str, list[Node]] = {}
        for node in self.forward_nodes():
            for tensor in dict.fromkeys(node.inputs):
                readers.setdefault(tensor.partition(":")[0], []).append(node)
        return readers

    def forward_nodes(self) -> Iterator[Node]:
        """The nodes that are no gradients, savers, assignments, summaries or rounds of loops."""
        for node in self.nodes.values():
            if node.op in SIDE_OPS or node.name in self.inside:
                continue
            if not _BOOKKEEPING.search(node.name):
                yield node

    @cached_property
    def variables(self) -> frozenset[str]:
        """The names of the nodes that are variables."""
        return frozenset(name for name, node in self.nodes.items() if node.op in VARIABLE_OPS)

    @property
    def checkpoint_keys(self) -> dict[str, str]:
        """Variable node → its key in the checkpoint, as the graph's own save operation has it."""
        return {node: key for node, (key, _) in self.saved.items()}

    @cached_property
    def saved(self) -> dict[str, tuple[str, str]]:
        """Variable node → its key in the checkpoint, and which slice of it the node holds.

        SaveV2 reads (prefix, names, slices, tensor 0, tensor 1, …): names[i] is the key of
        tensor i, and slices[i] is empty or says which part of that key's array it is. A
        variable that no save operation names is saved under its node's name.
        """
        keys: dict[str, tuple[str, str]] = {}
        for node in self.nodes.values():
            if node.op != "SaveV2" or len(node.inputs) < 3:
                continue
            constants = [self.node(one) for one in node.inputs[1:3]]
            if any(one.op != "Const" for one in constants):
                continue
            names, slices = ([_text(one) for one in node.constant().ravel()] for node in constants)
            for key, part, tensor in zip(names, slices, node.inputs[3:], strict=False):
                source = self._variable_behind(tensor)
                if source is None:
                    continue
                first, _ = keys.setdefault(source.name, (key, part))
                if key == source.name and first.startswith(f"{key}/{TF1_AVERAGE}"):
                    keys[key] = key, part  # the other saver keeps its average under its name
        return keys

    def _variable_behind(self, tensor: str) -> Node | None:
        """The variable that a saved tensor is read from."""
        for _ in range(_LONGEST_READ):
            node = self.node(tensor)
            if node.op in VARIABLE_OPS:
                return node
            if not node.inputs:
                return None
            _, _, index = tensor.partition(":")
            tensor = node.inputs[int(index or 0) if node.op == "IdentityN" else 0]
        return None


def _text(element: object) -> str:
    return text(element) if isinstance(element, bytes) else ""


def read_meta_graph(path: str) -> Graph:
    """The graph of a ``.meta`` file; see ``lnfold.network.saved_model``."""
    from lnfold.network.saved_model import read_meta_graph as read

    return read(path)


def decode_nodes(buffer: bytes, span: Span, where: str) -> dict[str, Node]:
    """The nodes in an encoded GraphDef by name; WireError where the bytes are none."""
    nodes: dict[str, Node] = {}
    for number, kind, content in fields(buffer, *span):
        if number == 1 and kind == LENGTH:
            node = decode_node(buffer, content)
            expect_form(node, where)
            if node.name in nodes:
                raise GraphError(f"two nodes are called '{node.name}'", file=where)
            nodes[node.name] = node
    return nodes


def decode_node(buffer: bytes, span: Span) -> Node:
    """One NodeDef, its attributes left encoded."""
    name = op = ""
    inputs: list[str] = []
    attributes: list[Span] = []
    for number, kind, content in fields(buffer, *span):
        if kind != LENGTH:
            continue
        if number == 5:
            attributes.append(content)
        elif number <= 3:
            read = text(buffer[content[0] : content[1]])
            if number == 1:
                name = read
            elif number == 2:
                op = read
            elif not read.startswith("^"):  # a control dependency is an order, not a value
                inputs.append(read.removesuffix(":0"))
    return Node(name, op, tuple(inputs), buffer, tuple(attributes))
