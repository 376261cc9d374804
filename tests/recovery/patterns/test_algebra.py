"""A normalisation is recognised whatever way its formula is written."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lnfold.network.records.layers import Affine, BatchNorm, LayerNorm, Norm, RMSNorm
from tests.recovery.made import patterns
from tests.recovery.proto import block, constant, integer, node, placeholder, variable

UNITS = 4
ARRAYS = {
    name: np.arange(1, UNITS + 1, dtype=np.float32) * factor
    for name, factor in (("n/gamma", 1), ("n/beta", 2), ("n/mean", 3), ("n/variance", 4))
}
LEAVES = (
    placeholder("x", (None, UNITS)),
    *(variable(name, (UNITS,)) for name in ARRAYS),
    constant("epsilon", 1e-5),
    constant("axes", [-1], "i4"),
    constant("half", 0.5),
    constant("minus", -1.0),
)
seen: set[type[Norm]] = set()


class Written:
    """Writes expressions as nodes, choosing between equal forms as ``choice`` says."""

    def __init__(self, choices: list[bool]) -> None:
        self.nodes: list[bytes] = []
        self._choices = itertools.cycle(choices)

    def __call__(self, op: str, *inputs: str) -> str:
        name = f"t{len(self.nodes)}"
        if op in ("AddV2", "Mul") and next(self._choices):
            inputs = inputs[::-1]
        keep = {"keep_dims": integer(5, 1)} if op == "Mean" else {}
        self.nodes.append(node(name, op, *inputs, **keep))
        return name

    def pick(self) -> bool:
        return next(self._choices)

    def minus(self, a: str, b: str) -> str:
        if self.pick():
            return self("Sub", a, b)
        negative = self("Neg", b) if self.pick() else self("Mul", b, "minus")
        return self("AddV2", a, negative)

    def squared(self, a: str, b: str) -> str:
        """(a − b)²."""
        if self.pick():
            return self("SquaredDifference", a, b)
        difference = self("Sub", a, b)
        return self("Square", difference) if self.pick() else self("Mul", difference, difference)

    def normalised(self, a: str, square: str) -> str:
        """a / sqrt(square + epsilon)."""
        shifted = self("AddV2", square, "epsilon")
        if self.pick():
            return self("Mul", a, self("Rsqrt", shifted))
        root = self("Sqrt", shifted) if self.pick() else self("Pow", shifted, "half")
        return self("RealDiv", a, root)

    def scaled(self, mean: str | None, square: str, gamma: bool, beta: bool) -> str:
        """gamma·(x − mean)/sqrt(square + epsilon) + beta, factored or multiplied out."""
        if mean is not None and self.pick():
            gain = self("Rsqrt", self("AddV2", square, "epsilon"))
            gain = self("Mul", gain, "n/gamma") if gamma else gain
            left, right = self("Mul", "x", gain), self("Mul", mean, gain)
            if beta:
                return self("AddV2", left, self.minus("n/beta", right))
            return self.minus(left, right)
        centred = "x" if mean is None else self.minus("x", mean)
        if gamma and self.pick():
            y = self.normalised(self("Mul", centred, "n/gamma"), square)
        else:
            y = self.normalised(centred, square)
            y = self("Mul", y, "n/gamma") if gamma else y
        return self("AddV2", y, "n/beta") if beta else y


@settings(max_examples=120, deadline=None, derandomize=True, database=None)
@given(
    choices=st.lists(st.booleans(), min_size=5, max_size=17),
    kind=st.sampled_from([LayerNorm, RMSNorm, BatchNorm]),
    gamma=st.booleans(),
    beta=st.booleans(),
)
def test_any_spelling_of_a_norm_is_that_norm(
    tmp_path_factory: pytest.TempPathFactory,
    choices: list[bool],
    kind: type[Norm],
    gamma: bool,
    beta: bool,
):
    """Commuted, factored or multiplied out, with Sqrt, Rsqrt or Pow: the same record."""
    write = Written(choices)
    if kind is LayerNorm:
        mean = write("Mean", "x", "axes")
        result = write.scaled(mean, write("Mean", write.squared("x", mean), "axes"), gamma, beta)
    elif kind is RMSNorm:
        square = write("Square", "x") if write.pick() else write("Mul", "x", "x")
        result = write.scaled(None, write("Mean", square, "axes"), gamma, beta)
    else:
        result = write.scaled("n/mean", "n/variance", gamma, beta)
    layer = patterns(folder(tmp_path_factory), ARRAYS, *LEAVES, *write.nodes).layer(result)

    assert type(layer) is kind
    assert isinstance(layer, Norm)
    assert layer.inputs == ("x",)
    assert np.float32(layer.epsilon.value) == np.float32(1e-5)
    assert (layer.gamma is not None, layer.beta is not None) == (gamma, beta)
    for parameter, name in ((layer.gamma, "n/gamma"), (layer.beta, "n/beta")):
        if parameter is not None:
            np.testing.assert_array_equal(parameter.array, ARRAYS[name])
            assert parameter.variables == (name,)
    seen.add(kind)


def folder(factory: pytest.TempPathFactory) -> Path:
    return factory.getbasetemp()


def test_all_three_kinds_were_written():
    """The property above met every kind."""
    assert seen == {LayerNorm, RMSNorm, BatchNorm}


def layer_of(tmp_path: Path, *nodes: bytes, result: str = "y") -> object:
    return patterns(tmp_path, ARRAYS, *LEAVES, *nodes).layer(result)


def test_what_only_looks_like_a_norm_is_none(tmp_path: Path):
    """Another value in the mean, a sum of squares, the wrong sign: not a norm."""
    keep = {"keep_dims": integer(5, 1)}
    mean = node("m", "Mean", "x", "axes", **keep)
    square = node("q", "SquaredDifference", "x", "m")
    variance = node("v", "Mean", "q", "axes", **keep)
    shifted, root = node("e", "AddV2", "v", "epsilon"), node("r", "Rsqrt", "e")
    relu = node("other", "Relu", "x")
    wrong_sign = (node("c", "AddV2", "x", "m"), node("y", "Mul", "c", "r"))
    wrong_value = (node("c", "Sub", "other", "m"), node("y", "Mul", "c", "r"))
    moved = (node("c", "Sub", "x", "m"), node("p", "Mul", "c", "r"), node("y", "Mul", "p", "x"))
    for ending in (wrong_sign, wrong_value, moved):
        layer = layer_of(tmp_path, mean, square, variance, shifted, root, relu, *ending)
        assert not isinstance(layer, LayerNorm | RMSNorm | BatchNorm)


@pytest.mark.parametrize("function", ["", "Relu", "Softplus", "Tanh"])
def test_a_small_number_that_is_added_is_no_activation(tmp_path: Path, function: str):
    """x + 1e-7 is no leaky relu of slope 0.9999999, nor is relu(x) + 1e-7 a relu."""
    nodes = [node("f", function, "x")] if function else []
    nodes += [constant("tiny", 1e-7), node("y", "AddV2", "f" if function else "x", "tiny")]

    assert isinstance(layer_of(tmp_path, *nodes), Affine)


def test_a_mean_that_drops_its_axis_is_none(tmp_path: Path):
    """Without keep_dims, [rows] would be spread over the units, not over the rows."""
    nodes = (
        node("m", "Mean", "x", "axes"),
        node("q", "SquaredDifference", "x", "m"),
        node("v", "Mean", "q", "axes"),
        node("e", "AddV2", "v", "epsilon"),
        node("r", "Rsqrt", "e"),
        node("c", "Sub", "x", "m"),
        node("y", "Mul", "c", "r"),
    )

    assert not isinstance(layer_of(tmp_path, *nodes), Norm)


def test_a_stripped_fused_norm_is_in_training_mode(tmp_path: Path):
    """FusedBatchNormV3 without attributes means is_training and epsilon 1e-4."""
    fused = node("y", "FusedBatchNormV3", "x", "n/gamma", "n/beta", "n/mean", "n/variance")
    inference = node(
        "y",
        "FusedBatchNormV3",
        "x",
        "n/gamma",
        "n/beta",
        "n/mean",
        "n/variance",
        is_training=integer(5, 0) + block(99, b""),
    )
    training = layer_of(tmp_path, fused)
    stored = layer_of(tmp_path, inference)

    assert "training mode" in training.operation
    assert isinstance(stored, BatchNorm)
    assert stored.epsilon.value == 1e-4
