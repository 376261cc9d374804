"""Commands that are ended in the middle of a write, and outputs that take nothing more."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conftest import ROOT, Outcome

Lnfold = Callable[..., Outcome]

FIXTURES = ROOT / "tests" / "recovery" / "fixtures"

# A command whose n-th call of a step of writing says so and then takes its time.
_SLOW = """
import os, sys, time
from lnfold.files import pending_output
from lnfold.cli import run_command_line
slow = getattr(pending_output.PendingFile, sys.argv[1])
calls = 0
def slowly(self, *arguments):
    global calls
    slow(self, *arguments)
    calls += 1
    if calls == int(sys.argv[2]):
        os.write(2, b"writing\\n")
        time.sleep(60)
setattr(pending_output.PendingFile, sys.argv[1], slowly)
sys.exit(run_command_line(sys.argv[3:]))
"""


def all_bytes(place: Path) -> dict[str, bytes | None]:
    return {str(one): one.read_bytes() if one.is_file() else None for one in place.rglob("*")}


@pytest.mark.skipif(os.name != "posix", reason="needs signals")
@pytest.mark.parametrize(
    ("step", "call", "name", "arguments"),
    [
        ("finish", 1, "SIGTERM", "fold BUNDLE --output OUT/earlier --force"),
        ("put", 3, "SIGTERM", "fold BUNDLE --output OUT/earlier --force"),
        ("put", 2, "SIGHUP", "fold BUNDLE --output OUT/new/folded"),
        ("finish", 2, "SIGTERM", "fold MODEL --output OUT/new/model"),
        ("put", 2, "SIGHUP", "fold MODEL --output OUT/new/model"),
        ("finish", 1, "SIGHUP", "fold KERAS --output OUT/new/folded.keras"),
        ("put", 1, "SIGTERM", "fold BUNDLE --output OUT/earlier.npz --force"),
        ("finish", 1, "SIGINT", "inspect BUNDLE --output OUT/earlier.index.txt"),
    ],
)
def test_a_signal_leaves_everything_as_it_was(
    tmp_path: Path, step: str, call: int, name: str, arguments: str
) -> None:
    """Real processes, between two files and between two renames: 128 and the signal's number."""
    (tmp_path / "out").mkdir()
    for ending in ("index", "meta", "certificate.json", "npz", "index.txt"):
        (tmp_path / "out" / f"earlier.{ending}").write_text("earlier")
    (tmp_path / "out" / "earlier.data-00000-of-00001").write_text("earlier")
    places = {
        "BUNDLE": ROOT / "sample_checkpoints" / "cartpole_actor",
        "MODEL": FIXTURES / "tf1_saved" / "simple_save",
        "KERAS": FIXTURES / "keras2" / "inner_models.keras",
        "OUT": tmp_path / "out",
    }
    for word, place in places.items():
        arguments = arguments.replace(word, str(place))
    before = all_bytes(tmp_path)
    assert len(before) == 7
    number = getattr(signal, name)
    process = subprocess.Popen(
        [sys.executable, "-c", _SLOW, step, str(call), *arguments.split()],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        cwd=ROOT,
    )
    assert process.stderr is not None
    assert process.stderr.readline() == "writing\n"
    assert all_bytes(tmp_path) != before
    process.send_signal(number)
    _, said = process.communicate(timeout=30)

    assert process.returncode == 128 + number
    assert said.strip() == "lnfold: stopped"
    assert all_bytes(tmp_path) == before


@pytest.mark.skipif(os.name != "posix", reason="needs a shell")
@pytest.mark.parametrize(
    ("redirected", "code", "said"),
    [
        ("inspect RUN > /dev/full", 2, "standard output cannot be written (No space left"),
        ("variables RUN > /dev/full", 2, "standard output cannot be written (No space left"),
        ("inspect RUN >&-", 2, "standard output cannot be written (it is closed)"),
        ("-h >&-", 2, "standard output cannot be written (it is closed)"),
        ("inspect RUN >&- 2>&-", 2, ""),
        ("nonsense 2> /dev/full", 2, ""),
        ("inspect RUN --output /dev/full", 2, "/dev/full: cannot be written (No space left"),
        ("explain RUN | head -1", 0, ""),
        ("inspect RUN --output - | head -1", 0, ""),
        ("variables RUN >> RUN/actor.ckpt-12000.meta --values actor/dense/bias --output -", 2,
         "is an input"),
    ],
)  # fmt: skip
def test_streams_that_take_nothing_more_are_said_in_one_sentence(
    samples: Path, tmp_path: Path, redirected: str, code: int, said: str
) -> None:
    """Full, closed, or no longer read, which is silent; nothing of an input is written to."""
    shutil.copytree(samples / "cartpole_actor", tmp_path / "run")
    before = all_bytes(tmp_path)
    line = redirected.replace("RUN", str(tmp_path / "run"))
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", f'"{sys.executable}" -m lnfold {line}'],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=ROOT,
    )

    assert done.returncode == code
    assert said in done.stderr
    assert done.stderr.count("\n") == bool(said)
    assert all_bytes(tmp_path) == before


@pytest.mark.parametrize("mode", ["pipe", "file"])
def test_a_stream_gets_the_bytes_that_a_file_gets(
    lnfold: Lnfold, samples: Path, tmp_path: Path, mode: str
) -> None:
    """Reports, pages, values and results through `-`, and nothing else among them."""
    run = str(samples / "cartpole_actor")
    commands = [
        ["variables", run, "--values", "actor/dense/bias", "--output"],
        ["check", run, "--save"],
        ["inspect", run, "--output"],
    ]
    for number, arguments in enumerate(commands):
        path = tmp_path / f"{number}"
        assert lnfold(*arguments, path).code == 0
        line = [
            sys.executable,
            "-m",
            "lnfold",
            *arguments,
            "-" if mode == "pipe" else "/dev/stdout",
        ]
        with open(tmp_path / "out", "wb") as file:
            out = subprocess.PIPE if mode == "pipe" else file
            done = subprocess.run(line, stdout=out, stderr=subprocess.PIPE, check=True, cwd=ROOT)
        got = done.stdout if mode == "pipe" else (tmp_path / "out").read_bytes()
        if arguments[0] == "check":  # a .npz holds the time of writing
            (tmp_path / "got.npz").write_bytes(got)
            with np.load(tmp_path / "got.npz") as one, np.load(path) as other:
                assert one.files == other.files
                for name in one.files:  # two processes need not round alike
                    np.testing.assert_allclose(one[name], other[name], rtol=0, atol=1e-6)
        else:
            assert got == path.read_bytes()


@pytest.mark.skipif(
    not shutil.which("mount") or not hasattr(os, "geteuid") or os.geteuid() != 0,
    reason="only root may mount",
)  # fmt: skip
def test_a_full_disk_leaves_nothing_half_written(
    lnfold: Lnfold, samples: Path, tmp_path: Path
) -> None:
    """A disk of 64 KiB: one sentence, and it is as empty as before."""
    small = tmp_path / "small"
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", small]).returncode:
        pytest.skip("mounting is not permitted here")
    try:
        (small / "filled").write_bytes(b"_" * 40_000)
        for arguments in (["--output", small / "folded"], ["--output", small / "folded.npz"]):
            result = lnfold("fold", samples / "cartpole_actor", *arguments)
            assert (result.code, result.out) == (2, "")
            assert "cannot be written" in result.err
            assert os.listdir(small) == ["filled"]
    finally:
        subprocess.run(["umount", small], check=True)


def test_a_fold_is_not_the_newest_of_a_training_run(
    lnfold: Lnfold, tensorflow: Any, samples: Path, tmp_path: Path
) -> None:
    """The run goes on from its own checkpoint, unless --newest says otherwise."""
    newest = tensorflow.train.latest_checkpoint
    run = tmp_path / "run"
    shutil.copytree(samples / "cartpole_actor", run)
    state = (run / "checkpoint").read_bytes()
    result = lnfold("fold", run, "--output", run / "folded")
    assert "stays as it is" in result.err
    assert (run / "checkpoint").read_bytes() == state
    assert newest(str(run)) == str(run / "actor.ckpt-12000")

    (run / "checkpoint").unlink()  # nothing says which one is: nor does a fold
    lnfold("fold", run / "actor.ckpt-12000", "--output", run / "second")
    assert newest(str(run)) is None

    (run / "checkpoint").write_bytes(state)
    result = lnfold("fold", run, "--output", run / "third", "--newest")
    assert "stays" not in result.err
    assert newest(str(run)) == str(run / "third")

    lnfold("fold", run / "actor.ckpt-12000", "--output", tmp_path / "alone" / "folded")
    assert newest(str(tmp_path / "alone")) == str(tmp_path / "alone" / "folded")
