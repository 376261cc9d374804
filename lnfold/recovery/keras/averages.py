"""The averages that ``use_ema`` keeps in a ``.keras`` archive, which numbers them and names none.

Keras 3 gives an optimizer two counters first, then one average for each trainable variable of
the model in its order of layers, then the slots: keras/src/optimizers/base_optimizer.py, build.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from lnfold.checkpoint.variables.checkpoint import Checkpoint
from lnfold.checkpoint.variables.variable import Variable
from lnfold.recovery.keras.config import read_model
from lnfold.recovery.keras.variables import KerasVariables

_SLOTS: Final = "optimizer/vars/"
_COUNTERS: Final = 2  # iterations and learning rate
_UNTRAINED: Final = frozenset(["moving_mean", "moving_variance", "mean", "variance", "count"])


def keras_averages(checkpoint: Checkpoint) -> dict[str, str]:
    """Variable → its average; none where the config keeps none, or they do not fit one another.

    Raises:
        GraphError: the config is damaged.
    """
    slots = {
        int(one.key.removeprefix(_SLOTS)): one
        for one in checkpoint.values()
        if one.key.startswith(_SLOTS) and one.key.removeprefix(_SLOTS).isdecimal()
    }
    config = checkpoint.keras_config if slots else None
    if not config or '"use_ema": true' not in config:
        return {}
    trained = _trainable(config, checkpoint)
    if not _keeps_averages(config):
        return {}
    averages = [slots.get(_COUNTERS + number) for number in range(len(trained))]
    found = {}
    for variable, average in zip(trained, averages, strict=True):
        if average is None or average.shape != variable.shape or "float" not in average.dtype:
            return {}
        found[variable.name] = average.name
    return found


def _keeps_averages(config: str) -> bool:
    """Whether the optimizer of a model was compiled with ``use_ema``."""
    found: Any = json.loads(config)
    for key in ("compile_config", "optimizer", "config", "use_ema"):
        found = found.get(key) if isinstance(found, Mapping) else None
    return found is True


def _trainable(config: str, variables: Mapping[str, Variable]) -> list[Variable]:
    """The variables that training changes, layer by layer as the model lists them."""
    held = KerasVariables(variables)
    found: dict[str, Variable] = {}
    for call in read_model(config).calls:
        if call.config.get("trainable") is False:
            continue
        own = sorted(held.of(call).values(), key=lambda one: int(one.key.rpartition("/")[2]))
        for one in own:
            if one.name.rpartition("/")[2] not in _UNTRAINED and "float" in one.dtype:
                found[one.name] = one
    return list(found.values())
