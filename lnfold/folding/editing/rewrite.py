"""Small pure edits of a network: other numbers in a layer, other layers in a place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np

from lnfold.network.records.layers import LSTM, Dense, Layer, Network, Norm, Parameter

Array = np.ndarray
Reader = TypeVar("Reader", bound=Dense | LSTM)


def vector(parameter: Parameter | None, units: int, absent: float) -> Array:
    """A parameter as float64 [units], one number spread over all; ``absent`` where it is None."""
    if parameter is None:
        return np.full(units, absent)
    return np.broadcast_to(parameter.array.reshape(-1).astype(np.float64), (units,)).copy()


def units_of(network: Network, norm: Norm) -> int:
    """The units of a norm: its value's width, or where nothing says that its parameters' size."""
    sizes = [parameter.array.size for _, parameter in norm.parameters()]
    return network.widths()[norm.name] or max(sizes, default=0)


def matrix(dense: Dense | LSTM) -> Array:
    """A kernel as float64 [inputs, columns]: the columns are units, or units of the four gates."""
    return dense.kernel.array.astype(np.float64)


def bias_of(dense: Dense | LSTM) -> Array:
    """A bias as float64 [columns], zeros where there is none."""
    return vector(dense.bias, dense.kernel.shape[1], 0.0)


def with_values(parameter: Parameter | None, values: Array, where: str = "") -> Parameter:
    """The same parameter with other numbers; a new one, called ``where``, for None.

    The shape stays what it was, so that the values can go back to the variable.
    """
    if parameter is None:
        return Parameter(np.asarray(values, np.float64), (), where)
    shaped = values.reshape(parameter.shape) if values.size == parameter.array.size else values
    return Parameter(np.asarray(shaped, np.float64), parameter.variables, parameter.where)


def dense_with(dense: Reader, kernel: Array | None = None, bias: Array | None = None) -> Reader:
    """A dense layer or an LSTM with other numbers; a missing bias is created where one is given."""
    new_kernel = dense.kernel if kernel is None else with_values(dense.kernel, kernel)
    new_bias = dense.bias
    if bias is not None:
        new_bias = with_values(dense.bias, bias, f"{dense.scope}/bias")
    return replace(dense, kernel=new_kernel, bias=new_bias)


def replaced(
    network: Network,
    layers: Mapping[str, Layer | Sequence[Layer]],
    renamed: Mapping[str, str] | None = None,
) -> Network:
    """The network with layers replaced by one, several or no other layers.

    Args:
        layers: by name, what stands in the place of each.
        renamed: values that are gone, and the value to read instead.
    """
    renamed = renamed or {}
    kept: list[Layer] = []
    for layer in network.layers:
        new = layers.get(layer.name, layer)
        kept.extend([new] if isinstance(new, Layer) else new)
    rewired = [
        replace(one, inputs=tuple(renamed.get(value, value) for value in one.inputs))
        if any(value in renamed for value in one.inputs)
        else one
        for one in kept
    ]
    return replace(network, layers=tuple(rewired))


def free_name(network: Network, wanted: str) -> str:
    """``wanted``, with a number where a value of the network is called so already."""
    taken = {layer.name for layer in network.layers} | {one.name for one in network.inputs}
    name, number = wanted, 2
    while name in taken:
        name, number = f"{wanted}_{number}", number + 1
    return name


def finite(*parameters: Parameter | None) -> bool:
    """Whether every number of every parameter that is present is finite."""
    return all(one is None or bool(np.isfinite(one.array).all()) for one in parameters)


def names(*parameters: Parameter | None) -> tuple[str, ...]:
    """The variables of the parameters that are present, each once."""
    listed = (name for one in parameters if one is not None for name in one.variables)
    return tuple(dict.fromkeys(listed))
