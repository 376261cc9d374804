"""What a Keras config states is read in the type that Keras writes it in, or refused by name."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from lnfold.errors import GraphError
from lnfold.network.facts.evidence import Source
from lnfold.recovery.keras import stated as keras_stated
from tests.recovery.recovered import FIXTURES, recovery

KERAS = FIXTURES / "keras2" / "sequential_without_input_layer.keras"
HUGE = float("1e400")


def with_setting(folder: Path, key: str, value: Any) -> Path:
    """The sample with a setting of all its layers changed."""
    with zipfile.ZipFile(KERAS) as whole, zipfile.ZipFile(folder / "x.keras", "w") as changed:
        for name in whole.namelist():
            content = whole.read(name)
            if name == "config.json":
                config = json.loads(content)
                for layer in config["config"]["layers"]:
                    layer["config"][key] = value
                content = json.dumps(config).encode()
            changed.writestr(name, content)
    return folder / "x.keras"


@pytest.mark.parametrize("value", [-1e-3, HUGE, float("nan"), 10**400, 1e39, [1e-3], "x", True])
def test_an_epsilon_that_no_norm_can_have_is_a_note(tmp_path: Path, value: Any):
    """It names the key and the layer, and the config is not used."""
    found = recovery(with_setting(tmp_path, "epsilon", value))

    assert "the Keras config was not used" in " ".join(found.notes)
    assert "'epsilon' of '" in " ".join(found.notes)
    assert all(one.wiring.source is not Source.CONFIG for one in found.networks)


@pytest.mark.parametrize("key", ["name", "activation", "axis", "use_bias", "center", "scale"])
@pytest.mark.parametrize("value", [["relu"], [[]], {"x": []}, "n" * 10_000, float("nan")])
def test_a_list_in_the_place_of_a_text_is_a_note_or_a_gap(tmp_path: Path, key: str, value: Any):
    """Nothing is raised, and what is said stays short."""
    found = recovery(with_setting(tmp_path, key, value))

    assert found.notes or found.networks
    assert all(len(note) < 500 for note in found.notes)


def test_each_reader_takes_its_type_and_no_other():
    """A text, a flag, a number, numbers; what is left out has its default."""
    config = {"t": "x", "f": True, "n": 2, "v": [[1, 2], [3, 4]], "z": None, "d": [1, [2]]}

    assert keras_stated.text(config, "t", "l") == "x"
    assert keras_stated.flag(config, "f", "l") is True
    assert keras_stated.flag(config, "z", "l", True) is True
    assert keras_stated.number(config, "n", "l") == 2.0
    assert keras_stated.number(config, "z", "l") is None
    assert keras_stated.numbers(config, "v", "l").shape == (2, 2)
    for read, key in (
        (keras_stated.text, "n"),
        (keras_stated.text, "z"),
        (keras_stated.flag, "t"),
        (keras_stated.number, "f"),
        (keras_stated.number, "t"),
        (keras_stated.numbers, "d"),
        (keras_stated.numbers, "z"),
        (keras_stated.mapping, "v"),
        (keras_stated.objects, "v"),
    ):
        with pytest.raises(GraphError, match=f"'{key}' of 'l'"):
            read(config, key, "l")


def test_a_shape_holds_lengths_that_an_axis_can_have():
    """Anything else is an open length."""
    sizes = [None, 4, 0, -3, 1 << 40, 2.5, True, "x"]

    assert keras_stated.shape({"batch_shape": sizes}) == [None, 4, *[None] * 6]
    assert keras_stated.shape({"batch_input_shape": {"items": [None, 3]}}) == [None, 3]
    assert keras_stated.shape({"batch_shape": "x"}) is None
