"""TensorFlow itself restores what is written: the unmodified graph, the same actions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lnfold.checking.observations import given
from lnfold.checkpoint import Checkpoint, open_checkpoint
from lnfold.checkpoint.numpy_files.array_file import read_arrays
from lnfold.export.tf_checkpoint import write_folded_checkpoint
from lnfold.export.values import new_values
from lnfold.folding.editing.unwritable import unwritable
from lnfold.folding.fold import Choice, fold_together
from lnfold.folding.proof.certificate import Folded
from lnfold.network.records.layers import Array, Norm
from lnfold.network.rounding.measured import measure_rounding
from lnfold.recovery.recover import recover

PUBLIC = {
    "question_actor": [("expected_actor", "actor")],
    "deepq_layernorm": [("expected_q_func", "deepq/q_func")],
    "ddpg_layernorm": [
        ("expected_actor", "actor"),
        ("expected_critic", "critic"),
        ("expected_param_noise_actor", "param_noise_actor"),
    ],
}
SAMPLES = {
    "cartpole_actor": [("expected_actor", "actor")],
    "cartpole_actor_batchnorm": [("expected_actor", "actor")],
}


def folded(checkpoint: Checkpoint) -> tuple[Folded, ...]:
    """Every network of a checkpoint in stock form."""
    recovery = recover(checkpoint)
    whole = [one for one in recovery.networks if one.complete]
    others = [one for one in recovery.networks if not one.complete]
    choice = Choice(frozen=unwritable(checkpoint, recovery.networks))
    return fold_together(whole, choice, others=others)


@pytest.fixture(params=[*PUBLIC, *SAMPLES])
def written(
    request: pytest.FixtureRequest, samples: Path, tmp_path: Path
) -> Iterator[tuple[Checkpoint, tuple[Folded, ...], str, list[tuple[Path, str]]]]:
    """A checkpoint, its folds, the prefix they were written to, expected arrays by network."""
    name = request.param
    if name in SAMPLES:
        folder, expected = samples / name, SAMPLES[name]
    else:
        folder, expected = request.getfixturevalue("real") / name, PUBLIC[name]
    with open_checkpoint(folder) as checkpoint:
        folds = folded(checkpoint)
        prefix = str(tmp_path / "folded.ckpt")
        write_folded_checkpoint(checkpoint, folds, prefix)
        yield checkpoint, folds, prefix, [(folder / f"{one}.npz", to) for one, to in expected]


def test_the_unmodified_graph_restores_it_and_gives_the_same_actions(
    tensorflow: Any, written: Any
) -> None:
    """import_meta_graph, restore, run: every network with expected outputs still gives them."""
    _, folds, prefix, expected = written
    v1 = tensorflow.compat.v1
    compared = 0
    with v1.Graph().as_default(), v1.Session() as session:
        saver = v1.train.import_meta_graph(prefix + ".meta", clear_devices=True)
        saver.restore(session, prefix)
        for path, name in expected:
            one = next(fold for fold in folds if fold.original.name == name)
            arrays = read_arrays(str(path), "inputs")
            inputs = given(one.original, arrays, str(path)).inputs
            rounding = measure_rounding(one.original, inputs)
            feeds = {tensor(node): array for node, array in inputs.items()}
            found = session.run([tensor(node) for node in one.original.outputs], feeds)
            for array, name in zip(found, one.original.outputs, strict=True):
                # two programs, each as far from the exact outputs as rounding takes it
                assert (np.abs(array - arrays["outputs"]) <= 2 * rounding.estimate[name]).all()
                compared += array.size

    assert compared >= 256


def test_gamma_is_one_of_three_numbers(written: Any) -> None:
    """In stock form every gamma that a network still reads is −1, 0 or 1."""
    _, folds, _, _ = written
    norms = [layer for one in folds for layer in one.network.layers if isinstance(layer, Norm)]

    assert norms
    for norm in norms:
        assert norm.gamma is not None
        assert np.isin(norm.gamma.array, (-1, 0, 1)).all()


def test_tensorflow_reads_the_same_values_and_all_others_bit_for_bit(
    tensorflow: Any, written: Any
) -> None:
    """Changed variables as folded, optimizer slots and counters as they were."""
    checkpoint, folds, prefix, _ = written
    reader = tensorflow.train.load_checkpoint(prefix)
    values = new_values(checkpoint, folds)
    carried = 0

    assert set(reader.get_variable_to_shape_map()) == {one.key for one in checkpoint.values()}
    for name, variable in checkpoint.items():
        found = reader.get_tensor(variable.key)
        wanted: Array = values.get(name, variable.read())
        assert found.dtype == wanted.dtype
        assert found.tobytes() == wanted.tobytes()
        carried += name not in values

    assert values
    assert carried


def tensor(name: str) -> str:
    return name if ":" in name else f"{name}:0"
