"""Operations that are not run: the verdict names them, and they have to be the same in both."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lnfold.checking.check import called_alike
from lnfold.checking.left_out import left_out, unlike
from lnfold.checkpoint import open_checkpoint
from lnfold.checkpoint.write import write_checkpoint
from lnfold.cli.sides import Part, Side, paired
from lnfold.errors import UsageError
from lnfold.network.records.layers import Opaque
from lnfold.recovery.recover import recover
from tests.checking.test_checks import checking, network


def with_opaque(operation="Cumsum", said="attributes", reads=("scale",), inputs=("x",)):
    """x → an operation that is not run → the rest of a network."""
    one = network()
    opaque = Opaque("o", inputs, "o", operation, reads, 4, said)
    first = replace(one.layers[0], inputs=("o",))
    return replace(one, layers=(opaque, first, *one.layers[1:]))


VALUES = {"scale": np.ones(4), "other": np.full(4, 2.0)}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({}, ""),
        ({"operation": "Cumprod"}, "is another operation in B"),
        ({"inputs": ("x", "x")}, "is another operation in B"),
        ({"said": "other attributes"}, "has other numbers in B"),
        ({"reads": ("other",)}, "has other numbers in B"),
        ({"said": ""}, "does not stand in the files"),
    ],
)
def test_an_operation_left_out_is_the_same_or_nobody_can_tell(changed, said):
    """Kind, inputs, attributes and constants, and what stands in the variables that it reads."""
    ours = left_out(with_opaque(), VALUES.__getitem__)
    theirs = left_out(with_opaque(**changed), VALUES.__getitem__)

    assert said in unlike(ours, theirs)
    assert (unlike(ours, theirs) == "") == (not changed)
    assert "is not in B" in unlike(ours, ())
    assert "is not in A" in unlike((), ours)
    assert "B does not hold what" in unlike(ours, left_out(with_opaque(), None))


@pytest.mark.parametrize("operation", ["PyFunc", "RandomUniform", "StatefulPartitionedCall"])
def test_what_an_operation_does_elsewhere_is_never_known(operation):
    """A Python function, a draw, a call: the same attributes do not make them the same."""
    both = left_out(with_opaque(operation), VALUES.__getitem__)

    assert "does not stand in the files" in unlike(both, both)


def test_networks_of_other_names_are_pairs(lnfold, samples, tmp_path):
    """Two checkpoints with one network each need no option; of several, NAME=NAME says which."""
    sample = samples / "cartpole_actor"
    assert lnfold("check", sample, sample, "--network", "actor=actor").code == 0
    renamed = tmp_path / "renamed"
    with open_checkpoint(sample) as checkpoint:
        names = recover(checkpoint).named("actor").variables()
        items = [(name.replace("actor/", "policy/"), checkpoint[name].read()) for name in names]
    write_checkpoint(renamed, items)
    facts = ["--assume", "--epsilon", "1e-12", "--activation", "relu"]
    facts += ["--output-activation", "tanh", "--order", "dense-norm-act"]
    for asked in ([], ["--network", "actor=policy"]):
        result = lnfold("check", sample, renamed, *asked, *facts)
        assert result.code == 0, result.err + result.out
        assert "actor   agrees: all 1,024 numbers agree" in result.out
    wrong = lnfold("check", sample, sample, "--network", "actor=critic")
    assert wrong.code == 2
    assert "no network called 'critic'" in wrong.err


def test_a_network_that_b_lacks_is_said(lnfold, real, tmp_path):
    """What could not be paired is named, and the whole is not said to agree."""
    source = real / "deepq_layernorm"
    output = tmp_path / "one.npz"
    name = "deepq/q_func"
    assert lnfold("fold", source, "--network", name, "--output", output).code == 0

    result = lnfold("check", source, output)
    assert result.code == 4
    assert "not compared, as only A holds it, not B: " in result.out
    assert lnfold("check", source, output, "--network", name).code == 0


def test_networks_of_other_names_and_inputs_stand_in_their_order():
    """B's inputs and outputs are taken for A's where widths agree; else they cannot be compared."""
    one = network()
    other = replace(
        one.with_inputs_named({"x": "observation"}),
        name="policy",
        outputs=("head",),
        layers=(
            *replace(one.with_inputs_named({"x": "observation"})).layers[:-1],
            replace(one.layers[-1], name="head"),
        ),
    )
    renamed, outputs = called_alike(other, one)
    assert [value.name for value in renamed.inputs] == ["x"]
    assert outputs == {"head": "y"}
    found = checking(one).with_network(renamed, outputs)
    assert found.passed
    left = Side("a", (Part(one, (), ()),), ())
    right = Side("b", (Part(other, (), ()),), ())
    for names in ([], ["net=policy"]):
        ((ours, theirs),) = paired(left, right, names).pairs
        assert (ours.network.name, theirs.network.name) == ("net", "policy")
    wider = replace(other, inputs=(replace(other.inputs[0], shape=(None, 5)),))
    with pytest.raises(UsageError, match=r"x \[4\] in A and observation \[5\] in B"):
        called_alike(wider, one)
