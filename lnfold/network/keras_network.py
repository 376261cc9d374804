"""A Keras config and the variables beside it → the network."""

from __future__ import annotations

from collections.abc import Mapping

from lnfold.checkpoint.variables import Variable
from lnfold.network.evidence import Fact, Source
from lnfold.network.keras_builders import BUILDERS
from lnfold.network.keras_config import read_model
from lnfold.network.keras_layers import KerasLayers
from lnfold.network.layers import Network


def network_of_config(config: str, variables: Mapping[str, Variable], file: str) -> Network:
    """The network that a Keras config describes.

    Args:
        config: the JSON text.
        variables: the checkpoint's, by name.
        file: where the config was found.

    Raises:
        GraphError: the config is damaged, or the variables do not fit it.
    """
    model = read_model(config)
    made = KerasLayers(variables, BUILDERS)
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
    )
    network.widths()
    return network
