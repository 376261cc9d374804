"""What the layers of the carry and the side-channel form compute, in NumPy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from lnfold.network.records.deferred import Carried, Deviation, Divided, TriangleDeviation
from lnfold.network.records.layers import Array, Layer

Step = Callable[..., Array]
Shuffle = np.random.Generator | None


def _deviation(layer: Deviation, dtype: type, shuffle: Shuffle) -> Step:
    assert layer.epsilon.value is not None  # a network without gaps has every epsilon
    epsilon = dtype(layer.epsilon.value)

    def step(y: Array, carried: Array | None = None) -> Array:
        order = slice(None) if shuffle is None else shuffle.permutation(y.shape[-1])
        square: Array = np.square(y[..., order]).mean(axis=-1, keepdims=True)
        square += epsilon if carried is None else epsilon * np.square(carried)
        return np.asarray(np.sqrt(square))

    return step


def _triangle(layer: TriangleDeviation, dtype: type, shuffle: Shuffle) -> Step:
    triangle: Array = np.ascontiguousarray(layer.triangle.array, dtype)
    order = None if shuffle is None else shuffle.permutation(triangle.shape[0] - 1)
    kernel, last = triangle[:-1], triangle[-1]
    if order is not None:
        kernel = np.ascontiguousarray(kernel[order])

    def step(x: Array) -> Array:
        projected: Array = (x if order is None else x[..., order]) @ kernel
        projected += last
        return np.asarray(np.sqrt(np.square(projected).sum(axis=-1, keepdims=True)))

    return step


def _carried(layer: Carried, dtype: type, shuffle: Shuffle) -> Step:
    vector: Array = np.ascontiguousarray(layer.vector.array, dtype).reshape(-1)
    return lambda y, s: y + s * vector


def _divided(layer: Divided, dtype: type, shuffle: Shuffle) -> Step:
    if layer.shift is None:
        return lambda y, s: y / s
    shift: Array = np.ascontiguousarray(layer.shift.array, dtype).reshape(-1)
    return lambda y, s: y / s + shift


DEFERRED_STEPS: Final[dict[type[Layer], Callable[..., Step]]] = {
    Deviation: _deviation,
    TriangleDeviation: _triangle,
    Carried: _carried,
    Divided: _divided,
}
