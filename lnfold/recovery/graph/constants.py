"""The parts of a graph that depend on variables and constants alone: a network's parameters.

A kernel behind an Identity, a half-precision gamma behind a Cast, the pieces of a partitioned
variable behind a ConcatV2 and the deviation of an observation normaliser, computed from
running sums, are all one thing: a value that no input changes. They are evaluated here, in
the dtypes that the graph names, by a fixed table of pure NumPy functions.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cached_property

import numpy as np

from lnfold.checkpoint.variables.variable import Variable
from lnfold.errors import GraphError
from lnfold.network.operations.table import OPERATIONS
from lnfold.network.records.layer import Array, Parameter, holds_numbers
from lnfold.recovery.graph.constant_folding import TooLargeError, evaluated
from lnfold.recovery.graph.graph import VARIABLE_OPS, Graph
from lnfold.recovery.graph.identity_ops import Passage
from lnfold.recovery.graph.node import Node
from lnfold.recovery.graph.questions import Answers

_MOST_READ = 512  # variables that one parameter is computed from: the shards of a large one
# Elements that all parameters of a graph may hold beyond those of the checkpoint's variables,
# and how many times a variable may be computed with.
_MOST_MADE = 1 << 25
_MOST_TIMES = 8
_LONGEST_BOUND = 40  # characters of "start,length"


class Constants:
    """Which tensors of a graph no input changes, and what they are.

    Args:
        variables: the checkpoint's, by their keys.
        object_keys: the number of an object → the key of its value, where objects were saved.
    """

    def __init__(
        self,
        graph: Graph,
        variables: Mapping[str, Variable],
        object_keys: Mapping[int, str] | None = None,
    ) -> None:
        self.graph = graph
        self.passage = Passage(graph)
        self._variables = variables
        self._object_keys = object_keys or {}
        self._reads: Answers[str, frozenset[str] | None] = Answers(
            self._sources, self._reads_of, None
        )
        self._values: Answers[str, Parameter | None] = Answers(self._sources, self._parameter, None)
        self._made = 0

    def variables_read(self, tensor: str) -> frozenset[str] | None:
        """The variables a tensor is computed from, or None where an input changes it."""
        return self._reads(tensor)

    def is_constant(self, tensor: str) -> bool:
        return self._reads(tensor) is not None

    def is_number(self, tensor: str) -> bool:
        """Whether it is a single number that no variable changes."""
        if self._reads(tensor) != frozenset():
            return False
        found = self._values(tensor)
        return found is not None and found.array.size == 1 and found.array.dtype.kind in "fiub"

    def number(self, tensor: str) -> float:
        """The value of a single number."""
        return float(self.value(tensor).array.reshape(()))

    def value(self, tensor: str) -> Parameter:
        """The parameter that a constant tensor is; its variables are read here, and only here.

        Raises:
            GraphError: the graph's operations do not fit the shapes of its variables.
        """
        found = self._values(tensor)
        if found is None:
            raise GraphError(f"'{tensor}' is computed from itself", file=self.graph.where)
        if found.array.dtype.kind in "OSU":
            raise GraphError(
                f"'{tensor}' holds {found.array.dtype} where numbers belong", file=self.graph.where
            )
        return found

    def _sources(self, tensor: str) -> Sequence[str]:
        same = self.passage.same(tensor)
        if same is not None:
            return (same,)
        node = self.graph.node(tensor)
        return node.inputs if node.op in OPERATIONS else ()

    def _reads_of(self, tensor: str) -> frozenset[str] | None:
        node = self.graph.node(tensor)
        if node.op == "Const":
            return frozenset() if node.is_constant else None
        if node.op in VARIABLE_OPS:
            name = self._variable_of(node)
            return None if name is None else frozenset([name])
        sources = self._sources(tensor)
        if not sources:
            return None
        reads: frozenset[str] = frozenset()
        for source in sources:
            found = self._reads.known(source)
            if found is None:
                return None
            reads = reads if found <= reads else reads | found
        if len(reads) > _MOST_READ:
            raise GraphError(
                f"'{tensor}' is computed from more than {_MOST_READ} variables",
                file=self.graph.where,
            )
        return reads

    def _variable_of(self, node: Node) -> str | None:
        saved = self.graph.saved.get(node.name, ("", ""))[0]
        bound = self._object_keys.get(self.graph.objects.get(node.name, -1))
        return next((key for key in (saved, bound, node.name) if key in self._variables), None)

    def _parameter(self, tensor: str) -> Parameter:
        node = self.graph.node(tensor)
        try:
            with np.errstate(all="ignore"):
                array = self._evaluate(tensor, node)
        except (ArithmeticError, LookupError, TypeError, ValueError, TooLargeError) as error:
            raise GraphError(
                f"node '{node.name}' ({node.op}) does not fit its inputs: {error}",
                file=self.graph.where,
            ) from error
        reads = self._reads(tensor) or frozenset()
        return Parameter(array, self.names(reads), node.name)

    def names(self, keys: frozenset[str]) -> tuple[str, ...]:
        """The names of the variables with these keys, sorted."""
        return tuple(sorted(self._variables[key].name for key in keys))

    def _evaluate(self, tensor: str, node: Node) -> Array:
        if node.op == "Const":
            return node.constant()
        if node.op in VARIABLE_OPS:
            return self._variable(node)
        arrays = []
        for source in self._sources(tensor):
            parameter = self._values.known(source)
            if parameter is None:
                raise TypeError("it is computed from itself")
            arrays.append(parameter.array)
        if self.passage.same(tensor) is not None:
            return arrays[0]
        made = evaluated(node, int(tensor.partition(":")[2] or 0), arrays)
        if made.base is None:
            self._made += made.size
        if self._made > self._most_made:
            raise TooLargeError(f"more than {self._most_made} numbers are computed before it")
        return made

    @cached_property
    def _most_made(self) -> int:
        """How many numbers may be computed, so that a graph fills no memory."""
        stored = sum(math.prod(one.shape) for one in self._variables.values())
        return _MOST_MADE + _MOST_TIMES * stored

    def _variable(self, node: Node) -> Array:
        key = self._variable_of(node)
        assert key is not None  # variables_read has found it
        variable = self._variables[key]
        declared = node.shape()
        part = self.graph.saved.get(node.name, ("", ""))[1]
        places = slice_places(part, variable.shape)
        sizes = zip(variable.shape, places, strict=True)
        found = tuple(len(range(size)[place]) for size, place in sizes)
        if declared is not None and not _shapes_agree(declared, found):
            raise GraphError(
                f"the graph declares shape {declared}, the checkpoint holds {found}",
                file=self.graph.where,
                variable=variable.name,
                remedy="The graph seems to belong to another checkpoint.",
            )
        array = variable.read()
        if not holds_numbers(array):
            raise GraphError(
                f"a variable of {variable.dtype} where numbers belong",
                file=self.graph.where,
                variable=variable.name,
            )
        return array[places] if part else array


def slice_places(part: str, shape: tuple[int, ...]) -> tuple[slice, ...]:
    """The places that a save operation's slice names: "5 4 0,3:-" is [0:3, :] of [5, 4].

    The whole array, where it names none or cannot be understood.
    """
    bounds = part.rpartition(" ")[2].split(":") if part else []
    if len(bounds) != len(shape):
        return tuple(slice(None) for _ in shape)
    places = []
    for bound in bounds:
        start, _, length = bound.partition(",")
        if start.isdecimal() and length.isdecimal() and len(bound) < _LONGEST_BOUND:
            places.append(slice(int(start), int(start) + int(length)))
        else:
            places.append(slice(None))
    return tuple(places)


def _shapes_agree(declared: tuple[int | None, ...], found: tuple[int, ...]) -> bool:
    return len(declared) == len(found) and all(
        expected is None or expected == size for expected, size in zip(declared, found, strict=True)
    )
