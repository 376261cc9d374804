"""Names in graphs, configs and groups that want to steer, forge or run something, everywhere."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from lnfold.checkpoint import open_checkpoint
from lnfold.checkpoint.write import write_checkpoint
from lnfold.folding.fold import fold
from lnfold.recovery.recover import recover
from lnfold.report.account.record import build_report
from lnfold.report.page.notebook import SHOWN
from tests.cli.test_hostile_names import HOSTILE, commands, harmless, harmless_html
from tests.conftest import ROOT, Outcome
from tests.recovery.proto import BOOL, constant, integer, meta_graph, node, placeholder, variable

ACTOR = ROOT / "tests" / "recovery" / "fixtures" / "keras2" / "layers_numbered_backwards"
# no graph has a colon in the name of a node, and no text of JSON holds half a character
NODES = {kind: name.replace(":", "") for kind, name in HOSTILE.items()}
LAYERS = {kind: name for kind, name in HOSTILE.items() if kind != "no UTF-8"}
# a slash divides groups, and a zero ends their names
GROUPS = {kind: name.replace("/", "").replace("\0", "") for kind, name in LAYERS.items()}


def graph_beside(prefix: Path, name: str) -> Path:
    """A checkpoint and its graph: dense, relu under a flag, dense, an operation nobody knows."""
    arrays = {
        f"{name}/dense/kernel": np.arange(12, dtype=np.float32).reshape(3, 4) % 5 - 2,
        f"{name}/dense/bias": np.ones(4, np.float32),
        f"{name}/out/kernel": np.eye(4, 2, dtype=np.float32),
    }
    write_checkpoint(str(prefix), list(arrays.items()))
    off = constant(f"{name}/off", False, "?")
    nodes = [
        placeholder(f"{name}/x", (None, 3)),
        *(variable(one, array.shape) for one, array in arrays.items()),
        node(f"{name}/dense/MatMul", "MatMul", f"{name}/x", f"{name}/dense/kernel"),
        node(f"{name}/dense/add", "BiasAdd", f"{name}/dense/MatMul", f"{name}/dense/bias"),
        *(off, node(f"{name}/flag", "PlaceholderWithDefault", f"{name}/off")),
        node(f"{name}/switch", "Switch", f"{name}/dense/add", f"{name}/flag"),
        node(f"{name}/one", "Tanh", f"{name}/switch:1"),
        node(f"{name}/two", "Relu", f"{name}/switch"),
        node(f"{name}/merge", "Merge", f"{name}/two", f"{name}/one"),
        node(f"{name}/out/MatMul", "MatMul", f"{name}/merge", f"{name}/out/kernel"),
        node(f"{name}/odd", name, f"{name}/out/MatMul", T=integer(6, BOOL)),
    ]
    Path(f"{prefix}.meta").write_bytes(meta_graph(*nodes))
    return prefix


def renamed(config: Any, names: Mapping[str, str]) -> Any:
    """A config whose texts of these names are others."""
    if isinstance(config, dict):
        return {key: renamed(one, names) for key, one in config.items()}
    if isinstance(config, list):
        return [renamed(one, names) for one in config]
    return names.get(config, config) if isinstance(config, str) else config


def names_of(config: str, name: str) -> dict[str, str]:
    """What the layers of a model and itself are called instead."""
    model = json.loads(config)["config"]
    held = [model["name"], *(one["config"]["name"] for one in model["layers"])]
    return {one: f"{name}{number}" for number, one in enumerate(held)}


def archive(target: Path, name: str) -> Path:
    """A .keras file whose layers are called so; its weights go by their classes."""
    with zipfile.ZipFile(f"{ACTOR}.keras") as held, zipfile.ZipFile(target, "w") as written:
        for member in held.namelist():
            content = held.read(member)
            if member == "config.json":
                names = names_of(content.decode(), name)
                content = json.dumps(renamed(json.loads(content), names)).encode()
            written.writestr(member, content)
    return target


def whole_model(target: Path, name: str) -> Path:
    """An .h5 file whose layers, and the groups of their weights, are called so."""
    shutil.copy(f"{ACTOR}.h5", target)
    with h5py.File(target, "r+") as file:
        config = file.attrs["model_config"]
        names = names_of(config, name)
        file.attrs["model_config"] = json.dumps(renamed(json.loads(config), names))
        weights = file["model_weights"]
        for layer in list(weights):
            if layer in names:
                weights.move(layer, names[layer])
    return target


MADE: dict[str, tuple[Callable[[Path, str], Path], str, Mapping[str, str]]] = {
    "graph": (graph_beside, "model.ckpt", NODES),
    ".keras": (archive, "model.keras", LAYERS),
    ".h5": (whole_model, "model.h5", GROUPS),
}
CASES = [(what, kind) for what, (_, _, names) in MADE.items() for kind in names]


@pytest.mark.parametrize(("what", "kind"), CASES)
def test_no_name_of_a_node_layer_or_group_steers_forges_or_runs(
    tmp_path: Path, lnfold: Callable[..., Outcome], what: str, kind: str
):
    """By every command, in every way out, and in a notebook."""
    make, file, names = MADE[what]
    path = make(tmp_path / file, names[kind])
    ran = commands(path, tmp_path)
    ran = [one[: one.index("--order")] if "--order" in one else one for one in ran]
    outcomes = harmless(lnfold, ran, tmp_path)
    # the names are read: only what asks for nothing fails, and a check of what cannot all be run
    wanted = {"graph": [2, 2, 4, 4]}.get(what, [2, 2])
    assert [one.code for _, one in outcomes if one.code] == wanted

    with open_checkpoint(path) as checkpoint:
        report = build_report(checkpoint, recover(checkpoint))
        (one,) = report.networks
        folded = fold(one.network)
        records: list[Any] = [checkpoint, *checkpoint.values(), report.recovery, report, one]
        records += [one.network, one.answer, *one.relations, *one.checks, one.observations]
        records += [folded, *folded.certificates]
        for record in filter(None, records):
            harmless_html(SHOWN[type(record)](record))
    assert len({type(record) for record in records}) >= 9
