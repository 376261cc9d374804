"""One call of a Keras layer → the layers it is made of, with the checkpoint's variables."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np

from lnfold.checkpoint.variables.variable import Variable
from lnfold.network.facts.evidence import Fact, Source
from lnfold.network.records.layer import holds_numbers
from lnfold.network.records.layers import (
    Activation,
    Add,
    Affine,
    Clip,
    Gap,
    Input,
    Layer,
    Opaque,
    Parameter,
    Shape,
)
from lnfold.recovery.graph.fingerprint import fingerprint
from lnfold.recovery.graph.op_names import words
from lnfold.recovery.keras.config import Call
from lnfold.recovery.keras.stated import shape, strange
from lnfold.recovery.keras.variables import KerasVariables
from lnfold.recovery.names.scopes import scope_of

# Keras' names of activations that are called otherwise here.
_FUNCTIONS: Final = {
    "silu": "swish",
    "exponential": "exp",
    "hard_silu": "hard_swish",
}
_KNOWN: Final = words(
    """
    relu relu6 elu selu tanh sigmoid softplus softsign softmax log_softmax swish gelu leaky_relu
    mish hard_sigmoid hard_swish exp
    """
)
_LEAKY_RELU_SLOPE: Final = 0.2  # of the function leaky_relu of Keras 3
_IDENTITIES: Final = words(
    """
    Dropout AlphaDropout SpatialDropout1D SpatialDropout2D SpatialDropout3D GaussianNoise
    GaussianDropout ActivityRegularization Identity Masking
    """
)


class IncompleteError(Exception):
    """A layer that is not run, with the reason."""


Builder = Callable[["KerasLayers", Call, tuple[str, ...]], str]


class KerasLayers:
    """Turns the calls of one model into layers.

    Attributes:
        version: of the Keras that wrote the config, 2 or 3.
        epsilon: what the user says of norms whose config has none.
        inputs, layers, gaps: what has been made so far.
        values: what each call delivers: the value's name in the network.
        masks: whether steps of sequences may be left out, which only recurrent layers notice.
    """

    def __init__(
        self,
        variables: Mapping[str, Variable],
        builders: Mapping[str, Builder],
        version: int,
        epsilon: float | None = None,
    ) -> None:
        self._builders = builders
        self.version = version
        self.epsilon = epsilon
        self.inputs: list[Input] = []
        self.layers: list[Layer] = []
        self.gaps: list[Gap] = []
        self.values: dict[str, str] = {}
        self.masks = False
        self._ranks: dict[str, int | None] = {}
        self._shapes: dict[str, Shape] = {}  # rows of units where the rank is not known
        self._read: set[str] = set()
        self._held = KerasVariables(variables)

    def add(self, call: Call) -> None:
        """The layers of one call, after those it reads."""
        sources = tuple(self.values[one] for one in call.inputs)
        before = len(self.layers)
        try:
            if call.class_name == "InputLayer":
                value = self._input(call)
            elif call.class_name in _IDENTITIES and sources:
                value = sources[0]
                self.masks |= call.class_name == "Masking"
            elif call.class_name in self._builders and sources:
                value = self._builders[call.class_name](self, call, sources)
            else:
                raise IncompleteError(f"{call.class_name} is no layer that lnfold runs")
        except IncompleteError as reason:
            del self.layers[before:]
            value = self._opaque(call, sources, str(reason))
        self.values[call.name] = value

    # ── what the builders share ───────────────────────────────────────────────────────────

    def append(self, layer: Layer) -> str:
        self.layers.append(layer)
        self._read.update(layer.inputs)
        shape = layer.output_shape([self._shapes[one] for one in layer.inputs])
        self._shapes[layer.name] = shape
        known = bool(layer.inputs) and self._ranks[layer.inputs[0]] is not None
        self._ranks[layer.name] = len(shape) if known else None
        return layer.name

    def width(self, value: str) -> int:
        return self._shapes[value][-1] or 0

    def shape(self, value: str) -> Shape:
        """The shape of a value; of rows of units where its rank is not known."""
        return self._shapes[value]

    def rank(self, value: str) -> int | None:
        return self._ranks[value]

    def scope(self, call: Call) -> str:
        """The scope of a layer's variables; empty where it has none."""
        held = self._held.of(call)
        return scope_of(next(iter(held.values())).name) if held else ""

    def parameter(self, call: Call, *names: str) -> Parameter | None:
        """A layer's variable of one of these names."""
        found = self._held.of(call)
        variable = next((found[name] for name in names if name in found), None)
        if variable is None:
            return None
        array = variable.read()
        if not holds_numbers(array):
            raise IncompleteError(
                f"the variable {variable.name} holds {variable.dtype}, no numbers"
            )
        return Parameter(array, (variable.name,))

    def required(self, call: Call, *names: str) -> Parameter:
        found = self.parameter(call, *names)
        if found is None:
            raise IncompleteError(f"the variable {names[0]} of layer '{call.layer}' is not found")
        return found

    def activate(self, call: Call, value: str, stated: Any) -> str:
        """The value behind the activation that a config states."""
        if stated in (None, "linear"):
            return value
        if stated == "hard_sigmoid" and self.version == 2:
            return self.clipped(call, self.scaled(call, value, 0.2, 0.5), 0.0, 1.0)
        if stated == "hard_tanh":
            return self.clipped(call, value, -1.0, 1.0)
        function = self.known_function(stated)
        alpha = _LEAKY_RELU_SLOPE if function == "leaky_relu" else None
        return self.function(call, value, function, alpha, "activation")

    def known_function(self, stated: Any) -> str:
        """The name that a function goes by here.

        Raises:
            IncompleteError: it is none that is known, or computed otherwise by this Keras.
        """
        if stated in (None, "linear"):
            return "identity"
        if isinstance(stated, dict):
            stated = stated.get("registered_name") or stated.get("class_name") or "an object"
        if not isinstance(stated, str):
            raise strange("activation", "a layer", stated, "a name")
        function = _FUNCTIONS.get(stated, stated)
        if function not in _KNOWN or (function == "hard_sigmoid" and self.version == 2):
            raise IncompleteError(f"the activation {stated} is none that lnfold knows")
        return function

    def function(self, call: Call, value: str, function: str, alpha: float | None, key: str) -> str:
        name = call.name if self.is_free(call.name) else f"{call.name}/{function}"
        fact = Fact(function, Source.CONFIG, f"{call.layer}.{key}")
        return self.append(Activation(name, (value,), call.layer, fact, alpha))

    def scaled(
        self, call: Call, value: str, scale: float | Parameter | None, shift: float | None
    ) -> str:
        """value · scale + shift, under a name of its own."""
        factors = tuple(
            one if isinstance(one, Parameter) or one is None else Parameter(np.asarray(one, "f4"))
            for one in (scale, shift)
        )
        name = self._free(call.name, "scale")
        return self.append(Affine(name, (value,), call.layer, *factors))

    def clipped(self, call: Call, value: str, low: float | None, high: float | None) -> str:
        """min(max(value, low), high), under a name of its own."""
        bounds = tuple(
            None if one is None else Parameter(np.asarray(one, "f4")) for one in (low, high)
        )
        return self.append(Clip(self._free(call.name, "clip"), (value,), call.layer, *bounds))

    def added(self, call: Call, *values: str) -> str:
        """The sum of values, under a name of its own."""
        return self.append(Add(self._free(call.name, "add"), values, call.layer))

    def _free(self, name: str, what: str) -> str:
        while not self.is_free(name):
            name = f"{name}/{what}"
        return name

    def is_free(self, name: str) -> bool:
        return name not in self._shapes

    def expect_last_axis(self, call: Call, value: str) -> None:
        axes = self.axes(call, value)
        last = (-1,) if (rank := self.rank(value)) is None else (rank - 1,)
        if axes != last:
            listed = _listed(call.config.get("axis", -1))
            raise IncompleteError(f"{call.class_name} over axes {listed}, not the units of a row")

    def axes(self, call: Call, value: str) -> tuple[int, ...]:
        """The axes that a layer's config names, counted from the front where the rank is known.

        Raises:
            GraphError: they are no integers.
        """
        stated = call.config.get("axis", -1)
        axes = _listed(stated)
        if not all(type(one) is int for one in axes):
            raise strange("axis", call.layer, stated, "integers")
        rank = self.rank(value) or 0
        return tuple(one + rank if one < 0 else one for one in axes)

    def flattened(self, value: str) -> bool:
        """Makes an input of several dimensions one row; whether it is one that nobody has read."""
        places = [index for index, one in enumerate(self.inputs) if one.name == value]
        lengths = [one for one in self._shapes[value][1:] if one]
        if not places or value in self._read or len(lengths) + 1 < (self._ranks[value] or 0):
            return False
        shape = (None, math.prod(lengths))
        self.inputs[places[0]] = Input(value, shape)
        self._shapes[value], self._ranks[value] = shape, 2
        return True

    def _input(self, call: Call) -> str:
        sizes = shape(call.config)
        width = sizes[-1] if sizes is not None and len(sizes) > 1 else None
        if width is None:
            self.gaps.append(Gap(f"the width of input '{call.name}' is not known"))
        known = (None, None) if sizes is None or len(sizes) < 2 else (None, *sizes[1:])
        self.inputs.append(Input(call.name, known))
        self._shapes[call.name] = known
        self._ranks[call.name] = None if sizes is None else len(sizes)
        return call.name

    def _opaque(self, call: Call, sources: tuple[str, ...], reason: str) -> str:
        self.gaps.append(Gap(f"{reason} (layer '{call.layer}')"))
        reads = tuple(variable.name for variable in self._held.of(call).values())
        operation = call.class_name
        stated = call.config.get("activation")
        if stated not in (None, "linear"):
            # what it computes is not its class alone: a convolution with relu is not linear
            operation += f" with {stated if isinstance(stated, str) else 'an activation'}"
        told = json.dumps({**call.config, "name": ""}, sort_keys=True, default=repr)
        said = fingerprint(told)
        opaque = Opaque(call.name, sources, self.scope(call), operation, reads, said=said)
        return self.append(opaque)


def _listed(stated: Any) -> list[Any]:
    return stated if isinstance(stated, list) else [stated]
