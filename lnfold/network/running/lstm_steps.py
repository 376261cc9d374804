"""What an LSTM computes for sequences, step by step in NumPy."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from lnfold.errors import UsageError
from lnfold.network.facts.evidence import Fact
from lnfold.network.operations.activations import FUNCTIONS
from lnfold.network.records.layer import Array
from lnfold.network.records.recurrent import LSTM


def lstm_step(
    layer: LSTM, dtype: type, shuffle: np.random.Generator | None
) -> Callable[..., Array]:
    """From x [..., time, inputs], or (x, h, c) of one step, to h or c.

    Raises:
        UsageError: the rows are no whole number of sequences.
    """
    kernel, recurrent = kernels(layer, dtype, shuffle)
    bias = dtype(0) if layer.bias is None else layer.bias.array.astype(dtype).reshape(-1)
    order = None if shuffle is None else shuffle.permutation(layer.taken)
    places = {gate: layer.gates.index(gate) * layer.units for gate in layer.gates}
    squash, gate_of = _function(layer.activation), _function(layer.recurrent_activation)
    forget = dtype(layer.forget_bias)
    start: list[Array] = [
        np.zeros(layer.units, dtype) if state is None else state.array.astype(dtype).reshape(-1)
        for state in (layer.hidden, layer.cell)
    ]
    if order is not None:
        kernel = kernel[order]

    def advanced(read: Array, h: Array, c: Array) -> tuple[Array, Array]:
        """The state after a step whose x·kernel + bias is ``read``."""
        z = read + h @ recurrent
        i, f, g, o = (z[..., places[one] : places[one] + layer.units] for one in "ifco")
        c = gate_of(f + forget) * c + gate_of(i) * squash(g)
        return gate_of(o) * squash(c), c

    def step(x: Array, *state: Array) -> Array:
        read = (x if order is None else x[..., order]) @ kernel + bias
        if state:
            read = read.reshape(*state[0].shape[:-1], read.shape[-1])
            return advanced(read, *state)[layer.delivers == "cell"]
        rows = x.size // layer.taken
        steps = max(rows, 1) if layer.stateful else layer.steps or x.shape[-2]
        if rows % max(steps, 1):
            raise UsageError(
                f"{rows} rows are no whole number of sequences of {steps} time steps, "
                f"which '{layer.name}' takes"
            )
        sequences = read.reshape(rows // max(steps, 1), steps, read.shape[-1])
        h, c = (np.broadcast_to(one, (len(sequences), layer.units)) for one in start)
        delivered: Array = np.empty((*sequences.shape[:2], layer.units), dtype)
        for time in range(steps if rows else 0):
            h, c = advanced(sequences[:, time], h, c)
            delivered[:, time] = c if layer.delivers == "cell" else h
        if not layer.last:
            return delivered.reshape(*x.shape[:-1], layer.units)
        last = delivered[:, -1]
        return last.reshape(*x.shape[:-2], layer.units) if x.ndim > 2 else last

    return step


def kernels(layer: LSTM, dtype: type, shuffle: np.random.Generator | None) -> tuple[Array, Array]:
    """The kernels that x and h are multiplied by."""
    kernel: Array = layer.kernel.array.astype(dtype)
    if layer.recurrent_kernel is None:
        return np.ascontiguousarray(kernel[: layer.taken]), kernel[layer.taken :]
    return kernel, layer.recurrent_kernel.array.astype(dtype)


def _function(fact: Fact[str]) -> Callable[[Array], Array]:
    assert fact.value is not None  # a network without gaps has every activation
    function = FUNCTIONS[fact.value]
    return lambda x: function.apply(x, function.alpha)
