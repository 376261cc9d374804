"""Everything that is written as JSON follows the schema that `lnfold schema` prints of it."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

from lnfold.checkpoint.numpy_files.array_file import read_arrays
from lnfold.cli.schema import SCHEMAS, schema_of
from lnfold.folding.editing.steps import Form
from lnfold.network.manifest.record import KINDS
from tests.conftest import Outcome

Run = Callable[..., Outcome]


def expect(lnfold: Run, what: str, text: str) -> Any:
    """The record in ``text``, after comparing it with the schema of its kind."""
    schema = json.loads(lnfold("schema", what).out)
    jsonschema.Draft202012Validator.check_schema(schema)
    record = json.loads(text)
    jsonschema.Draft202012Validator(schema).validate(record)
    return record


@pytest.mark.parametrize("name", ["cartpole_actor", "cartpole_actor_batchnorm"])
def test_the_json_of_every_command_follows_its_schema(
    lnfold: Run, samples: Path, tmp_path: Path, name: str
):
    """With and without what may be left out, passed and not passed."""
    path = samples / name
    np.save(tmp_path / "in.npy", np.ones((4, 5), np.float32))
    np.savez(tmp_path / "io.npz", inputs=np.ones((4, 5), np.float32), outputs=np.full((4, 1), 9.0))
    given = ["--inputs", tmp_path / "in.npy"]
    runs = [
        ("report", ["inspect", path, "--json"]),
        ("report", ["inspect", path, "--json", "--detail", *given]),
        ("fold", ["fold", path, "--json"]),
        ("fold", ["fold", path, "--json", "--form", "auto"]),
        ("check", ["check", path, "--json"]),
        ("check", ["check", path, tmp_path / "io.npz", "--json", "--inputs", tmp_path / "io.npz"]),
        ("variables", ["variables", path, "--json"]),
        ("variables", ["variables", path, "--json", "--stats", "--all"]),
        ("verify", ["verify", path, "--json"]),
    ]
    if name == "cartpole_actor":
        approximate = ["fold", path, "--approximate", "frozen-deviation", "--json", *given]
        runs.append(("approximation", approximate))
    seen = set()
    for what, arguments in runs:
        outcome = lnfold(*arguments)
        assert expect(lnfold, what, outcome.out), arguments
        seen.add(what)

    assert seen | {"certificate", "manifest", "approximation"} == set(SCHEMAS)


@pytest.mark.parametrize("form", list(Form), ids=lambda form: form.value)
def test_certificates_and_manifests_follow_their_schemas(
    lnfold: Run, samples: Path, tmp_path: Path, form: Form
):
    """Of every form, as they lie in their files; and what the schema does not know is refused."""
    output = tmp_path / "actor.npz"
    lnfold("fold", samples / "cartpole_actor", "--form", form.value, "--output", output)
    expect(lnfold, "certificate", (tmp_path / "actor.certificate.json").read_text("utf-8"))
    manifest = read_arrays(output, "")["manifest"].tobytes().decode("utf-8")
    record = expect(lnfold, "manifest", manifest)
    record["networks"][0]["layers"][0]["kernel"] = 7
    with pytest.raises(jsonschema.ValidationError):
        expect(lnfold, "manifest", json.dumps(record))


def test_damage_follows_the_schema_too(lnfold: Run, tmp_path: Path):
    """What is damaged, by name."""
    np.savez(tmp_path / "x.npz", w=np.arange(5000.0))
    raw = bytearray((tmp_path / "x.npz").read_bytes())
    with zipfile.ZipFile(tmp_path / "x.npz") as archive:
        raw[archive.start_dir - 3] ^= 1
    (tmp_path / "x.npz").write_bytes(raw)
    record = expect(lnfold, "verify", lnfold("verify", tmp_path / "x.npz", "--json").out)

    assert not record["passed"]
    assert record["damaged"]


def test_the_schema_of_the_manifest_knows_every_kind_of_layer_and_its_fields(lnfold: Run):
    """A new kind or field without a word in the schema is noticed here."""
    from dataclasses import fields

    known = json.loads(lnfold("schema", "manifest").out)["$defs"]
    for kind, record in KINDS.items():
        wanted = {"kind", *(one.name for one in fields(record))}
        assert known[kind]["properties"].keys() == wanted
        assert set(known[kind]["required"]) == wanted
    assert len(KINDS) > 15


@pytest.mark.parametrize("what", ["certificate", "manifest"])
def test_what_a_fold_writes_is_described_object_by_object(what: str):
    """Each object says what it is; those of a certificate name every field that they have."""
    schema = json.loads(schema_of(what))
    objects = {"the whole": schema, **schema["$defs"]}
    described = 0
    for name, one in objects.items():
        if one.get("type") != "object":
            continue
        fields = one["properties"] if what == "certificate" else ()
        assert not [each for each in fields if each not in one["description"]], name
        assert one["description"]
        described += 1
    assert described >= 5
