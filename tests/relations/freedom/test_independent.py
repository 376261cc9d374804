"""How many numbers are independent, against the numerical rank of the function's derivative."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lnfold.checkpoint import open_checkpoint
from lnfold.network.records.layers import Dense, LayerNorm, Network, Norm, RMSNorm
from lnfold.network.records.pairs import pairs
from lnfold.network.running.run import run
from lnfold.recovery.recover import recover
from lnfold.relations.freedom.independent import independence
from lnfold.relations.freedom.symmetries import Symmetry, _factors_passing
from lnfold.relations.ranges.homogeneous import lift
from lnfold.relations.ranges.interval_bounds import reaches
from lnfold.relations.ranges.units import Verdict, describe_units
from tests.relations.random_networks import (
    activation,
    dense,
    generator_of,
    network,
    norm,
    normalised_network,
)

STEP = 1e-30  # of the imaginary part: the derivative comes out without any difference taken


def forward(net: Network, parameters: dict[str, np.ndarray], x: np.ndarray) -> np.ndarray:
    """The network in complex numbers, so that an imaginary step gives exact derivatives."""
    values = {"x": x.astype(complex)}
    for layer in net.layers:
        y = values[layer.inputs[0]]
        if isinstance(layer, Dense):
            y = y @ parameters[f"{layer.name}/kernel"] + parameters[f"{layer.name}/bias"]
        elif isinstance(layer, Norm):
            if isinstance(layer, LayerNorm):
                y = y - y.mean(axis=1, keepdims=True)
            y = y / np.sqrt((y * y).mean(axis=1, keepdims=True) + layer.epsilon.value)
            y = y * parameters[f"{layer.name}/gamma"] + parameters[f"{layer.name}/beta"]
        elif layer.function.value == "relu":
            y = np.where(y.real > 0, y, 0)
        elif layer.function.value == "relu6":
            y = np.where(y.real > 6, 6, np.where(y.real > 0, y, 0))
        elif layer.function.value == "tanh":
            y = np.tanh(y)
        values[layer.name] = y
    return values[net.outputs[0]]


def derivative(net: Network, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """∂outputs/∂parameters with columns of length 1, and the parameter of each column."""
    parameters = {
        f"{layer.name}/{role}": one.array.astype(complex)
        for layer in net.layers
        for role, one in layer.parameters()
    }
    columns, names = [], []
    for name, array in parameters.items():
        for index in np.ndindex(array.shape):
            array[index] += 1j * STEP
            columns.append(forward(net, parameters, x).imag.ravel() / STEP)
            array[index] -= 1j * STEP
            names.append(name)
    jacobian = np.stack(columns, axis=1)
    jacobian /= np.maximum(np.linalg.norm(jacobian, axis=0), 1e-300)
    return jacobian, np.array(names)


def numerical_rank(jacobian: np.ndarray) -> int:
    """Exact derivatives leave the zeros at rounding; the gap above them is decades wide."""
    singular = np.linalg.svd(jacobian, compute_uv=False)
    found = int((singular > singular[0] * 1e-11).sum())
    if found < singular.size:
        assert singular[found] < 1e-3 * singular[found - 1]
    return found


def rank(net: Network, x: np.ndarray) -> tuple[int, int]:
    """Numerical rank of ∂outputs/∂parameters over many inputs, and the number of parameters."""
    jacobian, names = derivative(net, x)
    return numerical_rank(jacobian), names.size


def proofs(net: Network):
    reached = reaches(net)
    return {pair.norm.name: describe_units(net, pair, reached, None) for pair in pairs(net)}


def used_both_ways(net: Network, x: np.ndarray) -> bool:
    """Whether every unit that is not proved dead or on was seen on and off, and not just once.

    A unit that fires on a few rows gives the derivative too few equations for its numbers.
    """
    values = run(net, x, np.float64, trace=True)
    firing = {pair.norm.name: (values[pair.norm.name] > 0).mean(axis=0) for pair in pairs(net)}
    if any(((one > 0) & (one < 0.04) | (one > 0.96) & (one < 1)).any() for one in firing.values()):
        return False
    if all(((one > 0) & (one < 1)).all() for one in firing.values()):
        return True
    proved = proofs(net)
    return all(
        not ((one == 0) | (one == 1))[[v is Verdict.MIXED for v in proved[name].verdicts]].any()
        for name, one in firing.items()
    )


@pytest.mark.parametrize("epsilon", [1e-14, 0.3])
def test_the_count_is_the_rank_on_small_networks(epsilon):
    """On 12 random networks the count of redundant dimensions is parameters minus rank.

    With epsilon 1e-14 the joint scale of kernel and bias counts, with 0.3 it does not. A count
    that calls itself incomplete is a lower bound.
    """
    checked = bounded = 0
    for seed in range(200):
        generator = generator_of(seed)
        widths = [(3, 6, 1), (2, 5, 2), (3, 5, 5, 1), (2, 6, 4, 2)][seed % 4]
        kind = RMSNorm if seed % 5 == 4 else LayerNorm
        net = normalised_network(generator, widths, epsilon=epsilon, kind=kind, beta_scale=0.1)
        x = generator.normal(0, 3, (300, widths[0]))
        if not used_both_ways(net, x):
            continue  # a unit that is dead or on without a proof has more freedom than is counted
        counted = independence(net, proofs(net))
        bounded += not counted.complete
        if not counted.complete and bounded > 4:
            continue  # enough of those
        found, total = rank(net, x)
        assert counted.parameters == total
        redundant = counted.redundant if epsilon < 1e-9 else counted.redundant_exactly
        assert total - found >= redundant, (seed, widths, kind)
        if not counted.complete:
            continue
        assert total - found == redundant, (seed, widths, kind)
        checked += 1
        if checked == 12:
            break
    assert checked == 12


@pytest.mark.parametrize(
    ("shift", "symmetry", "least"), [(40.0, Symmetry.ALWAYS_ON, 1), (-40.0, Symmetry.DEAD, 4)]
)
def test_proved_dead_and_always_on_units_are_counted(shift, symmetry, least):
    """A unit with a large beta adds its beta; one with a large negative beta all its numbers."""
    checked = 0
    for seed in range(20):
        generator = generator_of(seed)
        net = normalised_network(generator, (4, 7, 3), epsilon=1e-14, beta_scale=0.3)
        layers = list(net.layers)
        beta = layers[1].beta.array.copy()
        beta[0] = shift
        layers[1] = norm("norm0", "dense0", layers[1].gamma.array, beta, 1e-14)
        net = network(layers, 4)
        x = generator.normal(0, 3, (400, 4))
        if not used_both_ways(net, x):
            continue
        counted = independence(net, proofs(net))
        by_symmetry = {one.symmetry: one.dimensions for one in counted.freedoms}
        assert by_symmetry[symmetry] >= least  # dead: gamma or beta, and three outgoing weights
        found, total = rank(net, x)
        assert total - found >= counted.redundant
        if counted.complete:
            assert total - found == counted.redundant
            checked += 1
    assert checked >= 5


@pytest.mark.parametrize("second_norm", [False, True])
@pytest.mark.parametrize("inputs", [3, 5])
def test_without_an_activation_both_vectors_and_the_sum_are_counted(second_norm, inputs):
    """Dense, LayerNorm, Dense: 2n numbers go, and the sum of the units frees the next kernel.

    With too few inputs to move all units the count is a lower bound and says so.
    """
    generator = generator_of(11)
    layers = [
        dense("a", "x", generator.normal(size=(inputs, 6)), generator.normal(size=6)),
        norm("n", "a", generator.normal(1, 0.5, 6), generator.normal(size=6), 0.3),
        dense("b", "n", generator.normal(size=(6, 4)), generator.normal(size=4)),
    ]
    if second_norm:
        layers.append(norm("m", "b", generator.normal(1, 0.5, 4), generator.normal(size=4), 0.3))
        layers.append(activation("t", "m", "tanh"))
        layers.append(dense("c", "t", generator.normal(size=(4, 2)), generator.normal(size=2)))
    layers.append(activation("out", layers[-1].name, "tanh"))
    net = network(layers, inputs)
    found, total = rank(net, generator.normal(0, 2, (400, inputs)))
    counted = independence(net)
    assert counted.complete == (inputs == 5)
    assert total - found >= counted.redundant_exactly
    assert total - found == counted.redundant_exactly or not counted.complete


def test_the_question_s_network_has_the_known_count(real):
    """4,865 parameters: 201 by mean, scale and gain as epsilon → 0, and 37 gammas traded.

    The first layer has 64 units, its statistics only 27 numbers (21 of s, 6 of the mean).
    """
    with open_checkpoint(real / "question_actor") as checkpoint:
        counted = independence(recover(checkpoint).named("actor"))
    by_symmetry = {one: 0 for one in Symmetry}
    for freedom in counted.freedoms:
        by_symmetry[freedom.symmetry] += freedom.dimensions
    basic = (Symmetry.MEAN, Symmetry.SCALE, Symmetry.GAIN)
    assert [by_symmetry[one] for one in basic] == [71, 2, 128]
    assert by_symmetry[Symmetry.TRADE] == 37
    assert (counted.parameters, counted.redundant, counted.redundant_exactly) == (4865, 238, 237)
    assert counted.independent == 4628
    assert counted.complete


@pytest.mark.parametrize("kind", [LayerNorm, RMSNorm])
@pytest.mark.parametrize("epsilon", [1e-14, 0.3])
@pytest.mark.parametrize("function", ["relu", "tanh"])
def test_many_units_on_few_inputs_trade_gammas_for_columns(kind, epsilon, function):
    """With more units than mean and s(x) have numbers the count is still the rank.

    40 units on 5 inputs are the shape of the question's first layer.
    """
    checked = 0
    largest = (5, 40, 1) if function == "relu" else (4, 27, 1)
    for widths in ((2, 12, 3), (3, 14, 2), (2, 8, 1), largest):
        for seed in range(20):
            generator = generator_of(seed)
            net = normalised_network(
                generator, widths, epsilon=epsilon, kind=kind, beta_scale=0.05, function=function
            )
            x = generator.normal(0, 3, (450, widths[0]))
            if used_both_ways(net, x):
                break
        found, total = rank(net, x)
        counted = independence(net, proofs(net))
        redundant = counted.redundant if epsilon < 1e-9 else counted.redundant_exactly
        assert counted.complete
        assert total - found == redundant, widths
        checked += 1
    assert checked == 4


def test_gammas_of_the_question_s_network_are_traded_for_columns(real):
    """Gammas changed by up to 20 %, kernel columns to match: no output of the float64 run moves.

    The factors c solve Σ c_i·T_i = 0 and Σ c_i²·T_i·T_iᵀ = Σ T_i·T_iᵀ: 27 equations for 64.
    """
    with open_checkpoint(real / "question_actor") as checkpoint:
        net = recover(checkpoint).named("actor")
    pair = pairs(net)[0]
    columns = lift(pair.dense, pair.norm).rows
    upper = np.triu_indices(len(columns))
    squares = np.stack([np.outer(one, one)[upper] for one in columns.T], axis=1)
    factors = 1 + 0.1 * generator_of(0).uniform(-1, 1, 64)
    for _ in range(50):
        off = np.concatenate([columns @ factors, squares @ (factors**2 - 1)])
        slope = np.vstack([columns, 2 * squares * factors])
        factors -= np.linalg.lstsq(slope, off, rcond=None)[0]
    assert np.abs(off).max() < 1e-14
    assert 0.05 < np.abs(factors - 1).max() < 0.2
    traded = columns * factors
    layers = [
        dense(one.name, one.input, traded[:-1], traded[-1])
        if one is pair.dense
        else norm(one.name, one.input, one.gamma.array / factors, one.beta.array, one.epsilon.value)
        if one is pair.norm
        else one
        for one in net.layers
    ]
    x = generator_of(1).normal(size=(500, 5))
    exact = run(net, x, np.float64)
    other = run(replace(net, layers=tuple(layers)), x, np.float64)
    apart = max(np.abs(exact[name] - other[name]).max() for name in exact)
    assert apart < 1e-13  # tanh of sums of 64 numbers of the order of 1


@pytest.mark.parametrize(("widths", "left"), [((3, 6, 2), 11), ((2, 12, 3), 19), ((5, 40, 1), 65)])
def test_what_of_a_layer_s_three_vectors_is_independent_of_the_rest(widths, left):
    """2n − 1 numbers where units are few; where they are many, less by what can be traded."""
    for seed in range(20):
        generator = generator_of(seed)
        net = normalised_network(generator, widths, epsilon=0.3, beta_scale=0.05)
        x = generator.normal(0, 3, (450, widths[0]))
        if used_both_ways(net, x):
            break
    jacobian, names = derivative(net, x)
    block = np.isin(names, ["dense0/bias", "norm0/gamma", "norm0/beta"])
    assert numerical_rank(jacobian) - numerical_rank(jacobian[:, ~block]) == left
    units, rows = widths[1], widths[0] + 1
    spare = units - rows * (rows + 1) // 2 - rows
    assert left == 2 * units - 1 - (spare + 1 if spare >= 0 else 0)


@pytest.mark.parametrize("gamma", ["small", "large", "zero"])
@pytest.mark.parametrize("function", ["relu", "relu6", "tanh"])
def test_no_number_is_called_independent_that_is_not(function, gamma):
    """Units whose clip can never act pass their gammas on; a gamma of 0 leaves more to count."""
    exact = 0
    for seed in range(6):
        generator = generator_of(100 + seed)
        sizes = generator.uniform(0.3, 1.2, 6) * (30 if gamma == "large" else 1)
        if gamma == "zero":
            sizes[1] = 0
        layers = [
            dense("d", "x", generator.normal(size=(3, 6)), generator.normal(size=6)),
            norm("n", "d", sizes, generator.uniform(-0.2, 0.2, 6), 0.3),
            activation("a", "n", function),
            dense("e", "a", generator.normal(size=(6, 2)), generator.normal(size=2)),
        ]
        net = network(layers, 3)
        found, parameters = rank(net, generator.normal(size=(400, 3)) * 3)
        count = independence(net, proofs(net))
        assert count.parameters == parameters
        assert count.independent >= found
        assert not count.complete or count.independent == found
        exact += count.independent == found
    if gamma != "zero" and not (function == "relu6" and gamma == "large"):
        assert exact >= 5


@pytest.mark.parametrize(("beta", "passes"), [(5.9, 1), (6.1, 0)])
def test_a_factor_passes_relu6_where_the_unit_stays_below_six(beta, passes):
    """|gamma|·√(n − 1) + beta is the most that a unit can be: at 6 the clip begins."""
    gamma = np.full(5, 100.0)
    gamma[2] = 1e-6
    betas = np.where(np.arange(5) == 2, beta, 0.0)

    assert _factors_passing("relu6", norm("n", "d", gamma, betas), 5) == passes
