"""Which chains of dense layers, and which places of norms in them, fit the shapes of variables.

A dense layer fits behind one that delivers as many units as it takes; a norm fits between two
dense layers where it holds one number for each unit. Equal widths let many chains fit.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

Widths = tuple[int, int]  # what a dense layer takes, and what it delivers

_STEPS: Final = 2000  # of a search for another chain; past them, that there is none is not known


def sequences(layers: Sequence[Widths], joins: bool = False) -> Iterator[tuple[int, ...] | None]:
    """Every order in which all the layers can follow each other, the given one first if it fits.

    Yields None for every step that completes none, so that a long search can be given up.

    Args:
        joins: whether another input may join in front of one layer, which then takes more than
            the layer before it delivers; the layers of a critic do so.
    """
    chosen: list[int] = []
    joined: list[bool] = []
    left = [iter(range(len(layers)))]
    while left:
        number = next((one for one in left[-1] if one not in chosen), None)
        if number is None:
            left.pop()
            if chosen:
                chosen.pop()
                joined.pop()
            continue
        taken, _ = layers[number]
        delivered = layers[chosen[-1]][1] if chosen else taken
        more = joins and not any(joined) and taken > delivered
        if taken != delivered and not more:
            continue
        chosen.append(number)
        joined.append(taken != delivered)
        left.append(iter(range(len(layers))))
        yield tuple(chosen) if len(chosen) == len(layers) else None


def only_sequence(layers: Sequence[Widths], joins: bool = False) -> tuple[int, ...] | None:
    """The one order that fits; None where several do, none does, or a long search left it open."""
    found: list[tuple[int, ...]] = []
    for step, one in enumerate(sequences(layers, joins)):
        if one is not None:
            found.append(one)
        if len(found) > 1 or step > _STEPS:
            return None
    return found[0] if found else None


def placements(widths: Sequence[int], norms: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """Every way to give each norm a value of its own that is as wide.

    Args:
        widths: of the values that norms may read: the input, then what each layer delivers.
        norms: how many numbers each norm holds.

    Yields:
        For each norm the number of its value.
    """
    if not norms:
        yield ()
    if not norms or any(norms.count(size) > widths.count(size) for size in set(norms)):
        return
    chosen: list[int] = []
    left = [iter(range(len(widths)))]
    while left:
        size = norms[len(chosen)]
        place = next((one for one in left[-1] if widths[one] == size and one not in chosen), None)
        if place is None:
            left.pop()
            if chosen:
                chosen.pop()
        elif len(chosen) + 1 == len(norms):
            yield (*chosen, place)
        else:
            chosen.append(place)
            left.append(iter(range(len(widths))))
