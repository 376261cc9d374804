"""`lnfold verify`: sound is 0, damaged is 3 with a list."""

from __future__ import annotations

import json
import shutil

import pytest


@pytest.mark.parametrize(
    "sample", ["cartpole_actor", "cartpole_actor_keras", "cartpole_actor_batchnorm"]
)
def test_the_samples_are_sound(lnfold, samples, sample):
    """Every byte of the data files is read and fits its checksum."""
    result = lnfold("verify", samples / sample, "--json")

    found = json.loads(result.out)
    size = sum(path.stat().st_size for path in (samples / sample).glob("*.data-*"))
    assert result.code == 0
    assert found["passed"]
    assert found["bytes_read"] == size


def test_damaged_variables_are_listed_and_the_others_are_not(lnfold, samples, tmp_path):
    """Two flipped bits are two damaged variables, by name, and exit code 3."""
    for file in (samples / "cartpole_actor").iterdir():
        shutil.copy(file, tmp_path)
    data = next(tmp_path.glob("*.data-*"))
    content = bytearray(data.read_bytes())
    content[100] ^= 1
    content[-10] ^= 1
    data.write_bytes(content)
    result = lnfold("verify", tmp_path)

    assert result.code == 3
    assert result.out.count("damaged: ") == 2
    assert "variable 'actor/LayerNorm/beta'" in result.out
    assert "2 damaged" in result.out


def test_a_copy_has_the_same_content_id_and_another_checkpoint_another(lnfold, samples, tmp_path):
    """The id tells contents apart, not places."""
    shutil.copytree(samples / "cartpole_actor", tmp_path / "copy")

    def content_id(path) -> str:
        return json.loads(lnfold("verify", path, "--json").out)["content_id"]

    first = content_id(samples / "cartpole_actor")
    assert content_id(tmp_path / "copy") == first
    assert content_id(samples / "cartpole_actor_keras") != first
