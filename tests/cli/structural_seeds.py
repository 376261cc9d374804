"""Sound checkpoints whose graph or config is changed, and copies with the change in them."""

from __future__ import annotations

import random
import shutil
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from lnfold.checkpoint import open_checkpoint
from lnfold.checkpoint.write import write_checkpoint
from tests.recovery.structural import (
    META_GRAPH,
    SAVED_MODEL,
    ConfigChanges,
    GraphChanges,
    changed_values,
)

FIXTURES = Path(__file__).parent.parent / "recovery" / "fixtures"


@dataclass(frozen=True)
class Seed:
    """A sound checkpoint: what it is called, and what writes a changed copy into a folder."""

    name: str
    write: Callable[[random.Random, Path], Path]


def meta_seed(path: Path) -> Seed:
    """A checkpoint of TensorFlow 1 by its ``.meta``."""
    changes: list[GraphChanges] = []

    def write(rng: random.Random, folder: Path) -> Path:
        changes or changes.append(GraphChanges(path.read_bytes(), META_GRAPH))
        for file in path.parent.glob(f"{path.stem}.*"):
            if file != path and file.name != path.name:
                shutil.copy(file, folder / f"x{file.name.removeprefix(path.stem)}")
        (folder / "x.meta").write_bytes(changes[0].changed(rng))
        return folder / "x"

    return Seed(f"{path.parent.name}.meta", write)


def values_seed(path: Path) -> Seed:
    """A checkpoint of TensorFlow 1 whose graph is sound, and of which some arrays are not."""

    def write(rng: random.Random, folder: Path) -> Path:
        with open_checkpoint(path.with_suffix("")) as checkpoint:
            arrays = {one.key: one.read() for one in checkpoint.values()}
        for key in rng.sample(sorted(arrays), min(len(arrays), rng.choice((1, 1, 2, 5)))):
            arrays[key] = changed_values(rng, arrays[key])
        write_checkpoint(folder / "x", arrays.items())
        shutil.copy(path, folder / "x.meta")
        return folder / "x"

    return Seed(f"{path.parent.name}.values", write)


def saved_model_seed(path: Path) -> Seed:
    """A SavedModel by its ``saved_model.pb``."""
    changes: list[GraphChanges] = []

    def write(rng: random.Random, folder: Path) -> Path:
        changes or changes.append(GraphChanges(path.read_bytes(), SAVED_MODEL))
        shutil.copytree(path.parent / "variables", folder / "variables")
        (folder / "saved_model.pb").write_bytes(changes[0].changed(rng))
        return folder

    return Seed(f"{path.parent.name}/saved_model.pb", write)


def keras_seed(path: Path) -> Seed:
    """A ``.keras`` file, whose config is changed."""
    changes: list[ConfigChanges] = []

    def write(rng: random.Random, folder: Path) -> Path:
        with zipfile.ZipFile(path) as whole, zipfile.ZipFile(folder / "x.keras", "w") as changed:
            if not changes:
                changes.append(ConfigChanges(whole.read("config.json").decode()))
            for name in whole.namelist():
                content = whole.read(name)
                if name == "config.json":
                    content = changes[0].changed(rng).encode("utf-8", "surrogatepass")
                changed.writestr(name, content)
        return folder / "x.keras"

    return Seed(path.name, write)


def seeds(*roots: Path) -> Iterator[Seed]:
    """Every checkpoint below some folders that has a graph or a config to change."""
    for root in roots:
        for path in sorted(root.rglob("*.meta")):
            if Path(f"{path.with_suffix('')}.index").exists():
                yield meta_seed(path)
                yield values_seed(path)
        for path in sorted(root.rglob("saved_model.pb")):
            if (path.parent / "variables" / "variables.index").exists():
                yield saved_model_seed(path)
        for path in sorted(root.rglob("*.keras")):
            yield keras_seed(path)
