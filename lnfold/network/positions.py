"""The places of layers in their Keras model, as the objects of a checkpoint have them.

Keras numbers all layers of a functional or Sequential model, those without variables too:
Keras 3 in a list ``_operations``, Keras 2 as children ``layer-K``. So a gap in the numbers is
an activation, an input, a dropout or the like. A dropout of Keras 3 betrays itself by the
state of its random numbers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lnfold.checkpoint.object_graph import Node, ObjectGraph
from lnfold.checkpoint.variables import Checkpoint
from lnfold.network.scopes import scope_of


@dataclass(frozen=True, slots=True)
class Place:
    """Where a layer stands.

    Attributes:
        number: in its model, weightless layers counted.
        follows, precedes: whether the layer just before it, or just behind it, computes
            something without variables: an activation, as far as can be told.
    """

    number: int
    follows: bool
    precedes: bool


def layer_places(checkpoint: Checkpoint) -> dict[str, Place]:
    """The place of each layer, by the scope of its variables."""
    objects = checkpoint.object_graph
    if objects is None:
        return {}
    scopes = {variable.key: scope_of(variable.name) for variable in checkpoint.values()}
    places: dict[str, Place] = {}
    for numbered in _models(objects):
        functions = {
            number for number, node in numbered.items() if _is_function(objects, node) and number
        }
        for number, node in numbered.items():
            place = Place(number, number - 1 in functions, number + 1 in functions)
            for key in _keys(objects, node):
                if key in scopes:
                    places.setdefault(scopes[key], place)
    return places


def _models(objects: ObjectGraph) -> Iterator[dict[int, Node]]:
    """The numbered layers of every model."""
    nodes = objects.nodes
    for node in nodes:
        if "_operations" in node.children:
            children = nodes[node.children["_operations"]].children
            yield {int(name): nodes[one] for name, one in children.items() if name.isdecimal()}
        layers = {
            int(name[6:]): nodes[one]
            for name, one in node.children.items()
            if name.startswith("layer-") and name[6:].isdecimal()
        }
        if layers:
            yield layers


def _keys(objects: ObjectGraph, layer: Node) -> list[str]:
    """The keys of a layer's own variables."""
    children = [objects.nodes[one] for one in layer.children.values()]
    return [attribute.key for node in children for attribute in node.attributes]


def _is_function(objects: ObjectGraph, layer: Node) -> bool:
    """Whether a layer has no variables and draws no random numbers."""
    return not _keys(objects, layer) and "seed_generator" not in layer.children
