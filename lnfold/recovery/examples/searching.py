"""From the groups of one scope and examples to a search over the arrangements of its layers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from lnfold.network.facts.evidence import Fact
from lnfold.network.facts.order import Order
from lnfold.network.facts.settings import Examples, Settings
from lnfold.network.records.layers import Array, Dense, Input, Network, Norm
from lnfold.network.records.norms import UnrunNorm
from lnfold.network.running.run import step_of
from lnfold.recovery.examples.arrangements import Block, Choices, Inputs, Tried
from lnfold.recovery.examples.candidates import ACTIVATIONS, EPSILONS, HEADS
from lnfold.recovery.examples.example_arrays import matched, rows_of
from lnfold.recovery.names.chain_builder import ChainBuilder
from lnfold.recovery.names.scopes import Group, VariableRole

_ROWS = 2  # that every arrangement answers; a wrong one is off by about the outputs' own size

Builder = Callable[[], ChainBuilder]


def tried_of(
    family: Sequence[Group], heads: int, built: Builder, settings: Settings, examples: Examples
) -> Tried | None:
    """What is to be tried of the layers of one scope; None where some of them are not run.

    Args:
        heads: how many layers deliver outputs, as far as is known without examples.
        built: makes a new builder of layers.
    """
    denses = [_dense(one, built()) for one in family if one.is_dense]
    norms = [[_norm(form, built()) for form in _forms(one)] for one in family if not one.is_dense]
    known = [one for one in denses if one is not None]
    forms = [[one for one in found if one is not None] for found in norms]
    outputs = _outputs(examples)
    if len(known) < len(denses) or not all(forms) or not outputs:
        return None
    row = built().convention
    assumed = () if row is None or row.epsilon is None else (row.epsilon,)
    usual = tuple(dict.fromkeys([*assumed, *EPSILONS]))
    return Tried(
        known,
        forms,
        _inputs(built, examples),
        outputs,
        max(heads, len(outputs)),
        Choices(
            [settings.order] if settings.order else list(Order),
            usual if settings.epsilon is None else (settings.epsilon,),
            ACTIVATIONS if settings.activation is None else (settings.activation,),
            HEADS if settings.output_activation is None else (settings.output_activation,),
        ),
        built().role.part == "critic",
    )


def _dense(group: Group, built: ChainBuilder) -> Block | None:
    taken, units = built.widths(group)
    built.inputs.append(Input("x", (None, taken)))
    built.dense(group, "x", taken)
    layer = built.layers[-1]
    plain = isinstance(layer, Dense) and not built.gaps
    return Block(group, layer, taken, units) if plain else None


def _norm(group: Group, built: ChainBuilder) -> Block | None:
    size = built.size(group)
    built.norm(group, "x", size)
    layer = built.layers[-1]
    plain = isinstance(layer, Norm) and not isinstance(layer, UnrunNorm)
    return Block(group, layer, size, size) if plain else None


def _forms(group: Group) -> list[Group]:
    """A norm; of a vector that may scale or shift, both."""
    vector = group.members.get(VariableRole.OTHER)
    if vector is None:
        return [group]
    return [Group(group.scope, {role: vector}) for role in (VariableRole.GAMMA, VariableRole.BETA)]


def _inputs(built: Builder, examples: Examples) -> Inputs:
    """The rows of the examples' inputs, as the first layer and what joins take them."""

    def rows(width: int, joins: int) -> tuple[Array, Array | None] | None:
        taken = [Input("observation", (None, width))] + (
            [Input("action", (None, joins))] if joins else []
        )
        stub = Network("", tuple(taken), (), (), Fact.unknown(""))
        found = matched(stub, examples)
        if found is None:
            return None
        few = rows_of(found, _ROWS)
        before = built()
        before.observation(width)
        value = few["observation"]
        for layer in before.layers:
            value = step_of(layer, np.float32)(value)
        return value, few.get("action")

    return rows


def _outputs(examples: Examples) -> list[Array]:
    """The rows of the examples' outputs that are numbers, as matrices."""
    rows = max(np.shape(one)[0] for one in examples.inputs.values() if np.ndim(one))
    given = [np.asarray(one) for one in examples.outputs.values()]
    matrices = {
        str(number): one.astype(np.float64).reshape(rows, -1)
        for number, one in enumerate(given)
        if one.dtype.kind in "fiub" and one.size and one.size % rows == 0
    }
    return list(rows_of(matrices, _ROWS).values())
