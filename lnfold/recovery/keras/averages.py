"""The averages that ``use_ema`` keeps in a ``.keras`` archive, which numbers them and names none.

Keras 3 gives an optimizer two counters first, then one average for each trainable variable of
the model in its order of layers, then the slots: keras/src/optimizers/base_optimizer.py, build.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from lnfold.checkpoint.variables.checkpoint import Checkpoint
from lnfold.checkpoint.variables.variable import Variable
from lnfold.errors import DamagedError
from lnfold.recovery.keras.config import read_model
from lnfold.recovery.keras.variables import KerasVariables

_SLOTS: Final = "optimizer/vars/"
_COUNTERS: Final = 2  # iterations and learning rate
_TELLING: Final = 16  # numbers of a kernel, so that it is near no other by chance
_MOST_KERNELS: Final = 4
_NEAR: Final = 0.7
_UNTRAINED: Final = frozenset(["moving_mean", "moving_variance", "mean", "variance", "count"])


def numbered_slots(checkpoint: Checkpoint) -> dict[int, Variable]:
    """The variables of an optimizer of Keras 3, which have a number in the place of a name."""
    return {
        int(one.key.removeprefix(_SLOTS)): one
        for one in checkpoint.values()
        if one.key.startswith(_SLOTS) and one.key.removeprefix(_SLOTS).isdecimal()
    }


def keras_averages(checkpoint: Checkpoint) -> dict[str, str]:
    """Variable → its average; none where the config keeps none, or they do not fit one another.

    Raises:
        GraphError: the config is damaged.
    """
    slots = numbered_slots(checkpoint)
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


def notes_on_unnamed(checkpoint: Checkpoint) -> list[str]:
    """A note where a variable of the optimizer lies near a kernel, as its moving average does.

    For files without a config, or one that its averages do not fit; the kernels are looked at
    from the smallest on, and only a few.
    """
    slots = [one for number, one in numbered_slots(checkpoint).items() if number >= _COUNTERS]
    config = checkpoint.keras_config if slots else None
    if not slots or (config and '"use_ema": true' not in config):
        return []
    apart = {one.name for one in slots}
    kernels = [one for one in checkpoint.values() if len(one.shape) > 1 and one.name not in apart]
    kernels = [one for one in kernels if one.size >= _TELLING and "float" in one.dtype]
    for kernel in sorted(kernels, key=lambda one: one.size)[:_MOST_KERNELS]:
        for slot in slots:
            if slot.shape == kernel.shape and "float" in slot.dtype and _is_near(slot, kernel):
                return [
                    f"the optimizer's variable {slot.name} lies near {kernel.name}, as a moving "
                    "average does that use_ema keeps; nothing here says which of its variables "
                    "are averages, so none is used: the config in the model's .keras file says it"
                ]
    return []


def _is_near(slot: Variable, kernel: Variable) -> bool:
    """Whether the cosine of the angle between two arrays is more than _NEAR."""
    try:
        one, other = (array.read().astype(np.float64).ravel() for array in (slot, kernel))
    except DamagedError:  # what is damaged is said by whoever needs its values
        return False
    with np.errstate(all="ignore"):
        lengths = np.linalg.norm(one) * np.linalg.norm(other)
        return bool(one @ other > _NEAR * lengths > 0)


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
