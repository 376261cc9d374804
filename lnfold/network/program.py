"""The actions that compute a network for a fixed number of rows, on buffers of their own.

Values are transposed, [units, rows], or [units] for a single observation, and every buffer
has one more row of ones: a bias is one more column of the kernel and costs no pass of its own,
and what is the same for all rows of a unit is a long vector operation. A layer whose input
nobody else reads works in place.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from lnfold.network.layers import Array, Layer, Network, Parameter

Action = Callable[[], object]
Emitter = Callable[..., None]


class Program:
    """The actions that compute a network for one number of rows, on buffers of their own."""

    def __init__(self, network: Network, dtype: type, rows: int, emit: Emitter) -> None:
        self.network = network
        self.dtype = dtype
        self.rows = rows
        self.actions: list[Action] = []
        self._buffers: dict[str, Array] = {}
        self._widths = network.widths()
        for one in network.inputs:
            self._buffers[one.name] = self.allocate(one.width)
        for layer in network.layers:
            emit(layer, self)
        self._given = [self.value(one.name) for one in network.inputs]
        self._delivered = [(name, self.value(name)) for name in network.outputs]

    def delivers(self) -> list[tuple[str, int]]:
        """The outputs and their widths."""
        return [(name, self._widths[name]) for name in self.network.outputs]

    def run(self, values: Sequence[Array]) -> dict[str, Array]:
        """The outputs for ``values`` [rows, width] in the order of the network's inputs."""
        for place, array in zip(self._given, values, strict=True):
            place[...] = array[0] if self.rows == 1 else array.T
        with np.errstate(all="ignore"):
            for action in self.actions:
                action()
        if self.rows == 1:
            return {name: value[None].copy() for name, value in self._delivered}
        return {name: value.T.copy() for name, value in self._delivered}

    def shape(self, units: int) -> tuple[int, ...]:
        return (units,) if self.rows == 1 else (units, self.rows)

    def allocate(self, units: int) -> Array:
        """A buffer for a value: [units + 1, rows], the last row ones."""
        buffer: Array = np.zeros(self.shape(units + 1), self.dtype)
        buffer[-1] = 1
        return buffer

    def value(self, name: str) -> Array:
        """A value's units, without the ones."""
        return self._buffers[name][:-1]

    def with_ones(self, name: str) -> Array:
        """A value's units, and the ones below them."""
        return self._buffers[name]

    def new(self, name: str) -> Array:
        """A buffer for a layer's own value."""
        self._buffers[name] = self.allocate(self._widths[name])
        return self.value(name)

    def over(self, layer: Layer) -> tuple[Array, Array]:
        """What an elementwise layer reads, and where it writes: the same, if nobody minds."""
        read = layer.inputs[0]
        alone = len(self.network.consumers(read)) == 1 and read not in self.network.outputs
        given = any(one.name == read for one in self.network.inputs)
        if alone and not given and self._widths[read] == self._widths[layer.name]:
            self._buffers[layer.name] = self._buffers[read]
            return self.value(read), self.value(read)
        return self.value(read), self.new(layer.name)

    def spread(self, parameter: Parameter | Array, units: int) -> Array:
        """A vector of parameters, one number a unit, in the shape that broadcasts."""
        array = parameter.array if isinstance(parameter, Parameter) else parameter
        flat: Array = np.broadcast_to(array.reshape(-1).astype(self.dtype), (units,))
        return np.ascontiguousarray(flat if self.rows == 1 else flat[:, None])

    def mean_square(self, y: Array) -> Callable[[], Array]:
        """mean(y²) over the units: a number, or [rows] in a buffer of its own."""
        units = y.shape[0]
        if self.rows == 1:
            return lambda: y.dot(y) / units
        squares = np.empty_like(y)
        mean: Array = np.empty(self.rows, self.dtype)
        weights: Array = np.full(units, 1 / units, self.dtype)

        def measure() -> Array:
            np.multiply(y, y, squares)
            weights.dot(squares, mean)
            return mean

        return measure
