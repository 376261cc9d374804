"""Keras's files: the same names and values from each of them, and nothing ever run."""

from __future__ import annotations

import json
import random
import zipfile
from pathlib import Path

import numpy as np
import pytest

from lnfold.checkpoint import Checkpoint, open_checkpoint
from lnfold.checkpoint.keras.names import layer_configs, variable_names
from lnfold.checkpoint.verify import verify
from lnfold.errors import DamagedError, InputError
from tests.checkpoint.fuzzing import fuzz, mutated, read_all

KERAS3 = Path(__file__).parents[1] / "fixtures" / "keras3"
# Without a config, a single variable of a LayerNormalization can be gamma or beta.
UNCERTAIN = {"layer_normalization_1/gamma": "layer_normalization_1/0"}
UNCERTAIN["layer_normalization_2/beta"] = "layer_normalization_2/0"


def expected() -> dict[str, np.ndarray]:
    with np.load(KERAS3 / "values.npz") as values:
        return dict(values)


def read_values(path: Path) -> None:
    for variable in open_checkpoint(path).values():
        variable.read()


def check(checkpoint: Checkpoint, names: dict[str, str]) -> None:
    """Every value, bfloat16 as the float32 that it is exactly."""
    wanted = expected()
    assert {names[name] for name in wanted} == set(checkpoint)
    for name, value in wanted.items():
        array = checkpoint[names[name]].read()
        assert array.shape == value.shape
        assert array.astype(np.float32).tobytes() == value.tobytes()
        assert array.flags.aligned
        assert not array.flags.writeable


def test_a_keras_file():
    """The config inside says what the numbered variables are called."""
    checkpoint = open_checkpoint(KERAS3 / "actor.keras")

    check(checkpoint, {name: name for name in expected()})
    assert checkpoint.format == "Keras .keras"
    assert checkpoint["dense_1/kernel"].dtype == "bfloat16"
    config = json.loads(checkpoint.keras_config or "")
    assert config["config"]["layers"][2]["config"]["epsilon"] == 1e-5


def test_a_file_of_weights():
    """Without a config the names follow from the class, where it leaves no doubt."""
    checkpoint = open_checkpoint(KERAS3 / "actor.weights.h5")

    check(checkpoint, {name: UNCERTAIN.get(name, name) for name in expected()})
    assert checkpoint.format == "Keras .weights.h5"
    assert checkpoint.keras_config is None


def test_a_whole_model():
    """The old format has all names, and the config as an attribute."""
    checkpoint = open_checkpoint(KERAS3 / "actor.h5")

    check(checkpoint, {name: f"actor/{name}" for name in expected()})
    assert checkpoint.format == "Keras .h5"
    assert json.loads(checkpoint.keras_config or "")["config"]["name"] == "actor"


def test_layers_in_lists():
    """A subclassed model: the layers of the list are in its weights, not in its checkpoint."""
    weights = open_checkpoint(KERAS3 / "lists.weights.h5")
    objects = open_checkpoint(KERAS3 / "lists")

    assert {"dense_2/kernel", "layer_normalization_3/gamma", "dense_3/bias"} < set(weights)
    assert set(objects) == {"_CHECKPOINTABLE_OBJECT_GRAPH", "lists/kernel", "lists/bias"}
    assert any("leaves out the layers" in note for note in objects.notes)


def test_keras_2_files(real: Path):
    """A trained autoencoder with its optimizer, against what h5py reads."""
    h5py = pytest.importorskip("h5py")
    checkpoint = open_checkpoint(real / "autoencoder_batchnorm_h5")
    seen = 0
    with h5py.File(checkpoint.path) as file:
        for variable in checkpoint.values():
            assert variable.read().tobytes() == file[variable.key][()].tobytes()
            seen += 1
        assert checkpoint.keras_config == file.attrs["model_config"]

    assert seen == 133
    assert checkpoint["batch_normalization_3/moving_mean"].shape == (128,)
    assert "optimizer_weights/Adam/dense/kernel/m" in checkpoint
    found = verify(real / "autoencoder_batchnorm_h5")
    assert found.passed
    assert any("no checksums" in note for note in found.notes)


def test_nothing_of_keras_is_imported():
    """Reading needs neither Keras nor h5py, and listing not even NumPy."""
    import subprocess
    import sys

    code = (
        "import sys; from lnfold.checkpoint import open_checkpoint\n"
        f"for name in ('actor.keras', 'actor.h5'):\n"
        f"    c = open_checkpoint({str(KERAS3)!r} + '/' + name); c.keras_config\n"
        "assert 'numpy' not in sys.modules\n"
        "[v.read() for v in c.values()]\n"
        "assert not {'h5py', 'keras', 'tensorflow'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_a_lambda_is_only_text(tmp_path: Path):
    """A config that asks for code is read like any other."""
    config = {"class_name": "Lambda", "config": {"name": "x", "function": ["gASV", None, None]}}
    with zipfile.ZipFile(KERAS3 / "actor.keras") as source:
        weights = source.read("model.weights.h5")
    with zipfile.ZipFile(tmp_path / "x.keras", "w") as archive:
        archive.writestr("config.json", json.dumps(config))
        archive.writestr("model.weights.h5", weights)

    assert len(open_checkpoint(tmp_path / "x.keras")) == len(expected())


@pytest.mark.parametrize("config", [b"{", b"[" * 100_000, b"\xff\xfe", b"9" * 10_000])
def test_a_damaged_config_is_refused(tmp_path: Path, config: bytes):
    """Names cannot be had from a config that is no JSON."""
    with zipfile.ZipFile(KERAS3 / "actor.keras") as source:
        weights = source.read("model.weights.h5")
    with zipfile.ZipFile(tmp_path / "x.keras", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", config)
        archive.writestr("model.weights.h5", weights)

    with pytest.raises(DamagedError, match="config of the model"):
        open_checkpoint(tmp_path / "x.keras")


def test_a_changed_byte_in_a_keras_file(tmp_path: Path):
    """The archive around the weights has a checksum, which the first value read verifies."""
    raw = bytearray((KERAS3 / "actor.keras").read_bytes())
    with zipfile.ZipFile(KERAS3 / "actor.keras") as archive:
        start = archive.getinfo("model.weights.h5").header_offset
        at = raw.index(expected()["hidden/kernel"].tobytes(), start)
    raw[at] ^= 1
    (tmp_path / "x.keras").write_bytes(raw)
    checkpoint = open_checkpoint(tmp_path / "x.keras")

    with pytest.raises(DamagedError, match=r"model\.weights\.h5 is damaged"):
        checkpoint["hidden/kernel"].read()


def test_names_need_certainty():
    """What the class and config say is used; a count that does not fit leaves numbers."""
    assert variable_names("Dense", {}, 2) == ["kernel", "bias"]
    assert variable_names("Dense", {}, 1) == ["kernel"]
    assert variable_names("LayerNormalization", {}, 1) == ["0"]
    assert variable_names("LayerNormalization", {"scale": False}, 1) == ["beta"]
    assert variable_names("LayerNormalization", {"rms_scaling": True}, 1) == ["gamma"]
    assert variable_names("BatchNormalization", {"center": False}, 3) == [
        "gamma",
        "moving_mean",
        "moving_variance",
    ]
    assert variable_names("BatchNormalization", {}, 2) == ["moving_mean", "moving_variance"]
    assert variable_names("MyOwnLayer", {}, 2) == ["0", "1"]
    assert variable_names(None, {}, 1) == ["0"]


def test_layers_are_found_at_any_depth():
    """Models in models, and layers in wrappers."""
    inner = {"class_name": "Dense", "config": {"name": "d"}}
    model = {
        "class_name": "Functional",
        "config": {
            "name": "outer",
            "layers": [
                {"class_name": "TimeDistributed", "config": {"name": "t", "layer": inner}},
                {"class_name": "Sequential", "config": {"name": "s", "layers": [{"config": 3}]}},
            ],
        },
    }

    assert {name: kind for name, (kind, _) in layer_configs(json.dumps(model)).items()} == {
        "outer": "Functional",
        "t": "TimeDistributed",
        "d": "Dense",
        "s": "Sequential",
    }


@pytest.mark.parametrize("name", ["lists.weights.h5", "actor.h5", "actor.keras"])
def test_every_truncation_is_noticed(tmp_path: Path, name: str):
    """A file that was cut anywhere is refused, or its last values are."""
    raw = (KERAS3 / name).read_bytes()
    path = tmp_path / "x"
    for length in random.Random(0).sample(range(len(raw)), 300):
        path.write_bytes(raw[:length])
        with pytest.raises(InputError):
            read_values(path)


@pytest.mark.parametrize("name", ["lists.weights.h5", "actor.h5", "actor.keras"])
def test_mutated_keras_files(tmp_path: Path, name: str):
    """Bytes changed anywhere: our own errors, no loop, no crash."""
    raw = (KERAS3 / name).read_bytes()
    # What only holds zeros is not looked at.
    used = [at for at in range(len(raw)) if raw[at]]

    def attempt(rng: random.Random) -> None:
        out = bytearray(raw)
        for at in rng.sample(used, rng.randint(1, 4)):
            out[at : at + 8] = mutated(rng, bytes(out[at : at + 8]))[:8].ljust(8, b"\0")
        (tmp_path / "x").write_bytes(out)
        read_all(tmp_path / "x")

    fuzz(attempt)


def test_lists_too_long_for_one_attribute(tmp_path: Path):
    """Keras numbers the parts of a list of thousands of layers; a config of megabytes is found."""
    h5py = pytest.importorskip("h5py")
    names = [f"a_layer_with_a_long_name_{number:05}" for number in range(3000)]
    config = json.dumps({"class_name": "Sequential", "config": {"name": "x" * 300_000}})
    with h5py.File(tmp_path / "x.h5", "w") as file:
        for number, part in enumerate(np.array_split([name.encode() for name in names], 4)):
            file.attrs[f"layer_names{number}"] = part
        file.attrs["model_config"] = config.encode()
        for name in names:
            file[f"{name}/{name}/kernel:0"] = np.float32(1)

    checkpoint = open_checkpoint(tmp_path / "x.h5")
    assert checkpoint.format == "Keras .h5, weights only"
    assert set(checkpoint) == {f"{name}/kernel" for name in names}
    assert checkpoint.keras_config == config
