"""The JSON report: its contract."""

from __future__ import annotations

import json

import jsonschema
import pytest

from lnfold import as_json, build_report, open_checkpoint, recover, schema

SAMPLES = ["cartpole_actor", "cartpole_actor_keras", "cartpole_actor_batchnorm"]


def report_of(path) -> dict:
    with open_checkpoint(path) as checkpoint:
        text = as_json(build_report(checkpoint, recover(checkpoint)))
    return json.loads(text, parse_constant=pytest.fail)


def closed(node):
    """The schema with every object closed, so that a name it does not know is an error."""
    if isinstance(node, dict):
        node = {key: closed(value) for key, value in node.items()}
        if node.get("type") == "object" and "properties" in node:
            node["additionalProperties"] = False
        return node
    return [closed(one) for one in node] if isinstance(node, list) else node


@pytest.mark.parametrize("sample", SAMPLES)
def test_reports_follow_the_schema(samples, sample):
    """The schema that ships knows every name that a report holds."""
    shipped = json.loads(schema())
    jsonschema.Draft202012Validator.check_schema(shipped)

    jsonschema.validate(report_of(samples / sample), closed(shipped))


def test_reports_on_real_checkpoints_follow_the_schema(real):
    """Whatever a public checkpoint holds, its report follows the schema."""
    shipped = json.loads(schema())
    prefixes = [path.with_suffix("") for path in sorted(real.rglob("*.index"))]
    for prefix in prefixes:
        jsonschema.validate(report_of(prefix), shipped)
    assert len(prefixes) >= 15


def test_the_contract_holds_for_the_sample(samples):
    """The names and figures that other programs rely on."""
    report = report_of(samples / "cartpole_actor")
    network = report["networks"][0]

    assert report["schema_version"] == 1
    assert report["checkpoint"]["parameters"] == 4865
    roles = {one["name"]: one["role"] for one in report["variables"]}
    assert roles["actor/dense/kernel"] == "kernel"
    assert roles["actor/LayerNorm/beta"] == "beta"
    assert roles["beta1_power"] == "counter"
    assert roles["actor/dense/kernel/Adam"] == "optimizer_slot"
    assert network["complete"]
    assert network["inputs"] == [
        {"name": "obs0", "width": 5, "shape": [None, 5], "dtype": "float32"}
    ]
    kinds = [layer["kind"] for layer in network["layers"]]
    assert kinds == ["dense", "layer_norm", "activation"] * 2 + ["dense", "activation"]
    norm = network["layers"][1]
    assert norm["epsilon"]["source"] == "graph"
    assert norm["epsilon"]["value"] == pytest.approx(1e-12)
    assert norm["variables"] == {
        "beta": ["actor/LayerNorm/beta"],
        "gamma": ["actor/LayerNorm/gamma"],
    }
    assert network["answer"]["one_vector"] is False
    assert {one["name"] for one in network["answer"]["candidates"]} >= {
        "bias + beta",
        "gamma·bias + beta",
        "bias + gamma + beta",
        "frozen standard deviation",
        "best affine fit",
    }
    assert network["relations"][0]["absorbed"] == 65


def test_the_same_checkpoint_gives_the_same_text(samples):
    """Two runs print the same bytes: everything random is seeded, everything sorted."""
    with open_checkpoint(samples / "cartpole_actor") as checkpoint:
        first, second = (as_json(build_report(checkpoint, recover(checkpoint))) for _ in range(2))

    assert first == second
    assert json.dumps(json.loads(first), indent=2, sort_keys=True) + "\n" == first
