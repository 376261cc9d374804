"""Networks as lines that people read: a sequence, branches, joins, outputs, doubts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lnfold import open_checkpoint, recover
from lnfold.network.facts.evidence import Fact, Source
from lnfold.network.records.layers import (
    Activation,
    Add,
    Affine,
    Clip,
    Concat,
    Dense,
    Input,
    Layer,
    LayerNorm,
    Multiply,
    Network,
    Opaque,
    Parameter,
)
from lnfold.report.words.tree import tree

FIXTURES = Path(__file__).resolve().parents[1] / "recovery" / "fixtures" / "tf1"
READ = Fact("edges of the graph", Source.GRAPH, "made.meta")


def lines(network: Network) -> list[str]:
    return [f"{one.lead}{one.text}".replace("\N{NO-BREAK SPACE}", " ") for one in tree(network)]


def dense(name: str, value: str, inputs: int, units: int) -> Dense:
    return Dense(name, (value,), name, Parameter(np.ones((inputs, units)), (f"{name}/kernel",)))


def relu(name: str, value: str) -> Activation:
    return Activation(name, (value,), name, Fact("relu", Source.GRAPH, name))


def network(*layers: Layer, inputs: dict[str, int], outputs: tuple[str, ...]) -> Network:
    given_values = tuple(Input(name, (None, width)) for name, width in inputs.items())
    return Network("actor", given_values, outputs, layers, READ)


CHAINS = {
    "contrib_layer_norm": ["obs [4] → Dense 6 → LayerNorm → relu → Dense 2"],
    "critic_joined_after_hidden": [
        "obs [4] → Dense 6 → LayerNorm → relu → concat with action [2] → Dense 6 → LayerNorm → "
        "relu → Dense 1"
    ],
    "dueling_heads": [
        "observation [4]",
        "├─ a: Dense 6 → relu → Dense 1",
        "└─ b: Dense 6 → relu → Dense 3 → − mean",
        "a + b",
    ],
    "two_heads": [
        "obs [4] → Dense 3 → LayerNorm → relu",
        "├─ Dense 3 → tanh = Tanh [3]",
        "└─ Dense 3 = dense_2/BiasAdd [3]",
    ],
    "norm_inside_residual": [
        "a: obs [4] → Dense 6",
        "└─ b: LayerNorm → Dense 6",
        "a + b → Dense 2",
    ],
}


@pytest.mark.parametrize("chain", CHAINS)
def test_a_recovered_graph_is_drawn_as_its_author_would(chain: str):
    """A line for a sequence; branches below the value they read, joins at its own level."""
    with open_checkpoint(FIXTURES / chain) as checkpoint:
        found = recover(checkpoint).networks[0]

    assert lines(found) == CHAINS[chain]


def test_two_encoders_join_in_one_line():
    """Each input begins a branch, and the concatenation tells its width."""
    found = network(
        dense("o", "obs", 3, 8),
        dense("u", "action", 2, 4),
        Concat("both", ("o", "u"), ""),
        dense("q", "both", 12, 1),
        inputs={"obs": 3, "action": 2},
        outputs=("q",),
    )

    assert lines(found) == [
        "├─ a: obs [3] → Dense 8",
        "└─ b: action [2] → Dense 4",
        "concat a, b [12] → Dense 1",
    ]


def test_a_gate_and_a_branch_that_is_no_part_of_it():
    """A product of two branches stands among the branches where another one is an output."""
    found = network(
        dense("h", "obs", 3, 4),
        relu("gate", "h"),
        Multiply("gated", ("h", "gate"), ""),
        dense("value", "h", 4, 1),
        inputs={"obs": 3},
        outputs=("gated", "value"),
    )

    assert lines(found) == [
        "a: obs [3] → Dense 4",
        "├─ b: relu",
        "├─ a × b = gated [4]",
        "└─ Dense 1 = value [1]",
    ]


def test_a_hundred_residual_blocks_are_no_deeper_than_one():
    """Joins go on at the level of the value that branched; what is too long is cut and said."""
    layers: list[Layer] = []
    value = "obs"
    for number in range(100):
        layers.append(dense(f"d{number}", value, 4, 4))
        layers.append(Add(f"s{number}", (value, f"d{number}"), ""))
        value = f"s{number}"
    found = lines(network(*layers, inputs={"obs": 4}, outputs=(value,)))

    assert found[:4] == ["a: obs [4]", "└─ b: Dense 4", "c: a + b", "└─ d: Dense 4"]
    assert len(found) == 61
    assert "lnfold graph" in found[-1]
    assert "a1: " in found[26]


def test_a_network_too_large_to_read_is_not_drawn():
    """Its layers are counted; a diagram is better."""
    layers: list[Layer] = [relu(f"r{number}", f"r{number - 1}") for number in range(1, 2500)]
    found = lines(network(relu("r0", "obs"), *layers, inputs={"obs": 4}, outputs=("r2499",)))

    assert found == ["2,500 layers: lnfold graph draws them"]


def test_what_depends_on_no_input_does_not_tear_the_tree():
    """A dropout's noise is joined to the value, but it is no branch of it."""
    found = network(
        dense("h", "obs", 3, 4),
        Opaque("noise", (), "", "RandomUniform"),
        Multiply("dropped", ("h", "noise"), ""),
        Opaque("one", ("dropped",), "", "Einsum"),
        Opaque("two", ("one",), "", "Einsum"),
        inputs={"obs": 3},
        outputs=("two",),
    )

    assert lines(found) == ["obs [3] → Dense 4 → multiply → (2 operations not run)"]


def test_what_is_assumed_or_unknown_has_a_question_mark():
    """Epsilons and activations that were read have none."""
    gamma = Parameter(np.ones(4), ("g",))
    guess = Fact(1e-3, Source.CONVENTION, "Keras", "medium")
    found = network(
        dense("h", "obs", 3, 4),
        LayerNorm("n", ("h",), "n", gamma, None, guess),
        Activation("f", ("n",), "", Fact("tanh", Source.CONVENTION, "baselines")),
        LayerNorm("m", ("f",), "m", gamma, None, Fact.unknown("--epsilon")),
        Activation("l", ("m",), "", Fact.unknown("--activation")),
        inputs={"obs": 3},
        outputs=("l",),
    )

    assert lines(found) == [
        "obs [3] → Dense 4 → LayerNorm epsilon 0.001? → tanh? → LayerNorm epsilon ? → activation ?"
    ]


def test_bounds_and_constants_are_written_as_people_do():
    """One bound, two, and a shift below zero."""
    zero, one = Parameter(np.float32(0)), Parameter(np.float32(-1.5))
    found = network(
        Clip("c", ("obs",), "", None, zero),
        Clip("d", ("c",), "", one, None),
        Clip("e", ("d",), "", one, Parameter(np.float32(1.5))),
        Affine("f", ("e",), "", Parameter(np.float32(2)), one),
        inputs={"obs": 4},
        outputs=("f",),
    )

    assert lines(found) == ["obs [4] → at most 0 → at least -1.5 → clip ±1.5 → × 2.0 − 1.5"]


@given(st.data())
def test_every_layer_of_any_network_is_in_one_line(data: st.DataObject):
    """Whatever reads whatever: each layer is said once, and joined letters stand above."""
    layers: list[Layer] = []
    values = ["x", "y"]
    for number in range(data.draw(st.integers(1, 12))):
        read = data.draw(st.lists(st.sampled_from(values), min_size=1, max_size=3, unique=True))
        made = relu(f"r{number}", read[0]) if len(read) == 1 else Add(f"s{number}", (*read,), "")
        layers.append(made)
        values.append(made.name)
    read_on = {one for layer in layers for one in layer.inputs}
    outputs = tuple(layer.name for layer in layers if layer.name not in read_on)
    used = {name: 4 for name in ("x", "y") if name in read_on}
    found = lines(network(*layers, inputs=used, outputs=outputs))

    said = "\n".join(found)
    relus = sum(isinstance(layer, Activation) for layer in layers)
    assert said.count("relu") == relus
    sums = sum(one.count(" + ") > 0 or "add" in one for one in found)
    assert sums <= sum(isinstance(layer, Add) for layer in layers)
    seen: set[str] = set()
    for line in found:
        text = line.lstrip("│├└─ ")
        label, colon, rest = text.partition(": ")
        named = label if colon and len(label) <= 3 else ""
        body = (rest if named else text).partition(" = ")[0]
        joined = body.partition(" → ")[0].split(" + ") if " + " in body else []
        assert {one for one in joined if "[" not in one} <= seen
        seen.add(named)
