"""Networks as diagrams."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lnfold.network.facts.evidence import Fact, Source
from lnfold.network.records.layers import Activation, Dense, Input, Network, Parameter
from lnfold.report.words.diagram import Format, diagram
from tests.recovery.recovered import FIXTURES, opened_recovery

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
