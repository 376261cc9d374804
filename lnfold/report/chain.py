"""A network as a line that people read: obs0 [5] → Dense 64 → LayerNorm → relu → … → tanh."""

from __future__ import annotations

from lnfold.figures import figure, printable
from lnfold.network.layers import (
    Activation,
    Add,
    Affine,
    BatchNorm,
    Clip,
    Concat,
    Dense,
    GroupNorm,
    InstanceNorm,
    Layer,
    LayerNorm,
    Network,
    Opaque,
    OtherNorm,
    Parameter,
    RMSNorm,
    Standardize,
)

ARROW = " → "
_TITLES = {
    LayerNorm: "LayerNorm",
    RMSNorm: "RMSNorm",
    BatchNorm: "BatchNorm",
    GroupNorm: "GroupNorm",
    InstanceNorm: "InstanceNorm",
    OtherNorm: "a norm of another kind",
}


def chains(network: Network) -> list[str]:
    """One line for each output; what a line shares with one before it is cut to an ellipsis."""
    lines = []
    shown: set[str] = set()
    for output in network.outputs:
        lines.append(ARROW.join(_steps(network, output, shown)))
    return lines


def _steps(network: Network, output: str, shown: set[str]) -> list[str]:
    """The way to an output along each layer's first input, written from its beginning."""
    steps: list[str] = []
    skipped = 0
    value = output
    while True:
        layer = network.producer(value)
        if isinstance(layer, Opaque) and layer.inputs and value not in shown:
            skipped += 1
        elif skipped:
            steps.append(f"({skipped} operation{'s' if skipped > 1 else ''} not run)")
            skipped = 0
        if layer is None:
            steps.append(_input(network, value))
            break
        if value in shown:
            steps.append(f"… {title(layer)}")
            break
        shown.add(value)
        if not skipped:
            steps.append(_step(network, layer))
        if not layer.inputs:
            break
        value = layer.input
    return steps[::-1]


def _step(network: Network, layer: Layer) -> str:
    """A layer, with the inputs from outside that it takes beside the value of the chain."""
    outside = {one.name for one in network.inputs}
    others = [_input(network, one) for one in layer.inputs[1:] if one in outside]
    return title(layer) + (f" with {', '.join(others)}" if others else "")


def _input(network: Network, value: str) -> str:
    for one in network.inputs:
        if one.name == value:
            return f"{printable(value)} [{one.width or '?'}]"
    return printable(value)


def title(layer: Layer) -> str:
    """A layer in a word or two: Dense 64, relu, clip ±5."""
    if isinstance(layer, Dense):
        return f"Dense {layer.units}"
    if isinstance(layer, Activation):
        return layer.function.value or "activation ?"
    if isinstance(layer, Concat):
        return "concat"
    if isinstance(layer, Add):
        return "add"
    if isinstance(layer, Standardize):
        return f"standardize by {printable(layer.scope)}" if layer.scope else "standardize"
    if isinstance(layer, Clip):
        return f"clip {_bounds(layer)}"
    if isinstance(layer, Affine):
        return _affine(layer)
    if isinstance(layer, Opaque):
        return f"{printable(layer.operation)} (not run)"
    return _TITLES.get(type(layer), layer.kind)


def _bounds(layer: Clip) -> str:
    low, high = _number(layer.low), _number(layer.high)
    if low is not None and high is not None and low == -high:
        return f"±{figure(high)}"
    return f"{figure(low)} … {figure(high)}"


def _affine(layer: Affine) -> str:
    parts = []
    if layer.scale is not None:
        scale = _number(layer.scale)
        parts.append("× scale" if scale is None else f"× {figure(scale)}")
    if layer.shift is not None:
        shift = _number(layer.shift)
        parts.append("+ shift" if shift is None else f"+ {figure(shift)}")
    return " ".join(parts) or "identity"


def _number(parameter: Parameter | None) -> float | None:
    if parameter is None or parameter.array.size != 1:
        return None
    return float(parameter.array.reshape(()))
