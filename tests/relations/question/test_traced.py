"""What concerns the values of all layers is found once; a network of many layers costs its size."""

from __future__ import annotations

import json
from collections.abc import Mapping

import numpy as np

from lnfold.network.records.network import Network
from lnfold.recovery.recover import recover
from lnfold.relations.question.traced import Traced, traced
from lnfold.report.account.record import build_report
from tests.recovery.made import checkpoint


def blocks(count: int) -> tuple[str, dict[str, np.ndarray]]:
    """A Keras config of so many blocks of dense layer, LayerNorm and tanh, and its arrays."""
    generator = np.random.default_rng(0)
    layers = [{"class_name": "InputLayer", "config": {"name": "x", "batch_shape": [None, 4]}}]
    arrays = {}
    for i in range(count):
        for name, kind, config in (
            (f"d{i}", "Dense", {"use_bias": True}),
            (f"n{i}", "LayerNormalization", {"axis": [-1], "epsilon": 1e-3}),
            (f"a{i}", "Activation", {"activation": "tanh"}),
        ):
            layers.append(
                {"class_name": kind, "config": {"name": name, "trainable": True, **config}}
            )
        arrays[f"d{i}/kernel"] = generator.standard_normal((4, 4)).astype(np.float32)
        for name in (f"d{i}/bias", f"n{i}/gamma", f"n{i}/beta"):
            arrays[name] = generator.standard_normal(4).astype(np.float32)
    config = {"class_name": "Sequential", "config": {"name": "m", "layers": layers}}
    return json.dumps(config), arrays


class Counted(dict):
    """Values that count how often all of them are gone through."""

    walks = 0

    def values(self):
        self.walks += 1
        return super().values()


def test_values_are_gone_through_once_for_each_question():
    """However often it is asked."""
    values = Counted({"a": np.ones((6, 2)), "b": np.ones((3, 2))})
    held = traced(values)
    for _ in range(5):
        assert held.finite
        assert held.observations == 3

    assert values.walks == 2
    assert traced(held) is held
    assert not Traced({"a": np.array([[np.nan]])}).finite
    assert Traced({}).observations == 1
    assert dict(held) == dict(values)


def test_a_report_on_four_times_as_many_blocks_goes_through_all_values_as_often(monkeypatch):
    """All values are gone through so often, and no oftener for a longer network."""
    made: list[Traced] = []
    begin = Traced.__init__

    def counting(self: Traced, values: Mapping[str, np.ndarray]) -> None:
        made.append(self)
        begin(self, values)

    monkeypatch.setattr(Traced, "__init__", counting)
    walks = []
    for count in (10, 40):
        text, arrays = blocks(count)
        saved = checkpoint(arrays, config=text)
        before = len(made)
        report = build_report(saved, recover(saved))
        assert len(report.networks[0].network.layers) == 3 * count
        walks.append(len(made) - before)
    assert 0 < walks[1] <= walks[0]


def test_producers_and_consumers_are_those_of_the_layers():
    """By the index, and by looking; an input has no producer, and nobody reads an output."""
    text, arrays = blocks(5)
    (network,) = recover(checkpoint(arrays, config=text)).networks
    names = [*(one.name for one in network.inputs), *(layer.name for layer in network.layers)]
    for name in [*names, "nothing"]:
        found = [layer for layer in network.layers if layer.name == name]
        assert network.producer(name) is (found[0] if found else None)
        readers = tuple(layer for layer in network.layers if name in layer.inputs)
        assert network.consumers(name) == readers
    assert isinstance(network, Network)
    assert not network.consumers(network.outputs[0])
