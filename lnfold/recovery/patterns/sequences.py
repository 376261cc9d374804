"""What a loop over time reads and delivers: sequences in lists of tensors, and their lengths.

Keras lays [batch, time, units] out by time, makes a list of it, and stacks the list that the
rounds of the loop fill:

    TensorListFromTensor(transpose(x, [1, 0, 2]))   TensorListGetItem(list, time)
    TensorListSetItem(list, time, h)                transpose(TensorListStack(list), [1, 0, 2])

TensorFlow 1 does the same with TensorArrayScatterV3, ReadV3, WriteV3 and GatherV3.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from lnfold.recovery.graph.loops import LOOP_VALUE, Loop
from lnfold.recovery.graph.node import Node
from lnfold.recovery.patterns.algebra import SUMS, Algebra

_BY_TIME: Final = (1, 0, 2)
_MOST_CONDITIONS: Final = 8


@dataclass(frozen=True, slots=True)
class Sequence:
    """The sequence that the rounds of a loop read, first step first.

    Attributes:
        source: the tensor [batch, time, units].
        steps: its length; None where it is open.
    """

    source: str
    steps: int | None


class Sequences:
    """Follows the sequences of one graph into its loops and out of them."""

    def __init__(self, algebra: Algebra) -> None:
        self._graph = algebra.graph
        self._constants = algebra.constants
        self._through = algebra.through
        self._shapes = algebra.passage.shapes

    def delivered(self, tensor: str) -> tuple[str, int, bool] | None:
        """(loop, place among its values, whether the last step alone) of what a tensor holds."""
        node, last = self._graph.node(tensor), False
        if node.name in self._graph.loops:
            return node.name, int(tensor.partition(":")[2] or 0), True
        time = 0
        if node.op == "StridedSlice":
            sliced = self._last_of(node)
            if sliced is None:
                return None
            time, last = sliced, True
            node = self._graph.node(self._through(node.inputs[0]))
        if node.op == "Transpose" and len(node.inputs) == 2 and (not last or time == 1):
            if self._shapes.axes_in_order(node.inputs[1], len(_BY_TIME)) != _BY_TIME:
                return None
            node = self._graph.node(self._through(node.inputs[0]))
        elif time:
            return None
        listed = self._stacked(node)
        name, _, place = (listed or "").partition(":")
        return (name, int(place or 0), last) if name in self._graph.loops else None

    def _stacked(self, node: Node) -> str | None:
        """The list that a tensor stacks from its beginning to its end."""
        if node.op == "TensorListStack" and node.inputs:
            return self._through(node.inputs[0])
        if node.op != "TensorArrayGatherV3" or len(node.inputs) != 3:
            return None
        places = self._graph.node(self._through(node.inputs[1]))
        if not self._is_from_the_beginning(places):
            return None
        size = self._graph.node(self._through(places.inputs[1]))
        return self._through(node.inputs[2]) if size.op == "TensorArraySizeV3" else None

    def _is_from_the_beginning(self, places: Node) -> bool:
        """Whether positions are 0, 1, 2, …"""
        if places.op != "Range" or len(places.inputs) != 3:
            return False
        return [self._shapes.integers(places.inputs[one]) for one in (0, 2)] == [(0,), (1,)]

    def _last_of(self, node: Node) -> int | None:
        """The axis of which a slice takes the last place: 0 for x[-1], 1 for x[:, -1]."""
        if len(node.inputs) != 4 or any(
            node.number(one, 0) for one in ("ellipsis_mask", "new_axis_mask")
        ):
            return None
        begin, step = self._shapes.integers(node.inputs[1]), self._shapes.integers(node.inputs[3])
        masks = [node.integer(f"{one}_mask", 0) for one in ("shrink_axis", "begin", "end")]
        if masks[:2] == [1, 0] and (begin, step) == ((-1,), (1,)):
            return 0
        whole = masks[0] == 2 and masks[1] == 1 and masks[2] & 1 == 1
        return 1 if whole and begin == (0, -1) and step == (1, 1) else None

    def written(self, loop: Loop, place: int) -> tuple[str, bool] | None:
        """What each round puts into a list, and whether each replaces what the last one put."""
        if not 0 <= place < len(loop.after):
            return None
        node = self._graph.node(self._through(loop.after[place]))
        if node.op == "TensorListSetItem" and len(node.inputs) == 3:
            filled, position, value = map(self._through, node.inputs)
        elif node.op == "TensorArrayWriteV3" and len(node.inputs) == 4:
            _, position, value, filled = map(self._through, node.inputs)
        else:
            return None
        if filled != loop.before[place]:
            return None
        if self._counts(loop, position):
            return value, False
        alone = self._constants.is_number(position) and self._constants.number(position) == 0
        return (value, True) if alone and self._holds_one(loop.initial[place]) else None

    def _holds_one(self, tensor: str) -> bool:
        node = self._graph.node(self._through(tensor))
        reserves = node.op == "TensorListReserve" and len(node.inputs) == 2
        return reserves and self._shapes.integers(node.inputs[1]) == (1,)

    def read(self, loop: Loop, tensor: str) -> Sequence | None:
        """The sequence of which a round reads ``tensor``, if the rounds take all of it in turn."""
        node = self._graph.node(tensor)
        if node.op == "TensorListGetItem" and len(node.inputs) >= 2:
            listed, position = map(self._through, node.inputs[:2])
        elif node.op == "TensorArrayReadV3" and len(node.inputs) == 3:
            _, position, listed = map(self._through, node.inputs)
        else:
            return None
        values = self._listed(self._graph.node(listed))
        if values is None or not self._counts(loop, position):
            return None
        by_time = self._through(values)
        turned = self._graph.node(by_time)
        if turned.op != "Transpose" or len(turned.inputs) != 2:
            return None
        if self._shapes.axes_in_order(turned.inputs[1], len(_BY_TIME)) != _BY_TIME:
            return None
        shape = self._shapes.shape(by_time)
        steps = shape[0] if shape else None
        if not self._runs_for(loop, steps, by_time):
            return None
        return Sequence(self._through(turned.inputs[0]), steps)

    def _listed(self, source: Node) -> str | None:
        """The tensor that a list holds the rows of."""
        if source.op == "TensorListFromTensor" and source.inputs:
            return source.inputs[0]
        if source.op != "TensorArrayScatterV3" or len(source.inputs) != 4:
            return None
        places = self._graph.node(self._through(source.inputs[1]))
        return source.inputs[2] if self._is_from_the_beginning(places) else None

    def _counts(self, loop: Loop, tensor: str) -> bool:
        """Whether a value of a loop is 0 in its first round and grows by 1."""
        if tensor not in loop.before or self._graph.node(tensor).op != LOOP_VALUE:
            return False
        place = loop.before.index(tensor)
        following = self._graph.node(self._through(loop.after[place]))
        if following.op not in SUMS or len(following.inputs) != 2:
            return False
        first = self._through(loop.initial[place])
        terms = sorted(map(self._through, following.inputs), key=lambda one: one != tensor)
        numbers = [one for one in (first, terms[1]) if self._constants.is_number(one)]
        if terms[0] != tensor or len(numbers) != 2:
            return False
        return [self._constants.number(one) for one in numbers] == [0, 1]

    def _runs_for(self, loop: Loop, steps: int | None, by_time: str) -> bool:
        """Whether the condition holds for as many rounds as the sequence has steps."""
        pending = [self._through(loop.condition)]
        for _ in range(_MOST_CONDITIONS):
            if not pending:
                return True
            node = self._graph.node(pending.pop())
            if node.op == "LogicalAnd":
                pending.extend(map(self._through, node.inputs))
            elif node.op == "Less" and len(node.inputs) == 2:
                if not self._counts(loop, self._through(node.inputs[0])):
                    return False
                bounds = self._bounds(self._through(node.inputs[1]))
                if not all(self._is_length(one, steps, by_time) for one in bounds):
                    return False
            else:
                return False
        return False

    def _bounds(self, tensor: str) -> list[str]:
        """What a bound is the least of; dynamic_rnn says min(length, max(1, length))."""
        node = self._graph.node(tensor)
        if node.op != "Minimum":
            return [tensor]
        sides = []
        for side in map(self._through, node.inputs):
            largest = self._graph.node(side)
            others = [self._through(one) for one in largest.inputs]
            ones = [one for one in others if self._shapes.integers(one) == (1,)]
            spoken = largest.op == "Maximum" and len(others) == 2 and len(ones) == 1
            sides.append(others[others[0] == ones[0]] if spoken else side)
        return sides

    def _is_length(self, tensor: str, steps: int | None, by_time: str) -> bool:
        node = self._graph.node(tensor)
        if node.op == "Max" and node.inputs and self._shapes.shape(node.inputs[0]) == ():
            tensor = self._through(node.inputs[0])
            node = self._graph.node(tensor)
        if steps is not None:
            return self._shapes.integers(tensor) == (steps,)
        if node.op != "StridedSlice" or len(node.inputs) != 4:
            return False
        measured = self._graph.node(self._through(node.inputs[0]))
        of_it = measured.op == "Shape" and self._through(measured.inputs[0]) == by_time
        return of_it and [self._shapes.integers(one) for one in node.inputs[1:]] == [
            (0,),
            (1,),
            (1,),
        ]

    def is_zero(self, tensor: str) -> bool:
        """Whether a tensor is zeros of any shape."""
        node = self._graph.node(tensor)
        if node.op == "ZerosLike":
            return True
        if node.op == "Fill" and len(node.inputs) == 2:
            filler = node.inputs[1]
            return self._constants.is_number(filler) and self._constants.number(filler) == 0
        if self._constants.variables_read(tensor) != frozenset():
            return False
        array = self._constants.value(tensor).array
        return array.dtype.kind in "fiu" and not np.any(array)

    def is_kept(self, name: str, loop: Loop, place: int) -> bool:
        """Whether the last value of a loop becomes the first of the next call."""
        resource = self._resource(loop.initial[place])
        if resource is None:
            return False
        for node in self._graph.nodes.values():
            if node.op == "AssignVariableOp" and len(node.inputs) == 2:
                assigned = self._resource(node.inputs[0])
                if assigned == resource and self._is_last(node.inputs[1], name, place):
                    return True
        return False

    def _is_last(self, tensor: str, name: str, place: int) -> bool:
        found, _, index = self._through(tensor).partition(":")
        return found == name and int(index or 0) == place

    def _resource(self, tensor: str) -> str | None:
        """The variable that a tensor is read from."""
        found = self._through(tensor)
        return found if self._graph.node(found).op == "VarHandleOp" else None
