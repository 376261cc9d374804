"""Every chain of TensorFlow 1.15 in fixtures/ against the truth noted while it was built."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from lnfold.network.facts.settings import Settings
from lnfold.network.records.layers import Activation, Dense, Layer, Network, Norm, Opaque
from lnfold.network.records.norms import UnrunNorm
from lnfold.network.running.run import run
from lnfold.recovery.recover import Recovery
from tests.recovery.recovered import FIXTURES, error_and_tolerance, recovery

CHAINS: dict[str, dict[str, Any]] = json.loads((FIXTURES / "chains.json").read_text())
READ = sorted(name for name, chain in CHAINS.items() if chain["refused"] is None)
REFUSED = sorted(set(CHAINS) - set(READ))


def test_the_fixtures_cover_the_chains():
    """There are at least forty chains to read and four to refuse, so nothing passes empty."""
    assert len(READ) >= 40
    assert len(REFUSED) >= 4


def ending_at(found: Recovery, chain: str, node: str) -> Network:
    """The network that delivers a node, recovered with no options if it ends there at all."""
    for network in found.networks:
        if node in network.outputs:
            return network
    return recovery(FIXTURES / CHAINS[chain]["checkpoint"], Settings(output=node)).networks[0]


# what a program may feed otherwise is said; nothing else is to be said of these graphs
DEFAULTS = {
    "dropout_training_placeholder": ["flag 'training' is taken as off"],
    "keras_batch_norm_learning_phase": ["flag 'keras_learning_phase' is taken as off"],
    "layers_batch_norm_training_placeholder": ["flag 'training' is taken as off"],
}


def matched(notes: list[dict[str, Any]], network: Network) -> list[tuple[dict[str, Any], Layer]]:
    """Each note with its layer: one by one where the kinds agree, else by the node."""
    if [note["kind"] for note in notes] == [layer.kind for layer in network.layers]:
        return list(zip(notes, network.layers, strict=True))
    layers = {layer.name: layer for layer in network.layers}
    found = [(note, layers[note["node"]]) for note in notes if note["node"] in layers]
    assert len(found) >= len(network.layers) - 2
    return found


def value_of(name: str, arrays: dict[str, np.ndarray], found: Recovery) -> np.ndarray:
    """An input as it was fed, or as another network of the same graph delivers it."""
    if name in arrays:
        return arrays[name]
    before = next(network for network in found.networks if name in network.outputs)
    return run(before, {one.name: arrays[one.name] for one in before.inputs})[name]


@pytest.mark.parametrize("chain", READ)
def test_a_chain_is_read_as_it_was_built(chain: str):
    """Kinds, epsilons, functions and parameters are the noted ones, and the outputs agree."""
    truth = CHAINS[chain]
    found = recovery(FIXTURES / truth["checkpoint"])
    assert [one.partition(",")[0] for one in found.notes] == DEFAULTS.get(chain, [])
    assert found.unused == ()
    for noted in truth["networks"]:
        network = ending_at(found, chain, noted["output_node"])
        assert network.gaps == ()
        for note, layer in matched(noted["layers"], network):
            if isinstance(layer, Norm):
                assert layer.kind == note["kind"]
                assert np.float32(layer.epsilon.value) == pytest.approx(note["epsilon"], rel=1e-3)
            if isinstance(layer, Activation):
                assert layer.function.value == note["function"]
            for role, parameter in layer.parameters():
                if isinstance(note.get(role), str):
                    assert note[role].removesuffix(":0") in parameter.variables
            if isinstance(layer, Norm | Dense):
                held = {role for role, _ in layer.parameters()}
                named = {role for role, name in note.items() if isinstance(name, str)}
                roles = {"kernel", "bias", "gamma", "beta", "moving_mean", "moving_variance"}
                assert held & roles == named & roles
        arrays = dict(np.load(FIXTURES / noted["expected"]))
        inputs = {one.name: value_of(one.name, arrays, found) for one in network.inputs}
        output = noted["output_node"] if noted["output_node"] in network.outputs else ""
        error, tolerance = error_and_tolerance(network, inputs, arrays["outputs"], output)
        assert error <= tolerance


@pytest.mark.parametrize("chain", REFUSED)
def test_a_chain_that_is_no_chain_of_layers_is_refused_by_name(chain: str):
    """What depends on the batch, on chance or on places is incomplete, and never a LayerNorm."""
    truth = CHAINS[chain]
    found = recovery(FIXTURES / truth["checkpoint"])
    assert found.networks
    for network in found.networks:
        assert not network.complete
        unrun = [layer for layer in network.layers if isinstance(layer, UnrunNorm | Opaque)]
        assert unrun
        assert all(layer.kind != "layer_norm" for layer in network.layers)
        assert any("'" in gap.what for gap in network.gaps)


def test_the_refusals_say_what_they_refuse():
    """begin_norm_axis=0, a group norm, an instance norm and random numbers are each named."""
    said = {
        chain: " ".join(
            gap.what
            for network in recovery(FIXTURES / CHAINS[chain]["checkpoint"]).networks
            for gap in network.gaps
        )
        for chain in REFUSED
    }

    assert "begin_norm_axis=0" in said["contrib_layer_norm_over_batch"]
    assert "group norm" in said["contrib_group_norm"]
    assert "instance norm" in said["contrib_instance_norm"]
    assert "RandomUniform" in said["dropout_keep_placeholder"]
