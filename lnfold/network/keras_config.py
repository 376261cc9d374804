"""The JSON config of a Keras model → its layers in the order of calls.

``.keras`` archives, full ``.h5`` files and the ``keras_metadata.pb`` of Keras 2 hold it. A
Sequential model lists its layers; a functional one says for each call of a layer which tensors
go in: Keras 3 as objects with a ``keras_history`` [layer, call, output], Keras 2 as bare lists
[layer, call, output, keywords].
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from lnfold.checkpoint.keras_names import snake_case
from lnfold.errors import GraphError
from lnfold.network.keras_nodes import class_of, operands_of, references

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
        place: the group of its variables in a ``.keras`` archive, which numbers the layers of
            each class: ``layers/sequential/layers/dense_1``.
        operands: of an operation such as ``x * 2``: None for each value, the numbers.
    """

    name: str
    layer: str
    models: tuple[str, ...]
    class_name: str
    config: Config
    inputs: tuple[str, ...]
    place: str = ""
    operands: tuple[float | None, ...] = ()


@dataclass(slots=True)
class Model:
    """A model as calls, each after those it reads, and the values that it delivers.

    ``version`` is the Keras that wrote it, 2 or 3, as far as the form of the config tells.
    """

    name: str
    version: int = 3
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
        # Keras 3 calls it batch_shape
        version = 2 if '"batch_input_shape"' in text else 3
        model = Model(str(found["config"].get("name", "model")), version)
        model.outputs = _unfold(found, model.calls, (), (), "")
    except RecursionError:
        raise GraphError("the Keras config is nested too deeply") from None
    except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise GraphError(f"the Keras config is damaged ({reason})") from error
    return model


def _unfold(
    found: Config,
    calls: list[Call],
    models: tuple[str, ...],
    inputs: tuple[str, ...],
    place: str,
) -> tuple[str, ...]:
    """Appends the calls of a model, called on ``inputs`` if it is an inner one; its outputs."""
    if len(models) > _DEEPEST:
        raise GraphError("the Keras config nests models without end")
    config = found["config"]
    if found["class_name"] == "Sequential":
        return _sequential(config["layers"], calls, models, inputs, place)
    return _functional(config, calls, models, inputs, place)


def _sequential(
    layers: list[Config],
    calls: list[Call],
    models: tuple[str, ...],
    inputs: tuple[str, ...],
    within: str,
) -> tuple[str, ...]:
    value = inputs
    places = _places(layers, within)
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
        name = _layer_name(layer, index)
        value = _called(layer, calls, models, name, value, 0, places[index])
    return value


def _functional(
    config: Config,
    calls: list[Call],
    models: tuple[str, ...],
    inputs: tuple[str, ...],
    within: str,
) -> tuple[str, ...]:
    values: dict[tuple[str, int], tuple[str, ...]] = {}

    def value(name: str, call: int, output: int) -> str:
        delivered = values[name, call]
        # layers with several outputs are not run, so one value stands for all of theirs
        return delivered[min(output, len(delivered) - 1)]

    entrances = references(config["input_layers"])
    if inputs:
        for (name, call, _), given in zip(entrances, inputs, strict=True):
            values[name, call] = (given,)
    places = _places(config["layers"], within)
    waiting = list(_nodes(config, places))
    while waiting:
        left = []
        for node in waiting:
            if (node.name, node.number) in values:
                continue
            if all(one[:2] in values for one in node.reads):
                read = tuple(value(*one) for one in node.reads)
                values[node.name, node.number] = _called(
                    node.layer, calls, models, node.name, read, node.number, node.place, node.call
                )
            else:
                left.append(node)
        if len(left) == len(waiting):
            raise GraphError(f"the layers of the Keras config read each other: {left[0].name}")
        waiting = left
    return tuple(value(*one) for one in references(config["output_layers"]))


@dataclass(frozen=True, slots=True)
class _Node:
    """One call of a layer of a functional model: the references it reads, as it is written."""

    layer: Config
    name: str
    number: int
    call: Any
    place: str

    @property
    def reads(self) -> list[tuple[str, int, int]]:
        return references(self.call)


def _nodes(config: Config, places: list[str]) -> Iterator[_Node]:
    """The calls of all layers, numbered as references number them.

    Keras 2 counts the call that built an inner model as its first, and leaves it out.
    """
    read = references([layer.get("inbound_nodes") for layer in config["layers"]])
    read += references(config["output_layers"])
    for layer, place in zip(config["layers"], places, strict=True):
        name = layer.get("name") or layer["config"]["name"]
        first = 0
        if layer["class_name"] in MODELS:
            first = min((call for one, call, _ in read if one == name), default=0)
        for number, call in enumerate(layer.get("inbound_nodes") or [[]], first):
            yield _Node(layer, name, number, call, place)


def _places(layers: list[Config], within: str) -> list[str]:
    """The group of each layer in a ``.keras`` archive."""
    seen: Counter[str] = Counter()
    places = []
    for layer in layers:
        group = snake_case(layer["class_name"])
        number = f"_{seen[group]}" if seen[group] else ""
        places.append(f"{within}layers/{group}{number}")
        seen[group] += 1
    return places


def _called(
    layer: Config,
    calls: list[Call],
    models: tuple[str, ...],
    name: str,
    inputs: tuple[str, ...],
    number: int,
    place: str,
    node: Any = None,
) -> tuple[str, ...]:
    """Appends one call of a layer, or of all layers of a model; the values it delivers."""
    class_name, config = class_of(layer), layer["config"]
    if class_name in MODELS and "layers" in config:
        return _unfold(layer, calls, (*models, name), inputs, f"{place}/")
    value = _value_name(models, name) + (f":{number}" if number else "")
    while any(call.name == value for call in calls):
        value += "_"  # a model inside is called a second time
    operands: tuple[float | None, ...] = ()
    if class_name.startswith("Operation "):
        operands = operands_of(node)
    elif class_name == "TimeDistributed":
        # a layer is applied to each row of a sequence anyway
        inner = config["layer"]
        class_name, config, place = class_of(inner), inner["config"], f"{place}/layer"
    call = Call(value, name, models, class_name, config, inputs, place, operands)
    calls.append(call)
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
