"""In which order layers follow each other, as numbers, names and shapes tell it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from lnfold.checkpoint.bytes.natural_order import natural_order
from lnfold.network.facts.evidence import Fact, Source
from lnfold.network.facts.order import Order
from lnfold.network.facts.settings import Settings
from lnfold.recovery.names.conventions import Convention
from lnfold.recovery.names.fitting import Widths, only_sequence, placements
from lnfold.recovery.names.layer_positions import Place
from lnfold.recovery.names.scopes import Group, scope_of

_HEAD: Final = re.compile(r"(^|_)(out|output|head|logits)$")
_NUMBER: Final = re.compile(r"_?\d+$")
_MOST: Final = 64  # dense layers of which every order is looked at
_BY_NUMBER: Final = "the numbers of a Sequential model's layers"
_NUMBERED: Final = "Keras models whose layers run in the order of their numbers"
_NAMED: Final = "networks whose layers run in the order of their names"


@dataclass(frozen=True, slots=True)
class Arrangement:
    """The dense layers of a chain, and the norms between them.

    Attributes:
        denses: in the order in which they run.
        norms: in front of the first dense layer, then behind each: one more than there are dense
            layers.
    """

    denses: tuple[Group, ...]
    norms: tuple[tuple[Group, ...], ...]

    def __str__(self) -> str:
        """The layers as ``--layers`` names them, without activations."""
        first, *behind = self.norms
        blocks = [
            first,
            *((dense, *norms) for dense, norms in zip(self.denses, behind, strict=True)),
        ]
        return " ".join(one.label for block in blocks for one in block)

    @property
    def key(self) -> tuple[object, ...]:
        """What tells it from other arrangements."""
        blocks = ((), *((dense,) for dense in self.denses))
        return tuple(
            tuple((one.scope, *one.members) for one in (*dense, *norms))
            for dense, norms in zip(blocks, self.norms, strict=True)
        )

    @property
    def groups(self) -> list[Group]:
        """All its layers."""
        return [*self.denses, *(norm for norms in self.norms for norm in norms)]

    def place(self, norm: Group) -> str:
        """Where a norm stands, in words."""
        number = next(number for number, found in enumerate(self.norms) if norm in found)
        if number == 0:
            return f"in front of '{self.denses[0].label}'"
        return f"behind '{self.denses[number - 1].label}'"


@dataclass(frozen=True, slots=True)
class Arranged:
    """An arrangement with its evidence.

    Attributes:
        sequence: why the dense layers are in that order.
        places: why each norm stands where it does, by the norm's scope.
    """

    arrangement: Arrangement
    sequence: Fact[str]
    places: Mapping[str, Fact[str]]


def arranged(
    family: Sequence[Group],
    widths: Mapping[str, Widths],
    sizes: Mapping[str, int],
    places: Mapping[str, Place],
    order: Order | None,
    joins: bool,
) -> Arranged | None:
    """The layers of one scope in the likeliest arrangement; None where nothing tells one.

    Args:
        widths: what each dense layer takes and delivers, by scope.
        sizes: how many numbers each norm holds, by scope.
        places: the place of each layer in its model, by scope, where objects tell it.
        order: of dense layer, norm and activation in a block.
        joins: whether another input may join in front of a layer.
    """
    by_scope = {group.scope: group for group in family}
    in_order = [by_scope[scope] for scope in natural_order(by_scope)]
    norms = [group for group in in_order if group.is_norm]
    numbered = _numbered(family, places)
    denses, sequence = _sequence([one for one in in_order if one.is_dense], widths, numbered, joins)
    if sequence is None:
        return None
    if numbered and denses != sorted(denses, key=lambda one: numbered[one.scope].number):
        numbered = {}  # shapes say otherwise
    values = [widths[denses[0].scope][0], *(widths[one.scope][1] for one in denses)]
    nested = {one.scope: scope_of(one.scope) for one in norms if scope_of(one.scope) in widths}
    found = _gaps(denses, norms, numbered, nested, values, sizes, order)
    if found is None:
        return None
    gaps: list[list[Group]] = [[] for _ in values]
    for norm in norms:
        gaps[found[norm.scope]].append(norm)
    arrangement = Arrangement(tuple(denses), tuple(map(tuple, gaps)))
    facts = {}
    for norm in norms:
        size = sizes[norm.scope]
        alone = values.count(size) == 1 == list(sizes.values()).count(size)
        if numbered and sequence.source is Source.OBJECT_GRAPH:
            source, where, trust = Source.OBJECT_GRAPH, _BY_NUMBER, ""
        elif norm.scope in nested:
            source, where, trust = Source.NAMES, "it stands in the scope of its dense layer", ""
        elif alone:
            source, where, trust = Source.SHAPES, f"{size} units", ""
        else:
            source, where, trust = Source.CONVENTION, _NUMBERED if numbered else _NAMED, "medium"
        facts[norm.scope] = Fact(arrangement.place(norm), source, where, trust)
    return Arranged(arrangement, sequence, facts)


def tried(arrangement: Arrangement) -> Arranged:
    """An arrangement that examples shall tell from others: until they do, it is assumed."""
    sequence = " → ".join(one.label for one in arrangement.denses)
    places = {
        norm.scope: Fact(arrangement.place(norm), Source.CONVENTION, _NAMED)
        for norms in arrangement.norms
        for norm in norms
    }
    return Arranged(arrangement, Fact(sequence, Source.CONVENTION, _NAMED), places)


def _numbered(family: Sequence[Group], places: Mapping[str, Place]) -> Mapping[str, Place]:
    """The places of the layers, where all are layers of one model; empty where not."""
    found = {group.scope: places[group.scope] for group in family if group.scope in places}
    one_model = len({place.model for place in found.values()}) == 1
    return found if one_model and len(found) == len(family) else {}


def _sequence(
    denses: list[Group],
    widths: Mapping[str, Widths],
    numbered: Mapping[str, Place],
    joins: bool,
) -> tuple[list[Group], Fact[str] | None]:
    """The dense layers in the order in which they run, with the evidence; None for none."""
    said = _named(denses)
    if numbered:
        said = sorted(denses, key=lambda group: numbered[group.scope].number)
    shapes = [widths[one.scope] for one in denses]
    only = only_sequence(shapes, joins) if len(denses) <= _MOST else None
    if numbered and all(place.sequential for place in numbered.values()):
        source, where, trust = Source.OBJECT_GRAPH, _BY_NUMBER, ""
    elif only is not None:
        said = [denses[one] for one in only]
        source, where, trust = Source.SHAPES, "what each kernel takes and delivers", ""
    else:
        source, where, trust = Source.CONVENTION, _NUMBERED if numbered else _NAMED, "medium"
    if said is None:
        return denses, None
    return said, Fact(" → ".join(one.label for one in said), source, where, trust)


def _named(denses: list[Group]) -> list[Group] | None:
    """The dense layers in the order of their names, None where names tell none.

    They do where all are numbered in one family (dense, dense_1, …) but for the head, which often
    has a name of its own. Of two layers the head is known only if it is called so.
    """
    stems = [_stem(group) for group in denses]
    if len(stems) < 2:
        return denses
    hidden = [stem for stem in stems if not _HEAD.search(stem)] or stems
    common = max(dict.fromkeys(hidden), key=hidden.count)
    strangers = [stem for stem in stems if stem != common]
    if len(strangers) > 1 or (len(stems) == 2 and strangers and not _HEAD.search(strangers[0])):
        return None
    return sorted(denses, key=lambda group: _stem(group) != common)


def _stem(group: Group) -> str:
    return _NUMBER.sub("", group.scope.rpartition("/")[2])


def _gaps(
    denses: Sequence[Group],
    norms: Sequence[Group],
    numbered: Mapping[str, Place],
    nested: Mapping[str, str],
    values: Sequence[int],
    sizes: Mapping[str, int],
    order: Order | None,
) -> dict[str, int] | None:
    """The number of the value that each norm reads, by scope; None where nothing tells it.

    By the numbers of layers; else a norm belongs to the dense layer in whose scope it stands, or
    to that of its rank, if the shapes let it. Numbers in names may differ, ranks do not: Keras
    counts the layers of a process, not of a network.
    """
    if numbered:
        before = [numbered[one.scope].number for one in denses]
        return {
            one.scope: sum(number < numbered[one.scope].number for number in before)
            for one in norms
        }
    behind = 0 if order is Order.NORM_DENSE else 1
    rank = {one.scope: number for number, one in enumerate(denses)}
    found = {scope: rank[dense] + behind for scope, dense in nested.items()}
    free = [one for one in norms if one.scope not in nested]
    ranked = {one.scope: number + behind for number, one in enumerate(free)}
    fits = len(free) <= len(denses) and all(values[ranked[one]] == sizes[one] for one in ranked)
    if not fits:
        any_place = next(placements(values, [sizes[one.scope] for one in free]), None)
        if any_place is not None:
            ranked = {one.scope: place for one, place in zip(free, any_place, strict=True)}
        elif len(free) > len(denses):
            return None
    return {**found, **ranked}


def order_of_family(
    family: Sequence[Group],
    settings: Settings,
    convention: Convention | None,
    places: Mapping[str, Place],
) -> Fact[Order]:
    """How dense layers, norms and activations follow each other, with the evidence for it."""
    if settings.order is not None:
        return Fact(settings.order, Source.OPTION, "--order")
    read = _order_of_places(family, places)
    if read is not None:
        where = "Keras models where the layer without variables is the activation"
        return Fact(read, Source.CONVENTION, where, "medium")
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
