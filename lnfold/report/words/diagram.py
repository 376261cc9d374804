"""A network as the text of a diagram: Mermaid for README pages, DOT for Graphviz.

Names come from a file and are untrusted: they appear as quoted labels only, escaped, and
nodes are called n0, n1, ….
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from typing import Final

from lnfold.network.facts.evidence import Fact
from lnfold.network.records.layers import (
    LSTM,
    Activation,
    Dense,
    Layer,
    Network,
    Norm,
    Opaque,
)

_LONGEST: Final = 60  # characters of a label


class Format(Enum):
    """The languages that a diagram can be written in."""

    MERMAID = "mermaid"
    DOT = "dot"


def diagram(network: Network, form: Format = Format.MERMAID) -> str:
    """The network drawn from its inputs to its outputs, one node a layer."""
    return "\n".join(_mermaid(network) if form is Format.MERMAID else _dot(network)) + "\n"


def label(layer: Layer) -> str:
    """What stands in a layer's box: ``Dense 64``, ``LayerNorm ε=1e-12``, ``relu?`` if assumed."""
    if isinstance(layer, Dense):
        return f"Dense {layer.units}"
    if isinstance(layer, LSTM):
        return f"LSTM {layer.units}"
    if isinstance(layer, Norm):
        epsilon = layer.epsilon.value
        said = "?" if epsilon is None else f"{epsilon:.3g}{_mark(layer.epsilon)}"
        return f"{type(layer).__name__} ε={said}"
    if isinstance(layer, Activation):
        return f"{layer.function.value or '?'}{_mark(layer.function)}"
    if isinstance(layer, Opaque):
        return f"not run: {layer.operation}"
    return type(layer).__name__


def _mark(fact: Fact[float] | Fact[str]) -> str:
    return "?" if fact.source.assumed and fact.value is not None else ""


def _boxes(network: Network) -> Iterator[tuple[str, str, bool]]:
    """(value, label, whether it is an input or output) of every box."""
    for one in network.inputs:
        yield one.name, f"{one.name} [{one.axes}]", True
    for layer in network.layers:
        yield layer.name, label(layer), False


def _arrows(network: Network) -> Iterator[tuple[str, str, str]]:
    """(value, layer that reads it, a question mark where that is assumed)."""
    doubtful = network.doubtful
    for layer in network.layers:
        for source in layer.inputs:
            yield source, layer.name, "?" if layer.name in doubtful else ""


def _ends(network: Network) -> Iterator[tuple[str, str]]:
    """(output, what is assumed of its activation)."""
    ends = network.assumed_ends
    for value in network.outputs:
        yield value, "identity?" if value in ends else ""


def _mermaid(network: Network) -> Iterator[str]:
    ids = _ids(network)
    yield "flowchart TD"
    for value, text, outside in _boxes(network):
        box = f'(["{_html(text)}"])' if outside else f'["{_html(text)}"]'
        yield f"    {ids[value]}{box}"
    for source, target, doubt in _arrows(network):
        yield f"    {ids[source]} -->{doubt and f'|{doubt}|'} {ids[target]}"
    for number, (value, doubt) in enumerate(_ends(network)):
        yield f'    {ids[value]} -->{doubt and f"|{doubt}|"} o{number}(["{_html(value)}"])'


def _dot(network: Network) -> Iterator[str]:
    ids = _ids(network)
    yield f"digraph {_quoted(network.name)} {{"
    yield "    node [shape=box];"
    for value, text, outside in _boxes(network):
        shape = ", shape=ellipse" if outside else ""
        yield f"    {ids[value]} [label={_quoted(text)}{shape}];"
    for source, target, doubt in _arrows(network):
        yield f"    {ids[source]} -> {ids[target]}{doubt and f' [label={_quoted(doubt)}]'};"
    for number, (value, doubt) in enumerate(_ends(network)):
        yield f"    o{number} [label={_quoted(value)}, shape=ellipse];"
        yield f"    {ids[value]} -> o{number}{doubt and f' [label={_quoted(doubt)}]'};"
    yield "}"


def _ids(network: Network) -> dict[str, str]:
    return {value: f"n{number}" for number, (value, _, _) in enumerate(_boxes(network))}


def _shortened(text: str) -> str:
    printable = "".join(one if one.isprintable() else "�" for one in text)
    return printable if len(printable) <= _LONGEST else f"…{printable[1 - _LONGEST :]}"


def _html(text: str) -> str:
    """For Mermaid, whose labels know entities in the form #quot; and markup in <>."""
    escaped = _shortened(text).replace("#", "#35;")
    for character, entity in (("&", "#amp;"), ("<", "#lt;"), (">", "#gt;"), ('"', "#quot;")):
        escaped = escaped.replace(character, entity)
    return escaped.replace("`", "#96;").replace("\\", "#92;")


def _quoted(text: str) -> str:
    """A quoted string of DOT."""
    escaped = _shortened(text).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
