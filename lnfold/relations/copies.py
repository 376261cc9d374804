"""Copies of a network (target, parameter noise) and how far they are from their source."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from lnfold.network.layers import Network
from lnfold.network.roles import role_of


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
    originals = [one for one in everything if not role_of(one.name).copy]
    found = []
    for copy in everything:
        role = role_of(copy.name)
        source = next((one for one in originals if role.copy and _alike(one, copy)), None)
        if source is not None:
            largest = _largest(source, copy)
            found.append(CopyDifference(copy.name, source.name, role.copy, largest, largest == 0))
    return tuple(found)


def _alike(left: Network, right: Network) -> bool:
    same_part = role_of(left.name).part == role_of(right.name).part
    return same_part and _shapes(left) == _shapes(right)


def _shapes(network: Network) -> list[tuple[str, str, tuple[int, ...]]]:
    return [
        (layer.kind, role, parameter.shape)
        for layer in network.layers
        for role, parameter in layer.parameters()
    ]


def _largest(left: Network, right: Network) -> float:
    largest = 0.0
    for one, other in zip(left.layers, right.layers, strict=True):
        pairs = zip(one.parameters(), other.parameters(), strict=True)
        for (_, first), (_, second) in pairs:
            a, b = first.array.astype(np.float64), second.array.astype(np.float64)
            with np.errstate(invalid="ignore"):
                apart = np.where((a == b) | (np.isnan(a) & np.isnan(b)), 0.0, np.abs(a - b))
            largest = max(largest, float(np.nan_to_num(apart, nan=np.inf).max(initial=0.0)))
    return largest
