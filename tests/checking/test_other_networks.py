"""A network that is another one never "agrees", however much rounding its numbers allow."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.checking.changed import Change, changed_copy

ACTOR = "actor/dense_1/kernel"
Q_KERNEL, Q_HEAD = "deepq/q_func/fully_connected/weights", "deepq/q_func/fully_connected_1/weights"

# what is wrong with the other network's kernel, and how `check` may end
KERNELS: dict[str, tuple[Change, set[int]]] = {
    "times 1e38": (lambda kernel: kernel * np.float32(1e38), {1, 4}),
    "times 1e20": (lambda kernel: kernel * np.float32(1e20), {1, 4}),
    "with a NaN": (
        lambda kernel: (
            np.where(np.arange(kernel.size) == 3, np.nan, 1).reshape(kernel.shape) * kernel
        ),
        {1, 4},
    ),
    "replaced": (lambda kernel: np.ascontiguousarray(kernel[::-1]), {1}),
    "off by a thousandth": (
        lambda kernel: kernel * (1 + 1e-3 * np.random.default_rng(0).standard_normal(kernel.shape)),
        {1},
    ),
}


@pytest.fixture(params=["sample", "question", "deepq"])
def original(request, samples, tmp_path):
    """A checkpoint, its network, and a kernel of that; the public ones where they are."""
    if request.param == "sample":
        return samples / "cartpole_actor", "actor", ACTOR
    real = request.getfixturevalue("real")
    if request.param == "question":
        return real / "question_actor", "actor", ACTOR
    return real / "deepq_layernorm", "deepq/q_func", Q_KERNEL


@pytest.mark.parametrize("change", KERNELS)
def test_another_kernel_is_not_the_same_network(lnfold, original, tmp_path: Path, change: str):
    """On either side of the check, whatever the kernel's size."""
    source, network, kernel = original
    apply, codes = KERNELS[change]
    other = changed_copy(source, tmp_path / "other" / "model.ckpt", {kernel: apply})

    for pair in ((source, other), (other, source)):
        result = lnfold("check", *pair, "--network", network)
        assert result.code in codes, result.out
        assert "agrees" not in result.out
        assert "DIFFERS" in result.out or "cannot tell" in result.out


@pytest.mark.parametrize("change", ["with a NaN", "times 1e38"])
def test_what_is_not_finite_on_both_sides_cannot_be_told(
    lnfold, original, tmp_path: Path, change: str
):
    """The same NaN, or the same infinity, twice: exit code 4; fold proves and writes nothing."""
    source, network, kernel = original
    apply, _ = KERNELS[change]
    first = changed_copy(source, tmp_path / "a" / "model.ckpt", {kernel: apply})
    second = changed_copy(source, tmp_path / "b" / "model.ckpt", {kernel: apply})

    for arguments in ((first, second), (first,)):
        result = lnfold("check", *arguments, "--network", network)
        assert result.code == 4, result.out
        assert "cannot tell" in result.out
    report = lnfold("inspect", first, "--network", network)
    assert "✓" not in report.out
    assert "cannot be told  ?" in report.out
    folded = lnfold("fold", first, "--network", network, "--output", tmp_path / "out" / "model")
    assert folded.code == 4
    assert "not finite" in folded.err
    assert not (tmp_path / "out").exists()


def test_a_loud_output_lends_no_allowance_to_the_others(lnfold, real, tmp_path: Path):
    """One unit times 1e8, the other units replaced: each is judged by its own rounding."""
    source = real / "deepq_layernorm"
    scale = np.array([1e8, 1, 1], np.float32)
    loud = changed_copy(source, tmp_path / "a" / "m", {Q_HEAD: lambda head: head * scale})
    other = changed_copy(
        source, tmp_path / "b" / "m", {Q_HEAD: lambda head: (head * scale)[:, [0, 2, 1]]}
    )

    assert lnfold("check", loud, "--network", "deepq/q_func").code == 0
    result = lnfold("check", loud, other, "--network", "deepq/q_func")
    assert result.code == 1
    assert "2,048 of 3,072 numbers differ" in result.out


def test_a_row_of_zeros_lends_no_allowance_to_the_others(lnfold, original, tmp_path: Path):
    """Its rounding is its own, where a norm divides by almost nothing."""
    source, network, kernel = original
    rows = np.random.default_rng(0).standard_normal((64, 2 if "deepq" in network else 5))
    rows[17] = 0
    np.save(tmp_path / "rows.npy", rows.astype(np.float32))
    apply, _ = KERNELS["off by a thousandth"]
    other = changed_copy(source, tmp_path / "other" / "model.ckpt", {kernel: apply})
    asked = ["--network", network, "--inputs", tmp_path / "rows.npy"]

    assert lnfold("check", source, other, *asked).code == 1
    assert lnfold("check", source, source, *asked).code in (0, 4)
