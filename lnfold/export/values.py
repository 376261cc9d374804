"""Folded networks → new values for the variables of the checkpoint they came from."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from lnfold.checkpoint import Checkpoint
from lnfold.folding.editing.steps import Form
from lnfold.folding.proof.certificate import Folded
from lnfold.network.records.layers import Array, Network


def unwritable(checkpoint: Checkpoint, networks: Iterable[Network]) -> frozenset[str]:
    """The variables whose parameters are not simply their values, but computed from them.

    Folding must leave them alone in stock form: a new parameter would not say what the
    variable has to be. A transposed kernel, a deviation computed from running sums and the
    pieces of a partitioned variable are such.
    """
    found: set[str] = set()
    for network in networks:
        for layer in network.layers:
            held = {one for _, parameter in layer.parameters() for one in parameter.variables}
            found.update(set(layer.variables()) - held)
            for _, parameter in layer.parameters():
                if len(parameter.variables) != 1:
                    found.update(parameter.variables)
                    continue
                (name,) = parameter.variables
                if name not in found and not _holds(checkpoint, name, parameter.array):
                    found.add(name)
    return frozenset(found)


def _holds(checkpoint: Checkpoint, name: str, array: Array) -> bool:
    """Whether a variable's values are those of ``array``, perhaps in another shape."""
    variable = checkpoint.get(name)
    if variable is None or variable.size != array.size:
        return False
    values = variable.read()
    return values.dtype == array.dtype and values.tobytes() == array.tobytes()


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
