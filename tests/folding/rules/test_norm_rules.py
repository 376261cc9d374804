"""Rules for mean, gamma and beta: equal where the identity holds, refused by name elsewhere."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lnfold.folding.rules.batch_norm import _idle
from lnfold.folding.rules.beta_forward import BETA_FORWARD
from lnfold.folding.rules.centre import CENTRE
from lnfold.folding.rules.constant_units import CONSTANT_UNITS
from lnfold.folding.rules.gamma_forward import GAMMA_FORWARD
from lnfold.folding.rules.sign import SIGN
from lnfold.folding.rules.threshold import THRESHOLD
from lnfold.network.operations.activations import FUNCTIONS
from lnfold.network.records.layers import BatchNorm, Dense, LayerNorm, Norm, RMSNorm
from tests.folding.build import Builder
from tests.folding.cases import (
    CASES,
    DTYPES,
    FREE,
    HOMOGENEOUS,
    STOCK,
    Case,
    apply,
    assert_same,
    cases,
    reasons,
)


def test_centring_leaves_every_dense_layer_norm_pair_as_it_was() -> None:
    """LayerNorm of a dense layer equals RMSNorm of the centred one, whatever they hold."""
    seen: Counter[str] = Counter()

    @CASES
    @given(cases(dtype=DTYPES))
    def check(case: Case) -> None:
        network = case.network()
        for setting in (STOCK, FREE):
            folded, answers = apply(network, CENTRE, setting)
            assert_same(network, folded)
            kinds = {type(one) for one in folded.layers if isinstance(one, Norm)}
            assert kinds == {LayerNorm if setting.stock else RMSNorm}
            seen["applied"] += len(answers)

    check()

    assert seen["applied"] >= 100


def test_centring_needs_the_dense_layer_directly_before_the_norm() -> None:
    """An activation, or a second reader, in front of the norm is named."""
    build = Builder()
    x = build.input(4)
    h = build.act(build.dense(x, 8), "relu")
    build.dense(build.norm(h), 2)
    assert reasons(apply(build.network(), CENTRE, FREE)[1]) == ["NOT_DENSE"]

    build = Builder()
    y = build.dense(build.input(4), 8)
    build.concat(build.norm(y), build.act(y, "tanh"))
    assert reasons(apply(build.network(), CENTRE, FREE)[1]) == ["READ_ELSEWHERE"]


@pytest.mark.parametrize("writers", [2, 3])
def test_all_writers_of_a_sum_are_centred_together(writers: int) -> None:
    """A norm that reads a sum of dense layers needs every one of them centred."""
    build = Builder()
    x = build.input(4)
    total = build.sum(*(build.dense(x, 8, offset=5) for _ in range(writers)))
    build.dense(build.act(build.norm(total)), 2)
    network = build.network()

    folded, answers = apply(network, CENTRE, FREE)

    assert_same(network, folded)
    assert len(answers) == 1
    dense = [one for one in folded.layers if isinstance(one, Dense)][:writers]
    assert all(np.abs(one.kernel.array.mean(axis=1)).max() < 1e-15 for one in dense)


def test_one_writer_that_is_not_dense_keeps_all_of_them() -> None:
    """A residual stream that an activation writes to is not centred at all."""
    build = Builder()
    x = build.input(8)
    h = build.act(build.dense(x, 8), "relu")
    build.dense(build.norm(build.sum(h, build.dense(h, 8))), 2)

    network = build.network()

    folded, answers = apply(network, CENTRE, FREE)

    assert reasons(answers) == ["NOT_DENSE"]
    assert folded is network


def test_gamma_goes_forward_through_homogeneous_activations_only() -> None:
    """Equal for identity, relu, leaky relu and abs; every other activation is named."""
    seen: Counter[str] = Counter()

    @CASES
    @given(cases(gamma=st.sampled_from(["positive", "negative"])), st.booleans())
    def check(case: Case, concat: bool) -> None:
        network = case.network(concat=concat)
        folded, answers = apply(network, GAMMA_FORWARD, STOCK)
        if FUNCTIONS[case.activation].homogeneous:
            assert_same(network, folded)
            norm = next(one for one in folded.layers if isinstance(one, LayerNorm))
            assert norm.gamma is not None
            assert np.isin(norm.gamma.array, (-1, 0, 1)).all()
            seen["applied"] += 1
        elif FUNCTIONS[case.activation].rowwise:
            assert reasons(answers) == ["READ"]
            seen["rowwise"] += 1
        else:
            expected = "CLIP_FIXED" if case.activation == "relu6" else "ACTIVATED"
            assert reasons(answers) == [expected]
            seen["refused"] += 1

    check()

    assert seen["applied"] >= 5
    assert seen["refused"] >= 20


def test_gamma_of_every_size_and_sign_goes_forward() -> None:
    """Zero, negative, tiny and mixed gammas behind a relu, of every width and epsilon."""
    seen: Counter[str] = Counter()

    @CASES
    @given(
        cases(
            activation=HOMOGENEOUS,
            dtype=DTYPES,
            gamma=st.sampled_from(["mixed", "negative", "tiny", "zero"]),
        ),
        st.integers(1, 3),
    )
    def check(case: Case, heads: int) -> None:
        network = case.network(heads=heads)
        for setting in (STOCK, FREE):
            folded, answers = apply(network, GAMMA_FORWARD, setting)
            assert_same(network, folded)
            seen[case.gamma] += len(answers)

    check()

    assert min(seen["negative"], seen["mixed"], seen["tiny"]) >= 5


def test_relu6_takes_its_clip_along() -> None:
    """relu6 lets gamma through when its clip moves to 6/gamma, each unit its own."""
    seen = 0

    @CASES
    @given(cases(activation=st.just("relu6"), gamma=st.just("positive")))
    def check(case: Case) -> None:
        nonlocal seen
        network = case.network()
        folded, answers = apply(network, GAMMA_FORWARD, FREE)
        assert_same(network, folded)
        seen += len(answers)

    check()

    assert seen >= 50


def test_a_residual_reader_keeps_gamma_and_beta() -> None:
    """A sum that reads the norm is named as what stands in the way."""
    network = Case(0, 4, 8, "relu", "positive", 1e-5, np.float32, 0.0, True).network(residual=True)

    for rule in (GAMMA_FORWARD, BETA_FORWARD):
        folded, answers = apply(network, rule, STOCK)
        assert folded is network
        assert reasons(answers) == ["RESIDUAL"]
        assert answers[0].by.startswith("add")  # type: ignore[attr-defined]


def test_beta_goes_into_every_next_bias_where_nothing_stands_between() -> None:
    """Equal for identities, all readers together; behind any other activation it stays."""
    seen: Counter[str] = Counter()

    @CASES
    @given(cases(), st.integers(1, 3), st.booleans())
    def check(case: Case, heads: int, concat: bool) -> None:
        network = case.network(heads=heads, concat=concat)
        folded, answers = apply(network, BETA_FORWARD, STOCK)
        if case.activation == "identity":
            assert_same(network, folded)
            norm = next(one for one in folded.layers if isinstance(one, LayerNorm))
            assert norm.beta is not None
            assert not norm.beta.array.any()
            seen["applied"] += 1
        else:
            assert reasons(answers) in (["SHIFTED"], ["READ"])
            seen["refused"] += 1

    check()

    assert seen["applied"] >= 3
    assert seen["refused"] >= 50


def test_beta_needs_a_bias_in_stock_form_and_creates_one_elsewhere() -> None:
    """The graph has no place for a new bias; the other forms have."""
    case = Case(0, 4, 8, "identity", "ones", 1e-5, np.float32, 0.0, bias=False)
    network = case.network()

    assert reasons(apply(network, BETA_FORWARD, STOCK)[1]) == ["NO_BIAS"]
    folded, _ = apply(network, BETA_FORWARD, FREE)
    assert_same(network, folded)
    last = folded.layers[-1]
    assert isinstance(last, Dense)
    assert last.bias is not None


def test_constant_units_move_into_the_next_bias_and_stay_in_the_statistics() -> None:
    """Units with gamma zero, or next to it, are constants for every activation."""
    seen: Counter[str] = Counter()

    @CASES
    @given(cases(gamma=st.sampled_from(["zero", "tiny", "mixed", "positive"])))
    def check(case: Case) -> None:
        network = case.network()
        folded, answers = apply(network, CONSTANT_UNITS, STOCK)
        assert_same(network, folded)
        if FUNCTIONS[case.activation].rowwise:
            return
        constant = (np.abs(case.gammas()) < 1e-30) | (case.units == 1)
        assert len(answers) == int(constant.any())
        seen[case.gamma] += len(answers)

    check()

    assert min(seen["zero"], seen["tiny"], seen["mixed"]) >= 5


def test_negative_gammas_flip_units_of_the_centred_layer() -> None:
    """After centring every gamma of an RMSNorm can be made positive."""
    seen = 0

    @CASES
    @given(cases(gamma=st.sampled_from(["negative", "mixed", "signs"])))
    def check(case: Case) -> None:
        nonlocal seen
        network, _ = apply(case.network(), CENTRE, FREE)
        folded, answers = apply(network, SIGN, FREE)
        assert_same(network, folded)
        for norm in folded.layers:
            if isinstance(norm, RMSNorm) and norm.gamma is not None:
                assert (norm.gamma.array >= 0).all()
        seen += len(answers)

    check()

    assert seen >= 40


def test_a_threshold_replaces_beta_behind_a_relu() -> None:
    """relu(z + beta) = max(z, −beta) + beta, for every beta; other activations are named."""
    seen: Counter[str] = Counter()

    @CASES
    @given(cases(activation=st.sampled_from(["relu", "relu", "leaky_relu", "tanh"])), st.booleans())
    def check(case: Case, concat: bool) -> None:
        network, _ = apply(case.network(concat=concat), CENTRE, FREE)
        folded, answers = apply(network, THRESHOLD, FREE)
        assert_same(network, folded)
        if case.activation == "relu":
            norm = next(one for one in folded.layers if isinstance(one, RMSNorm))
            assert norm.beta is None
            seen["applied"] += 1
        else:
            assert reasons(answers) == ["NOT_RELU"]
            seen["refused"] += 1

    check()

    assert min(seen["applied"], seen["refused"]) >= 10


def test_a_batch_norm_does_nothing_only_where_every_unit_is_left_alone() -> None:
    """A gain of one number that is not 1, or a shift of one that is not 0, is something to do."""
    build = Builder()
    x = build.input(3)
    build.batch_norm(build.dense(x, 4))
    norm = build.layers[-1]
    assert isinstance(norm, BatchNorm)
    ones, zeros = np.ones(4), np.zeros(4)
    one_off = np.array([1, 1, 1, 1.01])

    assert _idle(norm, ones, zeros)
    assert not _idle(norm, one_off, zeros)
    assert not _idle(norm, ones, one_off - 1)


@pytest.mark.parametrize("beta", [None, True])
def test_a_constant_unit_delivers_its_beta_or_nothing(beta: bool | None) -> None:
    """Behind a sigmoid a unit without gamma is sigmoid(beta), and sigmoid(0) without a beta."""
    build = Builder()
    x = build.input(3)
    gamma = np.array([1.0, 0.0, 2.0, 0.5])
    value = build.act(build.norm(build.dense(x, 4), gamma=gamma, beta=beta), "sigmoid")
    network = build.network(build.dense(value, 2))
    folded, answers = apply(network, CONSTANT_UNITS, STOCK)

    assert len(answers) == 1
    assert_same(network, folded)
    last = folded.layers[-1]
    assert isinstance(last, Dense)
    assert not last.kernel.array[1].any()
