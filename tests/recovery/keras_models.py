"""Random Keras models, drawn with the facts that their construction makes true."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st

NORMS = ("layer_norm", "batch_norm", "rms_norm", None)
ORDERS = ("dense-norm-act", "dense-act-norm", "norm-dense")
FUNCTIONS = ("relu", "tanh", "elu", "selu", "gelu", "swish", "softplus", "sigmoid", "leaky_relu")
EPSILONS = (1e-3, 1e-5, 1e-6)
_CALLED = {"swish": "silu"}


@dataclass(frozen=True)
class Plan:
    """A model to build: blocks of dense, norm and activation, a head, and a residual or none."""

    inputs: int
    widths: tuple[int, ...]
    norm: str | None
    order: str
    function: str
    epsilon: float
    gamma: bool
    beta: bool
    head: str | None
    residual: bool
    inside: bool  # the activation is part of the dense layer, where the order allows it

    def facts(self) -> list[tuple[str, Any]]:
        """(kind, epsilon or function) of every layer, in order, residual sums left out."""
        found: list[tuple[str, Any]] = []
        for _ in self.widths:
            norm = [] if self.norm is None else [(self.norm, np.float32(self.epsilon))]
            function: list[tuple[str, Any]] = [("activation", self.function)]
            dense: list[tuple[str, Any]] = [("dense", None)]
            found += {
                "dense-norm-act": dense + norm + function,
                "dense-act-norm": dense + function + norm,
                "norm-dense": norm + dense + function,
            }[self.order]
        found.append(("dense", None))
        return found if self.head is None else [*found, ("activation", self.head)]


plans = st.builds(
    Plan,
    inputs=st.integers(2, 6),
    widths=st.lists(st.integers(3, 9), min_size=1, max_size=3).map(tuple),
    norm=st.sampled_from(NORMS),
    order=st.sampled_from(ORDERS),
    function=st.sampled_from(FUNCTIONS),
    epsilon=st.sampled_from(EPSILONS),
    gamma=st.booleans(),
    beta=st.booleans(),
    head=st.sampled_from(["tanh", "sigmoid", "softmax", None]),
    residual=st.booleans(),
    inside=st.booleans(),
)


def build(keras: Any, plan: Plan, seed: int) -> Any:
    """The model, with random variables: gammas about 1 and some negative, variances positive."""
    layers = keras.layers
    called = _CALLED.get(plan.function, plan.function)

    def norm(x: Any) -> Any:
        options = {"epsilon": plan.epsilon}
        if plan.norm == "rms_norm":
            return layers.RMSNormalization(**options)(x)
        options |= {"scale": plan.gamma, "center": plan.beta}
        if plan.norm == "layer_norm":
            return layers.LayerNormalization(**options)(x)
        return x if plan.norm is None else layers.BatchNormalization(**options)(x)

    x = inputs = keras.Input((plan.inputs,), name="observation")
    for width in plan.widths:
        before = x
        if plan.order == "norm-dense":
            x = norm(x)
        inside = plan.inside and plan.order != "dense-norm-act"
        x = layers.Dense(width, activation=called if inside else None)(x)
        if plan.order == "dense-norm-act":
            x = norm(x)
        if not inside:
            x = layers.Activation(called)(x)
        if plan.order == "dense-act-norm":
            x = norm(x)
        if plan.residual and before.shape[-1] == width:
            x = layers.Add()([before, x])
    model = keras.Model(inputs, layers.Dense(2, activation=plan.head)(x), name="actor")
    random = np.random.default_rng(seed)
    for variable in model.weights:
        values = random.standard_normal(variable.shape)
        if "variance" in variable.path:
            values = np.abs(values) + 0.5
        elif "gamma" in variable.path or "scale" in variable.path:
            values = 1 + values / 2
        variable.assign(values.astype(np.float32))
    return model
