"""What a user is told when something is wrong: one sentence, the right exit code, no traceback."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

from lnfold.checkpoint import open_checkpoint
from tests.conftest import ROOT


def one_sentence(result, code: int) -> str:
    """The message, after checking its form."""
    assert result.code == code
    assert "Traceback" not in result.err
    assert result.out == ""
    assert result.err.count("\n") <= 4
    return " ".join(result.err.split())


def test_a_wrong_path_suggests_the_near_one(lnfold, samples):
    """A typing error in the prefix is answered with the prefix that is there."""
    message = one_sentence(lnfold("inspect", samples / "cartpole_actor" / "actor.ckpt-1200"), 3)

    assert "actor.ckpt-12000" in message


def test_an_empty_folder_is_named(lnfold, tmp_path):
    """There is nothing in it, and the message says so."""
    assert str(tmp_path) in one_sentence(lnfold("inspect", tmp_path), 3)


def test_an_index_without_data_names_the_shard(lnfold, samples, tmp_path):
    """The missing file is what the user must bring."""
    shutil.copy(samples / "cartpole_actor" / "actor.ckpt-12000.index", tmp_path)
    message = one_sentence(lnfold("inspect", tmp_path / "actor.ckpt-12000"), 3)

    assert "data-00000-of-00001" in message


@pytest.mark.parametrize("ending", [".index", ".data-00000-of-00001"])
def test_a_flipped_byte_is_found(lnfold, samples, tmp_path, ending):
    """Damage in either file is an error that names the file, and the copy stays as it was."""
    for file in (samples / "cartpole_actor").iterdir():
        shutil.copy(file, tmp_path)
    path = tmp_path / f"actor.ckpt-12000{ending}"
    content = bytearray(path.read_bytes())
    content[100] ^= 0x10  # in the data: within actor/LayerNorm/beta
    path.write_bytes(content)
    before = sorted(os.listdir(tmp_path))
    message = one_sentence(lnfold("inspect", tmp_path), 3)

    assert path.name in message
    assert sorted(os.listdir(tmp_path)) == before


def test_a_text_file_is_no_checkpoint(lnfold, tmp_path):
    """The message says that it is something else."""
    path = tmp_path / "notes.txt"
    path.write_text("This is not a checkpoint.\n" * 20)

    assert "notes.txt" in one_sentence(lnfold("inspect", path), 3)


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything"
)
def test_no_permission_is_said(lnfold, samples, tmp_path):
    """A file that must not be read is named."""
    for file in (samples / "cartpole_actor").iterdir():
        shutil.copy(file, tmp_path)
    index = next(tmp_path.glob("*.index"))
    index.chmod(0)

    assert index.name in one_sentence(lnfold("inspect", tmp_path), 3)


def test_inputs_of_the_wrong_width_say_the_right_one(lnfold, samples, tmp_path):
    """The message holds the width that the network takes."""
    np.save(tmp_path / "in.npy", np.zeros((4, 7), np.float32))
    result = lnfold("inspect", samples / "cartpole_actor", "--inputs", tmp_path / "in.npy")

    assert "is [rows, 5]" in one_sentence(result, 2)


def test_a_pickled_array_is_refused(lnfold, samples, tmp_path):
    """Objects are never unpickled."""
    np.save(tmp_path / "in.npy", np.array([{"a": 1}], object), allow_pickle=True)
    result = lnfold("inspect", samples / "cartpole_actor", "--inputs", tmp_path / "in.npy")

    assert "pickled objects" in one_sentence(result, 2)


def test_an_unknown_network_lists_those_there_are(lnfold, samples):
    """The names to choose from are part of the message."""
    result = lnfold("inspect", samples / "cartpole_actor", "--network", "critic")

    assert "There are: actor" in one_sentence(result, 2)


def test_a_mistyped_command_is_corrected(lnfold):
    """The nearest command is suggested."""
    assert "Did you mean 'inspect'?" in one_sentence(lnfold("inspct", "x"), 2)


def test_a_checkpoint_in_the_place_of_a_command_is_understood(lnfold, samples):
    """`lnfold PATH` is answered with the command that was meant."""
    message = one_sentence(lnfold(samples / "cartpole_actor"), 2)

    assert f"lnfold inspect {samples / 'cartpole_actor'}" in message


def test_nan_in_a_variable_is_reported_and_not_fatal(lnfold, samples, tmp_path):
    """The report names the variable; the JSON stays strict."""
    with open_checkpoint(samples / "cartpole_actor") as checkpoint:
        arrays = {
            name: variable.read().copy()
            for name, variable in checkpoint.items()
            if name.startswith("actor/") and "Adam" not in name
        }
    arrays["actor/dense/bias"][3] = np.nan
    np.savez(tmp_path / "broken.npz", **arrays)
    result = lnfold("inspect", tmp_path / "broken.npz", "--json")

    report = json.loads(result.out, parse_constant=pytest.fail)
    assert report["networks"][0]["complete"]
    assert any("actor/dense/bias holds 1 NaN" in note for note in report["notes"])


def test_a_reader_that_leaves_early_is_no_error(samples):
    """`lnfold inspect … | head -1` ends quietly."""
    done = subprocess.run(
        f'"{sys.executable}" -m lnfold inspect "{samples / "cartpole_actor"}" --json | head -1',
        shell=True,
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert done.stdout == "{\n"
    assert done.stderr == ""


def test_every_command_has_help_with_an_example(lnfold):
    """-h works everywhere and shows how the command is typed."""
    from lnfold.cli import COMMANDS

    assert len(COMMANDS) >= 2
    for command in COMMANDS:
        result = lnfold(command, "-h")
        assert result.code == 0
        assert f"lnfold {command}" in result.out
        assert "Example" in result.out


def test_a_check_of_what_cannot_be_run_says_why(lnfold):
    """Cannot tell: what is missing, and the option that settles it; a wrong name is bad usage."""
    prefix = ROOT / "tests" / "checkpoint" / "fixtures" / "keras3" / "objects"

    for arguments in ((), ("--network", "actor")):
        message = one_sentence(lnfold("check", prefix, *arguments), 4)
        assert "network actor of" in message
        assert "cannot be run: the order of dense layer, norm and activation is" in message
        assert "--order" in message
    assert lnfold("check", prefix, "--network", "nobody").code == 2
