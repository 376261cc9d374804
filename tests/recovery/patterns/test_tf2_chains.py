"""Every chain of TensorFlow 2 operations, saved by TensorFlow, recovered and run without it."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
import pytest

from lnfold.network.records.layers import Activation, Network, Norm
from lnfold.recovery.recover import Recovery
from tests.recovery import tf2_norms  # noqa: F401  (registers its chains)
from tests.recovery.recovered import error_and_tolerance, recovery
from tests.recovery.tf2_layouts import CHAINS

ROWS = 32
READ = sorted(name for name, chain in CHAINS.items() if not chain.refused)
REFUSED = sorted(name for name, chain in CHAINS.items() if chain.refused)

Saved = tuple[Recovery, dict[str, np.ndarray], dict[str, np.ndarray]]


@pytest.fixture(scope="module")
def saved(tensorflow: Any, tmp_path_factory: pytest.TempPathFactory) -> Saved:
    """All chains as signatures of one SavedModel: what is recovered, the inputs, the answers."""
    tf = tensorflow
    module = tf.Module()
    chains: dict[str, dict[str, Any]] = {}
    signatures, inputs, outputs = {}, {}, {}
    for name, chain in CHAINS.items():
        random = np.random.default_rng(zlib.crc32(name.encode()))
        variables: dict[str, Any] = {}
        chains[name] = variables
        function = _function(tf, name, variables, random)
        shape = [ROWS if size is None else size for size in chain.shape]
        inputs[name] = random.standard_normal(shape).astype(np.float32)
        outputs[name] = function(tf.constant(inputs[name]))["y"].numpy()
        signatures[name] = function
    module.chains = chains
    path = tmp_path_factory.mktemp("chains") / "saved"
    tf.saved_model.save(module, str(path), signatures)
    return recovery(path), inputs, outputs


def _function(tf: Any, name: str, variables: dict[str, Any], random: Any) -> Any:
    chain = CHAINS[name]

    def make(role: str, shape: tuple[int, ...]) -> Any:
        key = role.replace("/", "_")
        if key not in variables:
            values = random.standard_normal(shape)
            if role.endswith(("variance", "std")):
                values = np.abs(values) + 0.5
            variables[key] = tf.Variable(values.astype(np.float32), name=f"chains/{name}/{role}")
        return variables[key]

    def build(x: Any) -> dict[str, Any]:
        return {"y": chain.build(tf, make, x)}

    build(tf.zeros([2 if size is None else size for size in chain.shape]))  # makes the variables
    return tf.function(build, input_signature=[tf.TensorSpec(chain.shape, tf.float32, name="x")])


def network_of(found: Recovery, chain: str) -> Network:
    """The network that reads the variables of one chain."""
    networks = [
        network
        for network in found.networks
        if any(f"chains/{chain}/" in name for name in network.variables())
    ]
    assert len(networks) == 1
    return networks[0]


def test_enough_chains_are_built():
    """There are at least eighty-five to read and twenty to refuse, so nothing passes empty."""
    assert len(READ) >= 85
    assert len(REFUSED) >= 20


@pytest.mark.parametrize("chain", READ)
def test_a_chain_is_read_as_it_was_built(saved: Saved, chain: str):
    """Kinds, epsilon and function are those of the construction, and NumPy agrees."""
    found, inputs, outputs = saved
    network = network_of(found, chain)
    truth = CHAINS[chain]

    assert network.gaps == ()
    assert tuple(sorted(layer.kind for layer in network.layers)) == tuple(sorted(truth.kinds))
    for layer in network.layers:
        if isinstance(layer, Norm):
            assert np.float32(layer.epsilon.value) == np.float32(truth.epsilon)
        if isinstance(layer, Activation) and truth.function:
            assert layer.function.value == truth.function
    error, tolerance = error_and_tolerance(network, {"x": inputs[chain]}, outputs[chain])
    assert error <= (tolerance if chain != "mixed_precision" else HALF_ULPS)


# What the chain casts to float16 and back is lnfold's in float32: half an ulp of float16 at the
# values' scale of at most 16, divided by a deviation that is above 0.1, times |gamma| below 4.
HALF_ULPS = 2.0**-11 * 16 / 0.1 * 4


@pytest.mark.parametrize("chain", REFUSED)
def test_what_is_not_run_is_named(saved: Saved, chain: str):
    """The network is incomplete, says which operation it is, and keeps what it recovered."""
    found, _, _ = saved
    network = network_of(found, chain)
    truth = CHAINS[chain]

    assert not network.complete
    assert truth.refused in " ".join(gap.what for gap in network.gaps)
    kinds = [layer.kind for layer in network.layers]
    assert set(truth.kinds) <= set(kinds)
    if "layer_norm" not in truth.kinds:
        assert "layer_norm" not in kinds
        assert "batch_norm" not in kinds
