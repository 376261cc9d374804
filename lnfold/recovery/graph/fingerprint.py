"""A fingerprint of an operation: equal for two that compute the same from the same values.

Its kind, its attributes, and for a constant that it reads all that this is computed from. What
TensorFlow notes beside an operation (inferred shapes, colocation) does not count.
"""

from __future__ import annotations

import hashlib
import re
from typing import Final

from lnfold.recovery.graph.graph import VARIABLE_OPS, Graph
from lnfold.recovery.graph.node import Node

# the key is the first field of an entry: its tag, its length, itself
_KEY: Final = re.compile(rb"\n.(_output_shapes|_class|_XlaCompile|_cloned)\x12", re.S)
_MOST_NODES: Final = 256


def node_fingerprint(node: Node) -> str:
    """That of a node alone, without what it reads."""
    attributes = [one for one in node.encoded_attributes() if not _KEY.match(one)]
    return fingerprint(node.op, *sorted(attributes))


def constant_fingerprint(graph: Graph, tensor: str) -> str:
    """That of a tensor that no input changes; empty where it takes too many nodes to say."""
    told: list[str] = []
    pending = [tensor]
    while pending:
        if len(told) > _MOST_NODES:
            return ""
        one = pending.pop()
        node = graph.node(one)
        told.append(one.rpartition(":")[2] if ":" in one else "0")
        if node.op in VARIABLE_OPS or node.op == "VarHandleOp":
            told.append(node.name)
            continue
        told.append(node_fingerprint(node))
        pending.extend(source for source in node.inputs if not source.startswith("^"))
    return fingerprint(*told)


def fingerprint(*parts: str | bytes) -> str:
    """One short text for several parts in their order; names may hold what is no character."""
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, str):
            part = part.encode("utf-8", "surrogatepass")
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.hexdigest()[:32]
