"""Moving a factor, a shift or a constant forward into the kernels and biases behind a value.

With h the value, W' the rows that multiply it and b' the bias, of a dense layer or of the
gates of an LSTM:

    (h·scale)·W' + b'  =  h·(scale·W') + b'
    (h + shift)·W' + b'  =  h·W' + (b' + shift·W')
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from lnfold.folding.editing.consumers import Slot
from lnfold.folding.editing.rewrite import Array, bias_of, dense_with, matrix
from lnfold.network.records.layers import LSTM, Dense


class Pushed:
    """Kernels and biases being changed, several slots of one dense layer in one copy."""

    def __init__(self) -> None:
        self._layers: dict[str, Dense | LSTM] = {}
        self._kernels: dict[str, Array] = {}
        self._biases: dict[str, Array] = {}

    def kernel(self, slot: Slot) -> Array:
        """The float64 copy of the slot's whole kernel, to be changed in place."""
        name = slot.dense.name
        self._layers.setdefault(name, slot.dense)
        return self._kernels.setdefault(name, matrix(slot.dense))

    def rows(self, slot: Slot, width: int) -> Array:
        """The rows of that copy that belong to the slot, a view."""
        return self.kernel(slot)[slot.start : slot.start + width]

    def shift(self, slot: Slot, contribution: Array) -> None:
        """Adds to the bias [columns] of the slot's layer, created where it is missing."""
        name = slot.dense.name
        self._layers.setdefault(name, slot.dense)
        bias = self._biases.setdefault(name, bias_of(slot.dense))
        bias += contribution

    def layers(self) -> dict[str, Dense | LSTM]:
        """The changed layers by name."""
        return {
            name: dense_with(layer, self._kernels.get(name), self._biases.get(name))
            for name, layer in self._layers.items()
        }


def affine_forward(slots: Iterable[Slot], scale: Array, shift: Array) -> dict[str, Dense | LSTM]:
    """The readers of h that take over h·scale + shift, both [units]; no bias where none is due."""
    pushed = Pushed()
    for slot in slots:
        rows = pushed.rows(slot, scale.size)
        if shift.any():
            pushed.shift(slot, shift @ rows)
    # scaled in a second round: a layer with two slots shifts by its unscaled rows in both
    for slot in slots:
        rows = pushed.rows(slot, scale.size)
        rows *= scale[:, None]
    return pushed.layers()


def without_bias(slots: Iterable[Slot]) -> str | None:
    """The name of the first reader that has no bias."""
    return next((slot.dense.name for slot in slots if slot.dense.bias is None), None)


def contributions(
    slots: Iterable[Slot], width: int, constant: Callable[[Slot], Array]
) -> list[tuple[Slot, Array]]:
    """What constant units [width] add to each reader's bias, from the unchanged kernels."""
    added = []
    for slot in slots:
        rows = matrix(slot.dense)[slot.start : slot.start + width]
        added.append((slot, np.asarray(constant(slot) @ rows)))
    return added
