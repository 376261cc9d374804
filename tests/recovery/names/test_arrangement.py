"""The sequence of layers and the place of every norm are facts with evidence of their own."""

from __future__ import annotations

from itertools import pairwise, permutations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lnfold.network.facts.evidence import Source
from lnfold.network.facts.order import Order
from lnfold.network.facts.settings import Settings
from lnfold.network.records.claims import PLACEMENT, SEQUENCE
from lnfold.network.records.layers import Network
from lnfold.recovery.names.fitting import only_sequence, placements, sequences
from lnfold.recovery.recover import recover
from lnfold.report.words.diagram import Format, diagram
from lnfold.report.words.tree import tree
from tests.recovery.made import checkpoint

widths = st.integers(1, 3)
TOLD = Settings(1e-3, Order.DENSE_NORM_ACT, "relu", "tanh")


def mlp(*units: int, norms: str = "LayerNorm", scope: str = "actor") -> dict[str, np.ndarray]:
    """Dense layers dense, dense_1, … with a norm behind each but the last."""
    random = np.random.default_rng(1)
    arrays: dict[str, np.ndarray] = {}
    for number, (taken, made) in enumerate(pairwise(units)):
        suffix = f"_{number}" if number else ""
        arrays[f"{scope}/dense{suffix}/kernel"] = random.normal(size=(taken, made))
        arrays[f"{scope}/dense{suffix}/bias"] = random.normal(size=made)
        if number < len(units) - 2:
            arrays[f"{scope}/{norms}{suffix}/gamma"] = 1 + random.normal(size=made) / 4
            arrays[f"{scope}/{norms}{suffix}/beta"] = random.normal(size=made)
    return {name: one.astype(np.float32) for name, one in arrays.items()}


def recovered(arrays: dict[str, np.ndarray], settings: Settings = TOLD) -> Network:
    (network,) = recover(checkpoint(arrays), settings).networks
    return network


def sources(network: Network, what: str) -> list[Source]:
    return [claim.fact.source for claim in network.claims if claim.what == what]


@given(st.lists(st.tuples(widths, widths), min_size=1, max_size=5))
def test_every_order_that_fits_is_found(layers: list[tuple[int, int]]):
    """Those among all permutations where each layer takes what the one before it delivers."""
    fitting = [
        one
        for one in permutations(range(len(layers)))
        if all(layers[a][1] == layers[b][0] for a, b in pairwise(one))
    ]

    assert [one for one in sequences(layers) if one is not None] == fitting
    assert only_sequence(layers) == (fitting[0] if len(fitting) == 1 else None)


@given(st.lists(widths, min_size=1, max_size=5), st.lists(widths, max_size=4))
def test_every_placement_that_fits_is_found(values: list[int], norms: list[int]):
    """Each norm on a value of its own that is as wide."""
    fitting = [
        one
        for one in permutations(range(len(values)), len(norms))
        if all(values[place] == norm for place, norm in zip(one, norms, strict=True))
    ]

    assert list(placements(values, norms)) == fitting


def test_among_equal_widths_sequence_and_placement_are_assumed_whatever_else_is_given():
    """--order, --epsilon and the activations settle themselves only."""
    network = recovered(mlp(8, 8, 8, 2))

    assert network.wiring.source is Source.OPTION
    assert sources(network, SEQUENCE) == [Source.CONVENTION]
    assert sources(network, PLACEMENT) == [Source.CONVENTION] * 2
    assert [one.what for one in network.assumed] == [
        "sequence",
        "placement of 'actor/LayerNorm'",
        "placement of 'actor/LayerNorm_1'",
    ]
    assert {one.remedy for one in network.assumed} == {"--layers"}


def test_shapes_that_leave_one_order_and_one_placement_settle_both():
    """5 → 8 → 6 → 2 has one chain, and each norm one value of its width."""
    network = recovered(mlp(5, 8, 6, 2))

    assert sources(network, SEQUENCE) == [Source.SHAPES]
    assert sources(network, PLACEMENT) == [Source.SHAPES] * 2
    assert network.assumed == ()


def test_shapes_win_over_names():
    """Layers whose names are numbered in another order than their shapes can follow."""
    arrays = mlp(5, 8, 6, 2)
    turned = {"dense": "dense_2", "dense_1": "dense", "dense_2": "dense_1"}
    renamed = {}
    for name, array in arrays.items():
        scope, layer, leaf = name.split("/")
        renamed[f"{scope}/{turned.get(layer, layer)}/{leaf}"] = array
    network = recovered(renamed)
    dense = [layer.name for layer in network.layers if layer.kind == "dense"]

    assert dense == ["actor/dense_2", "actor/dense", "actor/dense_1"]
    assert sources(network, SEQUENCE) == [Source.SHAPES]


def test_one_norm_among_equal_widths_is_assumed_to_stand_where_it_does():
    """A norm as wide as input and hidden layers may stand on any of these values."""
    arrays = mlp(8, 8, 2)
    network = recovered(arrays)

    assert sources(network, SEQUENCE) == [Source.SHAPES]
    assert sources(network, PLACEMENT) == [Source.CONVENTION]


def test_a_norm_in_the_scope_of_a_dense_layer_belongs_to_it():
    """tf.contrib nests the normaliser in its layer: the name says which."""
    random = np.random.default_rng(2)
    arrays = {}
    for layer in ("fully_connected", "fully_connected_1"):
        arrays[f"q/{layer}/weights"] = random.normal(size=(6, 6)).astype(np.float32)
        arrays[f"q/{layer}/LayerNorm/gamma"] = np.ones(6, np.float32)
        arrays[f"q/{layer}/LayerNorm/beta"] = np.zeros(6, np.float32)
    network = recovered(arrays)

    assert sources(network, PLACEMENT) == [Source.NAMES] * 2
    assert sources(network, SEQUENCE) == [Source.CONVENTION]


def test_what_is_assumed_is_marked_where_it_is_drawn():
    """An arrow →? in front of each layer whose place is assumed; none where shapes tell it."""
    assumed, told = recovered(mlp(8, 8, 8, 2)), recovered(mlp(5, 8, 6, 2))

    (line,) = tree(assumed)
    assert line.text.count("→?") == 5
    assert "→?" not in tree(told)[0].text
    for form, mark in ((Format.MERMAID, "-->|?|"), (Format.DOT, '[label="?"]')):
        assert diagram(assumed, form).count(mark) == 5
        assert mark not in diagram(told, form)


def test_an_end_without_an_activation_is_marked_where_a_convention_says_so():
    """A critic of baselines ends in a linear layer: nothing is drawn there but a question mark."""
    arrays = mlp(5, 8, 6, 1, scope="critic")
    assumed = recovered(arrays, Settings(1e-3, Order.DENSE_NORM_ACT, "relu"))
    given_ = recovered(arrays, Settings(1e-3, Order.DENSE_NORM_ACT, "relu", "identity"))

    assert str(assumed.assumed[-1]) == "output activation identity"
    assert tree(assumed)[0].text.endswith("identity?")
    assert "output activation" not in [one.what for one in given_.assumed]
    assert "identity" not in tree(given_)[0].text
