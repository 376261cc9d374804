"""The candidates for what names leave open, each compared with examples on a few rows."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from lnfold.network.facts.order import Order
from lnfold.network.facts.settings import Examples, Settings, is_meant
from lnfold.network.records.layers import Array, Network, Norm
from lnfold.network.running.differences import largest_difference
from lnfold.recovery.examples.candidates import (
    Answers,
    Candidate,
    head_choices,
    hidden_choices,
    opened,
)
from lnfold.recovery.examples.descent import search
from lnfold.recovery.examples.example_arrays import matched, output_matches, rows_of
from lnfold.recovery.examples.searching import tried_of
from lnfold.recovery.names.chains import Names
from lnfold.recovery.names.layer_order import Arrangement

_FEW: Final = 8  # rows that every candidate answers
_NEAREST: Final = 12  # arrangements that are judged at rounding level


@dataclass(frozen=True, slots=True)
class Trial:
    """A candidate and how far it is from the examples.

    Attributes:
        error: the largest difference of any number.
        share: the largest difference of any number in units of what rounding does to it;
            infinite where that was not measured, or would hide anything.
    """

    candidate: Candidate
    outputs: Mapping[str, Array]
    error: float
    share: float = math.inf

    @property
    def fits(self) -> bool:
        return self.share <= 1

    def __str__(self) -> str:
        told = math.isfinite(self.share)
        shown = f", {self.share:.2g} times what rounding does" if told else ""
        return f"{self.candidate}: off by {self.error:.1e}{shown}"


def trials_of(
    names: Names,
    plain: Sequence[Network],
    settings: Settings,
    examples: Examples,
    reasons: dict[str, str],
    unfinished: set[str],
) -> Iterator[Trial]:
    """Every candidate of every network, compared on a few rows; why others are not tried.

    Args:
        unfinished: takes up the networks of which not all arrangements were tried.
    """
    seen: set[object] = set()
    for network, order, arrangement in _built(names, plain, settings, examples, unfinished):
        key = None if arrangement is None else arrangement.key
        structure = (network.name, key, *((one.name, one.inputs) for one in network.layers))
        if structure in seen:
            continue  # without a norm, all orders are one
        seen.add(structure)
        reason = _untried(network, examples)
        if reason:
            reasons.setdefault(network.name, reason)
            continue
        normed = any(isinstance(layer, Norm) for layer in network.layers)
        assumed = assumed_epsilon(plain, network.name)
        yield from _of_network(
            network, order if normed else None, settings, examples, assumed, arrangement
        )


def _built(
    names: Names,
    plain: Sequence[Network],
    settings: Settings,
    examples: Examples,
    unfinished: set[str],
) -> Iterator[tuple[Network, Order, Arrangement | None]]:
    """The networks to be tried: of each scope those whose arrangement comes near the examples.

    As names arrange them, where the layers are stated, or some of them cannot be run.
    """
    searched: set[str] = set()
    for scope, family in names.families.items():
        name = scope or "network"
        if settings.layers is not None or not is_meant(name, settings):
            continue
        if not any(group.is_dense for group in family):
            continue
        heads = max((len(one.outputs) for one in plain if one.name == name), default=1)
        build = partial(names.builder, scope, family, settings)
        tried = tried_of(family, heads, build, settings, examples)
        if tried is None:
            continue
        near = search(tried)
        if near:
            searched.add(name)
        if not tried.complete:
            unfinished.add(name)
        for one in near[:_NEAREST]:
            told = opened(settings, settings.order or one.order)
            yield names.arranged(scope, one.arrangement, told), one.order, one.arrangement
    for order in [settings.order] if settings.order else Order:
        for network in names.networks(opened(settings, order)):
            if is_meant(network.name, settings) and network.name not in searched:
                yield network, order, None


def _untried(network: Network, examples: Examples) -> str:
    """Why a network cannot be tried; empty where it can."""
    if not network.complete:
        return network.gaps[0].what
    if matched(network, examples) is None:
        takes = ", ".join(f"{one.name} [{one.width}]" for one in network.inputs)
        return f"it takes {takes}"
    if not output_matches(network, examples):
        widths = network.widths()
        return "it delivers " + ", ".join(f"{one} [{widths[one]}]" for one in network.outputs)
    return ""


def assumed_epsilon(networks: Sequence[Network], name: str) -> float | None:
    for network in networks:
        for layer in network.layers:
            if network.name == name and isinstance(layer, Norm):
                return layer.epsilon.value
    return None


def _of_network(
    network: Network,
    order: Order | None,
    settings: Settings,
    examples: Examples,
    assumed: float | None,
    arrangement: Arrangement | None,
) -> Iterator[Trial]:
    inputs = matched(network, examples)
    assert inputs is not None  # or it would not be tried
    answers = Answers(network, rows_of(inputs, _FEW))
    for expected in output_matches(network, examples):
        few = rows_of(expected, _FEW)
        for hidden in hidden_choices(answers, settings, assumed):
            # outputs share nothing but what is hidden, so each is judged alone
            by_output = [
                [
                    (head, largest_difference({output: answers(output, {**hidden, **head})}, few))
                    for head in head_choices(answers, output, settings)
                ]
                for output in expected
            ]
            for chosen in itertools.product(*by_output):
                choice = {key: one for head, _ in chosen for key, one in head.items()}
                error = max(error for _, error in chosen)
                candidate = Candidate(network, order, {**hidden, **choice}, arrangement)
                yield Trial(candidate, expected, error)
