"""Folded networks → new values for the variables of the checkpoint they came from."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from lnfold.checkpoint import Checkpoint
from lnfold.folding.editing.steps import Form
from lnfold.folding.proof.certificate import Folded
from lnfold.network.records.layers import Array


def new_values(checkpoint: Checkpoint, folded: Iterable[Folded]) -> dict[str, Array]:
    """By name, what the variables become that stock-form folds changed.

    Variables that a writer stored twice change in both places.

    Returns:
        Arrays of the variables' own shapes and dtypes.
    """
    values: dict[str, Array] = {}
    for one in folded:
        if one.form is not Form.STOCK:
            raise ValueError(f"the {one.form.value} form of {one.original.name} is no checkpoint")
        changed = {name for step in one.certificates for name in step.changed}
        for layer in one.network.layers:
            for _, parameter in layer.parameters():
                for name in parameter.variables:
                    if name in changed:
                        variable = checkpoint[name]
                        values[name] = np.ascontiguousarray(parameter.array).reshape(variable.shape)
    for name, first in checkpoint.doubles.items():
        if first in values:
            values[name] = values[first]
        elif name in values:
            values[first] = values[name]
    return values
