"""Containers of Keras and SavedModels: the same container, with the folded weights."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lnfold.checkpoint import Checkpoint, open_checkpoint
from lnfold.errors import OutputError
from lnfold.export.keras_file import write_folded_keras
from lnfold.export.tf_checkpoint import write_folded_checkpoint, write_folded_saved_model
from lnfold.export.values import new_values
from lnfold.folding.editing.unwritable import unwritable
from lnfold.folding.fold import Choice, fold_together
from lnfold.folding.proof.certificate import Folded
from lnfold.network.facts.order import Order
from lnfold.network.facts.settings import Settings
from lnfold.network.records.layers import Array
from lnfold.network.running.run import run
from lnfold.recovery.recover import recover

# Keras 3 hands its tensors to NumPy in a way that NumPy 2 warns of, and its .h5 is deprecated
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")


def folded(checkpoint: Checkpoint, settings: Settings | None = None) -> tuple[Folded, ...]:
    networks = recover(checkpoint, settings).networks
    return fold_together(networks, Choice(frozen=unwritable(checkpoint, networks)))


def assert_same_actions(fold: Folded, model: Any) -> None:
    """A Keras model computes what the original network does, to float32's digits."""
    width = fold.original.inputs[0].width
    rows = np.random.default_rng(0).standard_normal((64, width)).astype(np.float32)
    expected = run(fold.original, rows, np.float64)[fold.original.outputs[0]]

    assert np.abs(np.asarray(model(rows)) - expected).max() <= 1e-5 * np.abs(expected).max()


def keras_actor(tensorflow: Any) -> Any:
    """Dense → BatchNorm → relu → LayerNorm → Dense, with statistics and gammas of its own."""
    keras = tensorflow.keras
    model = keras.Sequential(
        [
            keras.Input((5,)),
            keras.layers.Dense(16, name="dense"),
            keras.layers.BatchNormalization(name="batch_normalization"),
            keras.layers.ReLU(name="re_lu"),
            keras.layers.Dense(12, name="dense_1"),
            keras.layers.LayerNormalization(name="layer_normalization"),
            keras.layers.ReLU(name="re_lu_1"),
            keras.layers.Dense(2, activation="tanh", name="dense_2"),
        ]
    )
    random = np.random.default_rng(1)
    model.set_weights(
        [random.uniform(0.3, 1.5, array.shape).astype("f") for array in model.get_weights()]
    )
    return model


@pytest.mark.parametrize("ending", [".h5", ".keras"])
def test_keras_loads_the_folded_file(tensorflow: Any, tmp_path: Path, ending: str) -> None:
    """load_model of the folded file is the same function; optimizer and config are kept."""
    keras_actor(tensorflow).save(tmp_path / f"actor{ending}")
    path = str(tmp_path / f"folded{ending}")
    with open_checkpoint(tmp_path / f"actor{ending}") as checkpoint:
        folds = folded(checkpoint)
        write_folded_keras(checkpoint, folds, path)
        values = new_values(checkpoint, folds)
        with pytest.raises(OutputError, match="is an input"):
            write_folded_keras(checkpoint, folds, checkpoint.path, overwrite=True)

    assert {step.rule for step in folds[0].certificates} >= {"batch-norm", "centre"}
    assert_same_actions(folds[0], tensorflow.keras.models.load_model(path, compile=False))
    with open_checkpoint(path) as written:
        assert len(values) >= 8
        for name, array in values.items():
            assert written[name].read().tobytes() == array.tobytes()


def test_the_autoencoder_keeps_its_file(real: Path, tmp_path: Path) -> None:
    """Nine BatchNorms made idle in a copy of a public model's file."""
    path = str(tmp_path / "folded.h5")
    with open_checkpoint(real / "autoencoder_batchnorm_h5/ad01.h5") as checkpoint:
        folds = folded(checkpoint)
        write_folded_keras(checkpoint, folds, path)
    with open_checkpoint(path) as written:
        again = folded(written)

    assert len(folds[0].certificates) == 9
    assert again[0].certificates == ()


def test_an_object_checkpoint_restores_into_the_same_model(tensorflow: Any, tmp_path: Path) -> None:
    """tf.train.Checkpoint.restore finds every value, those stored twice as well."""
    model = keras_actor(tensorflow)
    tensorflow.train.Checkpoint(model=model).write(str(tmp_path / "actor"))
    settings = Settings(1e-3, Order.DENSE_NORM_ACT, "relu", "tanh")
    prefix = str(tmp_path / "folded")
    with open_checkpoint(tmp_path / "actor") as checkpoint:
        folds = folded(checkpoint, settings)
        write_folded_checkpoint(checkpoint, folds, prefix)
    tensorflow.train.Checkpoint(model=model).read(prefix).assert_existing_objects_matched()

    assert folds[0].certificates
    assert_same_actions(folds[0], model)


def test_a_saved_model_keeps_its_graph(tensorflow: Any, tmp_path: Path) -> None:
    """A copied folder with other variables, loaded and called by TensorFlow."""
    model = keras_actor(tensorflow)
    model.export(str(tmp_path / "model"), verbose=False)
    folder = str(tmp_path / "folded")
    with open_checkpoint(tmp_path / "model") as checkpoint:
        folds = folded(checkpoint)
        write_folded_saved_model(checkpoint, folds, folder)
        with pytest.raises(OutputError, match="already"):
            write_folded_saved_model(checkpoint, folds, folder)
    shutil.rmtree(tmp_path / "model")

    assert sorted(os.listdir(tmp_path)) == ["folded"]
    assert folds[0].certificates
    loaded = tensorflow.saved_model.load(folder)
    assert_same_actions(folds[0], loaded.serve)


def test_a_folded_speech_enhancer_answers_as_the_original_in_tensorflow(
    tensorflow: Any, real: Path, tmp_path: Path
) -> None:
    """Frame after frame, its state kept: as far apart as an ulp more or less in the samples."""
    source, folder = str(real / "dtln_savedmodel"), str(tmp_path / "folded")
    with open_checkpoint(source) as checkpoint:
        recovery = recover(checkpoint)
        choice = Choice(frozen=unwritable(checkpoint, recovery.networks))
        folds = fold_together(recovery.networks, choice)
        write_folded_saved_model(checkpoint, folds, folder)
    random = np.random.default_rng(0)
    frames = (0.1 * random.standard_normal((30, 1, 512))).astype(np.float32)
    signs = random.choice(np.float32([-1, 1]), frames.shape)

    def answers(path: str, given: Array) -> Array:
        # loaded anew: the LSTMs of this model go on from the frame before
        model = tensorflow.saved_model.load(path)
        (name,) = model.signatures["serving_default"].structured_outputs
        serve = model.signatures["serving_default"]
        return np.stack([serve(tensorflow.constant(one))[name].numpy() for one in given])

    original = answers(source, frames)
    jittered = answers(source, frames + signs * np.spacing(frames))
    found = answers(folder, frames)

    assert len(folds[0].certificates) == 4
    assert np.abs(original).max() > 0.1
    assert 0 < np.abs(found - original).max() <= 4 * np.abs(jittered - original).max()
