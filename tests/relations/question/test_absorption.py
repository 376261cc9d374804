"""What can be absorbed exactly: every verdict is proved by doing it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lnfold.network.facts.evidence import Fact, Source
from lnfold.network.records.layers import LSTM, Add, Input, LayerNorm, Network, Parameter
from lnfold.network.records.pairs import pairs
from lnfold.network.running.run import run
from lnfold.relations.question.absorption import Verdict, absorptions
from tests.relations.random_networks import (
    activation,
    batch_norm,
    dense,
    generator_of,
    network,
    norm,
    normalised_network,
)

EPS = np.finfo(np.float64).eps


def verdicts(net: Network) -> dict[str, tuple[Verdict, int]]:
    return {one.vector: (one.verdict, one.absorbed) for one in absorptions(net, pairs(net)[0])}


def changed(net: Network, **fields: np.ndarray) -> Network:
    """The network with parameters replaced, called layer__role."""
    layers = {one.name: one for one in net.layers}
    for key, array in fields.items():
        name, _, role = key.partition("__")
        layers[name] = replace(layers[name], **{role: Parameter(array, (key,))})
    return replace(net, layers=tuple(layers[one.name] for one in net.layers))


def apart(left: Network, right: Network, x: np.ndarray) -> float:
    a, b = run(left, x, np.float64), run(right, x, np.float64)
    return max(float(np.abs(a[name] - b[name]).max()) for name in a)


def simple(function: str | None, generator: np.random.Generator, output: str | None = None):
    """dense, LayerNorm, perhaps an activation, dense."""
    layers = [
        dense("d", "x", generator.normal(size=(3, 6)), generator.normal(size=6)),
        norm("n", "d", generator.uniform(0.3, 2, 6), generator.normal(size=6), 1e-3),
    ]
    if function:
        layers.append(activation("a", "n", function, 0.2 if function == "leaky_relu" else None))
    last = layers[-1].name
    layers.append(dense("e", last, generator.normal(size=(6, 2)), generator.normal(size=2)))
    return network(layers, 3, output and [output])


@pytest.mark.parametrize("function", ["relu", "leaky_relu", "abs", "identity"])
def test_gamma_goes_into_the_next_kernel_through_homogeneous_activations(function):
    """gamma 1, beta/gamma and the next kernel's rows times gamma deliver the same."""
    generator = generator_of(1)
    net = simple(function, generator)
    assert verdicts(net)["gamma"] == (Verdict.INTO_NEXT, 6)
    gamma, beta = net.layer("n").gamma.array, net.layer("n").beta.array
    kernel = net.layer("e").kernel.array
    pushed = changed(
        net, n__gamma=np.ones(6), n__beta=beta / gamma, e__kernel=kernel * gamma[:, None]
    )
    x = generator.normal(size=(200, 3))
    scale = np.abs(run(net, x, np.float64)["e"]).max()
    assert apart(net, pushed, x) <= 64 * EPS * (1 + scale)


@pytest.mark.parametrize("function", ["tanh", "elu", "sigmoid", "relu6", "softplus"])
def test_gamma_stays_before_other_activations(function):
    """The verdict is no, and doing it anyway changes the outputs by far more than rounding."""
    generator = generator_of(2)
    net = simple(function, generator)
    assert verdicts(net)["gamma"] == (Verdict.STAYS_ACTIVATED, 0)
    # gains large enough for relu6 to clip
    net = changed(net, n__gamma=6 * net.layer("n").gamma.array)
    gamma, beta = net.layer("n").gamma.array, net.layer("n").beta.array
    pushed = changed(
        net,
        n__gamma=np.ones(6),
        n__beta=beta / gamma,
        e__kernel=net.layer("e").kernel.array * gamma[:, None],
    )
    assert apart(net, pushed, generator.normal(size=(200, 3)) * 4) > 1e-3


def test_beta_goes_into_the_next_bias_only_without_an_activation():
    """beta·W' moved into the bias is exact there, and behind relu the verdict is no."""
    generator = generator_of(3)
    net = simple(None, generator)
    assert verdicts(net)["beta"] == (Verdict.INTO_NEXT_BIAS, 6)
    beta, after = net.layer("n").beta.array, net.layer("e")
    moved = changed(net, n__beta=np.zeros(6), e__bias=after.bias.array + beta @ after.kernel.array)
    x = generator.normal(size=(200, 3))
    scale = np.abs(run(net, x, np.float64)["e"]).max()
    assert apart(net, moved, x) <= 64 * EPS * (1 + scale)
    assert verdicts(simple("relu", generator))["beta"] == (Verdict.STAYS_SHIFTED, 0)


def test_the_mean_of_the_bias_does_nothing():
    """One number of the bias is absorbed, and adding a constant to it shows that it is."""
    generator = generator_of(4)
    net = simple("relu", generator)
    assert verdicts(net)["bias"] == (Verdict.MEAN_ONLY, 1)
    other = changed(net, d__bias=net.layer("d").bias.array + 3.0)
    x = generator.normal(size=(200, 3))
    scale = np.abs(run(net, x, np.float64)["e"]).max()
    assert apart(net, other, x) <= 1024 * EPS * (1 + scale)


def test_batch_norm_goes_into_the_dense_layer_before():
    """gamma, beta and statistics become kernel and bias of the dense layer."""
    generator = generator_of(5)
    layers = [
        dense("d", "x", generator.normal(size=(3, 5)), generator.normal(size=5)),
        batch_norm("b", "d", generator, 5),
        activation("a", "b", "tanh"),
        dense("e", "a", generator.normal(size=(5, 2)), None),
    ]
    net = network(layers, 3)
    assert {one[0] for one in verdicts(net).values()} == {Verdict.INTO_DENSE}
    b = layers[1]
    gain = b.gamma.array / np.sqrt(b.moving_variance.array + b.epsilon.value)
    folded = [
        dense(
            "b",
            "x",
            layers[0].kernel.array * gain,
            (layers[0].bias.array - b.moving_mean.array) * gain + b.beta.array,
        ),
        *layers[2:],
    ]
    x = generator.normal(size=(100, 3))
    assert apart(net, network(folded, 3), x) <= 256 * EPS * 10


def test_what_the_network_delivers_stays():
    """A norm whose own value is an output gives nothing away."""
    net = simple("relu", generator_of(6), output="n")
    assert verdicts(net)["gamma"] == (Verdict.STAYS_DELIVERED, 0)
    assert verdicts(net)["beta"] == (Verdict.STAYS_DELIVERED, 0)


def test_what_prevents_it_is_named():
    """The sum, the activation or the norm that reads the value stands in the reason."""
    generator = generator_of(8)
    for reader, verdict in (
        (Add("r", ("n", "d"), "r"), Verdict.STAYS_SUMMED),
        (activation("r", "n", "tanh"), Verdict.STAYS_ACTIVATED),
        (norm("r", "n", np.ones(6), np.zeros(6)), Verdict.STAYS_READ),
    ):
        net = simple(None, generator)
        *before, last = net.layers
        net = replace(net, layers=(*before, reader, replace(last, inputs=("r",))))
        gamma, beta = absorptions(net, pairs(net)[0])[1:]
        assert (gamma.verdict, gamma.blocker) == (beta.verdict, beta.blocker) == (verdict, "r")
        assert gamma.sentence.endswith("('r')")


def test_want_of_evidence_is_no_verdict():
    """Without an activation's function, or without any wiring, more evidence could change it."""
    net = simple("relu", generator_of(9))
    dense_layer, normed, unknown, last = net.layers
    unsaid = replace(unknown, function=Fact.unknown("--activation"))
    open_end = replace(net, layers=(dense_layer, normed, unsaid, last))
    assert verdicts(open_end)["gamma"] == (Verdict.STAYS_UNCERTAIN, 0)
    unwired = replace(net, wiring=Fact.unknown("--order"))
    assert verdicts(unwired)["gamma"] == (Verdict.STAYS_UNREAD, 0)
    for one in (open_end, unwired):
        assert absorptions(one, pairs(one)[0])[1].verdict.unknown
    assert not verdicts(net)["gamma"][0].unknown


def test_the_question_s_counts():
    """64 units behind relu: 65 of 192 absorbed, as in the question."""
    net = normalised_network(generator_of(7), (5, 64, 64, 1))
    found = absorptions(net, pairs(net)[0])
    assert sum(one.absorbed for one in found) == 65
    assert sum(one.total for one in found) == 192
    assert [one.into for one in found] == [(), ("dense1",), ()]


def test_absent_vectors_count_nothing():
    """A norm without gamma and beta after a dense layer without bias has no numbers at all."""
    net = network([dense("d", "x", np.eye(3), None), norm("n", "d", None, None)], 3)
    assert {one.verdict for one in absorptions(net, pairs(net)[0])} == {Verdict.ABSENT}
    assert sum(one.total for one in absorptions(net, pairs(net)[0])) == 0


def test_an_lstm_takes_gamma_and_beta_of_the_norm_straight_before_it():
    """kernel rows times gamma, and beta·kernel into the bias, change nothing."""
    random = np.random.default_rng(5)
    taken, units = 6, 4

    def parameter(name: str, *shape: int) -> Parameter:
        return Parameter(random.standard_normal(shape), (name,))

    first = LayerNorm(
        "norm",
        ("x",),
        "norm",
        gamma=parameter("norm/gamma", taken),
        beta=parameter("norm/beta", taken),
        epsilon=Fact(1e-7, Source.GRAPH),
    )
    lstm = LSTM(
        "lstm",
        ("norm",),
        "lstm",
        kernel=parameter("lstm/kernel", taken, 4 * units),
        recurrent_kernel=parameter("lstm/recurrent_kernel", units, 4 * units),
        bias=parameter("lstm/bias", 4 * units),
        activation=Fact("tanh", Source.GRAPH),
        recurrent_activation=Fact("sigmoid", Source.GRAPH),
    )
    whole = Network(
        "n", (Input("x", (None, taken)),), ("lstm",), (first, lstm), Fact("edges", Source.GRAPH)
    )
    absorbed = Network(
        "n",
        (Input("x", (None, taken)),),
        ("lstm",),
        (
            replace(first, gamma=None, beta=None),
            replace(
                lstm,
                kernel=Parameter(first.gamma.array[:, None] * lstm.kernel.array),
                bias=Parameter(lstm.bias.array + first.beta.array @ lstm.kernel.array),
            ),
        ),
        Fact("edges", Source.GRAPH),
    )
    (pair,) = pairs(whole)
    _, gamma, beta = absorptions(whole, pair)
    x = random.standard_normal((20, taken))

    assert (gamma.verdict, gamma.absorbed, gamma.into) == (Verdict.INTO_NEXT, taken, ("lstm",))
    assert (beta.verdict, beta.absorbed, beta.into) == (Verdict.INTO_NEXT_BIAS, taken, ("lstm",))
    before, after = (run(one, x, np.float64)["lstm"] for one in (whole, absorbed))
    assert np.abs(before - after).max() < 1e-13
