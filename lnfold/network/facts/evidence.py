"""Evidence: every fact about a network says where it comes from.

A checkpoint stores kernels and biases, but not epsilon, the order of layers or the
activations. Those come from elsewhere, with very different trust, so no such value travels
without its source.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Source(Enum):
    """Where a fact was found, the best first; ``sentence`` is what the reader is told."""

    OPTION = "option"
    GRAPH = "graph"
    CONFIG = "config"
    OBJECT_GRAPH = "object_graph"
    NAMES = "names"
    SHAPES = "shapes"
    EXAMPLES = "examples"
    CONVENTION = "convention"
    UNKNOWN = "unknown"

    @property
    def sentence(self) -> str:
        return _SENTENCES[self]

    @property
    def assumed(self) -> bool:
        """Whether the reader must be told that this may be wrong."""
        return self is Source.CONVENTION


_SENTENCES = {
    Source.OPTION: "given on the command line",
    Source.GRAPH: "read from the graph",
    Source.CONFIG: "read from the Keras config",
    Source.OBJECT_GRAPH: "read from the object graph",
    Source.NAMES: "read from the names of variables",
    Source.SHAPES: "the only one of a chain that fits the shapes",
    Source.EXAMPLES: "settled by the examples: the only candidate that reproduces them",
    Source.CONVENTION: "assumed: what the library that the names betray does",
    Source.UNKNOWN: "unknown: nothing in the checkpoint says it",
}


@dataclass(frozen=True, slots=True)
class Fact(Generic[T]):
    """A value and its evidence.

    Attributes:
        value: the fact, or None where nothing says it.
        source: the kind of evidence.
        where: the node, config key, library or option that says it.
        confidence: how far an assumption can be trusted: high, medium or low; else empty.
    """

    value: T | None
    source: Source
    where: str = ""
    confidence: str = ""

    @property
    def known(self) -> bool:
        return self.source is not Source.UNKNOWN

    @staticmethod
    def unknown(option: str) -> Fact[T]:
        """Nothing says it; ``option`` is what would settle it."""
        return Fact(None, Source.UNKNOWN, option)


def replaced(fact: Fact[Any], value: Any) -> Fact[Any]:
    """The same evidence for another way to say the value."""
    return Fact(value, fact.source, fact.where, fact.confidence)
