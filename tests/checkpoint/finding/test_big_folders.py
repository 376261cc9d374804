"""A folder of many checkpoints costs in proportion to them, and is looked through once."""

from __future__ import annotations

import contextlib
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lnfold.checkpoint import open_checkpoint
from lnfold.checkpoint.bundle.shards import complete_count
from lnfold.checkpoint.verify import verify
from lnfold.errors import CheckpointNotFoundError, InputError
from tests.checkpoint import crafting
from tests.checkpoint.crafting import FLOAT, entry_message

MOST = 5000


def fill(folder: Path, count: int, kind: str, state: bool) -> Path:
    """A folder of so many checkpoints, bundles or V1 in two shards, with a state file or none."""
    folder.mkdir()
    raw = b"\0" * 8
    crafting.bundle(folder / "first", {"v": entry_message(FLOAT, [2], raw)}, raw)
    index, data = (
        (folder / f"first.{one}").read_bytes() for one in ("index", "data-00000-of-00001")
    )
    for path in folder.iterdir():
        path.unlink()
    for step in range(count):
        prefix = f"{folder}/model.ckpt-{step}"
        contents = {".index": index, ".data-00000-of-00001": data, ".meta": b""}
        if kind == "v1":
            contents = {f"-{shard:05d}-of-00002": b"" for shard in range(2)}
        for ending, content in contents.items():
            with open(prefix + ending, "wb") as file:
                file.write(content)
    if state:
        (folder / "checkpoint").write_text(f'model_checkpoint_path: "model.ckpt-{count - 1}"\n')
    return folder


@contextlib.contextmanager
def counted() -> Iterator[Counter[str]]:
    """How often the system is asked what is in a folder, what a path is, and to open one."""
    calls: Counter[str] = Counter()

    def counting(name: str) -> Callable[..., object]:
        real = getattr(os, name)

        def call(*arguments: object, **options: object) -> object:
            calls[name] += 1
            return real(*arguments, **options)

        return call

    with pytest.MonkeyPatch.context() as patch:
        for name in ("listdir", "scandir", "stat", "lstat", "open"):
            patch.setattr(os, name, counting(name))
        yield calls


@pytest.mark.parametrize("state", [True, False])
@pytest.mark.parametrize("kind", ["bundles", "v1"])
def test_the_system_is_asked_in_proportion(tmp_path: Path, kind: str, state: bool):
    """Four times as many checkpoints: no listing more, and at most one question more for each."""
    asked = {}
    for count in (50, 200):
        folder = fill(tmp_path / str(count), count, kind, state)
        # the shards of V1 are empty here
        with counted() as calls, contextlib.suppress(InputError):
            open_checkpoint(folder, step=count - 1 if kind == "bundles" else None).close()
        asked[count] = calls
    assert asked[50]["listdir"] >= 1
    assert asked[200]["listdir"] + asked[200]["scandir"] <= 4
    assert asked[200].total() - asked[50].total() <= 150


def test_thousands_of_checkpoints_are_told_apart_in_a_second(tmp_path: Path):
    """By the state file, by a step, and for verify."""
    folder = fill(tmp_path / "run", MOST, "bundles", state=True)
    started = time.process_time()

    assert open_checkpoint(folder).path.endswith(f"-{MOST - 1}")
    assert open_checkpoint(folder, step=77).path.endswith("-77")
    assert open_checkpoint(folder / "model.ckpt", step=78).path.endswith("-78")
    assert verify(str(folder)).passed
    assert time.process_time() - started < 2


def test_what_is_said_of_a_folder_of_thousands_stays_short(tmp_path: Path):
    """The first and the last are named, and how many lie between."""
    folder = fill(tmp_path / "run", MOST, "bundles", state=False)
    for step, message in ((None, f"holds {MOST} checkpoints"), (MOST, "no checkpoint of step")):
        with pytest.raises(CheckpointNotFoundError) as raised:
            open_checkpoint(folder, step=step)

        assert message in str(raised.value)
        assert "model.ckpt-0, model.ckpt-1, model.ckpt-2" in str(raised.value)
        assert f"model.ckpt-{MOST - 1}" in str(raised.value)
        assert f"({MOST - 10:,} more)" in str(raised.value)
        assert len(str(raised.value)) < 500 + len(str(folder))


def test_a_shard_that_announces_endless_others_is_one_of_an_incomplete_checkpoint():
    """The number of shards is never counted up to."""
    assert complete_count([(0, 10**17)]) is None
    assert complete_count([(0, 2), (1, 2), (0, 10**17)]) == 2
    assert complete_count([(0, 2), (0, 2)]) is None
    assert complete_count([]) is None
