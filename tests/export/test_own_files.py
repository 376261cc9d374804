"""What lnfold wrote opens in every command and in ``recover``, as what it is."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest

import lnfold
from lnfold.checkpoint.numpy_files.array_file import read_arrays
from lnfold.checkpoint.numpy_files.manifest import MANIFEST
from lnfold.errors import CheckpointNotFoundError, DamagedError, OutputError, UsageError
from lnfold.export.archive import write_networks
from lnfold.folding.editing.steps import Form
from lnfold.network.manifest.reader import networks_of
from lnfold.network.manifest.record import network_record
from tests.conftest import Outcome
from tests.export.archives import read_archive
from tests.folding.build import actor

Run = Callable[..., Outcome]
FORMS = [form.value for form in Form]
COMMANDS = [
    ["inspect"],
    ["inspect", "--detail", "--json"],
    ["inspect", "--explain"],
    ["explain"],
    ["graph"],
    ["check"],
    ["variables"],
    ["verify"],
]


@pytest.fixture(scope="module")
def archives(samples: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sample actor in every form, each with its certificate."""
    from lnfold.cli import run_command_line

    folder = tmp_path_factory.mktemp("forms")
    sample = str(samples / "cartpole_actor")
    for form in FORMS:
        output = str(folder / f"{form}.npz")
        assert run_command_line(["fold", sample, "--form", form, "--output", output]) == 0
    return folder


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("ending", ["npz", "certificate.json"])
def test_every_command_opens_it(archives: Path, lnfold: Run, form: str, ending: str):
    """The archive by its path, and by that of the certificate beside it."""
    for command, *options in COMMANDS:
        outcome = lnfold(command, archives / f"{form}.{ending}", *options)
        assert outcome.code == 0, (command, outcome.err)
        assert "actor" in outcome.out or command == "verify"


@pytest.mark.parametrize("form", FORMS)
def test_check_takes_it_on_either_side(archives: Path, samples: Path, lnfold: Run, form: str):
    """It agrees with the checkpoint that it comes from, whichever is A."""
    sides = [samples / "cartpole_actor", archives / f"{form}.npz"]
    assert lnfold("check", *sides).code == 0
    assert lnfold("check", *sides[::-1]).code == 0


def test_folding_it_again_is_refused_with_the_way_out(archives: Path, lnfold: Run):
    """Under any name, as its content decides what it is."""
    os.link(archives / "rms.npz", archives / "renamed")
    outcome = lnfold("fold", archives / "renamed")
    assert outcome.code == 2
    assert "folded already" in outcome.err


@pytest.mark.parametrize("form", FORMS)
def test_recover_gives_the_networks_with_their_evidence(archives: Path, samples: Path, form: str):
    """Same outputs, variables called as they were, every one read, and where they come from."""
    with lnfold.open_checkpoint(samples / "cartpole_actor") as checkpoint:
        original = lnfold.recover(checkpoint).named("actor")
        shape = checkpoint["actor/dense_2/bias"].shape
    with lnfold.open_checkpoint(archives / f"{form}.npz") as checkpoint:
        assert checkpoint.format == "lnfold .npz"
        recovery = lnfold.recover(checkpoint)
        found = recovery.named("actor")
        assert np.asarray(checkpoint["actor/dense_2/bias"]).shape == shape
        assert {"actor/dense/kernel", "actor/dense_1/kernel", "manifest"} <= set(checkpoint)

    assert recovery.unused == ()
    assert "cartpole_actor" in recovery.notes[0]
    assert found.wiring == original.wiring
    assert lnfold.check(original, found).passed


@pytest.mark.parametrize("form", ["carry", "side-channel"])
def test_no_answer_is_given_where_the_norms_stand_elsewhere(archives: Path, form: str):
    """A carried network has no norm, and is none of which nothing is normalised."""
    with lnfold.open_checkpoint(archives / f"{form}.npz") as checkpoint:
        report = lnfold.build_report(checkpoint, lnfold.recover(checkpoint))
    (one,) = report.networks
    assert one.answer.one_vector is None
    assert "÷" in lnfold_text(report)


def lnfold_text(report: lnfold.Report) -> str:
    from lnfold.report.words.tree import tree

    return "\n".join(str(line) for line in tree(report.networks[0].network))


def test_a_certificate_alone_says_what_is_missing(archives: Path, tmp_path: Path):
    """It is no checkpoint, but the way to one."""
    path = tmp_path / "actor.certificate.json"
    path.write_bytes((archives / "rms.certificate.json").read_bytes())
    with pytest.raises(CheckpointNotFoundError, match="not beside it"):
        lnfold.open_checkpoint(path)


def test_an_npz_with_a_manifest_of_another_program_is_a_plain_one(tmp_path: Path):
    """Of another format, or no text at all: its arrays go by their own names."""
    for text in (b'{"format": "another"}', b"\xff\xfe"):
        arrays = {"manifest": np.frombuffer(text, np.uint8), "dense/kernel": np.ones((3, 2))}
        np.savez(tmp_path / "x.npz", **arrays)
        with lnfold.open_checkpoint(tmp_path / "x.npz") as checkpoint:
            assert checkpoint.format == "NumPy .npz"
            assert set(checkpoint) == set(arrays)
            lnfold.recover(checkpoint)


def test_a_damaged_manifest_still_lists_and_verifies(tmp_path: Path, archives: Path, lnfold: Run):
    """Its arrays go by their keys; whoever asks for networks is told."""
    arrays = read_arrays(archives / "rms.npz", "")
    cut = arrays[MANIFEST][:-40]
    np.savez(tmp_path / "x.npz", **{**arrays, MANIFEST: cut})
    assert "network0/layer0/kernel" in lnfold("variables", tmp_path / "x.npz").out
    assert lnfold("verify", tmp_path / "x.npz").code == 0
    outcome = lnfold("inspect", tmp_path / "x.npz")
    assert outcome.code == 3
    assert "manifest" in outcome.err


def test_python_writes_what_the_command_writes(archives: Path, samples: Path, tmp_path: Path):
    """The same bytes of array and prefix; an output that is there needs permission."""
    with lnfold.open_checkpoint(samples / "cartpole_actor") as checkpoint:
        (rms,) = lnfold.fold_checkpoint(checkpoint, "rms", output=str(tmp_path / "rms.npz"))
        prefix = str(tmp_path / "actor.ckpt")
        (stock,) = lnfold.fold_checkpoint(checkpoint, output=prefix)
        with pytest.raises(OutputError, match="already"):
            lnfold.fold_checkpoint(checkpoint, output=prefix)
        lnfold.fold_checkpoint(checkpoint, output=prefix, overwrite=True)
        with pytest.raises(UsageError, match="only the stock form"):
            lnfold.fold_checkpoint(checkpoint, "carry", output=prefix)
        with lnfold.open_checkpoint(prefix) as written:
            found = lnfold.recover(written).named("actor")
            assert set(written) == set(checkpoint)

    assert (rms.form.value, stock.form.value) == ("rms", "stock")
    assert (tmp_path / "rms.npz").read_bytes() == (archives / "rms.npz").read_bytes()
    assert lnfold.check(stock.original, found).passed
    archive = lnfold.open_checkpoint(tmp_path / "rms.npz")
    with archive, pytest.raises(UsageError, match="folded already"):
        lnfold.fold_checkpoint(archive)


# ── half precision ────────────────────────────────────────────────────────────────────────


def half(dtype: Any) -> lnfold.Network:
    """A small actor whose parameters are stored in a type that NumPy does not know."""
    from dataclasses import replace

    network = actor(0, (5, 16, 12, 2), "relu", 1e-3)
    layers = []
    for layer in network.layers:
        stored = {
            role: replace(one, array=one.array.astype(dtype)) for role, one in layer.parameters()
        }
        layers.append(replace(layer, **stored))
    return replace(network, layers=tuple(layers))


@pytest.mark.parametrize("name", ["bfloat16", "float8_e4m3fn", "float16"])
def test_half_precision_is_read_back_in_its_type_and_by_numpy_as_it_stands(
    samples: Path, tmp_path: Path, lnfold: Run, name: str
):
    """Bit for bit here; as float32 for whoever has nothing but NumPy."""
    import lnfold as library

    network = half(np.dtype(getattr(ml_dtypes, name, name)))
    path = str(tmp_path / "x.npz")
    with library.open_checkpoint(samples / "cartpole_actor") as checkpoint:
        write_networks(checkpoint, [({}, network)], path)
    (found,) = read_archive(path)
    compared = 0
    with np.load(path) as arrays:
        assert {arrays[one].dtype.kind for one in arrays.files} == {"f", "u"}
    for one, other in zip(network.layers, found.layers, strict=True):
        for (_, a), (_, b) in zip(one.parameters(), other.parameters(), strict=True):
            assert a.array.dtype == b.array.dtype
            assert a.array.tobytes() == b.array.tobytes()
            compared += a.array.size
    assert compared > 300
    assert library.check(network, found).verdict.value == library.check(network).verdict.value
    assert lnfold("check", path, path).code in (0, 4)


def test_files_with_raw_bfloat16_are_read(tmp_path: Path):
    """As they were written before: two bytes of no kind, and no type in the manifest."""
    network = half(ml_dtypes.bfloat16)
    arrays: dict[str, np.ndarray] = {}
    record = network_record(network, "network0/", arrays)
    for _, one in _parameters(record):
        del one["dtype"]
    raw = {name: one.astype(ml_dtypes.bfloat16) for name, one in arrays.items()}
    manifest = {"format": "lnfold folded networks", "schema_version": 1, "networks": [record]}
    text = np.frombuffer(json.dumps(manifest).encode(), np.uint8)
    np.savez(tmp_path / "x.npz", **{MANIFEST: text, **raw})
    with np.load(tmp_path / "x.npz") as stored:
        assert stored["network0/layer0/kernel"].dtype == np.dtype("V2")
    (found,) = read_archive(str(tmp_path / "x.npz"))

    assert {one.array.dtype.name for layer in found.layers for _, one in layer.parameters()} == {
        "bfloat16"
    }
    assert lnfold.check(network, found).verdict.value == lnfold.check(network).verdict.value


@pytest.mark.parametrize("dtype", ["float64", "bfloat16", "no type", 3])
def test_a_type_that_the_array_cannot_have_is_refused(dtype: object):
    """Of another width, one that does not hold its numbers, or none."""
    arrays: dict[str, np.ndarray] = {}
    record = network_record(actor(0), "network0/", arrays)
    kernel = record["layers"][0]["kernel"]
    kernel["dtype"] = dtype
    with pytest.raises(DamagedError, match=r"layers\[0\]\.kernel\.dtype"):
        networks_of([record], arrays, "x.npz")


def _parameters(value: Any, key: str = "") -> list[tuple[str, dict[str, Any]]]:
    """Every parameter in a manifest."""
    if isinstance(value, dict) and "array" in value:
        return [(key, value)]
    inside = value.items() if isinstance(value, dict) else []
    inside = [("", one) for one in value] if isinstance(value, list) else inside
    return [found for name, one in inside for found in _parameters(one, name)]
