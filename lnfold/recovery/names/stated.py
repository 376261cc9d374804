"""Networks whose layers the user states in the order in which they run.

``--layers "fc1 ln1 relu fc2 bn relu out"``: scopes in full or by the shortest ending that no other
layer has, and activations between them. ``mu tanh, log_std`` is a second head behind the comma,
which reads what the last dense layer before it reads. A norm of one vector, of which names do not
tell whether it scales or shifts, is ``ln1:gamma`` or ``ln1:beta``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from lnfold.checkpoint.bytes.natural_order import natural_order
from lnfold.checkpoint.variables.variable import Variable
from lnfold.errors import UsageError
from lnfold.network.facts.evidence import Fact, Source
from lnfold.network.facts.settings import Settings, is_meant
from lnfold.network.operations.activations import FUNCTIONS
from lnfold.network.records.claims import OUTPUT_ACTIVATION, PLACEMENT, SEQUENCE, Claim
from lnfold.network.records.layers import Activation, Network
from lnfold.recovery.names.chain_builder import ChainBuilder
from lnfold.recovery.names.conventions import convention_of
from lnfold.recovery.names.roles import role_of, shared_scope
from lnfold.recovery.names.scopes import Group, VariableRole

OPTION: Final = "--layers"
_HEAD: Final = ","
_SUMS: Final = "obs_rms"
_VECTORS: Final = {"gamma": VariableRole.GAMMA, "beta": VariableRole.BETA}

Families = Mapping[str, Sequence[Group]]


def stated_network(
    families: Families,
    numbered: Families,
    variables: Mapping[str, Variable],
    settings: Settings,
) -> tuple[Network, frozenset[str]]:
    """The network that ``settings.layers`` states, and the families that its layers are of.

    Args:
        families: the layers by the scope that holds them.
        numbered: those whose variables have numbers for names, likewise.

    Raises:
        UsageError: a name that is none or several, a layer that does not fit behind the one
            before it, a layer left out; or an option that says what the layers say already.
    """
    _expect_no_other_option(settings)
    here = {
        scope: [*families.get(scope, ()), *numbered.get(scope, ())]
        for scope in {**families, **numbered}
    }
    meant = {scope: found for scope, found in here.items() if is_meant(scope, settings)} or here
    words = (settings.layers or "").replace(_HEAD, f" {_HEAD} ").split()
    layers = [_meaning(word, meant) for word in words]
    named = [one for one in layers if isinstance(one, Group)]
    scopes = [
        scope for scope, found in meant.items() if {one.scope for one in found} & _scopes(named)
    ]
    _expect_all(named, [one for scope in scopes for one in meant[scope]])
    name = (scopes[0] if len(scopes) == 1 else shared_scope(scopes)) or "network"
    names = [name for group in named for name in group.members.values()]
    built = ChainBuilder(variables, settings, role_of(name), convention_of(names))
    outputs = _layers(built, layers)
    said = Fact(" → ".join(one.label for one in named if one.is_dense), Source.OPTION, OPTION)
    placed = [
        Claim(PLACEMENT, one.label, Fact(f"after '{before}'", Source.OPTION, OPTION))
        for before, one in zip(["the input", *words], layers, strict=False)
        if isinstance(one, Group) and one.is_norm
    ]
    network = Network(
        name,
        tuple(built.inputs),
        tuple(outputs),
        tuple(built.layers),
        Fact("the layers as given", Source.OPTION, OPTION),
        tuple(built.gaps),
        claims=(Claim(SEQUENCE, "", said), *placed, *built.claims),
    )
    return network, frozenset(scopes)


def _expect_no_other_option(settings: Settings) -> None:
    for option, given in (
        ("--order", settings.order),
        ("--activation", settings.activation),
        ("--output-activation", settings.output_activation),
    ):
        if given is not None:
            raise UsageError(
                f"{OPTION} says already what {option} says", remedy=f"Leave {option} out."
            )


def _meaning(word: str, families: Families) -> Group | str:
    """The layer or the activation that a word means."""
    if word in (_HEAD, _SUMS):
        return word
    name, _, vector = word.partition(":")
    layers = {one.label: one for found in families.values() for one in found}
    found = [one for label, one in layers.items() if label == name]
    found = found or [one for label, one in layers.items() if label.endswith(f"/{name}")]
    if len(found) > 1:
        raise UsageError(
            f"{OPTION} names '{word}', which several layers are called: "
            + ", ".join(one.label for one in found),
            remedy="Name it by more of its scope, or give --network.",
        )
    if found:
        return _with_vector(found[0], vector)
    if name in FUNCTIONS and not vector:
        return name
    raise UsageError(
        f"{OPTION} names '{word}', which is neither a layer nor an activation",
        remedy=f"Layers: {', '.join(natural_order(layers)) or 'none'}. "
        f"Activations: {', '.join(FUNCTIONS)}.",
    )


def _with_vector(group: Group, vector: str) -> Group:
    """A layer; a norm of one unnamed vector with the role that the user gives that."""
    if VariableRole.OTHER not in group.members:
        if vector:
            raise UsageError(f"{OPTION}: '{group.label}' is no norm of one unnamed vector")
        return group
    if vector not in _VECTORS:
        raise UsageError(
            f"{OPTION}: '{group.label}' holds one vector, and nothing tells which",
            remedy=f"Give {group.label}:gamma or {group.label}:beta.",
        )
    return Group(group.scope, {_VECTORS[vector]: group.members[VariableRole.OTHER]})


def _scopes(groups: Sequence[Group]) -> set[str]:
    return {one.scope for one in groups}


def _expect_all(named: Sequence[Group], there: Sequence[Group]) -> None:
    """UsageError unless every layer is named, each once, and one of them is dense."""
    names = [one.label for one in named]
    twice = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    if twice:
        raise UsageError(f"{OPTION} names a layer twice: {', '.join(twice)}")
    left = [one.label for one in there if one.label not in names]
    if left:
        raise UsageError(
            f"{OPTION} leaves out {', '.join(natural_order(left))}",
            remedy="Name every layer of the network where it runs.",
        )
    if not any(one.is_dense for one in named):
        raise UsageError(f"{OPTION} names no dense layer")


def _layers(built: ChainBuilder, layers: Sequence[Group | str]) -> list[str]:
    """Builds the layers as they are stated; the outputs."""
    first = next(one for one in layers if isinstance(one, Group))
    width = built.widths(first)[0] if first.is_dense else built.size(first)
    value, width = built.observation(width, standardized=layers[0] == _SUMS)
    outputs: list[str] = []
    before = value, width  # what the last dense layer reads
    for one in (*layers, _HEAD):
        if one == _HEAD:
            outputs.append(value)
            value, width = before
        elif isinstance(one, str):
            value = value if one == _SUMS else built.stated(one, value)
        elif one.is_dense:
            before = value, width
            _expect_fit(built, one, built.widths(one)[0], width, value)
            value, width = built.dense(one, value, width)
        else:
            _expect_fit(built, one, built.size(one), width, value)
            value = built.norm(one, value, width)
    ends = {layer.name for layer in built.layers if not isinstance(layer, Activation)}
    for output in dict.fromkeys(outputs):
        if output in ends:
            said = Fact("identity", Source.OPTION, OPTION)
            built.claims.append(Claim(OUTPUT_ACTIVATION, output, said, OPTION))
    return list(dict.fromkeys(outputs))


def _expect_fit(built: ChainBuilder, group: Group, size: int, width: int, value: str) -> None:
    """UsageError where a layer cannot read a value."""
    if size == width or (group.is_dense and built.joins(size, width)):
        return
    what = "takes" if group.is_dense else "holds"
    raise UsageError(
        f"{OPTION}: '{group.label}' {what} {size} numbers, but '{value}' delivers {width}",
        remedy="Name the layers in the order in which they run.",
    )
