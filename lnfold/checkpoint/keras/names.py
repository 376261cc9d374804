"""Names for the variables of Keras 3's ``.weights.h5``, which only numbers them.

``layers/dense_1/vars/0`` is the first variable of the second Dense layer. The attribute ``name``
of its ``vars`` group has the layer's own name; what its variables are called follows from the
class of the layer, and where the class can leave some out, from its config.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

# Class → its variables in the order in which Keras stores them, trainable ones first. Behind a
# colon the option of the config that must be true for a variable to be there.
_VARIABLES = {
    "Dense": "kernel bias:use_bias",
    "EinsumDense": "kernel bias:bias_axes",
    "Conv1D": "kernel bias:use_bias",
    "Conv2D": "kernel bias:use_bias",
    "Conv3D": "kernel bias:use_bias",
    "Conv1DTranspose": "kernel bias:use_bias",
    "Conv2DTranspose": "kernel bias:use_bias",
    "DepthwiseConv1D": "kernel bias:use_bias",
    "DepthwiseConv2D": "kernel bias:use_bias",
    "SeparableConv1D": "depthwise_kernel pointwise_kernel bias:use_bias",
    "SeparableConv2D": "depthwise_kernel pointwise_kernel bias:use_bias",
    "Embedding": "embeddings",
    "LayerNormalization": "gamma:scale beta:center",
    "GroupNormalization": "gamma:scale beta:center",
    "RMSNormalization": "scale",
    "BatchNormalization": "gamma:scale beta:center moving_mean moving_variance",
    "Normalization": "mean variance count",
    "PReLU": "alpha",
    "LSTMCell": "kernel recurrent_kernel bias:use_bias",
    "GRUCell": "kernel recurrent_kernel bias:use_bias",
    "SimpleRNNCell": "kernel recurrent_kernel bias:use_bias",
}
# Cells of recurrent layers are no layers of the config; the config of the layer is theirs.
_CELL_OF = {"LSTM": "LSTMCell", "GRU": "GRUCell", "SimpleRNN": "SimpleRNNCell"}


def snake_case(class_name: str) -> str:
    """Keras's own way from a class to a group: LayerNormalization → layer_normalization."""
    name = re.sub(r"\W+", "", class_name)
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()


_CLASS_OF = {snake_case(name): name for name in (*_VARIABLES, *_CELL_OF)}


def variable_names(class_name: str | None, config: Mapping[str, Any], count: int) -> list[str]:
    """What the ``count`` variables of a layer are called; numbers where that is not certain."""
    wanted = _VARIABLES.get(class_name or "", "").split()
    if config:
        wanted = [word for word in wanted if _is_there(word, class_name, config)]
    names = [word.partition(":")[0] for word in wanted]
    if len(names) != count and not config:
        # Without a config: the optional ones are there all or, if that fits, not at all.
        names = [word for word in wanted if ":" not in word]
    return names if len(names) == count else [str(index) for index in range(count)]


def layer_configs(keras_config: str | None) -> dict[str, tuple[str, dict[str, Any]]]:
    """Layer name → class and config, of a model and of the models in it.

    Raises:
        ValueError: the text is no JSON, or too deep to be a model.
    """
    if keras_config is None:
        return {}
    try:
        return {name: found for name, found in _walk(json.loads(keras_config))}
    except RecursionError as error:
        raise ValueError("the config of the model is nested too deep") from error


def group_class(group: str) -> str | None:
    """The class of the layer that Keras keeps under a group of this name: ``dense_2`` → Dense."""
    return _CLASS_OF.get(re.sub(r"_\d+$", "", group)) or _CLASS_OF.get(group)


def scope_and_class(
    group: str,
    layer_name: Callable[[str], str | None],
    configs: Mapping[str, tuple[str, dict[str, Any]]],
) -> tuple[str, str | None, dict[str, Any]]:
    """For the group that a ``vars`` group lies in: scope of its names, class, config.

    Args:
        layer_name: path of a group → the name of the layer that it belongs to, if it says so.
    """
    parts = group.split("/")
    owners = [layer_name("/".join(parts[:depth])) for depth in range(1, len(parts) + 1)]
    scope = "/".join(name for name in owners if name) if owners[-1] else group
    class_name, config = configs.get(owners[-1] or "", (None, {}))
    if class_name is None:
        # A cell stands in the config of its layer only.
        outer, outer_config = configs.get(next((n for n in owners[-2::-1] if n), ""), ("", {}))
        if outer in _CELL_OF and parts[-1] == "cell":
            return scope, _CELL_OF[outer], outer_config
        class_name = group_class(parts[-1]) or group_class(owners[-1] or "")
        if parts[-1] == "cell" and len(parts) > 1:
            class_name = _CELL_OF.get(group_class(parts[-2]) or "")
    return scope, class_name, config


def _is_there(word: str, class_name: str | None, config: Mapping[str, Any]) -> bool:
    option = word.partition(":")[2]
    if class_name == "LayerNormalization" and config.get("rms_scaling"):
        return word.startswith("gamma")
    return not option or bool(config.get(option, True))


def _walk(node: Any) -> Iterator[tuple[str, tuple[str, dict[str, Any]]]]:
    """Every layer of a deserialised config."""
    if isinstance(node, list):
        for item in node:
            yield from _walk(item)
    elif isinstance(node, dict):
        config = node.get("config")
        if isinstance(config, dict):
            name = config.get("name", node.get("name"))
            if isinstance(node.get("class_name"), str) and isinstance(name, str):
                yield name, (node["class_name"], config)
            yield from _walk(config.get("layers"))
            yield from _walk(config.get("layer"))
