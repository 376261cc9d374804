"""Encoded nodes → nodes, each of the form that TensorFlow asks for."""

from __future__ import annotations

from lnfold.checkpoint.bytes.wire import LENGTH, fields, text
from lnfold.errors import GraphError
from lnfold.recovery.graph.attributes import Span
from lnfold.recovery.graph.node import Node
from lnfold.recovery.graph.wellformed import expect_form


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
