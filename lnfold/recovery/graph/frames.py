"""The loops of TensorFlow 1, told in the terms of TensorFlow 2's.

A ``.meta`` keeps tf.while_loop as operations among the others: for each value of the loop

    Enter(initial)   Merge(Enter, NextIteration)   Switch(Merge, LoopCond)
    NextIteration(next)   Exit(Switch:0)

and the body reads Switch:1. Here the Merge becomes what stands for the value in any round, and
the Exit the value that a While operation delivers.
"""

from __future__ import annotations

from collections.abc import Mapping

from lnfold.errors import GraphError
from lnfold.recovery.graph.loops import LOOP_VALUE, Loop
from lnfold.recovery.graph.node import Node

_SWITCHES = frozenset(["Switch", "RefSwitch"])
# Operations followed for all loops; a loop inside a loop is followed once for either.
_MOST_STEPS = 1 << 20
_STEPS_A_NODE = 16


def framed_loops(
    nodes: Mapping[str, Node], where: str
) -> tuple[dict[str, Node], dict[str, Loop], set[str]]:
    """The nodes with each loop as one While, the loops by name, and the nodes of their rounds.

    Raises:
        GraphError: the loops share so many operations that no program wrote them.
    """
    ends = {node.name: node for node in nodes.values() if node.op == "LoopCond" and node.inputs}
    if not ends:
        return dict(nodes), {}, set()
    switches: dict[str, list[Node]] = {}
    exits: dict[str, list[Node]] = {}
    for node in nodes.values():
        if node.op in _SWITCHES and len(node.inputs) == 2 and node.inputs[1] in ends:
            switches.setdefault(node.inputs[1], []).append(node)
        elif node.op == "Exit" and node.inputs:
            exits.setdefault(node.inputs[0].partition(":")[0], []).append(node)
    changed, loops, inside = dict(nodes), dict[str, Loop](), set[str]()
    left = max(_MOST_STEPS, _STEPS_A_NODE * len(nodes))
    for end, found in switches.items():
        values = [_value(nodes, switch) for switch in found]
        if any(value is None for value in values):
            continue
        known = [value for value in values if value is not None]
        name = f"{end}/While"
        if name in nodes:
            continue
        loop = Loop(
            tuple(enter for enter, _, _ in known),
            tuple(merge for _, merge, _ in known),
            tuple(following for _, _, following in known),
            ends[end].inputs[0],
        )
        loops[name] = loop
        computed, entered = _round(nodes, (*loop.after, loop.condition))
        inside |= computed
        left -= len(computed)
        if left < 0:
            raise GraphError("too many loops share their operations", file=where)
        constants = [one for one in entered if one not in loop.initial]
        changed[name] = Node(name, "While", (*loop.initial, *constants))
        for place, (switch, merge) in enumerate(zip(found, loop.before, strict=True)):
            changed[merge] = Node(merge, LOOP_VALUE, ())
            changed[switch.name] = Node(switch.name, "Identity", (merge,))
            for one in exits.get(switch.name, ()):
                held = f"{name}:{place}" if place else name
                changed[one.name] = Node(one.name, "Identity", (held,))
    for node in nodes.values():
        if node.op == "Enter" and node.inputs and node.number("is_constant", 0):
            changed[node.name] = Node(node.name, "Identity", node.inputs[:1])
    return changed, loops, inside


def _value(nodes: Mapping[str, Node], switch: Node) -> tuple[str, str, str] | None:
    """(initial, merge, next) of one value of a loop."""
    merge = nodes.get(switch.inputs[0])
    if merge is None or merge.op not in ("Merge", "RefMerge") or len(merge.inputs) != 2:
        return None
    enter, following = (nodes.get(one.partition(":")[0]) for one in merge.inputs)
    if enter is None or following is None or not enter.inputs or not following.inputs:
        return None
    if enter.op not in ("Enter", "RefEnter") or following.op != "NextIteration":
        return None
    return enter.inputs[0], merge.name, following.inputs[0]


def _round(nodes: Mapping[str, Node], ends: tuple[str, ...]) -> tuple[set[str], list[str]]:
    """The nodes that a round computes, behind its ends, and the tensors that enter the loop."""
    pending = [end.partition(":")[0] for end in ends]
    found: set[str] = set()
    entered: dict[str, None] = {}
    while pending:
        node = nodes.get(pending.pop())
        if node is None or node.name in found or node.op == "Exit":
            continue
        if node.op in ("Enter", "RefEnter"):
            entered.update(dict.fromkeys(node.inputs[:1]))
            continue
        found.add(node.name)
        pending.extend(one.partition(":")[0] for one in node.inputs)
    return found, list(entered)
