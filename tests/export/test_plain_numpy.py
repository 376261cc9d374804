"""The format is told well enough that a stranger runs a network with nothing but NumPy."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

import lnfold
from lnfold.export.archive import write_networks
from lnfold.folding.editing.steps import Form
from lnfold.network.operations.activations import FUNCTIONS
from lnfold.network.records.layers import (
    Affine,
    Centre,
    Clip,
    Multiply,
    Network,
    Rearrange,
    Slice,
)
from tests.conftest import ROOT
from tests.folding.build import Builder, actor, observations

STRANGER = ROOT / "tests" / "export" / "plain_numpy.py"
SCHEMA = json.loads((ROOT / "lnfold" / "export" / "manifest.schema.json").read_text("utf-8"))
NOT_RUN = {"group_norm", "instance_norm", "other_norm", "opaque", "layer"}
IN_WORDS = {"lstm"}


def run_by_a_stranger(samples: Path, folder: Path, network: Network, inputs: dict) -> dict:
    """What a process computes that does not import lnfold."""
    with lnfold.open_checkpoint(samples / "cartpole_actor") as checkpoint:
        write_networks(checkpoint, [({}, network)], str(folder / "network.npz"), overwrite=True)
    np.savez(folder / "inputs.npz", **inputs)
    (folder / "schema.json").write_text(json.dumps(SCHEMA), "utf-8")
    names = ["schema.json", "network.npz", "inputs.npz", "outputs.npz"]
    command = [sys.executable, "-I", str(STRANGER), *(str(folder / one) for one in names)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    with np.load(folder / "outputs.npz") as outputs:
        return {name: outputs[name] for name in outputs.files}


def expect_same(network: Network, inputs: dict, found: dict) -> int:
    """How many numbers were compared with the run in float64."""
    expected = lnfold.run(network, inputs, np.float64)
    for name in network.outputs:
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-9, atol=1e-12)
    return sum(one.size for one in expected.values())


def test_the_stranger_knows_nothing_but_numpy_and_json():
    """No import of lnfold stands in the script."""
    imports = [node for node in ast.walk(ast.parse(STRANGER.read_text("utf-8")))]
    names = {one.name for node in imports if isinstance(node, ast.Import) for one in node.names}
    assert names == {"json", "math", "re", "sys", "numpy"}
    assert not any(isinstance(node, ast.ImportFrom) for node in imports)


@pytest.mark.parametrize("form", ["as it is", *(form.value for form in Form)])
def test_a_network_of_every_form_runs_in_plain_numpy(samples: Path, tmp_path: Path, form: str):
    """As it is, centred, carried and with a side channel: the outputs of the run in float64."""
    with lnfold.open_checkpoint(samples / "cartpole_actor") as checkpoint:
        network = lnfold.recover(checkpoint).named("actor")
    if form != "as it is":
        network = lnfold.fold(network, form).network
    inputs = {"obs0": np.random.default_rng(0).normal(size=(64, 5))}
    found = run_by_a_stranger(samples, tmp_path, network, inputs)

    assert expect_same(network, inputs, found) == 64


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float8_e4m3fn"])
def test_half_precision_needs_no_package_of_its_own(samples: Path, tmp_path: Path, dtype: str):
    """Types that NumPy does not know are in the file as one that it knows."""
    network, layers = actor(0), []
    kind = np.dtype(getattr(ml_dtypes, dtype, dtype))
    for layer in network.layers:
        stored = {role: replace(p, array=p.array.astype(kind)) for role, p in layer.parameters()}
        layers.append(replace(layer, **stored))
    network = replace(network, layers=tuple(layers))
    inputs = observations(network, 16)
    assert expect_same(network, inputs, run_by_a_stranger(samples, tmp_path, network, inputs))


def test_every_activation_and_kind_of_layer_has_a_formula_that_is_true(
    samples: Path, tmp_path: Path
):
    """One network with all that the builder can build and each activation."""
    build = Builder()
    x = build.input(6)
    z = build.clip(build.standardize(x, np.ones(6), np.full(6, 2.0)), -1, 1)
    h = build.batch_norm(build.dense(z, 6, bias=False))
    outputs = [h, build.norm(build.sum(h, z), epsilon=1e-3), build.concat(h, x)]
    outputs += [build.act(h, name) for name in FUNCTIONS]
    outputs += [build.act(h, "leaky_relu", 0.3), build.act(h, "swish", 1.5), build.prelu(h)]
    scale, shift = (build.parameter(np.arange(6.0) + one, f"affine/{one}") for one in (1, 2))
    others = (
        (Multiply("product", (h, z), ""), 6),
        (Slice("slice", (h,), "", 1, 3), 2),
        (Centre("centred", (h,), ""), 6),
        (Affine("affine", (h,), "", scale, shift), 6),
        (Affine("scaled", (h,), "", scale, None), 6),
        (Rearrange("turned", (h,), "", (2, 6), (1, 0), (2, 6)), 6),
        (Clip("low", (h,), "", shift, None), 6),
    )
    outputs += [build.add(layer, width) for layer, width in others]
    network = build.network(*outputs)
    inputs = observations(network, 16)
    found = run_by_a_stranger(samples, tmp_path, network, inputs)

    assert expect_same(network, inputs, found) > 16 * 6 * len(FUNCTIONS)


def test_every_kind_and_every_activation_is_described():
    """In the schema: a formula for all that is run but the LSTM, which takes more than a line."""
    kinds = {
        name: one for name, one in SCHEMA["$defs"].items() if "kind" in one.get("properties", ())
    }
    for name, one in kinds.items():
        assert ("`" in one["description"]) == (name not in NOT_RUN), name
    named = re.findall(r"(\w+): `", kinds["activation"]["description"])
    assert set(named) == set(FUNCTIONS)
    assert len(kinds) > 20
    assert set(kinds) > IN_WORDS | NOT_RUN
