"""The calls that compute a network for a fixed number of rows, on buffers of their own.

Values are transposed, [units, rows], or [units] for a single observation, and every buffer
has one more row of ones: a bias is one more column of the kernel and costs no pass of its own,
and what is the same for all rows of a unit is a long vector operation. A layer whose input
nobody else reads works in place.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextvars import Context

import numpy as np

from lnfold.network.records.layers import Array, Layer, Network, Parameter
from lnfold.network.running.straight_line import Call, straight_line

Emitter = Callable[..., None]


class Program:
    """The calls that compute a network for one number of rows, on buffers of their own.

    Attributes:
        given: where the inputs' values go, in the order of the network's inputs.
        compute: computes everything from there.
        quietly: calls that with NumPy's warnings off.
        delivered: the outputs by name, [rows, width], until the next call.
    """

    def __init__(self, network: Network, dtype: type, rows: int, emit: Emitter) -> None:
        self.network = network
        self.dtype = dtype
        self.rows = rows
        self._calls: list[Call] = []
        self._buffers: dict[str, Array] = {}
        self._values: dict[str, Array] = {}
        self._widths = network.widths()
        for one in network.inputs:
            self._keep(one.name, self.allocate(one.width))
        for layer in network.layers:
            emit(layer, self)
        self.given = [self.value(one.name) for one in network.inputs]
        # [rows, width], as they are handed out: a copy of one is in the usual order
        self.delivered = [(name, self.value(name).T) for name in network.outputs]
        if rows == 1:
            self.delivered = [(name, value[None]) for name, value in self.delivered]
        self.compute = straight_line(self._calls)
        self.quietly = _without_warnings()

    def then(
        self, function: Callable[..., object], *arguments: object, out: Array | None = None
    ) -> None:
        """Adds a call to what the program does."""
        self._calls.append(Call(function, arguments, out))

    def run(self, values: Sequence[Array]) -> dict[str, Array]:
        """The outputs for ``values`` [rows, width] in the order of the network's inputs."""
        for place, array in zip(self.given, values, strict=True):
            place[...] = array[0] if self.rows == 1 else array.T
        self.quietly(self.compute)
        return {name: value.copy() for name, value in self.delivered}

    def shape(self, units: int) -> tuple[int, ...]:
        return (units,) if self.rows == 1 else (units, self.rows)

    def allocate(self, units: int) -> Array:
        """A buffer for a value: [units + 1, rows], the last row ones."""
        buffer: Array = np.zeros(self.shape(units + 1), self.dtype)
        buffer[-1] = 1
        return buffer

    def value(self, name: str) -> Array:
        """A value's units, without the ones; one array object, which NumPy knows again."""
        return self._values[name]

    def with_ones(self, name: str) -> Array:
        """A value's units, and the ones below them."""
        return self._buffers[name]

    def new(self, name: str) -> Array:
        """A buffer for a layer's own value."""
        return self._keep(name, self.allocate(self._widths[name]))

    def over(self, layer: Layer) -> tuple[Array, Array]:
        """What an elementwise layer reads, and where it writes: the same, if nobody minds."""
        read = layer.inputs[0]
        alone = len(self.network.consumers(read)) == 1 and read not in self.network.outputs
        given = any(one.name == read for one in self.network.inputs)
        if alone and not given and self._widths[read] == self._widths[layer.name]:
            self._buffers[layer.name] = self._buffers[read]
            self._values[layer.name] = self._values[read]
            return self.value(read), self.value(read)
        return self.value(read), self.new(layer.name)

    def _keep(self, name: str, buffer: Array) -> Array:
        self._buffers[name], self._values[name] = buffer, buffer[:-1]
        return self._values[name]

    def gain_and_shift(
        self, z: Array, gain: Parameter | Array | None, shift: Parameter | Array | None
    ) -> None:
        """z·gain + shift in place, each where it is there."""
        for operation, vector in ((np.multiply, gain), (np.add, shift)):
            if vector is not None:
                self.then(operation, z, self.spread(vector, z.shape[0]), z)

    def spread(self, parameter: Parameter | Array, units: int) -> Array:
        """A vector of parameters, one number a unit, in the shape that broadcasts."""
        array = parameter.array if isinstance(parameter, Parameter) else parameter
        flat: Array = np.broadcast_to(array.reshape(-1).astype(self.dtype), (units,))
        return np.ascontiguousarray(flat if self.rows == 1 else flat[:, None])

    def mean_square(self, y: Array) -> Callable[[], Array]:
        """mean(y²) over the units of every row, [rows], in a buffer of its own."""
        squares = np.empty_like(y)
        mean: Array = np.empty(self.rows, self.dtype)
        weights: Array = np.full(y.shape[0], 1 / y.shape[0], self.dtype)

        def measure() -> Array:
            np.multiply(y, y, squares)
            weights.dot(squares, mean)
            return mean

        return measure


def _without_warnings() -> Callable[[Callable[[], None]], object]:
    """Calls a function with NumPy's warnings off: an overflow shows in the values.

    Since NumPy 2 that setting belongs to a context. One context for all calls costs less than
    np.errstate around each, which takes as long as two layers for a single observation.
    """
    if np.lib.NumpyVersion(np.__version__) >= "2.0.0":
        context = Context()
        context.run(np.seterr, all="ignore")
        return context.run
    return np.errstate(all="ignore")(lambda compute: compute())
