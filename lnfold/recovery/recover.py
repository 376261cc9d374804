"""Checkpoint → networks, by the best evidence there is.

    1  the graph beside the checkpoint      what TensorFlow itself would run
    2  the Keras config                     layers, order, epsilon, activations
    3  the object graph, and the names      layers; what a known library does is assumed
    4  examples of inputs and outputs       settle what is assumed or missing

In an ``.npz`` that lnfold wrote its manifest says all of it.

Evidence that cannot be read or contradicts the variables is named in a note, and the next best
is used. Options win over assumptions and may not contradict a graph or a config.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from lnfold.checkpoint.numpy_files.manifest import ARCHIVE
from lnfold.checkpoint.variables.checkpoint import Checkpoint
from lnfold.errors import DamagedError, GraphError, UsageError
from lnfold.network.facts.settings import Settings, is_meant
from lnfold.network.records.layers import Dense, Network
from lnfold.recovery.graph.constants import Constants
from lnfold.recovery.graph.graph import Graph
from lnfold.recovery.graph.saved_model import read_meta_graph, read_saved_model
from lnfold.recovery.names.contradictions import (
    check_against_evidence,
    check_functions,
    check_layers,
)
from lnfold.recovery.names.scopes import VariableRole, groups, strange_layers, variable_roles
from lnfold.recovery.record import Recovery, unused_variables
from lnfold.recovery.wiring.dataflow import networks_of

if TYPE_CHECKING:
    from lnfold.recovery.names.averages import Averages

__all__ = ["Recovery", "recover"]

# the formats in which an optimizer's variables have numbers
_NUMBERED: Final = ("Keras .keras", "Keras .weights.h5", "Keras .weights.h5, sharded")


def recover(checkpoint: Checkpoint, settings: Settings | None = None) -> Recovery:
    """Every network of a checkpoint.

    Raises:
        UsageError: an option contradicts the graph or the config, or names no node or
            activation; or the examples fit no network, or more than one candidate.
    """
    settings = settings or Settings()
    check_functions(settings)
    if checkpoint.format == ARCHIVE:
        from lnfold.recovery.archive import recover_archive

        return recover_archive(checkpoint, settings)
    roles = variable_roles(checkpoint.values())
    notes: list[str] = []
    graph = _graph_beside(checkpoint, notes)
    # examples are of the network that is asked for
    plain = replace(settings, examples=None) if settings.averages else settings
    networks = _networks(checkpoint, roles, plain, graph, notes)
    averages = _averages(checkpoint, roles, graph, notes)
    if averages:
        networks = _with_averages(checkpoint, averages, settings, graph, networks, notes)
    elif settings.averages:
        raise _no_averages(checkpoint)
    if not networks and settings.output is not None:
        raise UsageError(
            f"--output-node {settings.output} names a node, but no graph could be read",
            remedy=" ".join(notes) or "Keep the .meta beside the checkpoint.",
        )
    if settings.output is not None:
        notes.append(f"the network ends at '{settings.output}', as --output-node says")
    unused = unused_variables(networks, roles, checkpoint.doubles)
    return Recovery(networks, roles, tuple(notes), unused)


def _networks(
    checkpoint: Checkpoint,
    roles: dict[str, VariableRole],
    settings: Settings,
    graph: Graph | None,
    notes: list[str],
) -> tuple[Network, ...]:
    """The networks of the variables as they stand, by the best evidence."""
    networks = _from_graph(checkpoint, settings, graph, notes)
    if not networks and settings.output is not None:
        return ()
    if not networks:
        networks = _from_config(checkpoint, settings, notes)
    for network in networks:
        if is_meant(network.name, settings):
            check_against_evidence(network, settings)
            check_layers(network, settings)
    return networks or _from_names(checkpoint, roles, settings, notes)


def _averages(
    checkpoint: Checkpoint,
    roles: dict[str, VariableRole],
    graph: Graph | None,
    notes: list[str],
) -> tuple[Averages, ...]:
    """The sets of moving averages that are kept beside variables, or without them."""
    numbered: dict[str, str] = {}
    if checkpoint.format in _NUMBERED:
        from lnfold.recovery.keras.averages import keras_averages, notes_on_unnamed

        # what is wrong with the config is said where the network is read from it
        with suppress(DamagedError, GraphError):
            numbered = keras_averages(checkpoint)
        notes.extend([] if numbered else notes_on_unnamed(checkpoint))
        roles.update(dict.fromkeys(numbered.values(), VariableRole.MOVING_AVERAGE))
    if VariableRole.MOVING_AVERAGE not in roles.values():
        return ()
    from lnfold.recovery.names.averages import averages_among

    return averages_among(checkpoint, roles, () if graph is None else graph.variables, numbered)


def _no_averages(checkpoint: Checkpoint) -> UsageError:
    """The error for --averages where there are none, or none that can be told."""
    if checkpoint.format in _NUMBERED:
        from lnfold.recovery.keras.averages import numbered_slots

        if numbered_slots(checkpoint) and not checkpoint.keras_config:
            return UsageError(
                "--averages: the optimizer's variables in it have numbers for names, and nothing "
                "says whether moving averages are among them",
                file=checkpoint.path,
                remedy="Take the model's .keras file, whose config says it.",
            )
    return UsageError("--averages: no moving averages of variables are in it", file=checkpoint.path)


def _with_averages(
    checkpoint: Checkpoint,
    sets: tuple[Averages, ...],
    settings: Settings,
    graph: Graph | None,
    networks: tuple[Network, ...],
    notes: list[str],
) -> tuple[Network, ...]:
    """The networks, and behind them those that read moving averages of their variables."""
    from lnfold.recovery.names.averages import called_averaged, questions, restored, twin

    # norms whose statistics alone are kept beside averages are part of what those are of
    found = [one for one in networks if any(isinstance(layer, Dense) for layer in one.layers)]
    alone = not found
    for averages in sets:
        view = restored(checkpoint, averages)
        meant = settings.network and settings.network.removesuffix(f"/{averages.name}")
        examples = settings.examples if settings.averages or alone else None
        tried = replace(settings, network=meant, examples=examples)
        said: list[str] = []
        twins = _networks(view, variable_roles(view.values()), tried, graph, said)
        known = {frozenset(one.variables()) for one in found}
        made = [one for one in (twin(network, averages) for network in twins) if one is not None]
        found += [one for one in made if frozenset(one.variables()) not in known]
        if made and alone:
            notes[:] = said
    if not found:
        return networks
    found = called_averaged(found) if settings.averages else found
    notes.extend(questions(found))
    return tuple(found)


def _from_graph(
    checkpoint: Checkpoint, settings: Settings, graph: Graph | None, notes: list[str]
) -> tuple[Network, ...]:
    if graph is None:
        return ()
    try:
        # a copy goes by the name of what it is a copy of: dense/kernel, not _all_variables/0
        copied = checkpoint.doubles
        by_key = {
            one.key: checkpoint[copied.get(one.name, one.name)] for one in checkpoint.values()
        }
        constants = Constants(graph, by_key, _object_keys(checkpoint))
        found = networks_of(graph, constants, settings.output)
    except GraphError as error:
        notes.append(f"the graph was not used: {error}")
        return ()
    notes.extend(found.notes)
    if not found.networks:
        notes.append(f"{graph.where}: no dense layer of this checkpoint's variables is in it")
    return found.networks


def _graph_beside(checkpoint: Checkpoint, notes: list[str]) -> Graph | None:
    try:
        return _graph(checkpoint)
    except GraphError as error:
        notes.append(f"the graph was not used: {error}")
        return None


def _graph(checkpoint: Checkpoint) -> Graph | None:
    path = checkpoint.graph_file
    if path is None:
        return None
    if path.endswith(".meta"):
        return read_meta_graph(path)
    return read_saved_model(path) if path.endswith(".pb") else None


def _object_keys(checkpoint: Checkpoint) -> dict[int, str]:
    """The key of each object's value, by the object's number."""
    objects = checkpoint.object_graph
    return {
        number: node.attributes[0].key
        for number, node in enumerate(objects.nodes if objects is not None else ())
        if node.attributes
    }


def _from_config(
    checkpoint: Checkpoint, settings: Settings, notes: list[str]
) -> tuple[Network, ...]:
    try:
        config = checkpoint.keras_config
        if not config:
            return ()
        from lnfold.recovery.keras.network import network_of_config

        network = network_of_config(config, checkpoint, checkpoint.path, settings.epsilon)
    except (DamagedError, GraphError) as error:
        notes.append(f"the Keras config was not used: {error}")
        return ()
    return (network,)


def _from_names(
    checkpoint: Checkpoint,
    roles: dict[str, VariableRole],
    settings: Settings,
    notes: list[str],
) -> tuple[Network, ...]:
    # what only this evidence needs is imported here: with a graph beside it, start-up is free of it
    from lnfold.recovery.names.chains import Names
    from lnfold.recovery.names.layer_positions import layer_places

    grouped, places = groups(roles), layer_places(checkpoint)
    strange = strange_layers(checkpoint, roles)
    names = Names(checkpoint, grouped, places, strange)
    if settings.examples is None or not any(
        group.is_dense for family in names.families.values() for group in family
    ):
        found = names.networks(settings)
        notes.extend(_dueling(found))
        return found
    from lnfold.recovery.examples.candidates import read_once
    from lnfold.recovery.examples.settle import settled

    return settled(replace(names, variables=read_once(checkpoint)), settings, notes)


def _dueling(networks: tuple[Network, ...]) -> list[str]:
    """A note for every pair of branches whose names betray that they join in a sum."""
    scopes = {network.name.rpartition("/")[::2] for network in networks}
    return [
        f"{above}/action_value and {above}/state_value are the branches of a dueling network: "
        "without a graph each is a network of its own, and their sum is not run"
        for above, branch in sorted(scopes)
        if branch == "action_value" and (above, "state_value") in scopes
    ]
