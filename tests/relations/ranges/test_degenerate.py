"""Networks at the edge of what there is: each has an account, without NaN, warning or crash."""

from __future__ import annotations

import json
import re
import warnings

import numpy as np
import pytest

from lnfold.checking.checks import Checking
from lnfold.checking.observations import Observations, drawn
from lnfold.network.records.layers import LayerNorm, Network, RMSNorm
from lnfold.network.running.run import run
from lnfold.relations.detail import detail
from lnfold.relations.question.answer import answer
from lnfold.relations.question.relate import relate
from lnfold.relations.ranges.box import Box
from lnfold.relations.ranges.units import Verdict
from lnfold.report.account.record import NetworkReport
from lnfold.report.json.detail import network_fields, relation_fields
from lnfold.report.words.explanation import explain
from lnfold.report.words.section import as_text
from lnfold.text.json import strict
from tests.relations.random_networks import (
    activation,
    dense,
    generator_of,
    network,
    norm,
)


def pair_network(
    kernel: np.ndarray,
    bias: np.ndarray | None,
    gamma: np.ndarray | None,
    beta: np.ndarray | None,
    epsilon: float = 1e-12,
    kind: type = LayerNorm,
) -> Network:
    """A dense layer, a norm, relu and two outputs."""
    units = kernel.shape[1]
    outgoing = generator_of(9).normal(size=(units, 2))
    layers = [
        dense("d", "x", kernel, bias),
        norm("n", "d", gamma, beta, epsilon, kind),
        activation("a", "n", "relu"),
        dense("e", "a", outgoing, np.ones(2)),
    ]
    return network(layers, kernel.shape[0])


G = generator_of(5)
K, B, GAMMA, BETA = G.normal(size=(3, 8)), G.normal(size=8), G.normal(size=8), G.normal(size=8)
SINGULAR = np.vstack([K[:1], K[:1], 2 * K[:1]])
NETWORKS = {
    "one unit": pair_network(K[:, :1], B[:1], GAMMA[:1], BETA[:1]),
    "one unit, epsilon 0": pair_network(K[:, :1], B[:1], GAMMA[:1], BETA[:1], 0.0),
    "two units": pair_network(K[:, :2], B[:2], GAMMA[:2], BETA[:2]),
    "one input": pair_network(K[:1], B, GAMMA, BETA),
    "zero gammas": pair_network(K, B, np.zeros(8), BETA),
    "one zero gamma": pair_network(K, B, np.where(np.arange(8) == 2, 0, GAMMA), BETA),
    "zero betas": pair_network(K, B, GAMMA, np.zeros(8)),
    "no vectors at all": pair_network(K, None, None, None),
    "a singular kernel": pair_network(SINGULAR, B, GAMMA, BETA),
    "a kernel of zeros": pair_network(np.zeros((3, 8)), B, GAMMA, BETA),
    "all zeros, epsilon 0": pair_network(np.zeros((3, 8)), np.zeros(8), GAMMA, BETA, 0.0),
    "the same column everywhere": pair_network(np.tile(K[:, :1], 8), B, GAMMA, BETA),
    "no bias, epsilon 0": pair_network(K, None, GAMMA, BETA, 0.0),
    "a huge epsilon": pair_network(K, B, GAMMA, BETA, 1e12),
    "tiny numbers": pair_network(K * 1e-30, B * 1e-30, GAMMA * 1e-30, BETA),
    "large numbers": pair_network(K * 1e15, B * 1e15, GAMMA * 1e15, BETA),
    "more inputs than units": pair_network(G.normal(size=(12, 5)), B[:5], GAMMA[:5], BETA[:5]),
    "RMSNorm of one unit": pair_network(K[:, :1], B[:1], GAMMA[:1], BETA[:1], 1e-6, RMSNorm),
}
INPUTS = {
    "no numbers": lambda width: np.full((20, width), np.nan),
    "random": lambda width: G.normal(size=(64, width)),
    "constant": lambda width: np.ones((64, width)),
    "zeros": lambda width: np.zeros((5, width)),
    "a single row": lambda width: G.normal(size=(1, width)),
    "nearly constant": lambda width: 1 + np.spacing(1.0) * np.arange(64)[:, None] * np.ones(width),
}


def reported(net: Network, x: np.ndarray, boxes: dict[str, Box]) -> NetworkReport:
    observations = Observations({"x": x}, "given rows")
    values = run(net, x, np.float64, trace=True)
    relations = relate(net, values)
    checks = (Checking.of(net, observations).with_float64(),)
    full = detail(net, relations, values, boxes)
    return NetworkReport(net, observations, relations, answer(net, relations, values), checks, full)


@pytest.mark.parametrize("inputs", INPUTS)
@pytest.mark.parametrize("name", NETWORKS)
def test_every_degenerate_network_has_an_account(name, inputs):
    """With and without a box: words without NaN, strict JSON, bounds that hold what was seen."""
    net = NETWORKS[name]
    width = net.inputs[0].width
    x = INPUTS[inputs](width)
    for boxes in ({}, {"x": Box(np.full(width, -2.0), np.full(width, 3.0))}):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            one = reported(net, x, boxes)
            text = " ".join(as_text(explain(one)).split())
            layer = one.detail.layers[0]
            fields = json.dumps(
                strict([relation_fields(layer), network_fields(one.detail)]), allow_nan=False
            )
        assert not re.search(r"\bnan\b", text), text
        assert len(fields) > 500
        units = layer.units
        if units.lowest is None:
            # with epsilon 0 a constant row is 0/0, in the run as in TensorFlow
            assert inputs == "no numbers" or "epsilon 0" in name
            continue
        slack = 1e-6 * (1 + np.abs(units.infimum) + np.abs(units.supremum))
        assert (units.lowest >= units.infimum - slack).all()
        assert (units.highest <= units.supremum + slack).all()
        if layer.steepness.bound is not None:
            assert layer.steepness.found <= layer.steepness.bound * (1 + 1e-6) + 1e-300


def test_what_is_mathematically_right_is_said():
    """One unit is its beta, zero gammas are constant, identical columns leave LayerNorm nothing."""
    for name in ("one unit", "zero gammas", "the same column everywhere", "a kernel of zeros"):
        net = NETWORKS[name]
        one = reported(net, drawn(net).inputs["x"].astype(np.float64), {})
        units = one.detail.layers[0].units
        if name != "the same column everywhere":  # there the bias is left, divided by its own s
            assert units.count(Verdict.CONSTANT) == len(units.verdicts)
        assert np.abs(units.highest - units.lowest).max() <= 1e-6
        split = one.relations[0].split
        if name == "one unit":
            assert (split.shift, split.residual) == (0.0, 0.0)
            np.testing.assert_allclose(units.infimum, net.layer("n").beta.array, atol=1e-12)
