"""Keras's weights in several files, found through the map that names them."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from lnfold.checkpoint import open_checkpoint
from lnfold.checkpoint.verify import verify
from lnfold.errors import CheckpointNotFoundError, DamagedError, InputError, UnsupportedError
from tests.checkpoint.fuzzing import fuzz, mutated, read_all

h5py = pytest.importorskip("h5py")

KERNEL = np.arange(12, dtype=np.float32).reshape(4, 3)
BIAS = np.array([1, 2, 3], np.float32)
GAMMA = np.array([4, 5, 6], np.float32)
FIRST, SECOND = "actor_00000.weights.h5", "actor_00001.weights.h5"
WHERE: Mapping[str, Any] = {
    "/layers/dense/vars": [FIRST, SECOND],
    "/layers/layer_normalization/vars": SECOND,
}


def sharded(folder: Path, weight_map: object = WHERE) -> Path:
    """As Keras writes it: the dense layer is cut behind its kernel, each file counts from 0."""
    with h5py.File(folder / FIRST, "w") as file:
        group = file.create_group("layers/dense/vars")
        group.attrs["name"] = "hidden"
        group["0"] = KERNEL
    with h5py.File(folder / SECOND, "w") as file:
        file["layers/dense/vars/0"] = BIAS
        file["layers/layer_normalization/vars/0"] = GAMMA
        file["layers/layer_normalization/vars/1"] = -GAMMA
    path = folder / "actor.weights.json"
    path.write_text(json.dumps({"metadata": {"total_size": 84}, "weight_map": weight_map}))
    return path


@pytest.mark.parametrize("by", ["map", "folder"])
def test_a_layer_in_two_files_is_one_layer(tmp_path: Path, by: str):
    """Names and values as if they stood in one file; the folder of a map means the map."""
    path = sharded(tmp_path)
    with open_checkpoint(path if by == "map" else tmp_path) as checkpoint:
        values = {name: variable.read() for name, variable in checkpoint.items()}

    assert list(values) == [
        "hidden/bias",
        "hidden/kernel",
        "layers/layer_normalization/beta",
        "layers/layer_normalization/gamma",
    ]
    assert (values["hidden/kernel"] == KERNEL).all()
    assert (values["hidden/bias"] == BIAS).all()
    assert (values["layers/layer_normalization/gamma"] == GAMMA).all()
    assert [os.path.basename(file) for file in checkpoint.files] == [path.name, FIRST, SECOND]
    assert verify(path).passed


def test_a_changed_shard_is_another_content(tmp_path: Path):
    """The content id covers every file, not only the map."""
    before = verify(sharded(tmp_path)).content_id
    with h5py.File(tmp_path / SECOND, "a") as file:
        file["layers/layer_normalization/vars/0"][0] = 7

    assert verify(tmp_path).content_id != before


def test_a_shard_alone_says_that_it_is_not_all(tmp_path: Path):
    """It can be opened; a note names the map."""
    map_path = sharded(tmp_path)
    with open_checkpoint(tmp_path / FIRST) as checkpoint:
        assert list(checkpoint) == ["hidden/kernel"]
        assert any(str(map_path) in note for note in checkpoint.notes)


HOSTILE: dict[str, tuple[object, type[InputError], str]] = {
    "missing": ({"/vars": "b_00000.weights.h5"}, CheckpointNotFoundError, "b_00000.weights.h5"),
    "outside": ({"/vars": f"../{FIRST}"}, DamagedError, "out of its folder"),
    "absolute": ({"/vars": "/etc/x.weights.h5"}, DamagedError, "out of its folder"),
    "other program": ({"a": "model-1.safetensors"}, UnsupportedError, "safetensors"),
    "not a name": ({"/vars": 3}, DamagedError, "no map"),
    "not names": ({"/vars": [3]}, UnsupportedError, "3"),
    "a list": (["/vars"], DamagedError, "no map"),
    "short": ({"/layers/dense/vars": [FIRST, SECOND]}, DamagedError, "2 arrays"),
    "too long": ({**WHERE, "/layers/x/vars": FIRST}, DamagedError, "'layers/x'"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_maps_that_do_not_fit_are_refused(tmp_path: Path, kind: str):
    """One clear error for every contradiction; no file of another folder is opened."""
    weight_map, error, message = HOSTILE[kind]

    with pytest.raises(error, match=message):
        open_checkpoint(sharded(tmp_path, weight_map))


@pytest.mark.parametrize("cut", [40, 100, 170])
def test_a_cut_map_is_damaged(tmp_path: Path, cut: int):
    """Or no map at all, where its beginning is missing."""
    path = sharded(tmp_path)
    path.write_bytes(path.read_bytes()[:cut])

    with pytest.raises(InputError):
        open_checkpoint(path)


def test_mutated_maps(tmp_path: Path):
    """Only our own errors, whatever the map says."""
    path = sharded(tmp_path)
    raw = path.read_bytes()

    def attempt(rng: random.Random) -> None:
        path.write_bytes(mutated(rng, raw))
        read_all(path)

    fuzz(attempt)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_keras_itself(tensorflow: ModuleType, tmp_path: Path):
    """A model that Keras saves in several files, against its own values."""
    keras = pytest.importorskip("keras")
    if not hasattr(keras.src.saving.saving_lib, "ShardedH5IOStore"):
        pytest.skip("this Keras cannot save weights in several files")
    model = keras.Sequential(
        [
            keras.layers.Input((5,)),
            keras.layers.Dense(32, name="hidden"),
            keras.layers.LayerNormalization(name="norm"),
            keras.layers.Dense(32, name="second"),
        ]
    )
    path = tmp_path / "model.weights.json"
    model.save_weights(path, max_shard_size=5000 / 1024**3)

    assert len(list(tmp_path.glob("*.weights.h5"))) > 1
    with open_checkpoint(path) as checkpoint:
        found = {name: variable.read() for name, variable in checkpoint.items()}
    wanted = {"/".join(one.path.split("/")[-2:]): one.numpy() for one in model.weights}
    assert found.keys() == wanted.keys()
    for name, value in wanted.items():
        assert (found[name] == value).all()
