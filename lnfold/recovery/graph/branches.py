"""Which branch of a conditional a network takes at inference.

TF 1 writes ``tf.cond`` as Switch operations, that send a value down one branch, and Merge
operations, that take the value that arrives. At inference a flag that nobody feeds has its
default; a flag without one says that it is training, so it is off.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from lnfold.errors import GraphError
from lnfold.recovery.graph.node import Node
from lnfold.recovery.graph.questions import Answers

_BOOL: Final = 10  # DataType DT_BOOL
_HANDS_ON: Final = frozenset(["Identity", "PlaceholderWithDefault", "Switch", "StopGradient"])
_SWITCHES: Final = frozenset(["Switch", "RefSwitch"])
_MERGES: Final = frozenset(["Merge", "RefMerge"])
_MOST_STEPS: Final = 1 << 21  # conditions looked at for all operations: two seconds' work
_STEPS_A_NODE: Final = 32
_LONGEST: Final = 32  # operations between a flag and its use
_DEEPEST: Final = 4  # flags combined of flags

Conditions = frozenset[tuple[str, bool]]  # of flags, and whether each is on
_ALWAYS: Final[Conditions] = frozenset()


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
    """The conditionals of one graph.

    What is computed in a branch is under conditions: the flags, and the outputs of their Switch
    operations that it reads, directly or not. A Merge takes the input that arrives, so it is
    under those that all its inputs are under. Every operation is looked at once.

    Attributes:
        off: the flags that decided a branch although a program may feed them otherwise.
    """

    def __init__(self, nodes: Mapping[str, Node], where: str) -> None:
        self._nodes = nodes
        self._where = where
        self.off: dict[str, None] = {}
        self._steps_left = max(_MOST_STEPS, _STEPS_A_NODE * len(nodes))
        self._conditions = Answers(self._read, self._conditions_of, _ALWAYS)
        self._truths: dict[str, tuple[bool | None, dict[str, None]]] = {}

    def arriving(self, merge: Node) -> str | None:
        """The input of a Merge that arrives at inference, or None where that is not known.

        ``tf.cond`` merges (value of the false branch, value of the true branch). One arrives
        where a condition of the other is not met. A constant reads nothing, whichever branch it
        is of, so it seems to be under no condition: it arrives where the other does not.

        Raises:
            GraphError: too many conditionals lie inside each other.
        """
        if len(merge.inputs) != 2:
            return None
        self._conditions(merge.name)
        sides = [self._under(tensor) for tensor in merge.inputs]
        self._spend(*sides)
        met = [self._met(side) for side in sides]
        for here, there in ((0, 1), (1, 0)):
            if met[there] is False and met[here] is not False:
                unmet = [flag for flag, on in sides[there] if self._truth(flag) is (not on)]
                self.off.update(self._truths[min(unmet, key=self._doubtful)][1])
                return merge.inputs[here]
            if met == [True, True] and sides[here] > sides[there]:
                for flag, _ in sorted(sides[here] - sides[there]):
                    self.off.update(self._truths[flag][1])
                return merge.inputs[here]
        return None

    def _met(self, conditions: Conditions) -> bool | None:
        """Whether all conditions are met at inference; None where that is not known."""
        values = [None if (t := self._truth(flag)) is None else t is on for flag, on in conditions]
        return False if False in values else None if None in values else True

    def _truth(self, flag: str) -> bool | None:
        if flag not in self._truths:
            off: dict[str, None] = {}
            self._truths[flag] = truth(self._nodes, flag, off=off), off
        return self._truths[flag][0]

    def _doubtful(self, flag: str) -> tuple[int, str]:
        """How many flags a program may feed otherwise stand behind a flag; of equals in order."""
        return len(self._truths[flag][1]), flag

    def _under(self, tensor: str) -> Conditions:
        """The conditions that a tensor is under."""
        name, _, index = tensor.partition(":")
        conditions, node = self._conditions.known(name), self._nodes.get(name)
        if node is None or node.op not in _SWITCHES or len(node.inputs) != 2:
            return conditions
        own = frozenset([(_flag(self._nodes, node.inputs[1]), index not in ("", "0"))])
        return self._joined(conditions, own)

    def _read(self, name: str) -> Iterator[str]:
        """The names of what a node reads."""
        node = self._nodes.get(name)
        return (tensor.partition(":")[0] for tensor in (node.inputs if node else ()))

    def _conditions_of(self, name: str) -> Conditions:
        """The conditions that a node is under."""
        node = self._nodes.get(name)
        if node is None or not node.inputs:
            return _ALWAYS
        read = [self._under(tensor) for tensor in node.inputs]
        if node.op in _MERGES:
            self._spend(*read)
            return frozenset.intersection(*read)
        conditions = _ALWAYS
        for one in read:
            conditions = self._joined(conditions, one)
        return conditions

    def _joined(self, one: Conditions, other: Conditions) -> Conditions:
        if one is other or not other:
            return one
        if not one:
            return other
        self._spend(one, other)
        return one | other

    def _spend(self, *looked_at: Conditions) -> None:
        self._steps_left -= sum(map(len, looked_at))
        if self._steps_left < 0:
            raise GraphError("too many conditionals lie inside each other", file=self._where)


def _flag(nodes: Mapping[str, Node], tensor: str) -> str:
    """The flag itself, behind the Identity that ``tf.cond`` gives it."""
    for _ in range(_LONGEST):
        node = nodes.get(tensor.partition(":")[0])
        if node is None or node.op != "Identity" or not node.inputs:
            break
        tensor = node.inputs[0]
    return tensor
