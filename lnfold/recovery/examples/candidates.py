"""What could be true of a network that names alone describe, and fast answers of each.

Facts that nothing says are open: the epsilon of the norms, the activation of the hidden layers,
that of each output. A value is computed once for every choice of the facts that it depends on,
so candidates share what comes before they differ.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from lnfold.checkpoint.variables.variable import Storage, Variable
from lnfold.network.facts.evidence import Fact, Source
from lnfold.network.facts.order import Order
from lnfold.network.facts.settings import Settings
from lnfold.network.records.claims import OUTPUT_ACTIVATION, Claim
from lnfold.network.records.layers import Activation, Array, Layer, Network, Norm
from lnfold.network.running.run import step_of
from lnfold.recovery.names.layer_order import Arrangement

EPSILONS: Final = (1e-12, 1e-3, 1e-5, 1e-6, 1e-8, 1e-7, 1e-4)
ACTIVATIONS: Final = (
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
HEADS: Final = ("identity", "tanh", "sigmoid", "softmax", "relu", "softplus")
_PLACEHOLDERS: Final[dict[str, Any]] = {
    "activation": "relu",
    "output_activation": "tanh",
    "epsilon": 1.0,
}

# what is chosen → the choice: "--epsilon", "--activation", or the name of an output's activation
Choice = Mapping[str, Any]


def opened(settings: Settings, order: Order) -> Settings:
    """The settings under which a network is built whose open facts are marked as options."""
    if settings.layers is not None:
        return replace(settings, epsilon=_PLACEHOLDERS["epsilon"])
    return replace(settings, order=order, **_PLACEHOLDERS)


def read_once(variables: Mapping[str, Variable]) -> dict[str, Variable]:
    """The same variables, each read from its file at most once."""
    storage = _Kept()
    return {
        name: Variable(name, one.key, one.shape, one.dtype, one.nbytes, storage.keeping(one))
        for name, one in variables.items()
    }


class _Kept(Storage):
    """Arrays that have been read."""

    def __init__(self) -> None:
        self._variables: dict[str, Variable] = {}
        self._arrays: dict[str, Array] = {}

    def keeping(self, variable: Variable) -> Storage:
        self._variables[variable.name] = variable
        return self

    def read(self, variable: Variable) -> Array:
        if variable.name not in self._arrays:
            self._arrays[variable.name] = self._variables[variable.name].read()
        return self._arrays[variable.name]


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """A network with its open facts chosen.

    Attributes:
        network: built under ``opened`` settings.
        order: None where there is no norm.
        choice: what was chosen of each open fact.
        arrangement: of its layers, where others fit their shapes as well.
    """

    network: Network
    order: Order | None
    choice: Choice
    arrangement: Arrangement | None = None

    @property
    def kind(self) -> tuple[Any, ...]:
        """What tells it from others, epsilon apart."""
        rest = tuple((what, one) for what, one in self.choice.items() if what != "--epsilon")
        key = None if self.arrangement is None else self.arrangement.key
        return (key, self.order, *rest)

    @property
    def epsilon(self) -> float | None:
        found: float | None = self.choice.get("--epsilon")
        return found

    def __str__(self) -> str:
        said = [] if self.arrangement is None else [f"layers {self.arrangement}"]
        said += [self.order.value] if self.order is not None else []
        heads = [one for one in self.choice if not one.startswith("--")]
        for what, one in self.choice.items():
            name = what.removeprefix("--")
            if what in heads:
                name = "output activation" + (f" of {what}" if len(heads) > 1 else "")
            said.append(f"{name} {one:g}" if isinstance(one, float) else f"{name} {one}")
        return ", ".join(said) or "the layers as they are"

    def complete_network(self, where: str, given: Settings) -> Network:
        """The network with its choices as facts that examples settled.

        Args:
            where: what the examples are called.
            given: what the user says is an option's, not the examples'.
        """
        layers: list[Layer] = []
        same: dict[str, str] = {}  # the value of an identity → the value it hands on
        for layer in self.network.layers:
            layer = replace(layer, inputs=tuple(same.get(one, one) for one in layer.inputs))
            what = _open_fact(layer)
            if what in self.choice:
                layer = _settled(layer, self.choice[what], where, given)
            if isinstance(layer, Activation) and layer.function.value == "identity":
                same[layer.name] = layer.input
            else:
                layers.append(layer)
        wiring = self.network.wiring
        if self.order is not None and given.order is None and given.layers is None:
            wiring = Fact(wiring.value, Source.EXAMPLES, where)
        outputs = tuple(same.get(one, one) for one in self.network.outputs)
        claims = [
            replace(one, fact=Fact(one.fact.value, Source.EXAMPLES, where))
            if one.fact.source.assumed
            else one
            for one in self.network.claims
        ]
        made = {layer.name for layer in layers if isinstance(layer, Activation)}
        source = (Source.EXAMPLES, where)
        if given.output_activation is not None:
            source = (Source.OPTION, "--output-activation")
        claims += [
            Claim(OUTPUT_ACTIVATION, one, Fact("identity", *source), "--output-activation")
            for one in outputs
            if one not in made and given.layers is None
        ]
        return replace(
            self.network,
            layers=tuple(layers),
            outputs=outputs,
            wiring=wiring,
            claims=tuple(claims),
        )


def _settled(layer: Layer, chosen: Any, where: str, given: Settings) -> Layer:
    if isinstance(layer, Norm):
        if given.epsilon is not None:
            return replace(layer, epsilon=Fact(chosen, Source.OPTION, "--epsilon"))
        return replace(layer, epsilon=Fact(chosen, Source.EXAMPLES, where))
    assert isinstance(layer, Activation)
    option = layer.function.where
    stated = given.activation if option == "--activation" else given.output_activation
    source = (Source.OPTION, option) if stated is not None else (Source.EXAMPLES, where)
    return replace(layer, function=Fact(chosen, *source))


def _open_fact(layer: Layer) -> str:
    """Which open fact a layer holds; empty for none."""
    if isinstance(layer, Norm):
        return "--epsilon"
    if isinstance(layer, Activation) and layer.function.where != "--layers":
        return "--activation" if layer.function.where == "--activation" else layer.name
    return ""


class Answers:
    """The outputs of one network for few inputs, under every choice.

    Args:
        network: complete, built under ``opened`` settings.
        inputs: matrices of float32 by name.
    """

    def __init__(self, network: Network, inputs: Mapping[str, Array]) -> None:
        self.network = network
        self._values: dict[tuple[Any, ...], Array] = {(name,): one for name, one in inputs.items()}
        self._open: dict[str, tuple[str, ...]] = {name: () for name in inputs}
        self._steps = {}
        for layer in network.layers:
            what = _open_fact(layer)
            behind = [one for value in layer.inputs for one in self._open[value]]
            self._open[layer.name] = tuple(dict.fromkeys([*behind, *([what] if what else [])]))
            if not what:
                self._steps[layer.name] = step_of(layer, np.float32)

    def rests_on(self, value: str) -> tuple[str, ...]:
        """The open facts that a value depends on."""
        return self._open[value]

    def __call__(self, output: str, choice: Choice) -> Array:
        """The value of an output under a choice."""
        with np.errstate(all="ignore"):
            for layer in self.network.layers:
                key = self._key(layer.name, choice)
                if key is not None and key not in self._values:
                    step = self._steps.get(layer.name) or _step(layer, choice)
                    read = (self._values[self._known(one, choice)] for one in layer.inputs)
                    self._values[key] = step(*read)
        return self._values[self._known(output, choice)]

    def _key(self, value: str, choice: Choice) -> tuple[Any, ...] | None:
        """Under which a value is kept; None where the choice leaves open what it depends on."""
        open_facts = self._open[value]
        if not all(what in choice for what in open_facts):
            return None
        return (value, *(choice[what] for what in open_facts))

    def _known(self, value: str, choice: Choice) -> tuple[Any, ...]:
        return (value, *(choice[what] for what in self._open[value]))


def _step(layer: Layer, choice: Choice) -> Any:
    chosen: Fact[Any] = Fact(choice[_open_fact(layer)], Source.EXAMPLES)
    if isinstance(layer, Norm):
        return step_of(replace(layer, epsilon=chosen), np.float32)
    assert isinstance(layer, Activation)
    return step_of(replace(layer, function=chosen), np.float32)


def hidden_choices(answers: Answers, settings: Settings, first: float | None) -> Iterator[Choice]:
    """Every choice of epsilon and hidden activation, as far as the network has them.

    Args:
        settings: what the user gives is not varied.
        first: the epsilon that a library's convention assumes, tried besides the usual ones.
    """
    used = {one for output in answers.network.outputs for one in answers.rests_on(output)}
    epsilons: tuple[Any, ...] = (None,)
    if "--epsilon" in used:
        usual = EPSILONS if first is None else tuple(dict.fromkeys([first, *EPSILONS]))
        epsilons = usual if settings.epsilon is None else (settings.epsilon,)
    functions: tuple[Any, ...] = (None,)
    if "--activation" in used:
        functions = ACTIVATIONS if settings.activation is None else (settings.activation,)
    for epsilon in epsilons:
        for function in functions:
            chosen = {"--epsilon": epsilon, "--activation": function}
            yield {what: one for what, one in chosen.items() if one is not None}


def head_choices(answers: Answers, output: str, settings: Settings) -> Iterator[Choice]:
    """Every choice of the activation of one output; an empty one where it has none."""
    heads = [one for one in answers.rests_on(output) if not one.startswith("--")]
    functions = HEADS if settings.output_activation is None else (settings.output_activation,)
    if len(heads) != 1:
        yield {}
        return
    for function in functions:
        yield {heads[0]: function}
