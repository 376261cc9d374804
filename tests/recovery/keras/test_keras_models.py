"""Random Keras models through every container that Keras and TensorFlow write."""

from __future__ import annotations

import shutil
import tempfile
import zlib
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings

from lnfold.network.facts.evidence import Source
from lnfold.network.records.layers import Activation, Network, Norm
from tests.recovery.keras_models import Plan, build, plans
from tests.recovery.recovered import error_and_tolerance, facts_of, recovery, without_graph

MODELS = {"": 5, "/": 5, ".keras": 12, ".h5": 12, ".ckpt": 12}  # tracing a graph takes 2 s

checked: Counter[str] = Counter()


def few(container: str) -> settings:
    """As many models as there is time for, the same ones in every run."""
    return settings(
        max_examples=MODELS[container],
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=[HealthCheck.too_slow],
    )


def save(tensorflow: Any, model: Any, container: str, folder: Path) -> Path:
    path = folder / ("model" + container)
    if container == "":
        tensorflow.saved_model.save(model, str(path))
    elif container == "/":
        path = folder / "exported"
        model.export(str(path), verbose=False)
    elif container == ".ckpt":
        tensorflow.train.Checkpoint(model=model).write(str(path))
    else:
        model.save(str(path))
    return path


def agrees(network: Network, plan: Plan, model: Any, seed: int) -> None:
    """Facts are those of the plan, in its order, and NumPy answers as Keras does."""
    assert network.gaps == ()
    kinds = [one for one in facts_of(network.layers) if one[0] != "add"]
    found = [(kind, np.float32(fact) if isinstance(fact, float) else fact) for kind, fact in kinds]
    assert found == plan.facts()
    inputs = np.random.default_rng(seed).standard_normal((16, plan.inputs)).astype(np.float32)
    expected = np.asarray(model(inputs, training=False))
    error, tolerance = error_and_tolerance(network, {"observation": inputs}, expected)
    assert error <= tolerance


@pytest.mark.filterwarnings("ignore:__array__ implementation")  # Keras and h5py
@pytest.mark.parametrize(
    ("container", "source"),
    [
        ("", Source.GRAPH),
        ("/", Source.GRAPH),
        (".keras", Source.CONFIG),
        (".h5", Source.CONFIG),
    ],
)
def test_a_random_model_is_recovered(tensorflow: Any, container: str, source: Source):
    """Any depth, width, norm, order, activation, epsilon and head comes out as it went in."""
    import keras

    @few(container)
    @given(plan=plans)
    def check(plan: Plan) -> None:
        keras.utils.clear_session()
        seed = zlib.crc32(repr(plan).encode())
        model = build(keras, plan, seed)
        folder = Path(tempfile.mkdtemp())
        try:
            found = recovery(save(tensorflow, model, container, folder))
            assert found.notes == ()
            assert found.unused == ()
            (network,) = found.networks
            agrees(network, plan, model, seed)
            for layer in network.layers:
                for _, fact in layer.facts():
                    assert fact.source is source
                for _, parameter in layer.parameters():
                    for name in parameter.variables:  # people's names, no place in a list
                        assert not name.rpartition("/")[2].isdigit()
            checked[container] += 1
        finally:
            shutil.rmtree(folder)

    check()
    assert checked[container] >= MODELS[container]


def test_a_checkpoint_without_config_is_right_or_refused(tensorflow: Any):
    """From variables and objects alone nothing is silently wrong: what is read is true."""
    import keras

    known = Counter[str]()

    @few(".ckpt")
    @given(plan=plans)
    def check(plan: Plan) -> None:
        keras.utils.clear_session()
        model = build(keras, plan, 0)
        folder = Path(tempfile.mkdtemp())
        try:
            found = without_graph(save(tensorflow, model, ".ckpt", folder))
        finally:
            shutil.rmtree(folder)
        for network in found.networks:
            assert not network.complete  # nothing in the checkpoint says the activations
            assert network.wiring.source is not Source.OBJECT_GRAPH
            if network.wiring.where.startswith("Keras models where"):
                known["order"] += 1
                assert network.wiring.value == plan.order
            for layer in network.layers:
                if isinstance(layer, Activation):
                    assert not layer.function.known
                if isinstance(layer, Norm):
                    known["norm"] += 1
                    assert layer.kind in (plan.norm, "other_norm")
                    assert layer.epsilon.source is Source.CONVENTION

    check()
    assert known["norm"] >= 3
    assert known["order"] >= 1
