"""A Keras config and the variables beside it → the network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lnfold.checkpoint.variables.variable import Variable
from lnfold.network.facts.evidence import Fact, Source
from lnfold.network.records.layers import Network
from lnfold.recovery.keras.builders import BUILDERS
from lnfold.recovery.keras.config import Model, read_model
from lnfold.recovery.keras.layers import KerasLayers


def network_of_config(
    config: str, variables: Mapping[str, Variable], file: str, epsilon: float | None = None
) -> Network:
    """The network that a Keras config describes.

    Args:
        config: the JSON text.
        variables: the checkpoint's, by name.
        file: where the config was found.
        epsilon: what the user says of norms whose config has none.

    Raises:
        GraphError: the config is damaged, or the variables do not fit it.
    """
    model = read_model(config)
    made = KerasLayers(variables, BUILDERS, model.version, epsilon)
    for call in model.calls:
        made.add(call)
    outputs = tuple(dict.fromkeys(made.values[one] for one in model.outputs))
    needed = set(outputs)
    for layer in reversed(made.layers):
        if layer.name in needed:
            needed.update(layer.inputs)
    network = Network(
        name=model.name,
        inputs=tuple(one for one in made.inputs if one.name in needed),
        outputs=outputs,
        layers=tuple(layer for layer in made.layers if layer.name in needed),
        wiring=Fact("calls of the Keras config", Source.CONFIG, file),
        gaps=tuple(made.gaps),
        precision=_precision(model),
    )
    network.widths()
    return network


def _precision(model: Model) -> str:
    """The narrowest type that a layer computes in, as its policy says: mixed_float16 is half."""
    policies = [_policy(call.config.get("dtype")) for call in model.calls]
    for coarse in ("bfloat16", "float16"):
        if any(policy in (coarse, f"mixed_{coarse}") for policy in policies):
            return coarse
    return "float32"


def _policy(dtype: Any) -> str:
    """The name of a dtype policy: a text, or an object of Keras 3 or 2."""
    if isinstance(dtype, Mapping):
        config = dtype.get("config")
        dtype = config.get("name") if isinstance(config, Mapping) else None
    return str(dtype)
