"""The places of layers in their Keras model, as the objects of a checkpoint have them.

Keras numbers all layers of a functional or Sequential model, those without variables too:
Keras 3 in a list ``_operations``, Keras 2 as children ``layer-K``. So a gap in the numbers is
an activation, an input, a dropout or the like. A dropout of Keras 3 betrays itself by the
state of its random numbers.

In a Sequential model the numbers are the order in which layers run. In a functional one they
need not be: a layer may read any before it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from lnfold.checkpoint.variables.checkpoint import Checkpoint
from lnfold.checkpoint.variables.object_graph import Node, ObjectGraph
from lnfold.recovery.names.scopes import scope_of

_DIGITS: Final = 10  # that the number of a layer has not


@dataclass(frozen=True, slots=True)
class Place:
    """Where a layer stands.

    Attributes:
        number: in its model, weightless layers counted.
        follows, precedes: whether the layer just before it, or just behind it, computes
            something without variables: an activation, as far as can be told.
        model: which model of the checkpoint that is.
        sequential: whether that is a Sequential model, which runs layer after layer.
    """

    number: int
    follows: bool
    precedes: bool
    model: int = 0
    sequential: bool = False


def layer_places(checkpoint: Checkpoint) -> dict[str, Place]:
    """The place of each layer, by the scope of its variables."""
    objects = checkpoint.object_graph
    if objects is None:
        return {}
    scopes = {variable.key: scope_of(variable.name) for variable in checkpoint.values()}
    places: dict[str, Place] = {}
    for model, (numbered, sequential) in enumerate(_models(objects)):
        functions = {
            number for number, node in numbered.items() if _is_function(objects, node) and number
        }
        for number, node in numbered.items():
            place = Place(
                number, number - 1 in functions, number + 1 in functions, model, sequential
            )
            for key in _keys(objects, node):
                if key in scopes:
                    places.setdefault(scopes[key], place)
    return places


def _models(objects: ObjectGraph) -> Iterator[tuple[dict[int, Node], bool]]:
    """The numbered layers of every model, and whether it is a Sequential one.

    Keras 3 keeps the layers of a Sequential model in a functional one of its own, ``_functional``.
    Keras 2 leaves the input layer out of them, with which a functional model begins.
    """
    nodes = objects.nodes
    within = {
        node.children["_functional"] for node in nodes if list(node.children) == ["_functional"]
    }
    for number, node in enumerate(nodes):
        if "_operations" in node.children:
            children = nodes[node.children["_operations"]].children
            layers = {int(name): nodes[one] for name, one in children.items() if _is_place(name)}
            yield layers, number in within
        layers = {
            int(name[6:]): nodes[one]
            for name, one in node.children.items()
            if name.startswith("layer-") and _is_place(name[6:])
        }
        if layers:
            yield layers, 0 in layers and bool(_keys(objects, layers[0]))


def _is_place(name: str) -> bool:
    return name.isdecimal() and len(name) < _DIGITS


def _keys(objects: ObjectGraph, layer: Node) -> list[str]:
    """The keys of a layer's own variables."""
    children = [objects.nodes[one] for one in layer.children.values()]
    return [attribute.key for node in children for attribute in node.attributes]


def _is_function(objects: ObjectGraph, layer: Node) -> bool:
    """Whether a layer has no variables and draws no random numbers."""
    return not _keys(objects, layer) and "seed_generator" not in layer.children
