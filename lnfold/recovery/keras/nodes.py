"""One entry of ``inbound_nodes`` in a Keras config: the tensors and numbers that a call is given.

Keras 3 writes objects with a ``keras_history`` [layer, call, output], Keras 2 bare lists [layer,
call, output, keywords]. What a program does to tensors without a layer, such as ``x * 2``,
becomes an operation in the config: a class of ``keras.src.ops``, or ``TFOpLambda`` in Keras 2.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from lnfold.recovery.keras.stated import mapping, number, strange, text

_CALLED: Final = {
    "add": "Add",
    "subtract": "Subtract",
    "multiply": "Multiply",
    "truediv": "Divide",
    "divide": "Divide",
    "TrueDivide": "Divide",
}


def class_of(layer: Mapping[str, Any]) -> str:
    """The class of a layer; of one that a program registered or defined itself, with its place.

    An operation is called ``Operation Add``: Keras has layers of the same names, but only they
    have a ``dtype``, and their class may be all that tells them apart.
    """
    name, module = text(layer, "class_name", "a layer"), str(layer.get("module") or "")
    config = mapping(layer, "config", name)
    if name in ("TFOpLambda", "SlicingOpLambda"):
        function = str(config.get("function", name)).rpartition(".")[2]
        return f"Operation {_CALLED.get(function, function)}"
    is_layer = bool({"dtype", "trainable", "layers", "batch_shape"} & set(config))
    if ".ops." in module or ("inbound_nodes" in layer and not is_layer):
        return f"Operation {_CALLED.get(name, name)}"
    registered = str(layer.get("registered_name") or "")
    if ">" in registered:
        return registered
    if module and module.partition(".")[0] not in ("keras", "tf_keras", "tensorflow"):
        return f"{module}.{name}"
    return name


def operands_of(node: Any) -> tuple[float | None, ...]:
    """What an operation is given: None for each tensor, the numbers; nothing if more is said."""
    if isinstance(node, Mapping):
        given, named = node.get("args") or [], node.get("kwargs") or {}
    else:
        entries = node if node and isinstance(node[0], list) else [node]
        given = [entry[:3] for entry in entries]
        named = dict(entries[-1][3]) if entries and len(entries[-1]) > 3 else {}
        if "y" in named:
            given.append(named.pop("y"))
    operands: list[float | None] = []
    for one in given:
        if isinstance(one, (int, float)) and not isinstance(one, bool):
            operands.append(number({"args": one}, "args", "an operation"))
        elif len(references(one)) == 1:
            operands.append(None)
        else:
            return ()
    return tuple(operands) if all(one is None for one in named.values()) else ()


Reference = tuple[str, int, int]


def references(node: Any) -> list[Reference]:
    """(layer, call, output) of every tensor in one entry of ``inbound_nodes``, in order."""
    return list(_each_reference(node))


def _each_reference(node: Any) -> Iterator[Reference]:
    if isinstance(node, dict):
        if node.get("class_name") == "__keras_tensor__":
            layer, call, output = node["config"]["keras_history"]
            if not (isinstance(layer, str) and type(call) is type(output) is int):
                raise strange("keras_history", "a tensor", node["config"]["keras_history"], "one")
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
