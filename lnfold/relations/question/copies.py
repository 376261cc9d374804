"""Copies of a network (target, parameter noise) and how far they are from their source."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from lnfold.network.records.layers import Network, Parameter
from lnfold.recovery.names.roles import role_of


@dataclass(frozen=True, slots=True)
class CopyDifference:
    """One copy beside its source.

    Attributes:
        copy, source: the names of the two networks.
        kind: what kind of copy: target, noise, …
        largest: the largest |difference| of two of their parameters; infinite where NaN
            stands on one side only.
        equal: whether all parameters are the same numbers.
    """

    copy: str
    source: str
    kind: str
    largest: float
    equal: bool


def copy_differences(networks: Iterable[Network]) -> tuple[CopyDifference, ...]:
    """Every copy beside the original with the same part and the same shapes of parameters."""
    everything = list(networks)
    sources: dict[_Form, Network] = {}
    for one in everything:
        if not role_of(one.name).copy:
            sources.setdefault(_form(one), one)
    found = []
    for copy in everything:
        role = role_of(copy.name)
        source = sources.get(_form(copy)) if role.copy else None
        if source is not None:
            largest = _largest(source, copy)
            found.append(CopyDifference(copy.name, source.name, role.copy, largest, largest == 0))
    return tuple(found)


_Form = tuple[str, tuple[tuple[str, str, tuple[int, ...]], ...]]


def _form(network: Network) -> _Form:
    """What a copy has as its source has it: the part it plays, and all shapes."""
    shapes = ((kind, role, parameter.shape) for kind, role, parameter in _parameters(network))
    return role_of(network.name).part, tuple(shapes)


def _parameters(network: Network) -> Iterator[tuple[str, str, Parameter]]:
    """(kind of layer, role, parameter) of all its layers in order; others have none."""
    for layer in network.layers:
        for role, parameter in layer.parameters():
            yield layer.kind, role, parameter


def _largest(left: Network, right: Network) -> float:
    largest = 0.0
    # one of the two may have an activation more
    for (_, _, first), (_, _, second) in zip(_parameters(left), _parameters(right), strict=True):
        a, b = first.array.astype(np.float64), second.array.astype(np.float64)
        with np.errstate(invalid="ignore"):
            apart = np.where((a == b) | (np.isnan(a) & np.isnan(b)), 0.0, np.abs(a - b))
        largest = max(largest, float(np.nan_to_num(apart, nan=np.inf).max(initial=0.0)))
    return largest
