"""What is said of how the layers of a network follow each other, and what of it is assumed.

A graph or a config says it in full. Names do not: which dense layer a norm belongs to, which
layer runs first and where the network ends are claims, each with evidence of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from lnfold.network.facts.evidence import Fact
from lnfold.network.records.layer import Layer

SEQUENCE: Final = "sequence"
PLACEMENT: Final = "placement"
STANDARDIZED: Final = "standardized input"
OUTPUT_ACTIVATION: Final = "output activation"
_LONGEST: Final = 60  # characters of a value in a sentence


@dataclass(frozen=True, slots=True)
class Claim:
    """One thing that is said of how layers follow each other.

    Attributes:
        what: the sequence of dense layers, the placement of a norm, an output's activation.
        layer: the name of the layer that it is about; empty for the whole network.
        fact: what is said, and the evidence.
        option: what says otherwise.
    """

    what: str
    layer: str
    fact: Fact[str]
    option: str = "--layers"


@dataclass(frozen=True, slots=True)
class Assumption:
    """One fact that may be wrong.

    Attributes:
        what, value: the fact in words.
        why: what makes it likely, a sentence's end.
        remedy: the option that settles it.
    """

    what: str
    value: str
    why: str
    remedy: str

    def __str__(self) -> str:
        value = self.value
        if len(value) > _LONGEST:
            value = f"{value[: _LONGEST // 2]}…{value[-_LONGEST // 2 :]}"
        return f"{self.what} {value}"


def assumptions(
    order: Fact[str], claims: Iterable[Claim], layers: Iterable[Layer], outputs: Iterable[str]
) -> Iterator[Assumption]:
    """Every fact that is assumed, each once: of the whole first, then as layers run."""
    listed, ends = list(claims), set(outputs)
    stated: list[tuple[str, Fact[Any], str]] = []
    if any(one.what == PLACEMENT for one in listed):  # without a norm, all orders are one
        stated.append(("order", order, "--order"))
    stated += [(claimed(one), one.fact, one.option) for one in listed]
    for layer in layers:
        for name, fact in layer.facts():
            what, option = called(name, layer.name in ends)
            stated.append((what, fact, option))
    seen = set()
    for what, fact, option in stated:
        if fact.source.assumed and (what, fact.value) not in seen:
            seen.add((what, fact.value))
            value = f"{fact.value:g}" if isinstance(fact.value, float) else str(fact.value)
            trust = f" ({fact.confidence} confidence)" if fact.confidence else ""
            yield Assumption(what, value, f"as in {fact.where}{trust}", option)


def doubtful(order: Fact[str], claims: Iterable[Claim], layers: Iterable[Layer]) -> set[str]:
    """The names of the layers of which it is assumed what they read."""
    found = {one.layer for one in claims if one.fact.source.assumed and one.what == PLACEMENT}
    placed = {one.layer for one in claims if one.what == PLACEMENT}
    if order.source.assumed:
        found |= placed
    if any(one.fact.source.assumed for one in claims if one.what == SEQUENCE):
        found |= {layer.name for layer in layers if layer.kind == "dense"}
    return found


def claimed(one: Claim) -> str:
    """What a claim is about, in words."""
    return f"{one.what} of '{one.layer}'" if one.what == PLACEMENT else one.what


def called(fact: str, last: bool) -> tuple[str, str]:
    """A fact of a layer in words, and the option that says otherwise.

    Args:
        fact: the name of its field.
        last: whether the layer delivers an output.
    """
    if fact == "function":
        return (
            (OUTPUT_ACTIVATION, "--output-activation") if last else ("activation", "--activation")
        )
    return fact, f"--{fact}"


def remedies(assumed: Sequence[Assumption]) -> str:
    """The options that settle assumed facts, in words."""
    return listed(list(dict.fromkeys(one.remedy for one in assumed)))


def listed(words: Sequence[str]) -> str:
    """a, b and c."""
    return " and ".join(one for one in (", ".join(words[:-1]), *words[-1:]) if one)
