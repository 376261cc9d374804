"""Manifests that were changed: read as what they say, or refused with the name of the field."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lnfold.checking.observations import drawn
from lnfold.checkpoint import open_checkpoint
from lnfold.checkpoint.numpy_files.array_file import read_arrays
from lnfold.checkpoint.numpy_files.manifest import MANIFEST
from lnfold.errors import DamagedError, LnfoldError
from lnfold.export.archive import write_archive
from lnfold.folding.editing.steps import Form
from lnfold.folding.fold import Choice, fold_together
from lnfold.network.manifest.reader import networks_of
from lnfold.network.manifest.version_1 import upgraded
from lnfold.network.running.run import run
from lnfold.recovery.recover import recover
from tests.export.archives import read_archive
from tests.network.kept import kept
from tests.recovery.recovered import FIXTURES, opened_recovery

Json = Any
Path_ = tuple[Any, ...]

OTHERS: list[Json] = [
    *(None, True, -1, 0, 3, 1 << 40, 10**400, 0.5, -1e300, float("inf"), float("nan")),
    *("", "x", "0", "relu", [], [None], ["x"], {}, {"x": 1}, {"array": "x"}),
]
NESTED: Json = []
for _ in range(500):
    NESTED = [NESTED]


@pytest.fixture(scope="module", params=list(Form), ids=lambda form: form.value)
def genuine(
    request: pytest.FixtureRequest, samples: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Json, dict[str, np.ndarray], str]:
    """The manifest of a folded network of each form, its arrays, and their file."""
    path = str(tmp_path_factory.mktemp("archive") / "actor.npz")
    with open_checkpoint(samples / "cartpole_actor") as checkpoint:
        folds = fold_together(recover(checkpoint).networks, Choice(request.param))
        write_archive(checkpoint, folds, path)
    arrays = read_arrays(path, "")
    return json.loads(arrays[MANIFEST].tobytes()), arrays, path


def places(value: Json, at: Path_ = ()) -> Iterator[Path_]:
    """Every place in a JSON value, the whole first."""
    yield at
    if isinstance(value, dict | list):
        inside = value.items() if isinstance(value, dict) else enumerate(value)
        for key, one in inside:
            yield from places(one, (*at, key))


def changed(networks: Json, at: Path_, change: Any) -> Json:
    """A copy in which ``change`` was made to the container at a place, with the last key."""
    whole = {"networks": copy.deepcopy(networks)}
    inside: Json = whole
    path = ("networks", *at)
    for key in path[:-1]:
        inside = inside[key]
    change(inside, path[-1])
    return whole.get("networks")


def changes(number: int) -> Iterator[Any]:
    """Deleted, renamed, twice, nested, and of another type or size."""

    def delete(inside: Json, key: Any) -> None:
        del inside[key]

    def rename(inside: Json, key: Any) -> None:
        if isinstance(inside, dict):
            inside[f"{key}_"] = inside.pop(key)

    def twice(inside: Json, key: Any) -> None:
        if isinstance(inside[key], list):
            inside[key] = inside[key] * 2
        elif isinstance(inside, list):
            inside.append(inside[key])

    def put(value: Json) -> Any:
        def replace(inside: Json, key: Any) -> None:
            inside[key] = value

        return replace

    yield from (delete, rename, twice, put(NESTED))
    # a third of the others at each place: neighbours try the rest
    yield from (put(one) for one in OTHERS[number % 3 :: 3])


def test_every_change_is_read_or_refused_by_name(genuine: Any):
    """No other error than ours, and what is read runs: every place of a manifest of each form."""
    manifest, arrays, path = genuine
    networks = manifest["networks"]
    accepted, said = 0, []
    for number, at in enumerate(places(networks)):
        for change in changes(number):
            try:
                found = networks_of(changed(networks, at, change), arrays, path)
            except DamagedError as error:
                said.append(error.message)
                continue
            accepted += 1
            for one in found:
                if one.complete and all(each.width for each in one.inputs):
                    run(one, drawn(one, rows=2).inputs)

    assert len(said) > 500
    assert all("networks" in one and len(one) < 1000 for one in said)
    assert accepted > 50  # texts may say anything


def test_a_genuine_manifest_is_read_as_it_was_written(genuine: Any):
    """The same file, through the same reader."""
    _, _, path = genuine
    (network,) = read_archive(path)

    assert network.complete
    run(network, drawn(network, rows=2).inputs)


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        (("name",), 3, r"networks\[0\]\.name is 3, not a text"),
        (("precision",), "float8", r"networks\[0\]\.precision is 'float8'"),
        (("outputs",), ["nowhere"], r"networks\[0\]\.outputs names no value"),
        (("outputs",), [], r"networks\[0\]\.outputs names no value"),
        (("inputs", 0, "shape"), [None, -4], r"networks\[0\]\.inputs\[0\] contradicts itself"),
        (("inputs", 0, "shape"), [None, 1 << 30], r"networks\[0\]\.inputs\[0\]\.shape is"),
        (("layers", 0, "kind"), "pickle", r"networks\[0\]\.layers\[0\]\.kind is 'pickle'"),
        (("layers", 0, "kernel", "array"), "gone", r"layers\[0\]\.kernel\.array is 'gone'"),
        (("layers", 0, "inputs"), [], r"layers\[0\]\.inputs are 0"),
        (("layers", 0, "kernel"), None, r"layers\[0\]\.kernel"),
        (("wiring", "source"), "rumour", r"networks\[0\]\.wiring\.source is 'rumour'"),
    ],
)
def test_the_error_names_the_field(
    samples: Path, tmp_path: Path, field: Path_, value: Json, said: str
):
    """Which network, which layer, which field, and what it is."""
    path = str(tmp_path / "actor.npz")
    with open_checkpoint(samples / "cartpole_actor") as checkpoint:
        write_archive(checkpoint, fold_together(recover(checkpoint).networks, Choice()), path)
    arrays = read_arrays(path, "")
    networks = json.loads(arrays[MANIFEST].tobytes())["networks"]
    other = changed(networks, (0, *field), lambda inside, key: inside.__setitem__(key, value))
    with pytest.raises(DamagedError, match=said):
        networks_of(other, arrays, path)


@pytest.mark.parametrize(
    "text",
    ["", "[]", "null", "{", "[" * 100_000, '{"format": "lnfold folded networks"}', "9" * 5000,
     '{"format": "lnfold folded networks", "schema_version": 1, "networks": 7}',
     '{"format": "lnfold folded networks", "schema_version": [[1]], "networks": []}'],
)  # fmt: skip
def test_a_manifest_that_is_none_is_refused(tmp_path: Path, text: str):
    """Cut, of another version, nested without end: an error of ours."""
    path = tmp_path / "x.npz"
    np.savez(path, manifest=np.frombuffer(text.encode(), np.uint8))
    with pytest.raises(LnfoldError):
        read_archive(str(path))


def test_manifests_of_version_1_are_read():
    """Inputs with a width, rearranged rows and sequences of all rows are what they were."""
    old = {
        "inputs": [{"name": "x", "width": 6}, {"name": "y", "width": 0}],
        "layers": [
            {"kind": "rearrange", "shape": [2, 6], "order": [1, 0], "units": 4},
            {"kind": "rearrange", "shape": [2, 6], "order": None, "units": 12},
            {"kind": "lstm", "steps": None},
            {"kind": "lstm", "steps": 3},
        ],
    }
    new = upgraded(old)

    assert [one["shape"] for one in new["inputs"]] == [[None, 6], [None, None]]
    turned, joined, open_one, fixed = new["layers"]
    assert (turned["taken"], turned["given"]) == ([2, 6], [3, 4])
    assert joined["given"] == [12]
    assert (open_one["stateful"], fixed["stateful"]) == (True, False)
    assert upgraded(new) == new


def test_every_recovered_network_survives_its_manifest():
    """Written as strict JSON and read back it is the same: records, facts, arrays."""
    compared = 0
    for folder in sorted((FIXTURES / "tf1").iterdir()):
        checkpoint, found = opened_recovery(folder / "model.ckpt")
        for network in found.networks:
            if not network.complete:
                continue
            again = kept(network)
            for one, other in zip(network.layers, again.layers, strict=True):
                for (_, left), (_, right) in zip(one.parameters(), other.parameters(), strict=True):
                    np.testing.assert_array_equal(left.array, right.array)
                    compared += 1
        checkpoint.close()
    assert compared > 200
