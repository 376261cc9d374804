"""Yes and no go by rules: every norm × what it reads × what reads it, checked by numbers."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from lnfold.folding.editing.steps import Form
from lnfold.folding.fold import Choice, fold
from lnfold.network.facts.evidence import Fact, Source
from lnfold.network.records.layers import (
    Add,
    BatchNorm,
    Dense,
    GroupNorm,
    InstanceNorm,
    Layer,
    LayerNorm,
    Network,
    Norm,
    Opaque,
    OtherNorm,
    Parameter,
    PRelu,
    RMSNorm,
)
from lnfold.network.records.pairs import pairs
from lnfold.network.running.run import run
from lnfold.relations.question.consumers import Behind, readers_of
from lnfold.relations.question.fates import Fate, _is_constant, fates
from tests.relations.random_networks import (
    GIVEN,
    activation,
    batch_norm,
    dense,
    generator_of,
    network,
    norm,
    parameter,
)

UNITS = 4
FRONTS = ("dense", "activation", "sum", "input", "opaque")
BEHINDS = ("kernels", "relu", "tanh", "relu6", "delivered", "sum", "opaque")
KINDS = (LayerNorm, RMSNorm, BatchNorm)
# what the rules say of a norm that computes its statistics, with a bias in front where there is one
COMPUTED = {
    ("dense", "kernels"): True,
    ("activation", "kernels"): True,
    ("sum", "kernels"): True,
    ("input", "kernels"): True,
    ("opaque", "kernels"): True,
    ("input", "relu"): True,
    **{
        (front, behind): False
        for front in ("dense", "activation", "sum")
        for behind in ("relu", "tanh", "relu6", "delivered")
    },
    # gamma and beta alone are two, whatever z is
    **{(front, behind): False for front in ("input", "opaque") for behind in ("tanh", "delivered")},
}


def built(kind: type[Norm], front: str, behind: str, seed: int = 0) -> Network:
    """x → front → norm 'n' → behind."""
    generator = generator_of(seed)
    layers: list[Layer] = []
    reads = "x"
    if front != "input":
        bias = generator.normal(size=UNITS)
        layers.append(dense("d", "x", generator.normal(size=(UNITS, UNITS)), bias))
        reads = "d"
    if front == "activation":
        layers.append(activation("before", "d", "tanh"))
        reads = "before"
    if front == "sum":
        layers.append(Add("before", ("d", "x"), "before"))
        reads = "before"
    if front == "opaque":
        layers.append(Opaque("before", ("d",), "before", "Mystery", (), UNITS))
        reads = "before"
    if kind is BatchNorm:
        layers.append(batch_norm("n", reads, generator, UNITS))
    else:
        gamma, beta = generator.uniform(0.5, 2, UNITS), generator.normal(size=UNITS)
        layers.append(norm("n", reads, gamma, beta, epsilon=0.1, kind=kind))
    reads = "n"
    if behind in ("relu", "tanh", "relu6"):
        layers.append(activation("after", "n", behind))
        reads = "after"
    if behind == "sum":
        layers.append(Add("after", ("n", "x"), "after"))
        reads = "after"
    if behind == "opaque":
        layers.append(Opaque("after", ("n",), "after", "Mystery", (), UNITS))
        reads = "after"
    if behind != "delivered":
        layers.append(
            dense("e", reads, generator.normal(size=(UNITS, 3)), generator.normal(size=3))
        )
    return network(layers, UNITS)


def expected(kind: type[Norm], front: str, behind: str) -> bool | None:
    if kind is not BatchNorm:
        return COMPUTED.get((front, behind))
    if front == "dense" or behind == "kernels":
        return True
    return False if front == "activation" and behind not in ("sum", "opaque") else None


@pytest.mark.parametrize(("kind", "front", "behind"), list(product(KINDS, FRONTS, BEHINDS)))
def test_every_norm_in_every_place_has_the_verdict_that_its_rule_proves(kind, front, behind):
    """Yes, no and unknown, as the table says; a yes is folded, a no has too many numbers."""
    net = built(kind, front, behind)
    (pair,) = pairs(net)
    found = fates(net, pair)
    assert found.one_vector is expected(kind, front, behind)
    if "opaque" in (front, behind):
        return  # cannot be run
    if found.one_vector is True:
        assert vectors_after_folding(net) <= 1
    if found.one_vector is False:
        assert numbers_lost_without(net) > UNITS


def test_the_table_decides_most_places():
    """Of the places that can be run at least as many are decided as are open."""
    counts = Counter(expected(*place) for place in product(KINDS, FRONTS, BEHINDS))
    assert counts[True] > 20
    assert counts[False] > 25


def vectors_after_folding(net: Network) -> int:
    """How many vectors of the layer say anything after the fold, which its certificates prove."""
    folded = fold(net, Choice(Form.STOCK)).network
    left = [layer for layer in folded.layers if isinstance(layer, Norm)]
    count = 0
    for layer in left:
        gamma = layer.gamma
        count += gamma is not None and not np.isin(gamma.array, (-1, 0, 1)).all()
        count += layer.beta is not None and bool(layer.beta.array.any())
        if isinstance(layer, BatchNorm):  # what is left of its statistics must be nothing, too
            count += bool(layer.moving_mean.array.any())
    return int(count) + any(
        isinstance(one, Dense) and one.name == "d" and one.bias is not None for one in folded.layers
    )


def numbers_lost_without(net: Network) -> int:
    """By how much the outputs' Jacobian loses rank where bias, gamma and beta are not varied."""
    x = generator_of(9).normal(size=(120, UNITS))
    ours = {("d", "bias"), ("n", "gamma"), ("n", "beta")}
    columns: dict[tuple[str, str], np.ndarray] = {}
    for index, layer in enumerate(net.layers):
        for role, one in layer.parameters():
            if role in ("moving_mean", "moving_variance"):
                continue
            slopes = []
            for place in range(one.array.size):
                sides = []
                for step in (1e-5, -1e-5):
                    moved = one.array.astype(np.float64).copy()
                    moved.flat[place] += step
                    layers = list(net.layers)
                    layers[index] = replace(layer, **{role: Parameter(moved, one.variables)})
                    varied = replace(net, layers=tuple(layers))
                    sides.append(run(varied, x, np.float64)[net.outputs[0]])
                slopes.append((sides[0] - sides[1]).ravel() / 2e-5)
            columns[layer.name, role] = np.stack(slopes, axis=1)
    rest = [one for key, one in columns.items() if key not in ours]
    everything = np.hstack(list(columns.values()))
    rank_of_rest = np.linalg.matrix_rank(np.hstack(rest), tol=1e-5) if rest else 0
    return int(np.linalg.matrix_rank(everything, tol=1e-5) - rank_of_rest)


def test_a_batch_norm_goes_into_the_convolution_before_it():
    """A convolution that only the norm reads takes factor and shift, whatever follows: yes."""
    generator = generator_of(1)
    for operation, alone, told in (
        ("Conv2D", True, True),
        ("DepthwiseConv2dNative", True, True),
        ("Conv2D with relu", True, None),
        ("Mystery", True, None),
        ("Conv2D", False, None),
    ):
        layers = [
            Opaque("c", ("x",), "c", operation, (), UNITS),
            batch_norm("n", "c", generator, UNITS),
            activation("after", "n", "relu"),
        ]
        outputs = ["after"] if alone else ["after", "c"]
        net = network(layers, UNITS, outputs)
        (pair,) = pairs(net)
        assert fates(net, pair).one_vector is told, operation


def test_a_batch_norm_does_not_go_into_a_dense_layer_that_something_else_reads():
    """What goes into its kernel would reach the other reader, too."""
    net = built(BatchNorm, "dense", "tanh")
    (pair,) = pairs(net)
    assert fates(net, pair).one_vector is True
    shared = replace(net, outputs=(*net.outputs, "d"))
    assert fates(shared, pair).one_vector is None


def test_attention_takes_gamma_and_beta_into_queries_keys_and_values():
    """Keras' attention multiplies what it reads by kernels, and by nothing else."""
    net = built(LayerNorm, "dense", "opaque")
    layers = [
        replace(layer, operation="MultiHeadAttention") if isinstance(layer, Opaque) else layer
        for layer in net.layers
    ]
    net = replace(net, layers=tuple(layers))
    (pair,) = pairs(net)
    assert readers_of(net, pair.norm).behind is Behind.ATTENTION
    assert fates(net, pair).one_vector is True


def test_a_norm_over_two_axes_keeps_what_differs_by_position():
    """All positions share the next kernel: it can take one gamma a unit, not one a position."""
    generator = generator_of(2)
    gamma = generator.uniform(0.5, 2, (3, UNITS))
    for by_position, told in ((gamma, False), (np.tile(gamma[:1], (3, 1)), True)):
        normed = OtherNorm(
            "n",
            ("d",),
            "n",
            Parameter(by_position.ravel(), ("n/gamma",)),
            Parameter(np.tile(gamma[:1], (3, 1)).ravel() - 1, ("n/beta",)),
            Fact(1e-3, GIVEN),
            (1, 2),
            3,
        )
        layers = [
            dense("d", "x", generator.normal(size=(UNITS, UNITS)), generator.normal(size=UNITS)),
            normed,
            dense("e", "n", generator.normal(size=(UNITS, 2)), None),
        ]
        net = network(layers, UNITS)
        (pair,) = pairs(net)
        assert fates(net, pair).one_vector is told
        batch = replace(normed, axes=(0, 1))
        net = replace(net, layers=(layers[0], batch, layers[2]))
        (pair,) = pairs(net)
        assert fates(net, pair).one_vector is None


@pytest.mark.parametrize("kind", [LayerNorm, RMSNorm])
def test_vectors_that_do_nothing_are_not_counted(kind):
    """A bias or beta of zeros, a gamma of ones, or a gamma of zeros leave less to summarise."""
    net = built(kind, "dense", "relu")
    first, normed, *rest = net.layers
    zeros = Parameter(np.zeros(UNITS), ("zeros",))
    ones = Parameter(np.ones(UNITS), ("ones",))

    def told(**changed: Parameter | None) -> bool | None:
        before = replace(first, bias=changed.pop("bias", first.bias))
        varied = replace(net, layers=(before, replace(normed, **changed), *rest))
        (pair,) = pairs(varied)
        return fates(varied, pair).one_vector

    assert told() is False
    assert told(beta=zeros) is True
    assert told(bias=zeros) is True
    assert told(bias=None) is True
    assert told(gamma=zeros) is True
    # LayerNorm subtracts what all units have in common; the others do not
    assert told(bias=ones) is (kind is LayerNorm)


def test_a_layer_norm_of_units_that_are_alike_delivers_beta():
    """With equal columns the norm has nothing to normalise: z is 0 for every input."""
    net = built(LayerNorm, "dense", "tanh")
    first, *rest = net.layers
    kernel = np.tile(first.kernel.array[:, :1], (1, UNITS))
    alike = replace(first, kernel=Parameter(kernel, ("k",)), bias=Parameter(np.ones(UNITS), ("b",)))
    net = replace(net, layers=(alike, *rest))
    (pair,) = pairs(net)
    found = fates(net, pair)
    assert (found.bias, found.gamma, found.beta) == (Fate.GONE, Fate.GONE, Fate.STAYS)
    x = generator_of(3).normal(size=(20, UNITS))
    values = run(net, x, np.float64, trace=True)["n"]
    np.testing.assert_allclose(values, np.tile(pair.norm.beta.array, (20, 1)), atol=1e-9)


def told(net: Network, values: dict[str, np.ndarray] | None = None) -> bool | None:
    (pair,) = pairs(net)
    return fates(net, pair, values).one_vector


def test_an_instance_norm_subtracts_the_bias_before_it_and_a_group_norm_may():
    """The bias of a channel is the same at every place, and so is its mean: numbers show it."""
    generator = generator_of(4)
    kernel, bias = generator.normal(size=(3, UNITS)), generator.normal(size=UNITS)
    x = generator.normal(size=(2, 5, 3))  # five places

    def normalised(y: np.ndarray, groups: int) -> np.ndarray:
        grouped = y.reshape(2, 5, groups, -1)
        mean, variance = (f(grouped, axis=(1, 3), keepdims=True) for f in (np.mean, np.var))
        return ((grouped - mean) / np.sqrt(variance + 1e-3)).reshape(y.shape)

    def apart(groups: int) -> float:
        with_bias, without = (normalised(x @ kernel + b, groups) for b in (bias, 0))
        return float(np.abs(with_bias - without).max())

    assert apart(UNITS) < 1e-12  # InstanceNorm, and GroupNorm of one unit a group
    assert apart(2) > 0.1
    for front in ("dense", "sum"):
        found = {kind: built(kind, front, "relu") for kind in (InstanceNorm, GroupNorm)}
        assert told(found[InstanceNorm]) is (True if front == "dense" else None)
        assert told(found[GroupNorm]) is None
    assert told(built(InstanceNorm, "activation", "relu")) is False  # relu bends before the mean


def test_a_gamma_along_other_axes_than_the_units_is_no_row_of_a_kernel():
    """A norm over the steps of a sequence has a gamma a step, however many units there are."""
    net = built(OtherNorm, "dense", "kernels")
    first, normed, last = net.layers
    for axes, rank, one_vector in [
        ((1, 2), 3, True),
        ((1,), 3, None),
        ((1, 2), 4, None),
        ((2, 1), 3, None),
        ((1, 2), 0, None),
        ((0, 2), 3, None),
        ((), 3, None),
    ]:
        varied = replace(normed, axes=axes, rank=rank)
        assert told(replace(net, layers=(first, varied, last))) is one_vector
    generator = generator_of(5)
    gamma, z = generator.normal(size=UNITS), generator.normal(size=(UNITS, UNITS))
    kernel = last.kernel.array
    by_step = (gamma[:, None] * z) @ kernel
    assert np.abs(by_step - z @ (gamma[:, None] * kernel)).max() > 0.1


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
@pytest.mark.parametrize("function", ["LayerNormalization", "GroupNormalization"])
def test_keras_norms_along_steps_are_not_answered_with_yes(tensorflow, tmp_path, function):
    """axis=1 of as many steps as units."""
    keras = tensorflow.keras
    from lnfold.checkpoint import open_checkpoint
    from lnfold.recovery.recover import recover
    from lnfold.relations.question.answer import answer
    from lnfold.relations.question.relate import relate

    answers = {}
    for axis in (1, -1):
        inputs = keras.Input((UNITS, UNITS))
        made = getattr(keras.layers, function)
        normed = made(axis=axis) if function[0] == "L" else made(2, axis=axis)
        hidden = normed(keras.layers.Dense(UNITS, use_bias=False)(inputs))
        model = keras.Model(inputs, keras.layers.Dense(2)(hidden))
        path = str(tmp_path / f"{axis}.keras")
        model.save(path)
        with open_checkpoint(path) as checkpoint:
            (net,) = recover(checkpoint).networks
        answers[axis] = answer(net, relate(net, None), None).one_vector
    assert answers == {1: None, -1: True}


def test_the_sign_of_gamma_needs_a_dense_layer_to_take_it():
    """relu(−z) is relu(z) of no other norm, unless −z is z of another dense layer."""
    for front, one_vector in [("dense", True), ("activation", None)]:
        net = built(LayerNorm, front, "relu")
        (pair,) = pairs(net)
        for sign in (1, -1):
            gamma = sign * pair.norm.gamma.array
            normed = replace(pair.norm, gamma=Parameter(gamma, ("gamma",)), beta=None)
            layers = (normed if one is pair.norm else one for one in net.layers)
            turned = replace(net, layers=tuple(layers))
            assert told(turned) is (True if sign > 0 else one_vector)
    z = np.array([[1.0, -1.0]])
    assert np.maximum(-z, 0).tolist() != np.maximum(z, 0).tolist()


def test_a_beta_that_no_relu_sees_is_no_second_vector():
    """A unit that is always on is linear: its beta goes into the next bias, exactly."""
    net = built(LayerNorm, "dense", "relu")
    first, normed, act, last = net.layers
    x = generator_of(6).normal(size=(40, UNITS))
    for size, one_vector in [(0.5, False), (50, None), (-50, None)]:
        varied = replace(normed, beta=Parameter(np.full(UNITS, float(size)), ("beta",)))
        changed = replace(net, layers=(first, varied, act, last))
        values = run(changed, x, np.float64, trace=True)
        assert told(changed) is told(changed, values) is one_vector
    on = replace(normed, beta=Parameter(np.full(UNITS, 50.0), ("beta",)))
    shifted = last.bias.array + 50.0 * last.kernel.array.sum(axis=0)
    linear = replace(last, inputs=("n",), bias=Parameter(shifted, ("bias",)))
    before = run(replace(net, layers=(first, on, act, last)), x, np.float64)["e"]
    plain = replace(net, layers=(first, replace(normed, beta=None), linear))
    np.testing.assert_allclose(run(plain, x, np.float64)["e"], before, atol=1e-10)
    # what is small enough to bend, and never does on what was observed
    one_sided = {**run(net, x, np.float64, trace=True)}
    one_sided["n"] = np.abs(one_sided["n"]) + 1
    assert told(net, one_sided) is None


@pytest.mark.parametrize("behind", BEHINDS)
def test_an_identity_in_between_changes_nothing(behind: str):
    """Activations called identity stand for none."""
    for kind in KINDS:
        net = built(kind, "dense", behind)
        first, normed, *rest = net.layers
        same = activation("same", "d", "identity")
        passed = replace(net, layers=(first, same, replace(normed, inputs=("same",)), *rest))
        assert told(passed) is told(net)


def test_a_prelu_is_an_activation_like_leaky_relu():
    """In front of a norm and behind it, it leaves the answer that leaky relu leaves."""
    slopes = Parameter(np.full(UNITS, 0.2), ("slopes",))
    decided = Counter[bool | None]()
    for kind, place in product(KINDS, ("before", "after")):
        net = built(kind, "activation" if place == "before" else "dense", "relu")
        answers = {
            told(replace(net, layers=tuple(one if x.name == place else x for x in net.layers)))
            for before in ("d" if place == "before" else "n",)
            for one in (
                PRelu(place, (before,), place, slopes),
                activation(place, before, "leaky_relu"),
            )
        }
        assert len(answers) == 1, (kind, place)
        decided += Counter(answers)
    assert decided == {False: 5, True: 1}


def test_a_single_mean_that_is_not_zero_is_a_shift():
    """Of a BatchNorm without beta, whatever the means of its other units."""
    net = built(BatchNorm, "activation", "tanh")
    answers = []
    for means in (np.zeros(UNITS), np.eye(1, UNITS)[0], np.ones(UNITS)):
        layers = [
            replace(layer, beta=None, moving_mean=Parameter(means, ("mean",)))
            if isinstance(layer, BatchNorm)
            else layer
            for layer in net.layers
        ]
        answers.append(told(replace(net, layers=tuple(layers))))
    assert answers[1] is answers[2]
    assert answers[0] is not answers[1]


def test_a_batch_norm_goes_back_only_where_all_that_reads_the_layer_is_known():
    """With a wiring that nothing tells, something else may read the dense layer."""
    net = built(BatchNorm, "dense", "tanh")
    assert told(net) is True
    assert told(replace(net, wiring=Fact(None, Source.UNKNOWN))) is None


@pytest.mark.parametrize("bias", [None, np.zeros(UNITS), np.full(UNITS, 2.0)])
def test_equal_columns_deliver_beta_with_and_without_a_bias(bias):
    """What all units have in common is subtracted, so that one vector is left."""
    kernel = np.ones((UNITS, UNITS))
    layers = [
        dense("d", "x", kernel, bias),
        norm("n", "d", np.arange(1.0, UNITS + 1), np.arange(1.0, UNITS + 1), 0.1),
        activation("after", "n", "tanh"),
    ]
    assert told(network(layers, UNITS)) is True
    layers[0] = dense("d", "x", kernel + np.eye(UNITS), bias)
    assert told(network(layers, UNITS)) is False


def test_a_beta_stays_whatever_few_of_its_numbers_are_not_zero():
    """One number is enough; all of them zero are nothing."""
    net = built(LayerNorm, "dense", "tanh")
    for number, fate in ((0.5, Fate.STAYS), (0.0, Fate.GONE)):
        beta = np.where(np.arange(UNITS) == 1, number, 0.0)
        layers = tuple(
            replace(one, beta=parameter(beta, "beta")) if isinstance(one, LayerNorm) else one
            for one in net.layers
        )
        changed = replace(net, layers=layers)
        (pair,) = pairs(changed)
        assert fates(changed, pair).beta is fate


def test_a_norm_delivers_its_beta_alone_only_where_all_units_are_alike():
    """One kernel column and one bias for all: any unit of its own makes z matter."""
    generator = generator_of(8)
    column = np.repeat(generator.normal(size=(UNITS, 1)), UNITS, axis=1)
    for bias, alike in (
        (None, True),
        (np.full(UNITS, 0.3), True),
        (np.where(np.arange(UNITS) == 2, 0.4, 0.3), False),
    ):
        layers = [
            dense("d", "x", column, bias),
            norm("n", "d", np.ones(UNITS), generator.normal(size=UNITS), epsilon=0.1),
            dense("e", "n", generator.normal(size=(UNITS, 3)), None),
        ]
        (pair,) = pairs(network(layers, UNITS))
        assert _is_constant(pair) == alike
