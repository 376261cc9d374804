"""Networks as JSON and as diagrams."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from lnfold.errors import GraphError
from lnfold.network.facts.evidence import Fact, Source
from lnfold.network.records.layers import Activation, Dense, Input, Network, Parameter
from lnfold.network.serialise import from_json, to_json
from lnfold.report.words.diagram import Format, diagram
from tests.recovery.recovered import FIXTURES, opened_recovery

CHAINS = sorted((FIXTURES / "tf1").iterdir())


def test_every_recovered_network_survives_json():
    """Written as strict JSON and read back it is the same: records, facts, arrays."""
    compared = 0
    for folder in CHAINS:
        checkpoint, found = opened_recovery(folder / "model.ckpt")
        for network in found.networks:
            text = json.dumps(to_json(network), allow_nan=False, sort_keys=True)
            again = from_json(json.loads(text), lambda name, held=checkpoint: held[name].read())
            assert to_json(again) == to_json(network)
            for one, other in zip(network.layers, again.layers, strict=True):
                for (_, left), (_, right) in zip(one.parameters(), other.parameters(), strict=True):
                    np.testing.assert_array_equal(left.array, right.array)
                    compared += 1
        checkpoint.close()
    assert compared > 200


@pytest.mark.parametrize("text", ["{}", '{"name": 1}', '{"name": "a", "inputs": 3}'])
def test_other_json_is_refused(text: str):
    """What lnfold did not write is an error of lnfold's."""
    with pytest.raises(GraphError, match="no network that lnfold wrote"):
        from_json(json.loads(text), lambda name: np.zeros(0))


HOSTILE = 'a"]; <script>alert(1)</script> %% end\n`x`\\'


def hostile() -> Network:
    kernel = Parameter(np.ones((2, 3), np.float32), (HOSTILE,))
    layers = (
        Dense("d" + HOSTILE, (HOSTILE,), "", kernel),
        Activation("out", ("d" + HOSTILE,), "", Fact("relu", Source.CONVENTION, "x")),
    )
    return Network(HOSTILE, (Input(HOSTILE, (None, 2)),), ("out",), layers, Fact("", Source.GRAPH))


@pytest.mark.parametrize("form", Format)
def test_a_diagram_has_a_node_for_every_layer_and_escapes_names(form: Format):
    """Names of a file cannot break out of their label."""
    text = diagram(hostile(), form)

    assert text.count("n0") >= 2
    assert "Dense 3" in text
    assert "relu?" in text  # assumed, so marked
    assert "\n`" not in text
    if form is Format.MERMAID:
        assert text.startswith("flowchart TD\n")
        assert "<script" not in text
        assert all(line.count('"') in (0, 2) for line in text.splitlines())
    else:
        assert text.rstrip().endswith("}")
        assert '\\"' in text


def test_a_diagram_shows_branches(samples: Path):
    """Every edge of the network is an arrow."""
    checkpoint, found = opened_recovery(FIXTURES / "tf1" / "dueling_heads" / "model.ckpt")
    checkpoint.close()
    (network,) = found.networks
    edges = sum(len(layer.inputs) for layer in network.layers) + len(network.outputs)

    assert diagram(network).count("-->") == edges
    assert diagram(network, Format.DOT).count("->") == edges
