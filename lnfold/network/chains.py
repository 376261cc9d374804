"""Groups of variables → networks, where no graph says how they are wired.

Only what names, numbers and shapes can carry is built: the layers of one scope whose order
they tell, with what an option or a known library's convention says of epsilon, order and
activations. Layers whose place nothing tells are listed, unwired, in a network that is not
complete.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from lnfold.checkpoint.natural_order import natural_order
from lnfold.checkpoint.variables import Variable
from lnfold.network.chain_builder import ChainBuilder
from lnfold.network.conventions import convention_of
from lnfold.network.evidence import Fact
from lnfold.network.layer_order import in_order, order_of_family, pairs_in_order
from lnfold.network.layers import Gap, Network
from lnfold.network.positions import Place
from lnfold.network.roles import role_of
from lnfold.network.scopes import Group, scope_of
from lnfold.network.settings import Settings


def networks_from_names(
    variables: Mapping[str, Variable],
    groups: Mapping[str, Group],
    settings: Settings,
    places: Mapping[str, Place] | None = None,
    strange: Mapping[str, Sequence[str]] | None = None,
) -> list[Network]:
    """A network for every scope that holds dense layers in an order that can be told.

    Args:
        variables: all variables of the checkpoint, by name.
        groups: the parameters by scope.
        settings: what the user says; it wins over what is assumed.
        places: the place of each layer in its model, by its scope, where objects tell it.
        strange: the scopes of layers of other kinds, by the scope that holds them.
    """
    places, strange = places or {}, strange or {}
    networks: list[Network] = []
    unplaced: dict[str, list[Group]] = {}
    for scope, family in _families(groups).items():
        ordered = in_order(family, places) if any(one.is_dense for one in family) else None
        if ordered is None:
            unplaced.setdefault(scope.partition("/")[0], []).extend(family)
        else:
            chain = _chain(scope, ordered, variables, settings, places)
            networks.append(replace(chain, gaps=(*chain.gaps, *_doubts(strange.get(scope, ())))))
    taken = {network.name for network in networks}
    for scope, family in unplaced.items():
        name = f"{scope or 'network'} (unwired)" if (scope or "network") in taken else scope
        networks.append(_unwired(name or "network", family, variables, settings))
    return networks


def _doubts(strange: Sequence[str]) -> list[Gap]:
    """A gap for every layer beside the chain of which names do not tell what it computes."""
    return [
        Gap(
            f"'{scope}' has variables too, but names do not tell what it computes",
            "Keep the .meta, SavedModel or Keras config beside the checkpoint.",
        )
        for scope in strange
    ]


def _families(groups: Mapping[str, Group]) -> dict[str, list[Group]]:
    """The groups by the scope that holds their layers."""
    families: dict[str, list[Group]] = {}
    for scope, group in groups.items():
        parent = scope_of(scope)
        if parent in groups and groups[parent].is_dense:
            parent = scope_of(parent)  # contrib nests LayerNorm in its dense layer
        families.setdefault(parent, []).append(group)
    return families


def _builder(
    scope: str, family: Sequence[Group], variables: Mapping[str, Variable], settings: Settings
) -> ChainBuilder:
    names = [name for group in family for name in group.members.values()]
    return ChainBuilder(variables, settings, role_of(scope), convention_of(names))


def _chain(
    scope: str,
    ordered: Sequence[Group],
    variables: Mapping[str, Variable],
    settings: Settings,
    places: Mapping[str, Place],
) -> Network:
    """The layers of one scope, each reading the one before it."""
    built = _builder(scope, ordered, variables, settings)
    order = order_of_family(ordered, settings, built.convention, places)
    if not order.known:
        built.gaps.append(
            Gap(
                "the order of dense layer, norm and activation is not known",
                "Give --order dense-norm-act, dense-act-norm or norm-dense.",
            )
        )
    pairs = pairs_in_order(ordered)
    if pairs is None:
        return _unwired(scope or "network", ordered, variables, settings)
    value, width = built.observation(built.width_taken(pairs[0][0]))
    heads = _heads([dense for dense, _ in pairs], built)
    hidden: tuple[str, int] | None = None
    outputs: list[str] = []
    for index, (dense, norm) in enumerate(pairs):
        if index in heads:
            hidden = hidden or (value, width)
            value, width = built.block(dense, norm, *hidden, order.value, True)
            outputs.append(value)
        else:
            value, width = built.block(dense, norm, value, width, order.value, False)
    _doubt_siblings(built, pairs, outputs)
    wiring = Fact(
        order.value.value if order.value else None, order.source, order.where, order.confidence
    )
    return Network(
        scope or "network",
        tuple(built.inputs),
        tuple(outputs),
        tuple(built.layers),
        wiring,
        tuple(built.gaps),
    )


def _heads(denses: Sequence[Group], built: ChainBuilder) -> range:
    """The places of the layers that deliver outputs: the last one, or several beside each other.

    A layer that takes not what the one before it delivers, but what that takes, is another head
    of the same hidden layer. Where a head is as wide as that layer, shapes do not tell it from
    a layer; examples with as many outputs do.
    """
    examples = built.settings.examples
    told = 0 if examples is None else len(examples.outputs)
    if 1 < told <= len(denses) and len({built.width_taken(one) for one in denses[-told:]}) == 1:
        return range(len(denses) - told, len(denses))
    first = len(denses) - 1
    while first > 0:
        taken, before = built.width_taken(denses[first]), denses[first - 1]
        if taken == built.units(before) or taken != built.width_taken(before):
            break
        first -= 1
    return range(first, len(denses))


def _doubt_siblings(
    built: ChainBuilder, pairs: Sequence[tuple[Group, Group | None]], outputs: Sequence[str]
) -> None:
    """A gap where there are several heads: nothing says which of them has an activation.

    Examples can tell, head by head.
    """
    if len(outputs) > 1 and built.settings.examples is None:
        built.gaps.append(
            Gap(
                f"'{pairs[-1][0].label}' seems to be a second head beside "
                f"'{pairs[-2][0].label}', whose activation is not known",
                "Keep the .meta or SavedModel beside the checkpoint.",
            )
        )


def _unwired(
    name: str, family: Sequence[Group], variables: Mapping[str, Variable], settings: Settings
) -> Network:
    """Layers of which nothing tells what they read: each on an input of its own."""
    by_scope = {group.scope: group for group in family}
    built = _builder(name, family, variables, settings)
    for scope in natural_order(by_scope):
        group = by_scope[scope]
        if group.is_dense:
            width = built.width_taken(group)
            built.dense(group, built.open_input(group, width), width)
        else:
            width = variables[next(iter(group.members.values()))].size
            built.norm(group, built.open_input(group, width), width)
    built.gaps.insert(
        0,
        Gap(
            f"names do not tell what the layers of {name} read, {len(family)} of them",
            "Keep the .meta or SavedModel beside the checkpoint.",
        ),
    )
    return Network(
        name,
        tuple(built.inputs),
        tuple(layer.name for layer in built.layers[-1:]),
        tuple(built.layers),
        Fact.unknown("a graph"),
        tuple(built.gaps),
    )
