"""The JSON config of a Keras model → its layers in the order of calls.

``.keras`` archives, full ``.h5`` files and the ``keras_metadata.pb`` of Keras 2 hold it. A
Sequential model lists its layers; a functional one says for each call of a layer which tensors
go in: Keras 3 as objects with a ``keras_history`` [layer, call, output], Keras 2 as bare lists
[layer, call, output, keywords].
"""

from __future__ import annotations

import json
import reprlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Final

from lnfold.checkpoint.keras.names import snake_case
from lnfold.errors import GraphError
from lnfold.recovery.keras.nodes import Reference, class_of, operands_of, references
from lnfold.recovery.keras.stated import Config, mapping, objects, shape, strange, text

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
        if not isinstance(found, dict) or not _is_model(found):
            kind = found.get("class_name") if isinstance(found, dict) else None
            raise GraphError(
                f"a Keras config of {reprlib.repr(kind) if kind else 'no model'}, without its "
                "layers"
            )
        # Keras 3 calls it batch_shape
        version = 2 if '"batch_input_shape"' in text else 3
        config = mapping(found, "config", "the model")
        model = Model(str(config.get("name") or "model"), version)
        model.outputs = _Unfolding(model.calls).unfold(found, (), (), "")
    except RecursionError:
        raise GraphError("the Keras config is nested too deeply") from None
    except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise GraphError(f"the Keras config is damaged ({reason})") from error
    return model


def _is_model(layer: Config) -> bool:
    name = layer.get("class_name")
    return isinstance(name, str) and name in MODELS


class _Unfolding:
    """Appends the calls of a model, and of those inside it, to ``calls``."""

    def __init__(self, calls: list[Call]) -> None:
        self._calls = calls
        self._taken: set[str] = set()

    def unfold(
        self, found: Config, models: tuple[str, ...], inputs: tuple[str, ...], place: str
    ) -> tuple[str, ...]:
        """The outputs of a model, called on ``inputs`` if it is an inner one."""
        if len(models) > _DEEPEST:
            raise GraphError("the Keras config nests models without end")
        config = mapping(found, "config", "a model")
        layers = objects(config, "layers", "a model")
        if found["class_name"] == "Sequential":
            return self._sequential(layers, models, inputs, place)
        return self._functional(config, layers, models, inputs, place)

    def _sequential(
        self,
        layers: list[Config],
        models: tuple[str, ...],
        inputs: tuple[str, ...],
        within: str,
    ) -> tuple[str, ...]:
        value = inputs
        places = _places(layers, within)
        for index, layer in enumerate(layers):
            config = mapping(layer, "config", "a layer")
            if layer["class_name"] == "InputLayer":
                if inputs:
                    continue
            elif not value:
                # Keras 2 leaves the InputLayer out and tells its first layer the shape.
                stated = {"batch_shape": shape(config)}
                name = self._value_name(models, "input")
                self._append(Call(name, "input", models, "InputLayer", stated, ()))
                value = (name,)
            name = str(config.get("name") or f"layer_{index}")
            value = self._called(layer, models, name, value, 0, places[index])
        return value

    def _functional(
        self,
        config: Config,
        layers: list[Config],
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
        for node in _in_order(_nodes(config, layers, _places(layers, within)), values):
            read = tuple(value(*one) for one in node.reads)
            values[node.name, node.number] = self._called(
                node.layer, models, node.name, read, node.number, node.place, node.call
            )
        return tuple(value(*one) for one in references(config["output_layers"]))

    def _called(
        self,
        layer: Config,
        models: tuple[str, ...],
        name: str,
        inputs: tuple[str, ...],
        number: int,
        place: str,
        node: Any = None,
    ) -> tuple[str, ...]:
        """Appends one call of a layer, or of all layers of a model; the values it delivers."""
        class_name, config = class_of(layer), mapping(layer, "config", name)
        if class_name in MODELS and "layers" in config:
            return self.unfold(layer, (*models, name), inputs, f"{place}/")
        value = self._value_name(models, name, number)
        operands: tuple[float | None, ...] = ()
        if class_name.startswith("Operation "):
            operands = operands_of(node)
        elif class_name == "TimeDistributed":
            # a layer is applied to each row of a sequence anyway
            inner = mapping(config, "layer", name)
            config, place = mapping(inner, "config", name), f"{place}/layer"
            class_name = class_of(inner)
        self._append(Call(value, name, models, class_name, config, inputs, place, operands))
        return (value,)

    def _append(self, call: Call) -> None:
        self._taken.add(call.name)
        self._calls.append(call)

    def _value_name(self, models: tuple[str, ...], name: str, number: int = 0) -> str:
        value = "/".join((*models, name)) + (f":{number}" if number else "")
        while value in self._taken:
            value += "_"  # a model inside is called a second time
        return value


@dataclass(frozen=True, slots=True)
class _Node:
    """One call of a layer of a functional model: the references it reads, as it is written."""

    layer: Config
    name: str
    number: int
    call: Any
    place: str
    reads: tuple[Reference, ...]


def _nodes(config: Config, layers: list[Config], places: list[str]) -> list[_Node]:
    """The calls of all layers, numbered as references number them.

    Keras 2 counts the call that built an inner model as its first, and leaves it out.
    """
    lowest: dict[str, int] = {}
    called = [layer.get("inbound_nodes") or [[]] for layer in layers]
    read = [[tuple(references(one)) for one in calls] for calls in called]
    everything = chain(*chain(*read), references(config["output_layers"]))
    for name, call, _ in everything:
        lowest[name] = min(call, lowest.get(name, call))
    nodes = []
    for layer, place, calls, reads in zip(layers, places, called, read, strict=True):
        name = layer.get("name") or text(mapping(layer, "config", "a layer"), "name", "a layer")
        if not isinstance(name, str):
            raise strange("name", "a layer", name, "a name")
        first = lowest.get(name, 0) if layer["class_name"] in MODELS else 0
        for number, (call, of_it) in enumerate(zip(calls, reads, strict=True), first):
            nodes.append(_Node(layer, name, number, call, place, of_it))
    return nodes


def _in_order(nodes: list[_Node], known: Mapping[tuple[str, int], object]) -> Iterator[_Node]:
    """The nodes whose values are not known yet, each after those it reads, else as they stand.

    Raises:
        GraphError: nodes read each other, or what is not there.
    """
    open_nodes = {(node.name, node.number): node for node in reversed(nodes)}
    done = set(known)
    for node in nodes:
        pending = [node]
        entered: set[tuple[str, int]] = set()
        while pending:
            one = pending[-1]
            key = one.name, one.number
            missing = [read[:2] for read in one.reads if read[:2] not in done]
            if key in done or not missing:
                pending.pop()
                if key not in done:
                    done.add(key)
                    yield one
                continue
            entered.add(key)
            behind = [open_nodes.get(read) for read in missing]
            if any(read in entered for read in missing) or None in behind:
                raise GraphError(f"the layers of the Keras config read each other: {one.name}")
            pending.extend(found for found in behind[::-1] if found is not None)


def _places(layers: list[Config], within: str) -> list[str]:
    """The group of each layer in a ``.keras`` archive."""
    seen: Counter[str] = Counter()
    places = []
    for layer in layers:
        group = snake_case(text(layer, "class_name", "a layer"))
        number = f"_{seen[group]}" if seen[group] else ""
        places.append(f"{within}layers/{group}{number}")
        seen[group] += 1
    return places
