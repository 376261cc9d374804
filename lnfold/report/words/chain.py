"""A network as a line that people read: obs0 [5] → Dense 64 → LayerNorm → relu → … → tanh."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from lnfold.network.facts.evidence import Fact
from lnfold.network.records.deferred import Carried, Deviation, Divided, TriangleDeviation
from lnfold.network.records.layers import (
    LSTM,
    Activation,
    Add,
    Affine,
    BatchNorm,
    Centre,
    Clip,
    Concat,
    Dense,
    GroupNorm,
    InstanceNorm,
    Layer,
    LayerNorm,
    Multiply,
    Network,
    Norm,
    Opaque,
    OtherNorm,
    Parameter,
    RMSNorm,
    Slice,
    Standardize,
)
from lnfold.text.number_format import figure, printable, shortest

ARROW = " → "
DOUBT = "? "  # in front of a step of which it is assumed that it follows
_TITLES = {
    LayerNorm: "LayerNorm",
    RMSNorm: "RMSNorm",
    BatchNorm: "BatchNorm",
    GroupNorm: "GroupNorm",
    InstanceNorm: "InstanceNorm",
    OtherNorm: "a norm of another kind",
    Centre: "− mean",
    Multiply: "multiply",
    Deviation: "s(x)",
    TriangleDeviation: "s(x) by a triangle",
    Carried: "+ s(x)·vector",
    Divided: "÷ s(x)",
}


def chains(network: Network) -> list[str]:
    """One line for each output; what a line shares with one before it is cut to an ellipsis."""
    lines = []
    shown: set[str] = set()
    for output in network.outputs:
        lines.append(joined(_way(network, output, shown)))
    return lines


def joined(said: Sequence[str], space: str = " ") -> str:
    """Steps with arrows between them, →? in front of those of which it is assumed.

    Args:
        space: what stands between the words of one step.
    """
    text = ""
    for one in said:
        doubt = one.startswith(DOUBT)
        arrow = ARROW.rstrip() + DOUBT if doubt else ARROW
        text += (arrow if text else "") + one.removeprefix(DOUBT).replace(" ", space)
    return text


def _way(network: Network, output: str, shown: set[str]) -> list[str]:
    """The way to an output along each layer's first input, from its beginning."""
    layers: list[Layer] = []
    value = output
    while True:
        layer = network.producer(value)
        if layer is None:
            begins = outside(network, value)
            break
        if value in shown:
            begins = f"… {title(layer)}"
            break
        shown.add(value)
        layers.append(layer)
        if not layer.inputs:
            begins = ""
            break
        value = layer.input
    return [*([begins] if begins else []), *steps(network, layers[::-1])]


def steps(network: Network, layers: Sequence[Layer]) -> list[str]:
    """Layers that follow each other, in words; what is not run in a row is counted."""
    said: list[str] = []
    doubtful, ends = network.doubtful, network.assumed_ends
    for runs, group in groupby(layers, lambda layer: not isinstance(layer, Opaque)):
        several = list(group)
        if runs or len(several) == 1:
            for layer in several:
                doubt = DOUBT if layer.name in doubtful else ""
                said.append(doubt + _step(network, layer))
                said += ["identity?"] if layer.name in ends else []
        else:
            said.append(f"({len(several)} operations not run)")
    return said


def _step(network: Network, layer: Layer) -> str:
    """A layer, with the inputs from outside that it takes beside the value of the chain."""
    names = {one.name for one in network.inputs}
    others = [outside(network, one) for one in layer.inputs[1:] if one in names]
    return title(layer) + (f" with {', '.join(others)}" if others else "")


def outside(network: Network, value: str) -> str:
    """An input in words, with its axes; the name of any other value."""
    for one in network.inputs:
        if one.name == value:
            return f"{printable(value)} [{one.axes}]"
    return printable(value)


def title(layer: Layer) -> str:
    """A layer in a word or two: Dense 64, relu, clip ±5."""
    if isinstance(layer, Dense):
        return f"Dense {layer.units}"
    if isinstance(layer, LSTM):
        return f"LSTM {layer.units}"
    if isinstance(layer, Activation):
        return f"{layer.function.value or 'activation '}{_mark(layer.function)}"
    if isinstance(layer, Concat):
        return "concat"
    if isinstance(layer, Add):
        return "add"
    if isinstance(layer, Standardize):
        return f"standardize by {printable(layer.scope)}" if layer.scope else "standardize"
    if isinstance(layer, Clip):
        return _clip(layer)
    if isinstance(layer, Affine):
        return _affine(layer)
    if isinstance(layer, Opaque):
        return f"{printable(layer.operation)} (not run)"
    if isinstance(layer, Slice):
        return f"units {layer.start} … {layer.stop - 1}"
    name = _TITLES.get(type(layer), layer.kind)
    return f"{name} {_epsilon(layer.epsilon)}".rstrip() if isinstance(layer, Norm) else name


def _mark(fact: Fact[str] | Fact[float]) -> str:
    """A question mark behind what is assumed or not known."""
    return "" if fact.known and not fact.source.assumed else "?"


def _epsilon(fact: Fact[float]) -> str:
    """An epsilon that has to be doubted; one that was read or given needs no place here."""
    value = "" if fact.value is None else shortest(fact.value)
    return f"epsilon {value}{_mark(fact)}" if _mark(fact) else ""


def _clip(layer: Clip) -> str:
    low, high = _number(layer.low), _number(layer.high)
    if layer.low is None or layer.high is None:
        bound, side = (high, "most") if layer.low is None else (low, "least")
        return f"at {side} {'a bound a unit' if bound is None else figure(bound)}"
    if low is None or high is None:
        return "clip to bounds a unit"
    if low == -high:
        return f"clip ±{figure(high)}"
    return f"clip {figure(low)} … {figure(high)}"


def _affine(layer: Affine) -> str:
    parts = []
    if layer.scale is not None:
        scale = _number(layer.scale)
        parts.append("× scale" if scale is None else f"× {figure(scale)}")
    if layer.shift is not None:
        shift = _number(layer.shift)
        if shift is None:
            parts.append("+ shift")
        else:
            parts.append(f"{'−' if shift < 0 else '+'} {figure(abs(shift))}")
    return " ".join(parts) or "identity"


def _number(parameter: Parameter | None) -> float | None:
    if parameter is None or parameter.array.size != 1:
        return None
    return float(parameter.array.reshape(()))
