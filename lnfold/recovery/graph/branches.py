"""Which branch of a conditional a network takes at inference.

TF 1 writes ``tf.cond`` as Switch operations, that send a value down one branch, and Merge
operations, that take the value that arrives. At inference a flag that nobody feeds has its
default; a flag without one says that it is training, so it is off.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from lnfold.errors import GraphError
from lnfold.recovery.graph.node import Node

_BOOL: Final = 10  # DataType DT_BOOL
_HANDS_ON: Final = frozenset(["Identity", "PlaceholderWithDefault", "Switch", "StopGradient"])
_FARTHEST: Final = 4096  # operations looked at for the Switch of a Merge
_MOST_STEPS: Final = 1 << 21  # operations looked at for all of them: fewer than 3 seconds' work
_STEPS_A_NODE: Final = 32
_LONGEST: Final = 32  # operations between a flag and its use
_DEEPEST: Final = 4  # flags combined of flags


def truth(
    nodes: Mapping[str, Node],
    tensor: str,
    depth: int = 0,
    off: dict[str, None] | None = None,
) -> bool | None:
    """The value of a flag at inference, or None where it depends on a value.

    Args:
        off: takes up the flags that a program may feed otherwise: those that nothing gives a
            value, which are taken as off, and those with a default.
    """
    negated = False
    if depth > _DEEPEST:
        return None
    for _ in range(_LONGEST):
        node = nodes.get(tensor.partition(":")[0])
        if node is None:
            return None
        if node.op == "Const":
            array = node.constant()
            return bool(array.reshape(-1)[0]) != negated if array.size == 1 else None
        if node.op in ("Placeholder", "PlaceholderV2"):
            if node.number("dtype", 0) != _BOOL:
                return None
            if off is not None:
                off[node.name] = None
            return negated
        if node.op == "PlaceholderWithDefault" and off is not None:
            off[node.name] = None
        if node.op == "LogicalNot":
            negated = not negated
        elif node.op in ("LogicalAnd", "LogicalOr") and len(node.inputs) == 2:
            taken: list[dict[str, None]] = [{}, {}]
            sides = [
                truth(nodes, one, depth + 1, found)
                for one, found in zip(node.inputs, taken, strict=True)
            ]
            decisive = node.op == "LogicalOr"
            if off is not None:
                # the side that decides alone says whether anything had to be taken as off
                deciding = [one for side, one in zip(sides, taken, strict=True) if side is decisive]
                for found in [min(deciding, key=len)] if deciding else taken:
                    off.update(found)
            if decisive in sides:
                return decisive != negated
            return (not decisive) != negated if None not in sides else None
        elif node.op not in _HANDS_ON:
            return None
        if not node.inputs:
            return None
        tensor = node.inputs[0]
    return None


class Conditionals:
    """The conditionals of one graph, looked for with so many steps in all.

    Attributes:
        off: the flags that decided a branch although a program may feed them otherwise.
    """

    def __init__(self, nodes: Mapping[str, Node], where: str) -> None:
        self._nodes = nodes
        self._where = where
        self.off: dict[str, None] = {}
        self._steps_left = max(_MOST_STEPS, _STEPS_A_NODE * len(nodes))

    def arriving(self, merge: Node) -> str | None:
        """The input of a Merge that arrives at inference, or None where that is not known.

        ``tf.cond`` merges (value of the false branch, value of the true branch). Its flag is the
        one whose Switch leads to the first input by its output 0 alone, or to the second by its
        output 1 alone: conditionals inside a branch lead to one input by both.

        Raises:
            GraphError: too many operations were looked at for all of them.
        """
        if len(merge.inputs) != 2:
            return None
        sides = [self._switches(tensor) for tensor in merge.inputs]
        for index in (0, 1):
            for flag, outputs in sides[index].items():
                if outputs == {index} and sides[1 - index].get(flag, {1 - index}) == {1 - index}:
                    value = truth(self._nodes, flag, off=self.off)
                    if value is not None:
                        return merge.inputs[int(value)]
        return None

    def _switches(self, tensor: str) -> dict[str, set[int]]:
        """The flags of the Switch operations behind a tensor, nearest first, and their outputs."""
        flags: dict[str, set[int]] = {}
        level, seen = [tensor], {tensor}
        while level and len(seen) < _FARTHEST:
            following = []
            for one in level:
                name, _, index = one.partition(":")
                node = self._nodes.get(name)
                if node is None:
                    continue
                if node.op == "Switch" and len(node.inputs) == 2:
                    flag = _flag(self._nodes, node.inputs[1])
                    flags.setdefault(flag, set()).add(int(index or 0))
                for source in node.inputs:
                    if source not in seen:
                        seen.add(source)
                        following.append(source)
            level = following
        self._steps_left -= len(seen)
        if self._steps_left < 0:
            raise GraphError("too many conditionals follow each other", file=self._where)
        return flags


def _flag(nodes: Mapping[str, Node], tensor: str) -> str:
    """The flag itself, behind the Identity that ``tf.cond`` gives it."""
    for _ in range(_LONGEST):
        node = nodes.get(tensor.partition(":")[0])
        if node is None or node.op != "Identity" or not node.inputs:
            break
        tensor = node.inputs[0]
    return tensor
