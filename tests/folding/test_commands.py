"""`lnfold fold` and `lnfold check` from the outside."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from click.testing import CliRunner, Result

from lnfold.checkpoint import open_checkpoint
from lnfold.cli.check import command as check
from lnfold.cli.fold import command as fold
from lnfold.cli.schema import schema_of


def invoke(command, *arguments: object) -> Result:  # type: ignore[no-untyped-def]
    return CliRunner().invoke(command, [str(one) for one in arguments], standalone_mode=False)


@pytest.fixture
def sample(samples: Path) -> Path:
    return samples / "cartpole_actor"


def test_fold_writes_and_says_what_it_did(sample: Path, tmp_path: Path) -> None:
    """The report on stdout, the files on stderr, and a second fold finds nothing to do."""
    result = invoke(fold, sample, "--output", tmp_path / "out")

    assert (result.exception, result.return_value) == (None, 0)
    assert "✓ gamma-forward (E04, E31) at actor/LayerNorm" in result.stdout
    assert "192 → 127 (bias 63, gamma 0, beta 64)" in result.stdout
    assert result.stderr.count("wrote ") == 5
    again = invoke(fold, tmp_path / "out")
    assert "nothing to fold: all is folded already" in again.stdout


def test_check_agrees_with_the_folded_and_not_with_another(
    sample: Path, samples: Path, tmp_path: Path
) -> None:
    """Exit 0 for every form of the same network, 1 for a network trained otherwise."""
    for form, name in [("stock", "out"), ("rms", "rms.npz"), ("auto", "auto.npz")]:
        output = tmp_path / name
        assert invoke(fold, sample, "--form", form, "--output", output).return_value == 0
        result = invoke(check, sample, output)
        assert result.return_value == 0
        assert "agrees" in result.stdout
    other = invoke(check, sample, samples / "cartpole_actor_batchnorm")
    assert other.return_value == 1
    assert "DIFFERS" in other.stdout
    assert "no rounding explains more than" in " ".join(other.stdout.split())


def test_check_takes_expected_arrays_and_its_own_saved_results(
    sample: Path, tmp_path: Path
) -> None:
    """What was saved is judged again, with the inputs it was computed from."""
    expected = sample / "expected_actor.npz"
    saved = tmp_path / "results.npz"

    assert invoke(check, sample, expected, "--inputs", expected, "--save", saved).return_value == 0
    assert invoke(check, sample, saved).return_value == 0
    with np.load(saved) as arrays:
        changed = {name: arrays[name] + (arrays[name].shape[1] == 1) for name in arrays.files}
    np.savez(saved, **changed)
    assert invoke(check, sample, saved).return_value == 1


def test_json_says_the_same(sample: Path) -> None:
    """Certificate and comparison as records."""
    certificate = json.loads(invoke(fold, sample, "--json").stdout)
    comparison = json.loads(invoke(check, sample, "--json").stdout)

    assert certificate["networks"][0]["form"] == "stock"
    assert comparison["networks"]["actor"]["passed"]
    assert sum(comparison["networks"]["actor"]["histogram"]["counts"]) == 1024


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--form", "rms", "--output", "OUT/x"], "only the stock form"),
        (["--skip", "gama"], "no rule is called 'gama'"),
        (["--network", "critic"], "no network is called 'critic'"),
    ],
)
def test_a_mistake_in_usage_is_named_and_writes_nothing(
    sample: Path, tmp_path: Path, arguments: list[str], message: str
) -> None:
    """With the remedy, and before any file is there."""
    given = [one.replace("OUT", str(tmp_path)) for one in arguments]
    result = invoke(fold, sample, *given)

    assert message in str(result.exception)
    assert os.listdir(tmp_path) == []


def test_what_cannot_be_run_is_refused_with_the_reason_for_each_norm(real: Path) -> None:
    """bert_tiny: post-norm, every LayerNorm is read by a sum or follows one."""
    result = invoke(fold, real / "bert_tiny", "--strict")

    assert result.return_value == 1
    assert "not folded" in result.stdout
    with open_checkpoint(real / "bert_tiny") as checkpoint:
        norms = [name for name in checkpoint if name.endswith("LayerNorm/gamma")]
    assert result.stdout.count("– gamma-forward") == len(norms) == 6
    assert result.stdout.count("a residual sum reads the value itself") == 6

    certificate = json.loads(invoke(fold, real / "bert_tiny", "--json").stdout)
    jsonschema.validate(certificate, json.loads(schema_of("certificate")))
    (record,) = certificate["not_folded"]
    layers = {step["layer"] for step in record["refused"]}
    assert len(layers) == len(norms)
    assert all(step["sentence"] for step in record["refused"])


def test_an_approximation_is_asked_for_by_name_and_called_so(sample: Path, tmp_path: Path) -> None:
    """With inputs to fit on, into an archive only, and check finds that it differs."""
    inputs, output = sample / "expected_actor.npz", tmp_path / "frozen.npz"
    asked = [sample, "--approximate", "frozen-deviation", "--output", output]

    assert "Give --inputs" in str(invoke(fold, *asked).exception)
    result = invoke(fold, *asked, "--inputs", inputs)
    assert (result.exception, result.return_value) == (None, 0)
    assert "APPROXIMATE" in result.stdout
    assert "exact" not in result.stdout
    assert invoke(check, sample, output, "--inputs", inputs).return_value == 1


def test_expected_arrays_bring_their_inputs_along(sample: Path) -> None:
    """One file of inputs and outputs, given as B or asked for by name."""
    arrays = sample / "expected_actor.npz"

    assert invoke(check, sample, arrays).return_value == 0
    assert invoke(check, sample, "--inputs", arrays, "--against", "expected").return_value == 0
    missing = invoke(check, sample, "--against", "expected")
    assert "Give --inputs" in str(missing.exception)


def test_a_network_is_compared_around_what_is_not_run(real: Path, tmp_path: Path) -> None:
    """The folded speech enhancer and the original: what is not run is the same in both."""
    source = real / "dtln_savedmodel"
    result = invoke(fold, source, "--output", tmp_path / "model")
    assert (result.exception, result.return_value) == (None, 0)
    compared = invoke(check, source, tmp_path / "model")
    assert (compared.exception, compared.return_value) == (None, 0)
    assert "agrees around what is not run: " in compared.stdout
    assert "not run, its values drawn: RFFT" in compared.stdout


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ("", "--output is empty"),
        (".", "is a folder"),
        ("inside/", "is a folder"),
    ],
)
def test_an_output_needs_a_name(sample: Path, tmp_path: Path, output: str, message: str) -> None:
    """A prefix is where file names begin; nothing hidden is written into a folder."""
    (tmp_path / "inside").mkdir()
    given = f"{tmp_path}/{output}" if output else ""
    result = invoke(fold, sample, "--output", given)

    assert message in str(result.exception)
    assert os.listdir(tmp_path) == ["inside"]
    assert os.listdir(tmp_path / "inside") == []


def test_the_folder_of_an_output_is_made(sample: Path, tmp_path: Path) -> None:
    """As in the README, whose folder is not there yet; a file in its place is named."""
    result = invoke(fold, sample, "--output", tmp_path / "new" / "folded" / "actor.ckpt-1")

    assert result.exception is None
    assert "actor.ckpt-1.index" in os.listdir(tmp_path / "new" / "folded")
    (tmp_path / "taken").write_text("a file")
    result = invoke(fold, sample, "--output", tmp_path / "taken" / "actor.ckpt-1")
    assert "cannot be made" in str(result.exception)
    assert (tmp_path / "taken").read_text() == "a file"


def test_a_saved_model_is_not_written_into_itself(real: Path, tmp_path: Path) -> None:
    """Copying a folder into its own subfolder would never end."""
    shutil.copytree(real / "dtln_savedmodel", tmp_path / "model", copy_function=shutil.copyfile)
    for folder in (tmp_path / "model", tmp_path / "model" / "variables"):
        folder.chmod(0o755)
    before = sorted(os.listdir(tmp_path / "model"))
    result = invoke(fold, tmp_path / "model", "--output", tmp_path / "model" / "folded")

    assert "lies inside the input" in str(result.exception)
    assert sorted(os.listdir(tmp_path / "model")) == before


def test_a_keras_file_folds_into_its_kind_only(real: Path, tmp_path: Path) -> None:
    """No TensorFlow program reads HDF5's names from a checkpoint."""
    result = invoke(
        fold, real / "autoencoder_batchnorm_h5" / "ad01.h5", "--output", tmp_path / "folded.ckpt"
    )

    assert "Give --output FILE.h5" in str(result.exception)
    assert os.listdir(tmp_path) == []


def test_a_folded_archive_is_not_folded_again(sample: Path, tmp_path: Path) -> None:
    """It says so, and what to do instead."""
    invoke(fold, sample, "--form", "rms", "--output", tmp_path / "once.npz")
    result = invoke(fold, tmp_path / "once.npz", "--output", tmp_path / "twice.npz")

    assert "folded already" in str(result.exception)
    assert not (tmp_path / "twice.npz").exists()


def test_a_fold_says_which_flag_it_takes_at_its_default() -> None:
    """What a program computes that feeds the flag otherwise may be changed by the fold."""
    graphs = Path(__file__).parents[1] / "recovery" / "fixtures" / "tf1"
    result = invoke(fold, graphs / "dropout_training_placeholder" / "model.ckpt")

    assert (result.exception, result.return_value) == (None, 0)
    assert "note: flag 'training' is taken as off, its default" in result.stderr
