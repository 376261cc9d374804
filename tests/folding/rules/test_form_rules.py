"""Rules that replace layers: equal where the identity holds, refused by name elsewhere."""

from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lnfold.folding.editing.steps import Applied, Form
from lnfold.folding.fold import Choice, fold
from lnfold.folding.rules.batch_norm import BATCH_NORM
from lnfold.folding.rules.carry import CARRY
from lnfold.folding.rules.centre import CENTRE
from lnfold.folding.rules.dense_dense import DENSE_DENSE
from lnfold.folding.rules.gamma_forward import GAMMA_FORWARD
from lnfold.folding.rules.norm_norm import NORM_NORM
from lnfold.folding.rules.observation import OBSERVATION
from lnfold.folding.rules.proven_units import PROVEN_UNITS
from lnfold.folding.rules.side_channel import SIDE_CHANNEL
from lnfold.folding.rules.sign import SIGN
from lnfold.network.records.layers import BatchNorm, Dense, LayerNorm, RMSNorm
from tests.folding.build import Builder, actor
from tests.folding.cases import (
    CASES,
    DTYPES,
    FREE,
    STOCK,
    Case,
    apply,
    assert_same,
    cases,
    reasons,
)


def test_batch_norm_folds_into_the_layer_before_it_or_behind_it() -> None:
    """Stored statistics are affine: one bias vector is the exact answer, in every form."""
    seen: Counter[str] = Counter()

    @CASES
    @given(
        st.integers(0, 2**16),
        st.integers(1, 128),
        st.booleans(),
        st.booleans(),
        st.booleans(),
        st.sampled_from([1e-5, 1e-3, 0.1]),
    )
    def check(seed: int, units: int, behind: bool, scale: bool, bias: bool, epsilon: float) -> None:
        build = Builder(seed)
        x = build.input(5)
        if behind:
            y = build.act(build.dense(x, units), "relu")
            build.dense(build.batch_norm(y, scale=scale, epsilon=epsilon), 3, bias=bias)
        else:
            y = build.dense(x, units, bias=bias)
            build.dense(build.act(build.batch_norm(y, scale=scale, epsilon=epsilon)), 3)
        network = build.network()
        for setting in (STOCK, FREE):
            folded, answers = apply(network, BATCH_NORM, setting)
            assert_same(network, folded)
            if setting.stock and behind and not bias:
                assert reasons(answers) == ["NO_BIAS"]
                seen["refused"] += 1
                continue
            again, repeated = apply(folded, BATCH_NORM, setting)
            assert repeated == []
            assert again is folded
            assert setting.stock or not any(isinstance(one, BatchNorm) for one in folded.layers)
            seen["applied"] += 1

    check()

    assert seen["applied"] >= 80
    assert seen["refused"] >= 5


def test_the_side_channel_holds_for_every_activation_and_gamma() -> None:
    """Deviation from the triangle, gamma in the own kernel: nothing is refused."""
    seen = 0

    @CASES
    @given(cases(inputs=st.integers(1, 140), dtype=DTYPES))
    def check(case: Case) -> None:
        nonlocal seen
        network = case.network()
        folded, answers = apply(network, SIDE_CHANNEL, FREE)
        assert_same(network, folded)
        assert all(isinstance(one, Applied) for one in answers)
        seen += len(answers)

    check()

    assert seen >= 60


def test_carrying_the_deviations_is_exact_for_every_epsilon_and_depth() -> None:
    """Biases and epsilon included, one to four norms deep."""
    seen: Counter[str] = Counter()

    @CASES
    @given(
        st.integers(0, 2**16),
        st.lists(st.integers(1, 64), min_size=1, max_size=4),
        st.sampled_from(["relu", "leaky_relu", "abs", "identity", "tanh", "elu"]),
        st.sampled_from([1e-12, 1e-5, 1e-3, 0.1]),
        st.booleans(),
    )
    def check(seed: int, hidden: list[int], function: str, epsilon: float, gamma: bool) -> None:
        network = actor(seed, (5, *hidden, 2), function, epsilon)
        for rule in (CENTRE, SIGN, *([GAMMA_FORWARD] if gamma else [])):
            network, _ = apply(network, rule, FREE)
        folded, answers = apply(network, CARRY, FREE)
        assert_same(network, folded)
        if function in ("tanh", "elu"):
            assert set(reasons(answers)) == {"ACTIVATED"}
            seen["refused"] += 1
        elif gamma:
            assert len(answers) == 1
            assert isinstance(answers[0], Applied)
            assert not any(isinstance(one, RMSNorm) for one in folded.layers)
            seen["applied"] += 1

    check()

    assert seen["applied"] >= 10
    assert seen["refused"] >= 10


def test_an_observation_normaliser_and_its_clip_go_into_the_first_dense_layer() -> None:
    """With the clip moved to raw units, for inputs far beyond it as well."""
    seen = 0

    @CASES
    @given(st.integers(0, 2**16), st.integers(1, 20), st.booleans(), st.booleans())
    def check(seed: int, width: int, clipped: bool, concat: bool) -> None:
        nonlocal seen
        random = np.random.default_rng(seed)
        build = Builder(seed)
        x = build.input(width)
        x = build.standardize(x, random.normal(0, 3, width), random.uniform(0.2, 0.9, width))
        if clipped:
            x = build.clip(x, -1, 1.5)
        if concat:
            x = build.concat(x, build.input(2, "action"))
        build.act(build.dense(x, 7), "tanh")
        network = build.network()
        folded, answers = apply(network, OBSERVATION, FREE)
        assert_same(network, folded)
        assert len(folded.layers) == len(network.layers) - 1
        seen += len(answers)

    check()

    assert seen >= 60


def test_two_dense_layers_become_one_where_that_is_cheaper() -> None:
    """Their product is exact; a narrow waist between them is kept, as it is cheaper."""
    seen: Counter[str] = Counter()

    @CASES
    @given(st.integers(0, 99), st.integers(1, 20), st.integers(1, 20), st.integers(1, 20))
    def check(seed: int, inputs: int, waist: int, outputs: int) -> None:
        build = Builder(seed)
        x = build.dense(build.input(inputs), waist, bias=bool(seed % 2))
        build.dense(x, outputs, bias=bool(seed % 3))
        network = build.network()
        folded, answers = apply(network, DENSE_DENSE, FREE)
        assert_same(network, folded)
        if inputs * outputs > waist * (inputs + outputs):
            assert reasons(answers) == ["COSTLIER"]
            seen["refused"] += 1
        else:
            assert len(folded.layers) == 1
            seen["applied"] += 1

    check()

    assert min(seen["applied"], seen["refused"]) >= 5


def test_a_norm_of_a_norm_is_one_norm_with_another_epsilon() -> None:
    """Factors of either sign and any shift; without the first epsilon it is another network."""
    seen: Counter[str] = Counter()

    @CASES
    @given(
        st.integers(0, 2**16),
        st.integers(1, 64),
        st.sampled_from([LayerNorm, RMSNorm]),
        st.sampled_from([LayerNorm, RMSNorm]),
        st.sampled_from([-1.7, -0.01, 0.0, 0.3, 1.0, 5.0]),
        st.sampled_from([0.0, 0.4]),
        st.sampled_from([1e-12, 1e-5, 1e-3, 0.1]),
        st.sampled_from([1e-12, 1e-3, 0.1]),
        st.booleans(),
    )
    def check(
        seed: int,
        units: int,
        first: type[LayerNorm] | type[RMSNorm],
        second: type[LayerNorm] | type[RMSNorm],
        factor: float,
        shift: float,
        epsilon: float,
        other: float,
        even: bool,
    ) -> None:
        build = Builder(seed)
        gamma = np.full(units, factor)
        if not even:
            gamma[-1] += 0.5
        z = build.norm(
            build.dense(build.input(5), units),
            kind=first,
            gamma=gamma,
            beta=np.full(units, shift),
            epsilon=epsilon,
        )
        build.dense(build.act(build.norm(z, kind=second, epsilon=other)), 2)
        network = build.network()
        folded, answers = apply(network, NORM_NORM, FREE)
        assert_same(network, folded)
        if gamma[0] == 0 or (units > 1 and not even) or (second is RMSNorm and shift):
            assert set(reasons(answers)) <= {"UNEVEN", "MEAN_BETWEEN"}
            seen["refused"] += len(answers)
        elif (first, second) == (RMSNorm, LayerNorm):
            assert reasons(answers) == ["MEAN_BETWEEN"]
            seen["refused"] += 1
        else:
            assert sum(isinstance(one, LayerNorm | RMSNorm) for one in folded.layers) == 1
            seen["applied"] += 1

    check()

    assert min(seen["applied"], seen["refused"]) >= 40


def test_dense_norm_dense_without_an_activation_is_one_product_over_s() -> None:
    """The division is put off and s comes from the triangle, so both kernels become one (E07)."""
    build = Builder()
    y = build.dense(build.input(5), 64)
    build.act(build.dense(build.norm(y, epsilon=1e-3), 2), "tanh")
    network = build.network()
    folded = fold(network, Choice(Form.AUTO))
    dense = [one for one in folded.network.layers if isinstance(one, Dense)]

    assert [one.kernel.shape for one in dense] == [(5, 2)]
    assert {one.rule for one in folded.certificates} >= {"side-channel", "carry", "dense-dense"}
    assert folded.multiplications == (640, 33)
    assert_same(network, folded.exact)


def test_proven_units_are_pruned_with_the_statistics_kept() -> None:
    """Units whose sign the weights prove go, and the rest of the layer keeps its deviation."""
    seen: Counter[str] = Counter()

    @CASES
    @given(st.integers(0, 2**16), st.integers(1, 4), st.integers(20, 64), st.sampled_from([1, 6]))
    def check(seed: int, inputs: int, units: int, strength: int) -> None:
        build = Builder(seed)
        y = build.dense(build.input(inputs), units)
        beta = build.random.normal(0, 0.5 * strength, units)
        build.dense(build.act(build.norm(y, beta=beta)), 2)
        network, _ = apply(build.network(), SIDE_CHANNEL, FREE)
        folded, answers = apply(network, PROVEN_UNITS, FREE)
        assert_same(network, folded)
        for one in answers:
            if isinstance(one, Applied):
                seen["dead"] += int(one.preconditions[1][1])
                seen["linear"] += int(one.preconditions[2][1])

    check()

    assert seen["dead"] >= 100
    assert seen["linear"] >= 100
