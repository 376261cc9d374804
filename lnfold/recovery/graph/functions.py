"""Functions of a graph → plain nodes: every call replaced by the body it calls.

TF 2 keeps a network in functions that call each other. A FunctionDef names its tensors
``node:output:k`` and its arguments by their names; a graph says ``node:k``. Messages after
tensorflow/core/framework/{function,op_def}.proto: FunctionDefLibrary {1 function}, FunctionDef
{1 signature, 3 node_def, 4 ret}, OpDef {1 name, 2 input_arg, 3 output_arg}.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from lnfold.checkpoint.bytes.wire import LENGTH, SPAN, TEXT, fields, message
from lnfold.errors import GraphError
from lnfold.recovery.graph.attributes import Span
from lnfold.recovery.graph.branches import truth
from lnfold.recovery.graph.decoding import decode_node
from lnfold.recovery.graph.loops import IN_A_LOOP, LOOP_VALUE, LOOPS, Loop
from lnfold.recovery.graph.node import Node
from lnfold.recovery.graph.wellformed import expect_form

MOST_NODES: Final = 100_000  # functions that call each other twice unfold to 2^n nodes
_MOST_TENSORS: Final = 2_000_000  # that the bodies of all calls take, read and return
CALLS: Final = frozenset(["PartitionedCall", "StatefulPartitionedCall"])
_CONDITIONALS: Final = frozenset(["If", "StatelessIf"])

# Operations with several named outputs of which lnfold reads more than the first.
_OUTPUTS: Final = {
    "Switch": ("output_false", "output_true"),
    "Merge": ("output", "value_index"),
    "FusedBatchNorm": ("y", "batch_mean", "batch_variance"),
    "FusedBatchNormV2": ("y", "batch_mean", "batch_variance"),
    "FusedBatchNormV3": ("y", "batch_mean", "batch_variance"),
}

_ARGUMENT: Final = {1: ("name", TEXT)}
_SIGNATURE: Final = {
    1: ("name", TEXT),
    2: ("inputs", [_ARGUMENT]),
    3: ("outputs", [_ARGUMENT]),
}
_RESULT: Final = {1: ("name", TEXT), 2: ("tensor", TEXT)}
_FUNCTION: Final = {1: ("signature", _SIGNATURE), 3: ("nodes", [SPAN]), 4: ("results", [_RESULT])}


@dataclass(frozen=True, slots=True)
class Function:
    """A body: arguments by name, nodes, and for each result the tensor that it is."""

    arguments: tuple[str, ...]
    nodes: tuple[Node, ...]
    results: tuple[str, ...]
    tensors: int  # that one call takes, reads and returns


class Library:
    """The functions of one graph by name, each decoded when it is first called."""

    def __init__(self, buffer: bytes, span: Span | None, where: str) -> None:
        self._buffer = buffer
        self._where = where
        self._tensors = 0
        self._functions: dict[str, Function] = {}
        self._spans: dict[str, Span] = {}
        for number, kind, content in fields(buffer, *span) if span else ():
            if number == 1 and kind == LENGTH:
                named = message(buffer, {1: ("signature", {1: ("name", TEXT)})}, *content)
                if named["signature"]:
                    self._spans[named["signature"]["name"]] = content

    def __bool__(self) -> bool:
        return bool(self._spans)

    def __contains__(self, name: str) -> bool:
        return name in self._spans

    def span(self, name: str) -> Span:
        """The place of a function's FunctionDef."""
        return self._spans[name]

    def function(self, name: str) -> Function:
        """The function of that name, to be placed once.

        Raises:
            GraphError: there is none, or too much has been placed already.
        """
        if name not in self._spans:
            raise GraphError(f"the function '{name}' is called but missing", file=self._where)
        if name not in self._functions:
            found = message(self._buffer, _FUNCTION, *self._spans[name])
            results = {one["name"]: one["tensor"] for one in found["results"]}
            outputs = [one["name"] for one in found["signature"]["outputs"]]
            missing = [one for one in outputs if one not in results]
            if missing:
                raise GraphError(f"'{name}' returns no '{missing[0]}'", file=self._where)
            nodes = tuple(decode_node(self._buffer, span) for span in found["nodes"])
            for node in nodes:
                expect_form(node, self._where, in_a_function=True)
            arguments = tuple(one["name"] for one in found["signature"]["inputs"])
            self._functions[name] = Function(
                arguments,
                nodes,
                tuple(results[one] for one in outputs),
                len(arguments) + len(outputs) + sum(1 + len(node.inputs) for node in nodes),
            )
        function = self._functions[name]
        self._tensors += function.tensors
        if self._tensors > _MOST_TENSORS:
            raise GraphError(
                f"its functions take, read and return more than {_MOST_TENSORS:,} tensors",
                file=self._where,
            )
        return function


def inlined(
    nodes: dict[str, Node], library: Library, ends: Iterable[str], where: str
) -> tuple[dict[str, Node], dict[str, Loop]]:
    """The nodes with every call replaced that ``ends`` depend on, and their loops by name.

    A call becomes an IdentityN of the tensors that its function returns; the nodes of the
    body keep their names where these are free, and stand in a scope of the call otherwise.
    A loop stays what it is, with one round of its body beside it.

    Raises:
        GraphError: a missing function, arguments that do not fit, or functions that unfold
            without end.
    """
    nodes = dict(nodes)
    loops: dict[str, Loop] = {}
    pending = [end.partition(":")[0] for end in ends]
    seen: set[str] = set()
    while pending:
        name = pending.pop()
        if name in seen or name not in nodes:
            continue
        seen.add(name)
        read = list(nodes[name].inputs)
        called = _called(nodes, nodes[name], library)
        if called is not None:
            results = _placed(nodes, nodes[name], *called, where)
            nodes[name] = Node(name, "IdentityN", results)
            read.extend(results)
        elif nodes[name].op in LOOPS and read:
            loop = loops[name] = _round(nodes, nodes[name], library, where)
            read += [*loop.after, loop.condition]
        if len(nodes) > MOST_NODES:
            raise GraphError(
                f"its functions unfold to more than {MOST_NODES} operations", file=where
            )
        pending.extend(tensor.partition(":")[0] for tensor in read)
    return nodes, loops


def _called(
    nodes: dict[str, Node], node: Node, library: Library
) -> tuple[Function, tuple[str, ...]] | None:
    """The function that a node calls and its arguments, or None where it calls none."""
    if node.op in CALLS:
        return library.function(node.attribute("f").function), node.inputs
    if node.op in library:
        return library.function(node.op), node.inputs
    if node.op in _CONDITIONALS and node.inputs:
        chosen = truth(nodes, node.inputs[0])
        if chosen is not None:
            branch = node.attribute("then_branch" if chosen else "else_branch")
            return library.function(branch.function), node.inputs[1:]
    return None


def _round(nodes: dict[str, Node], loop: Node, library: Library, where: str) -> Loop:
    """One round of a loop, its body and its condition placed among the nodes."""
    body = library.function(loop.attribute("body").function)
    condition = library.function(loop.attribute("cond").function)
    if (
        not len(loop.inputs) == len(body.arguments) == len(body.results) == len(condition.arguments)
        or len(condition.results) != 1
    ):
        raise GraphError(f"the functions of the loop '{loop.name}' do not fit it", file=where)
    scope = f"{IN_A_LOOP}{len(nodes)}"
    handed_on = {
        one.name: one.inputs[0] for one in body.nodes if one.op == "Identity" and one.inputs
    }
    before: list[str] = []
    for place, (outside, argument) in enumerate(zip(loop.inputs, body.arguments, strict=True)):
        result = body.results[place]
        if handed_on.get(result.partition(":")[0], result) == argument:
            before.append(outside)
        else:
            name = f"{scope}/value_{place}"
            nodes[name] = Node(name, LOOP_VALUE, ())
            before.append(name)
    given = tuple(before)
    after = _placed(nodes, loop, body, given, where, scope)
    (holds,) = _placed(nodes, loop, condition, given, where, f"{scope}/condition")
    return Loop(loop.inputs, given, after, holds)


def _placed(
    nodes: dict[str, Node],
    call: Node,
    function: Function,
    given: tuple[str, ...],
    where: str,
    within: str = "",
) -> tuple[str, ...]:
    """Adds the nodes of a function for these arguments; what it returns.

    Args:
        within: the scope that all nodes stand in; without, those that need one get the call's.
    """
    if len(given) != len(function.arguments):
        raise GraphError(
            f"node '{call.name}' calls a function of {len(function.arguments)} arguments "
            f"with {len(given)}",
            file=where,
        )
    arguments = dict(zip(function.arguments, given, strict=True))
    # Not behind the call's whole name: that of a call inside a call inside … would grow.
    scope = within or f"{call.name.rpartition('/')[2]}_{len(nodes)}"
    if call.name.startswith(IN_A_LOOP):
        within = scope = f"{call.name.partition('/')[0]}/{scope}"
    names = {
        node.name: f"{scope}/{node.name}" if within or node.name in nodes else node.name
        for node in function.nodes
    }
    given_names = set(names.values())
    if len(given_names) < len(function.nodes) or not nodes.keys().isdisjoint(given_names):
        raise GraphError(f"the function of '{call.name}' names two nodes alike", file=where)
    operations = {node.name: node.op for node in function.nodes}

    def tensor(reference: str) -> str:
        name, _, rest = reference.partition(":")
        if name in arguments and name not in names:
            return arguments[name]
        if name not in names:
            raise GraphError(
                f"the function of '{call.name}' reads '{name}', which is missing", file=where
            )
        output, _, position = rest.partition(":")
        known = _OUTPUTS.get(operations[name], ())
        index = int(position) if position.isdecimal() else 0
        if output in known:
            index += known.index(output)
        return f"{names[name]}:{index}" if index else names[name]

    for node in function.nodes:
        renamed = node.renamed(names[node.name], tuple(map(tensor, node.inputs)))
        nodes[renamed.name] = renamed
    return tuple(map(tensor, function.results))
