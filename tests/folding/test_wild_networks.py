"""Networks of any wiring: every form gives the same network or refuses, and never fails."""

from __future__ import annotations

from collections import Counter

import numpy as np

from lnfold.folding.editing.steps import Form, Reason
from lnfold.folding.fold import Choice, fold
from lnfold.folding.proof.certificate import ROUNDING_LIMIT
from lnfold.network.operations.activations import FUNCTIONS
from lnfold.network.records.layers import LayerNorm, Network, RMSNorm
from tests.folding.build import Builder

UNSURE = {Reason.ROUNDING, Reason.NOISY, Reason.OVERFLOW, Reason.UNTOLD}
SEEDS = range(150)
GAMMAS = [0.0, 1.0, -1.0, 1e-30, 0.5, -2.0]


def wild_network(seed: int) -> Network:
    """Up to seven layers of random kinds, each reading one of the last two values."""
    random = np.random.default_rng(seed)
    dtype = [np.float16, np.float32, np.float64][seed % 3]
    build = Builder(seed, dtype)
    value = build.input(int(random.integers(1, 9)))
    width = build.widths[value]
    if random.random() < 0.3:
        deviations = random.uniform(0.1, 2, width)
        value = build.standardize(value, random.normal(0, 2, width), deviations)
    if random.random() < 0.3:
        value = build.clip(value, -2, 2)
    values = [value]
    for _ in range(int(random.integers(1, 8))):
        value = values[int(random.integers(max(0, len(values) - 2), len(values)))]
        values.append(_next_layer(build, value, values, random))
    read = {name for layer in build.layers for name in layer.inputs}
    return build.network(*(layer.name for layer in build.layers if layer.name not in read))


def _next_layer(build: Builder, value: str, values: list[str], random: np.random.Generator) -> str:
    kind = random.integers(0, 9)
    if kind < 3:
        far = 10.0 if build.dtype is np.float16 else 1e4
        return build.dense(
            value,
            int(random.choice([1, 2, 5, 16])),
            bias=bool(random.random() < 0.7),
            offset=float(random.choice([0, 0, far])),
        )
    if kind < 5:
        gammas = random.choice(GAMMAS, build.widths[value])
        return build.norm(
            value,
            gamma=gammas if random.random() < 0.5 else bool(random.random() < 0.8),
            beta=bool(random.random() < 0.7),
            epsilon=float(random.choice([1e-12, 1e-5, 1e-3, 0.1])),
            kind=RMSNorm if random.random() < 0.2 else LayerNorm,
        )
    if kind < 7:
        return build.act(value, str(random.choice(sorted(FUNCTIONS))), 0.2)
    if kind == 7:
        return build.concat(value, values[int(random.integers(0, len(values)))])
    return build.batch_norm(value)


def test_every_form_of_any_network_is_the_same_network() -> None:
    """Within the limits, or the step is a refusal with its reason; twice changes nothing."""
    seen: Counter[str] = Counter()
    for seed in SEEDS:
        network = wild_network(seed)
        for form in Form:
            folded = fold(network, Choice(form))
            assert folded.float64_error <= 1e-12
            assert folded.rounding_ratio <= ROUNDING_LIMIT
            again = fold(folded.network, Choice(folded.form))
            # what rounding forbade may be within its limit of a network folded already
            if not UNSURE & {one.reason for one in folded.refusals}:
                assert form is Form.AUTO or again.certificates == ()
                seen["idempotent"] += 1
            seen["steps"] += len(folded.certificates)
            seen["refusals"] += len(folded.refusals)
            seen["noisy"] += any(one.reason is Reason.NOISY for one in folded.refusals)

    assert seen["steps"] >= 300
    assert seen["refusals"] >= 500
    assert seen["idempotent"] >= 500
    assert seen["noisy"] < 50
