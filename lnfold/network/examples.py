"""Examples of inputs and outputs settle what names leave open.

A wrong order or activation moves the outputs by about 1, a wrong epsilon by far more than
rounding unless it is negligible. So the few candidates (order × activation × output activation
× epsilon) are run, and one is accepted only if it alone reproduces the examples at rounding
level. Epsilons that cannot be told apart count as one candidate, the likeliest.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from lnfold.errors import LnfoldError, UsageError
from lnfold.network.conventions import Order
from lnfold.network.evidence import Fact, Source
from lnfold.network.layers import Activation, Array, Network, Norm
from lnfold.network.rounding import largest_difference, measure_rounding
from lnfold.network.run import run
from lnfold.network.settings import Examples, Settings

_EPSILONS: Final = (1e-12, 1e-3, 1e-5, 1e-6, 1e-8, 1e-7, 1e-4)
_ACTIVATIONS: Final = (
    "relu",
    "tanh",
    "elu",
    "selu",
    "gelu",
    "gelu_tanh",
    "swish",
    "leaky_relu",
    "sigmoid",
    "softplus",
    "identity",
)
_HEADS: Final = ("identity", "tanh", "sigmoid", "softmax", "relu")
_SHOWN: Final = 3  # candidates named in an error


@dataclass(frozen=True, slots=True)
class Trial:
    """A candidate and how far it is from the examples."""

    settings: Settings
    network: Network
    error: float
    tolerance: float

    @property
    def fits(self) -> bool:
        return self.error <= self.tolerance

    def __str__(self) -> str:
        one = self.settings
        order = one.order.value if one.order is not None else "no norms"
        return (
            f"{order}, activation {one.activation}, output activation {one.output_activation}, "
            f"epsilon {one.epsilon:g}: off by {self.error:.1e} of an allowed {self.tolerance:.1e}"
        )


def settled(
    networks: Callable[[Settings], tuple[Network, ...]], settings: Settings, notes: list[str]
) -> tuple[Network, ...]:
    """The networks, the one that the examples are of settled by them.

    Args:
        networks: builds the networks from names, under the settings given.
        settings: what the user says, examples included; facts it gives are not varied.
        notes: takes up what else came close.

    Raises:
        UsageError: no candidate reproduces the examples, or several do.
    """
    examples = settings.examples
    assert examples is not None
    trials = sorted(_trials(networks, settings, examples), key=lambda trial: trial.error)
    fitting = [trial for trial in trials if trial.fits]
    if not fitting:
        closest = "; ".join(map(str, trials[:_SHOWN])) or "no network takes these inputs"
        raise UsageError(
            f"no candidate reproduces the examples of {examples.where}; the closest: {closest}"
        )
    kinds = {_without_epsilon(trial.settings) for trial in fitting}
    if len(kinds) > 1:
        listed = "; ".join(map(str, fitting[:_SHOWN]))
        raise UsageError(
            f"several candidates reproduce the examples of {examples.where}: {listed}",
            remedy="Give more rows, or --order and --activation.",
        )
    best = min(
        fitting,
        key=lambda trial: (
            _EPSILONS.index(trial.settings.epsilon) if trial.settings.epsilon in _EPSILONS else -1
        ),
    )
    epsilons = sorted({f"{trial.settings.epsilon:g}" for trial in fitting})
    notes.append(f"settled by the examples of {examples.where}: {best}")
    if len(epsilons) > 1:
        notes.append(f"the examples do not tell these epsilons apart: {', '.join(epsilons)}")
    others = [trial for trial in trials if not trial.fits][:1]
    notes.extend(f"the next candidate: {trial}" for trial in others)
    rest = networks(settings)
    return tuple(
        _marked(best.network, settings, examples) if one.name == best.network.name else one
        for one in rest
    )


def _trials(
    networks: Callable[[Settings], tuple[Network, ...]], settings: Settings, examples: Examples
) -> Iterator[Trial]:
    for tried in _candidates(settings):
        for network in networks(tried):
            if settings.network is not None and network.name != settings.network:
                continue
            if not network.complete or len(network.outputs) != 1:
                continue
            inputs = _inputs(network, examples)
            if inputs is None:
                continue
            try:
                found = run(network, inputs)
            except LnfoldError:
                continue
            expected = _output(network, examples)
            (name,) = network.outputs
            if expected is None or expected.size != found[name].size:
                continue
            error = largest_difference(found, {name: expected.reshape(found[name].shape)})
            near = error <= 1e-2 * max(1.0, float(np.abs(expected).max(initial=0)))
            tolerance = measure_rounding(network, inputs).tolerance if near else 0.0
            yield Trial(tried, network, error, tolerance)


def _candidates(settings: Settings) -> Iterator[Settings]:
    """The settings to try: what the user gives is kept, the rest is varied."""
    for order, activation, head, epsilon in itertools.product(
        [settings.order] if settings.order else list(Order),
        [settings.activation] if settings.activation else _ACTIVATIONS,
        [settings.output_activation] if settings.output_activation else _HEADS,
        [settings.epsilon] if settings.epsilon is not None else _EPSILONS,
    ):
        yield replace(
            settings, order=order, activation=activation, output_activation=head, epsilon=epsilon
        )


def _without_epsilon(settings: Settings) -> tuple[Any, ...]:
    return settings.order, settings.activation, settings.output_activation


def _inputs(network: Network, examples: Examples) -> dict[str, Array] | None:
    if len(network.inputs) == 1 and len(examples.inputs) == 1:
        return {network.inputs[0].name: next(iter(examples.inputs.values()))}
    names = [one.name for one in network.inputs]
    return (
        {name: examples.inputs[name] for name in names}
        if set(names) <= set(examples.inputs)
        else None
    )


def _output(network: Network, examples: Examples) -> Array | None:
    if len(examples.outputs) == 1:
        return next(iter(examples.outputs.values()))
    return examples.outputs.get(network.outputs[0])


def _marked(network: Network, settings: Settings, examples: Examples) -> Network:
    """The network with every fact that the user did not give marked as settled by examples."""

    def fact(found: Fact[Any], given: object) -> Fact[Any]:
        return found if given is not None else Fact(found.value, Source.EXAMPLES, examples.where)

    layers = []
    for layer in network.layers:
        if isinstance(layer, Norm):
            layer = replace(layer, epsilon=fact(layer.epsilon, settings.epsilon))
        elif isinstance(layer, Activation):
            last = layer.name in network.outputs
            given = settings.output_activation if last else settings.activation
            layer = replace(layer, function=fact(layer.function, given))
        layers.append(layer)
    wiring = fact(network.wiring, settings.order)
    return replace(network, layers=tuple(layers), wiring=wiring)
