"""Random layers for the properties of folding: widths, activations, gammas, epsilons, dtypes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st

from lnfold.folding.editing.steps import Applied, Refused, Rule, Setting
from lnfold.folding.proof.measuring import float64_error, float64_noise, reference
from lnfold.network.operations.activations import FUNCTIONS
from lnfold.network.records.layers import Array, Network
from tests.folding.build import Builder, observations

STOCK = Setting(True, np.dtype(np.float32))
FREE = Setting(False, np.dtype(np.float32))
WIDTHS = st.integers(1, 128)
EPSILONS = st.sampled_from([1e-12, 1e-6, 1e-5, 1e-3, 0.1])
DTYPES = st.sampled_from([np.float16, np.float32, np.float64])
OFFSETS = st.sampled_from([0.0, 0.0, 3.0, 1e4])
ACTIVATIONS = st.sampled_from(sorted(FUNCTIONS))
HOMOGENEOUS = st.sampled_from(["identity", "relu", "leaky_relu", "abs"])
CASES = settings(max_examples=200, deadline=None, derandomize=True)
GAMMAS = ("positive", "negative", "zero", "tiny", "mixed", "ones", "signs")


@dataclass(frozen=True)
class Case:
    """What a random network is drawn from; ``inputs`` and ``units`` of the normed layer."""

    seed: int
    inputs: int
    units: int
    activation: str
    gamma: str
    epsilon: float
    dtype: type
    offset: float
    bias: bool

    def gammas(self) -> Array:
        """[units] of the kind that ``gamma`` names."""
        random = np.random.default_rng(self.seed + 1)
        size = random.uniform(0.2, 2, self.units)
        signs = np.where(random.random(self.units) < 0.5, -1.0, 1.0)
        mixed = np.where(random.random(self.units) < 0.2, 0.0, size * signs)
        kinds = {
            "positive": size,
            "negative": -size,
            "zero": np.zeros(self.units),
            "tiny": np.where(np.arange(self.units) % 2 == 0, 1e-40, size),
            "mixed": mixed,
            "ones": np.ones(self.units),
            "signs": signs,
        }
        return kinds[self.gamma]

    def network(self, *, residual: bool = False, heads: int = 1, concat: bool = False) -> Network:
        """Dense → LayerNorm → activation → Dense, with what the options add behind the norm."""
        build = Builder(self.seed, self.dtype)
        x = build.input(self.inputs)
        y = build.dense(x, self.units, offset=self.offset)
        z = build.norm(y, gamma=self.gammas(), epsilon=self.epsilon)
        h = build.act(z, self.activation, 0.3 if self.activation == "leaky_relu" else None)
        if concat:
            h = build.concat(build.input(3, "action"), h)
        outputs = [build.dense(h, 3, bias=self.bias) for _ in range(heads)]
        if residual:
            outputs.append(build.sum(z, build.dense(h, self.units)))
        return build.network(*outputs)


def cases(**fixed: st.SearchStrategy[object]) -> st.SearchStrategy[Case]:
    """All cases, with some of their parts taken from other strategies."""
    parts: dict[str, st.SearchStrategy[object]] = {
        "seed": st.integers(0, 2**16),
        "inputs": st.integers(1, 8),
        "units": WIDTHS,
        "activation": ACTIVATIONS,
        "gamma": st.sampled_from(GAMMAS),
        "epsilon": EPSILONS,
        "dtype": st.just(np.float32),
        "offset": OFFSETS,
        "bias": st.just(True),
    }
    return st.builds(Case, **{**parts, **fixed})  # type: ignore[arg-type]


def apply(network: Network, rule: Rule, setting: Setting) -> tuple[Network, list[object]]:
    """A rule applied to every layer in turn: the last network, and all answers but None."""
    answers: list[object] = []
    for name in [layer.name for layer in network.layers]:
        layer = network.producer(name)
        outcome = None if layer is None else rule.apply(network, layer, setting)
        if outcome is not None:
            answers.append(outcome)
        if isinstance(outcome, Applied):
            network = outcome.network
    return network, answers


def reasons(answers: list[object]) -> list[str]:
    """The names of the refusals' reasons."""
    return [one.reason.name for one in answers if isinstance(one, Refused)]


def difference(original: Network, folded: Network, rows: int = 64) -> tuple[float, float]:
    """The float64 error of a fold, and what the original's own noise in float64 explains of it."""
    known = reference(original, observations(original, rows), np.float32)
    error = float64_error(known, folded)
    return error, max(1e-12, 4 * float64_noise(known))


def assert_same(original: Network, folded: Network) -> None:
    """The two networks agree in float64, as far as that is certain of the original."""
    error, limit = difference(original, folded)

    assert error <= limit
