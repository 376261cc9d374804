"""Groups of variables → networks, where no graph says how they are wired.

Only what names, numbers and shapes can carry is built: the layers of one scope whose order
they tell, with what an option or a known library's convention says of epsilon, order and
activations. Layers whose place nothing tells are listed, unwired, in a network that is not
complete.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from lnfold.checkpoint.bytes.natural_order import natural_order
from lnfold.checkpoint.variables.variable import Variable
from lnfold.network.facts.evidence import Fact, replaced
from lnfold.network.facts.order import Order
from lnfold.network.facts.settings import Settings
from lnfold.network.records.claims import PLACEMENT, SEQUENCE, Claim
from lnfold.network.records.layers import Gap, Network
from lnfold.recovery.names.chain_builder import ChainBuilder
from lnfold.recovery.names.conventions import convention_of
from lnfold.recovery.names.layer_order import (
    Arranged,
    Arrangement,
    arranged,
    order_of_family,
    tried,
)
from lnfold.recovery.names.layer_positions import Place
from lnfold.recovery.names.numbered import numbered_layers
from lnfold.recovery.names.roles import role_of
from lnfold.recovery.names.scopes import Group, VariableRole, scope_of


@dataclass(frozen=True, slots=True)
class Names:
    """What names, numbers and shapes say of the layers of a checkpoint.

    Attributes:
        variables: all variables of the checkpoint, by name.
        groups: the parameters by scope.
        places: the place of each layer in its model, by its scope, where objects tell it.
        strange: the scopes of layers of other kinds, by the scope that holds them.
    """

    variables: Mapping[str, Variable]
    groups: Mapping[str, Group]
    places: Mapping[str, Place]
    strange: Mapping[str, Sequence[str]]

    @property
    def numbered(self) -> dict[str, list[Group]]:
        """The strange layers that shapes give a form, by the scope that holds them."""
        return numbered_layers(self.strange, self.variables)

    @property
    def families(self) -> dict[str, list[Group]]:
        """All layers by the scope that holds them, those in numbers too."""
        found, numbered = _families(self.groups), self.numbered
        return {
            scope: [*found.get(scope, ()), *numbered.get(scope, ())]
            for scope in {**found, **numbered}
        }

    def builder(self, scope: str, family: Sequence[Group], settings: Settings) -> ChainBuilder:
        """A new builder of the layers of one scope."""
        names = [name for group in family for name in group.members.values()]
        return ChainBuilder(self.variables, settings, role_of(scope), convention_of(names))

    def networks(self, settings: Settings) -> tuple[Network, ...]:
        """A network for every scope that holds dense layers in an order that can be told.

        The originals first. What the user says wins over what is assumed.
        """
        networks: list[Network] = []
        unplaced: dict[str, list[Group]] = {}
        families = _families(self.groups)
        numbered = self.numbered
        if settings.layers is not None:
            from lnfold.recovery.names.stated import stated_network

            network, scopes = stated_network(families, numbered, self.variables, settings)
            networks.append(network)
            families = {scope: found for scope, found in families.items() if scope not in scopes}
            settings = replace(settings, layers=None)
        for scope, family in families.items():
            chain = _chain(self, scope, family, settings)
            if chain is None:
                unplaced.setdefault(scope.partition("/")[0], []).extend(family)
            else:
                doubts = _doubts(self.strange.get(scope, ()), numbered.get(scope, ()))
                networks.append(replace(chain, gaps=(*chain.gaps, *doubts)))
        taken = {network.name for network in networks}
        for scope, family in unplaced.items():
            name = f"{scope or 'network'} (unwired)" if (scope or "network") in taken else scope
            networks.append(_unwired(self, name or "network", family, settings))
        return tuple(sorted(networks, key=lambda network: bool(role_of(network.name).copy)))

    def arranged(self, scope: str, arrangement: Arrangement, settings: Settings) -> Network:
        """The network of one scope, its layers in an arrangement that is tried."""
        network = _chain(self, scope, arrangement.groups, settings, arrangement)
        assert network is not None  # an arrangement has a dense layer
        placed = {one.scope for one in arrangement.groups}
        strange = [one for one in self.strange.get(scope, ()) if one not in placed]
        doubts = _doubts(strange, self.numbered.get(scope, ()))
        return replace(network, gaps=(*network.gaps, *doubts))


def _doubts(strange: Sequence[str], numbered: Sequence[Group]) -> list[Gap]:
    """A gap for every layer beside the chain of which names do not tell what it computes."""
    vectors = {one.scope for one in numbered if VariableRole.OTHER in one.members}
    told = {one.scope for one in numbered} - vectors
    gaps = []
    for scope in strange:
        what = f"'{scope}' has variables too, but names do not tell what it computes"
        remedy = "Keep the .meta, SavedModel or Keras config beside the checkpoint"
        if scope in vectors:
            what = f"'{scope}' holds one vector, gamma or beta: names tell not which, nor where"
            remedy = f"Give --layers, with {scope}:gamma or {scope}:beta where it stands"
        elif scope in told:
            remedy += f", or give --layers with {scope} where it stands"
        gaps.append(Gap(what, f"{remedy}."))
    return gaps


def _families(groups: Mapping[str, Group]) -> dict[str, list[Group]]:
    """The groups by the scope that holds their layers."""
    families: dict[str, list[Group]] = {}
    for scope, group in groups.items():
        parent = scope_of(scope)
        if parent in groups and groups[parent].is_dense:
            parent = scope_of(parent)  # contrib nests LayerNorm in its dense layer
        families.setdefault(parent, []).append(group)
    return families


def _chain(
    names: Names,
    scope: str,
    family: Sequence[Group],
    settings: Settings,
    arrangement: Arrangement | None = None,
) -> Network | None:
    """The layers of one scope, each reading the one before it; None where nothing tells which."""
    if not any(group.is_dense for group in family):
        return None
    built = names.builder(scope, family, settings)
    order = order_of_family(family, settings, built.convention, names.places)
    widths = {group.scope: built.widths(group) for group in family if group.is_dense}
    sizes = {group.scope: built.size(group) for group in family if group.is_norm}
    joins = built.role.part == "critic"
    found = arranged(family, widths, sizes, names.places, order.value, joins)
    if arrangement is not None and (found is None or found.arrangement.key != arrangement.key):
        found = tried(arrangement)
    if found is None:
        return None
    if sizes and not order.known:
        built.gaps.append(
            Gap(
                "the order of dense layer, norm and activation is not known",
                "Give --order dense-norm-act, dense-act-norm or norm-dense.",
            )
        )
    outputs = _layers(built, found, order.value)
    wiring: Fact[str] = replaced(order, order.value.value if order.value else None)
    if not sizes:
        wiring = replaced(found.sequence, Order.DENSE_NORM_ACT.value)
    return Network(
        scope or "network",
        tuple(built.inputs),
        tuple(outputs),
        tuple(built.layers),
        wiring,
        tuple(built.gaps),
        claims=(*_claims(family, found), *built.claims),
    )


def _layers(built: ChainBuilder, found: Arranged, order: Order | None) -> list[str]:
    """Builds the layers of an arrangement; the outputs."""
    denses, (first, *norms) = found.arrangement.denses, found.arrangement.norms
    value, width = built.observation(built.widths(denses[0])[0])
    for norm in first:
        value = built.norm(norm, value, width)
    heads = _heads(denses, built)
    hidden: tuple[str, int] | None = None
    outputs: list[str] = []
    for index, (dense, behind) in enumerate(zip(denses, norms, strict=True)):
        if index in heads:
            hidden = hidden or (value, width)
            value, width = built.block(dense, behind, *hidden, order, True)
            outputs.append(value)
        else:
            value, width = built.block(dense, behind, value, width, order, False)
    _doubt_siblings(built, denses, outputs)
    return outputs


def _claims(family: Sequence[Group], found: Arranged) -> list[Claim]:
    """The sequence of the dense layers, where there is more than one, and each norm's place."""
    claims = [Claim(SEQUENCE, "", found.sequence)] if len(found.arrangement.denses) > 1 else []
    labels = {group.scope: group.label for group in family}
    return claims + [Claim(PLACEMENT, labels[norm], fact) for norm, fact in found.places.items()]


def _heads(denses: Sequence[Group], built: ChainBuilder) -> range:
    """The places of the layers that deliver outputs: the last one, or several beside each other.

    A layer that takes not what the one before it delivers, but what that takes, is another head
    of the same hidden layer. Where a head is as wide as that layer, shapes do not tell it from
    a layer; examples with as many outputs do.
    """
    examples = built.settings.examples
    told = 0 if examples is None else len(examples.outputs)
    if 1 < told <= len(denses) and len({built.widths(one)[0] for one in denses[-told:]}) == 1:
        return range(len(denses) - told, len(denses))
    first = len(denses) - 1
    while first > 0:
        (taken, _), before = built.widths(denses[first]), built.widths(denses[first - 1])
        if taken == before[1] or taken != before[0]:
            break
        first -= 1
    return range(first, len(denses))


def _doubt_siblings(built: ChainBuilder, denses: Sequence[Group], outputs: Sequence[str]) -> None:
    """A gap where there are several heads: nothing says which of them has an activation.

    Examples can tell, head by head.
    """
    if len(outputs) > 1 and built.settings.examples is None:
        built.gaps.append(
            Gap(
                f"'{denses[-1].label}' seems to be a second head beside "
                f"'{denses[-2].label}', whose activation is not known",
                "Keep the .meta or SavedModel beside the checkpoint.",
            )
        )


def _unwired(names: Names, name: str, family: Sequence[Group], settings: Settings) -> Network:
    """Layers of which nothing tells what they read: each on an input of its own."""
    by_scope = {group.scope: group for group in family}
    built = names.builder(name, family, settings)
    for scope in natural_order(by_scope):
        group = by_scope[scope]
        if group.is_dense:
            width, _ = built.widths(group)
            built.dense(group, built.open_input(group, width), width)
        else:
            width = built.size(group)
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
