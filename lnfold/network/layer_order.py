"""In which order layers follow each other, as numbers and names tell it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from lnfold.checkpoint.natural_order import natural_order
from lnfold.network.conventions import Convention, Order
from lnfold.network.evidence import Fact, Source
from lnfold.network.positions import Place
from lnfold.network.scopes import Group
from lnfold.network.settings import Settings

_HEAD: Final = re.compile(r"(^|_)(out|output|head|logits)$")
_NUMBER: Final = re.compile(r"_?\d+$")


def in_order(family: Sequence[Group], places: Mapping[str, Place]) -> list[Group] | None:
    """The groups of one scope in the order of their layers, None where nothing tells it.

    Numbers of the model's layers tell it; else names do where all dense layers are numbered in
    one family (dense, dense_1, …) but for the head, which often has a name of its own. Of two
    layers the head is known only if it is called so.
    """
    if all(group.scope in places for group in family):
        return sorted(family, key=lambda group: places[group.scope].number)
    by_scope = {group.scope: group for group in family}
    ordered = [by_scope[scope] for scope in natural_order(by_scope)]
    stems = [_stem(group) for group in ordered if group.is_dense]
    if len(stems) < 2:
        return ordered
    hidden = [stem for stem in stems if not _HEAD.search(stem)] or stems
    common = max(dict.fromkeys(hidden), key=hidden.count)
    strangers = [stem for stem in stems if stem != common]
    if len(strangers) > 1 or (len(stems) == 2 and strangers and not _HEAD.search(strangers[0])):
        return None
    return sorted(ordered, key=lambda group: group.is_dense and _stem(group) != common)


def _stem(group: Group) -> str:
    return _NUMBER.sub("", group.scope.rpartition("/")[2])


def order_of_family(
    family: Sequence[Group],
    settings: Settings,
    convention: Convention | None,
    places: Mapping[str, Place],
) -> Fact[Order]:
    """How dense layers, norms and activations follow each other, with the evidence for it."""
    if settings.order is not None:
        return Fact(settings.order, Source.OPTION, "--order")
    if not any(group.is_norm for group in family):
        return Fact(
            Order.DENSE_NORM_ACT,
            Source.CONVENTION,
            "networks whose layers follow in the order of their names",
            "medium",
        )
    read = _order_of_places(family, places)
    if read is not None:
        where = "the numbers of the model's layers; one without variables is taken as activation"
        return Fact(read, Source.OBJECT_GRAPH, where, "medium")
    if convention is not None and convention.order is not None:
        return Fact(convention.order, Source.CONVENTION, convention.library, convention.confidence)
    return Fact.unknown("--order")


def _order_of_places(family: Sequence[Group], places: Mapping[str, Place]) -> Order | None:
    """The order that the layers' numbers in their model show, where all norms agree.

    Dense 1, norm 2, activation 3 is dense-norm-act; dense 1, activation 2, norm 3 is
    dense-act-norm. A norm with a layer with variables on both sides tells nothing: the
    activation may be part of the dense layer.
    """
    if not all(group.scope in places for group in family):
        return None
    dense = {places[group.scope].number for group in family if group.is_dense}
    seen: set[Order | None] = set()
    for group in family:
        if not group.is_norm:
            continue
        place = places[group.scope]
        if place.number - 1 in dense and place.precedes:
            seen.add(Order.DENSE_NORM_ACT)
        elif place.follows and place.number - 2 in dense and not place.precedes:
            seen.add(Order.DENSE_ACT_NORM)
        elif place.number + 1 in dense and place.number < min(dense):
            seen.add(Order.NORM_DENSE)
        else:
            seen.add(None)
    return seen.pop() if len(seen) == 1 else None


def pairs_in_order(ordered: Sequence[Group]) -> list[tuple[Group, Group | None]] | None:
    """Each dense layer with the norm of the same rank, None where there are more norms.

    Numbers may differ, ranks do not: Keras counts the layers of a process, not of a network.
    """
    denses = [group for group in ordered if group.is_dense]
    norms = [group for group in ordered if group.is_norm]
    if len(norms) > len(denses):
        return None
    return [
        (dense, norms[index] if index < len(norms) else None) for index, dense in enumerate(denses)
    ]
