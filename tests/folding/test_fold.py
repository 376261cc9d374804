"""Whole networks folded: forms, idempotence, choices, limits, shared variables."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lnfold.errors import UsageError
from lnfold.folding import sequences
from lnfold.folding.editing.steps import Form, Reason
from lnfold.folding.fold import Choice, fold, fold_together
from lnfold.folding.proof.certificate import ROUNDING_LIMIT, FoldingLimitError
from lnfold.folding.proof.cost import multiplications
from lnfold.folding.sequences import SEQUENCES
from lnfold.network.records.layers import Dense, LayerNorm, Network, RMSNorm
from lnfold.relations.question.relate import relate
from tests.folding.build import Builder, actor
from tests.folding.cases import ACTIVATIONS, assert_same

FORMS = [form for form in Form if form is not Form.AUTO]


def parameters(network: Network) -> list[bytes]:
    """All numbers of a network, to see that nothing has changed."""
    return [
        parameter.array.tobytes() for layer in network.layers for _, parameter in layer.parameters()
    ]


@pytest.mark.parametrize("form", list(Form))
def test_every_form_is_the_same_network_within_the_limits(form: Form) -> None:
    """Random actors of every activation, epsilon and depth, certificates included."""
    seen: Counter[str] = Counter()

    @settings(max_examples=40, deadline=None, derandomize=True)
    @given(
        st.integers(0, 2**16),
        st.lists(st.integers(2, 64), min_size=1, max_size=3),
        ACTIVATIONS,
        st.sampled_from([1e-12, 1e-5, 1e-3, 0.1]),
        st.sampled_from([np.float32, np.float64]),
    )
    def check(seed: int, hidden: list[int], function: str, epsilon: float, dtype: type) -> None:
        network = actor(seed, (5, *hidden, 2), function, epsilon, dtype)
        before = parameters(network)
        folded = fold(network, Choice(form))
        assert_same(network, folded.exact)
        assert folded.float64_error <= 1e-12
        assert folded.rounding_ratio <= ROUNDING_LIMIT
        assert parameters(network) == before
        seen["steps"] += len(folded.certificates)
        seen["refused"] += len(folded.refusals)

    check()

    assert seen["steps"] >= 60
    assert seen["refused"] >= 20


@pytest.mark.parametrize("form", FORMS)
def test_folding_twice_changes_nothing(form: Form) -> None:
    """What is folded is recognised by measurement: no step is left to take."""
    again = 0
    for seed in range(30):
        function = ["relu", "leaky_relu", "identity", "tanh", "relu6"][seed % 5]
        folded = fold(actor(seed, (5, 33, 64, 3), function, 1e-5), Choice(form))
        repeated = fold(folded.network, Choice(form))
        assert repeated.certificates == ()
        assert repeated.network.layers == folded.network.layers
        again += bool(folded.certificates)

    assert again == 30


def test_the_stock_form_keeps_layers_names_shapes_and_dtypes() -> None:
    """Only numbers change, and every gamma is −1, 0 or 1."""
    network = actor(1)
    folded = fold(network).network

    for old, new in zip(network.layers, folded.layers, strict=True):
        assert (type(old), old.name, old.inputs) == (type(new), new.name, new.inputs)
        pairs = zip(old.parameters(), new.parameters(), strict=True)
        for (role, before), (same_role, after) in pairs:
            assert (role, before.shape, before.array.dtype, before.variables) == (
                same_role,
                after.shape,
                after.array.dtype,
                after.variables,
            )
            assert role != "gamma" or np.isin(after.array, (-1, 0, 1)).all()


def test_the_question_keeps_127_of_its_192_numbers() -> None:
    """One number of the bias and 64 gammas are absorbed; 63 biases and 64 betas stay."""
    (first, second) = fold(actor(0)).left

    assert (first.before, first.after) == (192, 127)
    assert (second.before, second.after) == (192, 127)
    assert (first.bias, first.gamma, first.beta) == (63, 0, 64)


@pytest.mark.parametrize("rule", ["centre", "gamma-forward"])
def test_a_rule_can_be_left_out_or_be_the_only_one(rule: str) -> None:
    """--skip refuses its steps by name, --only all others."""
    skipped = fold(actor(0), Choice(skip=[rule]))
    alone = fold(actor(0), Choice(only=[rule]))

    assert rule not in {one.rule for one in skipped.certificates}
    assert {one.rule for one in skipped.refusals if one.reason is Reason.SKIPPED} == {rule}
    assert {one.rule for one in alone.certificates} == {rule}


def test_a_rule_that_does_not_exist_is_named() -> None:
    """With the rules that do."""
    with pytest.raises(UsageError, match=r"no rule is called 'gama'.*gamma-forward"):
        fold(actor(0), Choice(skip=["gama"]))


def test_auto_takes_the_fewest_multiplications() -> None:
    """No other form needs fewer, for wide and narrow layers, with and without beta."""
    for seed, widths in enumerate([(5, 64, 64, 1), (40, 16, 16, 2), (2, 100, 8, 3), (3, 8, 1)]):
        network = actor(seed, widths)
        chosen = fold(network, Choice(Form.AUTO))
        others = [fold(network, Choice(form)).multiplications[1] for form in FORMS]
        assert chosen.multiplications[1] <= min(others)
        assert chosen.form is not Form.AUTO


def test_multiplications_are_counted_as_their_formulas_say() -> None:
    """5·8 and 8·2 for the kernels; squares, division and gamma for the norm."""
    network = actor(0, (5, 8, 2))

    assert multiplications(network) == 5 * 8 + 3 * 8 + 8 * 2
    assert multiplications(fold(network, Choice(Form.RMS)).exact) == 5 * 8 + 2 * 8 + 8 * 2


def test_a_wrong_identity_is_an_error_and_gives_no_network(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A rule whose network differs in float64 is stopped, with rule and layer named."""
    rule = SEQUENCES[Form.STOCK][1]

    def wrong(network, layer, setting):  # type: ignore[no-untyped-def]
        outcome = rule.apply(network, layer, setting)
        if outcome is None or not hasattr(outcome, "network"):
            return outcome
        last = outcome.network.layers[-2]
        moved = replace(last, bias=replace(last.bias, array=last.bias.array + 1e-6))
        layers = tuple(moved if one is last else one for one in outcome.network.layers)
        return replace(outcome, network=replace(outcome.network, layers=layers))

    monkeypatch.setitem(sequences.SEQUENCES, Form.STOCK, (replace(rule, apply=wrong),))

    with pytest.raises(FoldingLimitError, match=r"layer norm1: rule centre .* in float64"):
        fold(actor(0))


def test_a_step_that_ruins_float32_is_left_out() -> None:
    """A normaliser whose mean is a million deviations is not folded: its bias would cancel."""
    build = Builder()
    x = build.standardize(build.input(4), np.full(4, 1e6), np.full(4, 0.5))
    build.act(build.dense(x, 8), "tanh")
    folded = fold(build.network(), Choice(Form.RMS))

    (refusal,) = folded.refusals
    assert (refusal.rule, refusal.reason) == ("observation", Reason.ROUNDING)
    assert refusal.measured is not None
    assert refusal.measured > ROUNDING_LIMIT
    assert folded.network.layers == folded.original.layers


def test_a_layer_applied_twice_changes_where_it_changes_alike() -> None:
    """Kernel and bias shared by two normed layers are centred once, for both."""
    build = Builder()
    kernel, bias = build.random.standard_normal((4, 6)), build.random.standard_normal(6) + 3
    heads = []
    for name in ("left", "right"):
        y = build.dense(build.input(4, name), 6, kernel=kernel, bias=bias, variables="shared")
        heads.append(build.act(build.norm(y, gamma=None)))
    build.dense(build.concat(*heads), 2)
    folded = fold(build.network())

    changed = {name for one in folded.certificates for name in one.changed}
    assert changed == {"shared/kernel", "shared/bias"}


def test_a_variable_that_would_need_two_values_keeps_its_own() -> None:
    """One kernel behind two different gammas: both steps are refused, naming the kernel."""
    build = Builder()
    kernel, bias = build.random.standard_normal((6, 2)), np.zeros(2)
    outputs = []
    for name in ("left", "right"):
        z = build.act(build.norm(build.dense(build.input(4, name), 6)))
        outputs.append(build.dense(z, 2, kernel=kernel, bias=bias, variables="shared"))
    network = build.network(*outputs)
    folded = fold(network)

    refused = [one for one in folded.refusals if one.reason is Reason.SHARED]
    assert [(one.rule, one.by) for one in refused] == [("gamma-forward", "shared/kernel")] * 2
    last = folded.network.layers[-1]
    assert isinstance(last, Dense)
    assert last.kernel.array.tobytes() == network.layers[-1].kernel.array.tobytes()  # type: ignore[attr-defined]


def test_what_a_network_that_is_not_folded_reads_keeps_its_values() -> None:
    """A variable of an unselected network is not changed under it."""
    network = actor(0)
    other = replace(network, name="other")
    (folded,) = fold_together([network], others=[other])

    assert folded.certificates == ()
    assert {one.reason for one in folded.refusals} >= {Reason.SHARED}


def test_several_outputs_are_each_held_to_their_own_scale() -> None:
    """A value head a million times larger does not hide an error of the action."""
    build = Builder()
    h = build.act(build.norm(build.dense(build.input(4), 32)))
    large = build.dense(h, 1, kernel=build.random.standard_normal((32, 1)) * 1e6)
    small = build.act(build.dense(h, 2), "tanh")
    folded = fold(build.network(large, small), Choice(Form.RMS))

    assert folded.float64_error <= 1e-12
    assert folded.rounding_ratio <= ROUNDING_LIMIT
    assert any(isinstance(one, RMSNorm) for one in folded.network.layers)
    assert not any(isinstance(one, LayerNorm) for one in folded.network.layers)


@pytest.mark.parametrize("function", ["relu", "identity", "tanh"])
def test_what_is_left_after_a_fold_is_what_inspect_counts_then(function: str) -> None:
    """Nothing more can be absorbed where all was, and both count the same numbers."""
    folded = fold(actor(0, (5, 32, 16, 2), function))
    before = relate(folded.original, None)
    after = relate(folded.network, None)

    assert all(relation.numbers[0] for relation in before)
    left = {one.scope: one.after for one in folded.left}
    assert [relation.numbers for relation in after] == [
        (0, left[relation.pair.scope]) for relation in after
    ]
