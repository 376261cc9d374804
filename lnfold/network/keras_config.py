"""The JSON config of a Keras model → its layers in the order of calls.

``.keras`` archives, full ``.h5`` files and the ``keras_metadata.pb`` of Keras 2 hold it. A
Sequential model lists its layers; a functional one says for each call of a layer which tensors
go in: Keras 3 as objects with a ``keras_history`` [layer, call, output], Keras 2 as bare lists
[layer, call, output, keywords].
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from lnfold.errors import GraphError

Config = Mapping[str, Any]
MODELS: Final = frozenset(["Sequential", "Functional", "Model"])
_DEEPEST: Final = 16  # models inside models


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a layer.

    Attributes:
        name: of the value that it delivers: the layer's, with a number from its second call on.
        layer: the layer's name.
        models: the names of the models it is part of, the outermost first.
        class_name, config: what the layer is.
        inputs: the names of the values it reads.
    """

    name: str
    layer: str
    models: tuple[str, ...]
    class_name: str
    config: Config
    inputs: tuple[str, ...]


@dataclass(slots=True)
class Model:
    """A model as calls, each after those it reads, and the values that it delivers."""

    name: str
    calls: list[Call] = field(default_factory=list)
    outputs: tuple[str, ...] = ()


def read_model(text: str) -> Model:
    """The model that a config describes, models inside it unfolded.

    Raises:
        GraphError: it is no config of a Sequential or functional model.
    """
    try:
        found = json.loads(text)
        if not isinstance(found, dict) or found.get("class_name") not in MODELS:
            kind = found.get("class_name") if isinstance(found, dict) else None
            raise GraphError(f"a Keras config of {kind or 'no model'}, without its layers")
        model = Model(str(found["config"].get("name", "model")))
        model.outputs = _unfold(found, model.calls, (), ())
    except RecursionError:
        raise GraphError("the Keras config is nested too deeply") from None
    except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise GraphError(f"the Keras config is damaged ({reason})") from error
    return model


def _unfold(
    found: Config, calls: list[Call], models: tuple[str, ...], inputs: tuple[str, ...]
) -> tuple[str, ...]:
    """Appends the calls of a model, called on ``inputs`` if it is an inner one; its outputs."""
    if len(models) > _DEEPEST:
        raise GraphError("the Keras config nests models without end")
    config = found["config"]
    if found["class_name"] == "Sequential":
        return _sequential(config["layers"], calls, models, inputs)
    return _functional(config, calls, models, inputs)


def _sequential(
    layers: list[Config], calls: list[Call], models: tuple[str, ...], inputs: tuple[str, ...]
) -> tuple[str, ...]:
    value = inputs
    for index, layer in enumerate(layers):
        if layer["class_name"] == "InputLayer":
            if inputs:
                continue
        elif not value:
            # Keras 2 leaves the InputLayer out and tells its first layer the shape.
            config = {"batch_shape": _batch_shape(layer["config"])}
            name = _value_name(models, "input")
            calls.append(Call(name, "input", models, "InputLayer", config, ()))
            value = (name,)
        value = _called(layer, calls, models, _layer_name(layer, index), value, 0)
    return value


def _functional(
    config: Config, calls: list[Call], models: tuple[str, ...], inputs: tuple[str, ...]
) -> tuple[str, ...]:
    entrances = _references(config["input_layers"])
    values: dict[tuple[str, int], tuple[str, ...]] = {}
    if inputs:
        for (name, call, _), value in zip(entrances, inputs, strict=True):
            values[name, call] = (value,)
    waiting: list[tuple[Config, str, int, Any]] = [
        (layer, layer.get("name") or layer["config"]["name"], number, node)
        for layer in config["layers"]
        for number, node in enumerate(layer.get("inbound_nodes") or [[]])
    ]
    while waiting:
        left = []
        for layer, name, number, node in waiting:
            read = [reference[:2] for reference in _references(node)]
            if (name, number) in values:
                continue
            if all(one in values for one in read):
                given = tuple(value for one in read for value in values[one])
                values[name, number] = _called(layer, calls, models, name, given, number)
            else:
                left.append((layer, name, number, node))
        if len(left) == len(waiting):
            raise GraphError(f"the layers of the Keras config read each other: {left[0][1]}")
        waiting = left
    return tuple(
        value
        for name, call, output in _references(config["output_layers"])
        for value in values[name, call][output : output + 1] or values[name, call]
    )


def _called(
    layer: Config,
    calls: list[Call],
    models: tuple[str, ...],
    name: str,
    inputs: tuple[str, ...],
    number: int,
) -> tuple[str, ...]:
    """Appends one call of a layer, or of all layers of a model; the values it delivers."""
    class_name = layer["class_name"]
    if class_name in MODELS and "layers" in layer["config"]:
        return _unfold(layer, calls, (*models, name), inputs)
    value = _value_name(models, name) + (f":{number}" if number else "")
    while any(call.name == value for call in calls):
        value += "_"  # a model inside is called a second time
    calls.append(Call(value, name, models, class_name, layer["config"], inputs))
    return (value,)


def _value_name(models: tuple[str, ...], name: str) -> str:
    return "/".join((*models, name))


def _layer_name(layer: Config, index: int) -> str:
    return str(layer["config"].get("name") or f"layer_{index}")


def _batch_shape(config: Config) -> Any:
    shape = config.get("batch_shape") or config.get("batch_input_shape")
    if isinstance(shape, dict):
        shape = shape.get("items")  # how TF 2 writes a tuple
    return shape


def _references(node: Any) -> list[tuple[str, int, int]]:
    """(layer, call, output) of every tensor in one entry of ``inbound_nodes``, in order."""
    return list(_each_reference(node))


def _each_reference(node: Any) -> Iterator[tuple[str, int, int]]:
    if isinstance(node, dict):
        if node.get("class_name") == "__keras_tensor__":
            layer, call, output = node["config"]["keras_history"]
            yield layer, call, output
        else:
            for value in node.values():
                yield from _each_reference(value)
    elif isinstance(node, list):
        bare = len(node) in (3, 4) and isinstance(node[0], str)
        if bare and isinstance(node[1], int) and isinstance(node[2], int):
            yield node[0], node[1], node[2]
            if len(node) == 4:
                yield from _each_reference(node[3])
        else:
            for value in node:
                yield from _each_reference(value)
