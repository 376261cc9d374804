"""The loops of a graph: tf.while_loop as one round of its body beside the graph.

TF 2 keeps a loop as a While operation with two functions over the loop's values, for the body
and for the condition. Here the body's operations stand among the nodes of the graph, once, for
any round: what the rounds change is a node of its own, what they hand on unchanged is the
tensor outside.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

LOOPS: Final = frozenset(["While", "StatelessWhile"])
LOOP_VALUE: Final = "LoopValue"  # the operation of a node that stands for a value in any round
IN_A_LOOP: Final = "loop body_"  # begins the names of a body's nodes; TensorFlow's hold no space


@dataclass(frozen=True, slots=True)
class Loop:
    """One loop, its values in the order of the While operation's inputs and outputs.

    Attributes:
        initial: the tensors that the first round starts from.
        before: what stands for each value at the beginning of a round: a node of operation
            LoopValue, or the initial tensor itself where no round changes it.
        after: the tensors that the body hands to the next round.
        condition: the tensor that says whether there is a round, in terms of ``before``.
    """

    initial: tuple[str, ...]
    before: tuple[str, ...]
    after: tuple[str, ...]
    condition: str
