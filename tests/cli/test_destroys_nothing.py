"""Every command that writes, and everything that it read: no output takes the place of an input."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lnfold.errors import OutputError
from lnfold.files import files_read
from tests.conftest import ROOT, Outcome

Lnfold = Callable[..., Outcome]

FIXTURES = ROOT / "tests" / "recovery" / "fixtures"
CONTAINERS = ROOT / "tests" / "checkpoint" / "fixtures"
PREFIX = "actor.ckpt-12000"

# command → the side files that it reads; CHECKPOINT and OUT are filled in
OF_A_NETWORK = {
    "inspect --output": "inspect CHECKPOINT --output OUT/report.txt",
    "inspect --json --output": "inspect CHECKPOINT --output OUT/report.json",
    "inspect --html": "inspect CHECKPOINT --html OUT/page.html",
    "check --save": "check CHECKPOINT --save OUT/results.npz",
    "variables --values": "variables CHECKPOINT --values NAME --output OUT/values.npy",
    "fold --output .npz": "fold CHECKPOINT --form auto --output OUT/folded.npz",
    "fold --html": "fold CHECKPOINT --html OUT/fold.html",
}
WITH_SIDE_FILES = {
    "inspect --output, side files": "inspect CHECKPOINT --inputs SIDE/inputs.npz --expected "
    "SIDE/expected.npz --examples SIDE/examples.npz --output OUT/report.json",
    "inspect --html, side files": "inspect CHECKPOINT --inputs SIDE/inputs.npz --box-file "
    "SIDE/box.npz --html OUT/page.html --output OUT/report.txt",
    "check --save, side files": "check CHECKPOINT SIDE/expected.npz --inputs SIDE/inputs.npz "
    "--examples SIDE/examples.npz --save OUT/results.npz",
    "fold, side files": "fold CHECKPOINT --inputs SIDE/inputs.npz --examples SIDE/examples.npz "
    "--output OUT/folded --html OUT/fold.html",
    "fold --approximate": "fold CHECKPOINT --approximate frozen-deviation --inputs "
    "SIDE/inputs.npz --output OUT/frozen.npz",
}
WITHOUT_PAGES = {key: line for key, line in OF_A_NETWORK.items() if "html" not in key}
VALUES = {key: line for key, line in OF_A_NETWORK.items() if key.startswith("variables")}
AS_BUNDLE = {"fold --output": "fold CHECKPOINT --output OUT/folded"}

# container → where it comes from, what is opened of it, a variable, the commands that write
CASES = {
    "bundle": (
        ROOT / "sample_checkpoints" / "cartpole_actor",
        "",
        "actor/dense/bias",
        {**OF_A_NETWORK, **AS_BUNDLE, **WITH_SIDE_FILES},
    ),
    "bundle, by its prefix": (
        ROOT / "sample_checkpoints" / "cartpole_actor",
        PREFIX,
        "actor/dense/bias",
        {**VALUES, "check --save": OF_A_NETWORK["check --save"], **AS_BUNDLE},
    ),
    "SavedModel": (
        FIXTURES / "tf1_saved" / "simple_save",
        "",
        "actor/out/bias",
        {**WITHOUT_PAGES, **AS_BUNDLE},
    ),
    ".keras": (
        FIXTURES / "keras2",
        "inner_models.keras",
        "",
        {**WITHOUT_PAGES, "fold --output .keras": "fold CHECKPOINT --output OUT/folded.keras"},
    ),
    ".h5": (
        FIXTURES / "keras2",
        "inner_models.h5",
        "",
        {**WITHOUT_PAGES, "fold --output .h5": "fold CHECKPOINT --output OUT/folded.h5"},
    ),
    "shards": (CONTAINERS / "sharded", "", "", VALUES),
    "V1": (CONTAINERS / "v1", "", "", VALUES),
    "V1 shards": (CONTAINERS / "v1_sharded", "", "", VALUES),
    ".npz": (CONTAINERS / "keras3", "values.npz", "", VALUES),
}


def made(case: str, place: Path) -> tuple[Path, list[Path], str]:
    """A copy of a checkpoint and its side files: its path, every file there, a variable."""
    source, inside, variable, _ = CASES[case]
    run, side = place / "run", place / "side"
    if inside.endswith((".keras", ".h5", ".npz")):
        run.mkdir()
        shutil.copy(source / inside, run)
    else:
        shutil.copytree(source, run, ignore=shutil.ignore_patterns("expected*"))
    parts = [path for path in run.rglob("*") if path.is_file()]
    if case.startswith("bundle"):
        for path in parts.copy():
            if path.name.startswith(PREFIX):
                parts.append(path.with_name(path.name.replace(PREFIX, "other.ckpt-1")))
                shutil.copy(path, parts[-1])
        side.mkdir()
        with np.load(source / "expected_actor.npz") as arrays:
            inputs, outputs = arrays["inputs"], arrays["outputs"]
        np.savez(side / "inputs.npz", inputs=inputs)
        np.savez(side / "expected.npz", outputs=outputs)
        np.savez(side / "examples.npz", inputs=inputs, outputs=outputs)
        np.savez(side / "box.npz", low=inputs.min(0), high=inputs.max(0))
    if not variable:
        from lnfold.checkpoint import open_checkpoint

        with open_checkpoint(run / inside) as checkpoint:
            variable = next(name for name, one in checkpoint.items() if one.size)
    return run / inside, parts, variable


def all_bytes(place: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in place.rglob("*") if path.is_file()}


def names_of(path: Path, elsewhere: Path) -> list[str]:
    """One file by its path, from here, by a link to it or to its folder, by a second name."""
    elsewhere.mkdir()
    (elsewhere / "link").symlink_to(path)
    (elsewhere / "folder").symlink_to(path.parent, target_is_directory=True)
    os.link(path, elsewhere / "second")
    return [
        str(path),
        os.path.relpath(path),
        str(elsewhere / "link"),
        str(elsewhere / "folder" / path.name),
        str(elsewhere / "second"),
    ]


@pytest.mark.parametrize("case", CASES)
def test_no_writer_replaces_anything_that_was_read(
    lnfold: Lnfold, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    """At the moment when each command writes, every file in five ways: all are refused."""
    path, parts, variable = made(case, tmp_path)
    before = all_bytes(tmp_path)
    side = {one.name: one for one in (tmp_path / "side").glob("*")}
    ways = {
        one: names_of(one, tmp_path / f"links{number}")
        for number, one in enumerate([*parts, *side.values()])
    }
    refuse, tried = files_read.refuse, 0
    asked: list[Path] = []

    def attacked(target: str, *, of_checkpoint: bool = False) -> None:
        nonlocal tried
        for one in asked:
            if of_checkpoint and "other" in one.name:
                continue  # a checkpoint that was not read may be replaced by one, if --force is
            for way in ways[one]:
                with pytest.raises(OutputError):
                    refuse(way, of_checkpoint=of_checkpoint)
                tried += 1
        refuse(target, of_checkpoint=of_checkpoint)

    monkeypatch.setattr(files_read, "refuse", attacked)
    commands = CASES[case][3]
    for number, line in enumerate(commands.values()):
        asked[:] = [*parts, *(one for name, one in side.items() if f"SIDE/{name}" in line)]
        filled = {"CHECKPOINT": path, "OUT": tmp_path / f"out{number}", "NAME": variable}
        filled["SIDE"] = tmp_path / "side"
        arguments = []
        for argument in line.split():
            for word, value in filled.items():
                argument = argument.replace(word, str(value))
            arguments.append(argument)
        tried_before = tried
        result = lnfold(*arguments)
        assert result.code in (0, 1, 4), (line, result.err)
        assert tried - tried_before >= 5 * len(parts), line
        assert os.listdir(tmp_path / f"out{number}"), line

    assert {key: one for key, one in all_bytes(tmp_path).items() if key in before} == before
    print(f"{case}: {tried} refused")


@pytest.mark.parametrize("which", range(5))
def test_the_commands_refuse_with_a_sentence_and_change_no_byte(
    lnfold: Lnfold, tmp_path: Path, which: int
) -> None:
    """From the outside, each way of naming: exit code 2, one sentence, everything as it was."""
    path, parts, variable = made("bundle", tmp_path)
    side = tmp_path / "side"
    before, tried = all_bytes(tmp_path), 0
    commands: list[tuple[list[object], list[Path]]] = [
        (["variables", path, "--values", variable, "--output"], parts),
        (["check", path, "--save"], parts[:2]),
        (["inspect", path, "--examples", side / "examples.npz", "--output"], [
            side / "examples.npz", tmp_path / "run" / "checkpoint"]),
        (["fold", path, "--inputs", side / "inputs.npz", "--force", "--output"], [
            side / "inputs.npz"]),
        (["fold", path, "--html"], parts[2:3]),
    ]  # fmt: skip
    for arguments, files in commands:
        for one in files:
            way = names_of(one, tmp_path / f"links{tried}")[which]
            if one.suffix == ".npz" and not way.endswith(".npz") and arguments[0] == "fold":
                os.rename(way, way + ".npz")
                way += ".npz"
            held = all_bytes(tmp_path)
            result = lnfold(*arguments, way)
            assert (result.code, result.out) == (2, ""), (arguments, way)
            assert result.err.count("\n") == 1, result.err
            assert result.err.splitlines()[-1].startswith("lnfold: ")
            assert all_bytes(tmp_path) == held
            tried += 1

    assert tried == len(parts) + 6
    assert {key: one for key, one in all_bytes(tmp_path).items() if key in before} == before


@pytest.mark.parametrize("ending", ["index", "data-00000-of-00001", "meta", "certificate.json"])
def test_a_fold_under_a_name_that_leads_to_an_input_is_refused(
    lnfold: Lnfold, tmp_path: Path, ending: str
) -> None:
    """Any of its four files that is a link to, or a second name of, anything that was read."""
    path, parts, _ = made("bundle", tmp_path)
    side, tried = tmp_path / "side" / "inputs.npz", 0
    out = tmp_path / "out"
    for one in [*(part for part in parts if "other" not in part.name), side]:
        for link in (os.symlink, os.link):
            out.mkdir()
            link(one, out / f"folded.{ending}")
            before = all_bytes(tmp_path)
            result = lnfold("fold", path, "--inputs", side, "--output", out / "folded", "--force")
            assert result.code == 2, (one, link)
            assert all_bytes(tmp_path) == before
            shutil.rmtree(out)
            tried += 1

    assert tried == 10


@pytest.mark.parametrize(
    "arguments",
    [
        "fold CHECKPOINT --output OUT/x --html OUT/x.certificate.json",
        "fold CHECKPOINT --output OUT/x --html OUT/x.index",
        "fold CHECKPOINT --output OUT/x --html OUT/link",
        "fold CHECKPOINT --output OUT/x.npz --html OUT/x.npz",
        "fold CHECKPOINT --output OUT/x.npz --html OUT/x.certificate.json",
        "inspect CHECKPOINT --output OUT/x.json --html OUT/x.json",
        "inspect CHECKPOINT --output - --html /dev/stdout",
        "fold MODEL --output OUT/model --html OUT/model/page.html",
        "fold MODEL --output OUT/model --html OUT/model",
    ],
)
def test_two_outputs_of_one_name_are_refused_before_any_is_written(
    lnfold: Lnfold, tmp_path: Path, arguments: str
) -> None:
    """The certificate of a fold is an output, too."""
    path, _, _ = made("bundle", tmp_path)
    shutil.copytree(FIXTURES / "tf1_saved" / "simple_save", tmp_path / "model")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "link").symlink_to("x.data-00000-of-00001")
    filled = arguments.replace("CHECKPOINT", str(path)).replace("MODEL", str(tmp_path / "model"))
    result = lnfold(*filled.replace("OUT", str(tmp_path / "out")).split())

    assert (result.code, result.out) == (2, "")
    assert os.listdir(tmp_path / "out") == ["link"]
