"""The Keras classes that lnfold runs: how each becomes layers.

Defaults and formulas are those of keras/src/layers (Keras 3) and of Keras 2, where configs
leave something out.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from lnfold.network.facts.evidence import Fact, Source
from lnfold.network.records.layers import (
    Add,
    Affine,
    BatchNorm,
    Concat,
    Dense,
    Gap,
    GroupNorm,
    Layer,
    LayerNorm,
    Multiply,
    Norm,
    OtherNorm,
    Parameter,
    PRelu,
    Rearrange,
    RMSNorm,
    Standardize,
)
from lnfold.network.records.norms import is_epsilon
from lnfold.recovery.keras.config import Call
from lnfold.recovery.keras.layers import Builder, IncompleteError, KerasLayers
from lnfold.recovery.keras.recurrent import lstm
from lnfold.recovery.keras.stated import flag, number, numbers, strange
from lnfold.recovery.names.scopes import scope_of

_LEAKY_RELU_SLOPE: Final = 0.3  # keras/src/layers/activations/leaky_relu.py
_SMALLEST_DEVIATION: Final = 1e-7  # keras/src/layers/preprocessing/normalization.py


def _dense(made: KerasLayers, call: Call, sources: tuple[str, ...]) -> str:
    kernel = made.required(call, "kernel", "_kernel")
    bias = made.required(call, "bias") if flag(call.config, "use_bias", call.layer, True) else None
    plain = call.config.get("activation") in (None, "linear")
    name = call.name if plain else f"{call.name}/dense"
    layer = Dense(name, sources[:1], scope_of(kernel.name), kernel, bias)
    return made.activate(call, made.append(layer), call.config.get("activation"))


def _norm(kind: type[Norm], *gains: str) -> Builder:
    """A builder of one kind of norm, whose gain has one of these names."""

    def build(made: KerasLayers, call: Call, sources: tuple[str, ...]) -> str:
        config = call.config
        if flag(config, "rms_scaling", call.layer):
            raise IncompleteError(
                "a norm that divides by the standard deviation without subtracting the mean "
                "(rms_scaling)"
            )
        has_gain = "scale" in gains or flag(config, "scale", call.layer, True)
        gamma = made.required(call, *gains) if has_gain else None
        has_shift = kind is not RMSNorm and flag(config, "center", call.layer, True)
        beta = made.required(call, "beta") if has_shift else None
        epsilon = _epsilon(made, call)
        scope = made.scope(call) or call.layer
        place = (call.name, sources[:1], scope, gamma, beta, epsilon)
        if kind is GroupNorm and config.get("groups") == 1 and made.rank(sources[0]) == 2:
            return made.append(LayerNorm(*place))  # one group of all units
        if kind is GroupNorm:
            rank = made.rank(sources[0]) or 0
            channels_last = made.axes(call, sources[0]) in ((rank - 1,), (-1,))
            norm = GroupNorm(*place) if channels_last else OtherNorm(*place)
            made.gaps.append(Gap(f"{norm.reason} (layer '{call.layer}')"))
            return made.append(norm)
        try:
            made.expect_last_axis(call, sources[0])
        except IncompleteError as reason:
            made.gaps.append(Gap(f"{reason} (layer '{call.layer}')"))
            axes = made.axes(call, sources[0]) if kind is LayerNorm else ()
            return made.append(OtherNorm(*place, axes, made.rank(sources[0]) or 0))
        if kind is BatchNorm:
            mean = made.required(call, "moving_mean")
            return made.append(BatchNorm(*place, mean, made.required(call, "moving_variance")))
        return made.append(kind(*place))

    return build


def _epsilon(made: KerasLayers, call: Call) -> Fact[float]:
    value = number(call.config, "epsilon", call.layer)
    if value is not None and not is_epsilon(value):
        raise strange("epsilon", call.layer, value, "no number below 0")
    if value is not None:
        return Fact(value, Source.CONFIG, f"{call.layer}.epsilon")
    if made.epsilon is not None:
        return Fact(made.epsilon, Source.OPTION, "--epsilon")
    made.gaps.append(
        Gap(f"the config of '{call.layer}' says no epsilon", "Give --epsilon, e.g. 1e-3.")
    )
    return Fact.unknown("--epsilon")


def _activation(made: KerasLayers, call: Call, sources: tuple[str, ...]) -> str:
    return made.activate(call, sources[0], call.config.get("activation"))


def _relu(made: KerasLayers, call: Call, sources: tuple[str, ...]) -> str:
    config = call.config
    if number(config, "threshold", call.layer) or call.class_name == "ThresholdedReLU":
        raise IncompleteError("a ReLU with a threshold")
    slope, highest = (number(config, key, call.layer) for key in ("negative_slope", "max_value"))
    if slope:
        value = made.function(call, sources[0], "leaky_relu", slope, "negative_slope")
    elif highest == 6:
        return made.function(call, sources[0], "relu6", None, "max_value")
    else:
        value = made.function(call, sources[0], "relu", None, "class")
    return value if highest is None else made.clipped(call, value, None, highest)


def _leaky_relu(made: KerasLayers, call: Call, sources: tuple[str, ...]) -> str:
    stated = (number(call.config, key, call.layer) for key in ("negative_slope", "alpha"))
    slope = next((one for one in stated if one is not None), _LEAKY_RELU_SLOPE)
    return made.function(call, sources[0], "leaky_relu", slope, "negative_slope")


def _prelu(made: KerasLayers, call: Call, sources: tuple[str, ...]) -> str:
    if made.rank(sources[0]) != 2:
        raise IncompleteError("a PReLU of more than rows")
    slopes = made.required(call, "alpha")
    return made.append(PRelu(call.name, sources[:1], scope_of(slopes.name), slopes))


def _elu(made: KerasLayers, call: Call, sources: tuple[str, ...]) -> str:
    """max(x, 0) + alpha·elu(min(x, 0))."""
    alpha = number(call.config, "alpha", call.layer)
    if alpha is None or alpha == 1.0:
        return made.function(call, sources[0], "elu", None, "class")
    positive = made.function(call, sources[0], "relu", None, "class")
    below = made.clipped(call, sources[0], None, 0.0)
    decayed = made.function(call, below, "elu", None, "alpha")
    return made.added(call, positive, made.scaled(call, decayed, alpha, None))


def _softmax(made: KerasLayers, call: Call, sources: tuple[str, ...]) -> str:
    made.expect_last_axis(call, sources[0])
    return made.function(call, sources[0], "softmax", None, "class")


def _concatenate(made: KerasLayers, call: Call, sources: tuple[str, ...]) -> str:
    made.expect_last_axis(call, sources[0])
    return made.append(Concat(call.name, sources, call.layer))


def _combine(kind: type[Add] | type[Multiply]) -> Builder:
    return lambda made, call, sources: made.append(kind(call.name, sources, call.layer))


def _average(made: KerasLayers, call: Call, sources: tuple[str, ...]) -> str:
    return made.scaled(call, made.added(call, *sources), 1 / len(sources), None)


def _subtract(made: KerasLayers, call: Call, sources: tuple[str, ...]) -> str:
    if len(sources) != 2:
        raise IncompleteError("a difference of other than two values")
    return made.added(call, sources[0], made.scaled(call, sources[1], -1.0, None))


def _operation(kind: str) -> Builder:
    """Arithmetic that a program did without a layer, on two values or a value and a number."""

    def build(made: KerasLayers, call: Call, sources: tuple[str, ...]) -> str:
        if len(call.operands) != 2 or sum(one is None for one in call.operands) != len(sources):
            raise IncompleteError("an operation on more than two values or numbers")
        left, right = call.operands
        if left is None and right is None:
            if kind == "Divide":
                raise IncompleteError("the quotient of two values")
            if kind == "Subtract":
                return _subtract(made, call, sources)
            both = Add if kind == "Add" else Multiply
            return made.append(both(call.name, sources, call.layer))
        other = right if left is None else left
        assert other is not None
        if kind == "Divide" and (left is not None or not other):
            raise IncompleteError("a division by a value")
        scale, shift = {
            "Add": (None, other),
            "Subtract": (None, -other) if left is None else (-1.0, other),
            "Multiply": (other, None),
            "Divide": (1 / other if other else None, None),
        }[kind]
        return made.scaled(call, sources[0], scale, shift)

    return build


def _rescaling(made: KerasLayers, call: Call, sources: tuple[str, ...]) -> str:
    if call.config.get("scale") is None:
        raise IncompleteError("a Rescaling without its scale")
    scale, offset = (
        numbers({key: 0.0, **call.config}, key, call.layer) for key in ("scale", "offset")
    )
    layer = Affine(call.name, sources[:1], call.layer, Parameter(scale), Parameter(offset))
    return made.append(layer)


def _normalization(made: KerasLayers, call: Call, sources: tuple[str, ...]) -> str:
    """(x − mean) / max(√variance, 1e-7), or its inverse; both adapted or stated in the config."""
    config = call.config
    if config.get("mean") is not None:
        stated = (numbers(config, key, call.layer).ravel() for key in ("mean", "variance"))
        mean, variance = (Parameter(one, (), f"{call.layer}.config") for one in stated)
    else:
        mean, variance = made.required(call, "mean"), made.required(call, "variance")
    if mean.array.size not in (1, made.width(sources[0])):
        raise IncompleteError("a Normalization over other axes than the units of a row")
    if not (variance.array >= 0).all():
        raise IncompleteError("a Normalization whose variance is negative or no number")
    deviation = np.maximum(np.sqrt(variance.array), np.float32(_SMALLEST_DEVIATION))
    stored = Parameter(deviation, variance.variables, variance.where)
    if flag(config, "invert", call.layer):
        layer: Layer = Affine(call.name, sources[:1], call.layer, stored, mean)
    else:
        scope = scope_of(mean.name) if mean.variables else call.layer
        layer = Standardize(call.name, sources[:1], scope, mean, stored)
    return made.append(layer)


def _flatten(made: KerasLayers, call: Call, sources: tuple[str, ...]) -> str:
    """Nothing to do for rows; the axes of an observation become one."""
    value, rank = sources[0], made.rank(sources[0])
    if rank == 2 or made.flattened(value):
        return value
    lengths = made.shape(value)[1:]
    known = tuple(one for one in lengths if one)
    if rank is None or len(known) < len(lengths):
        raise IncompleteError(f"{call.class_name} of a value of {rank or 'unknown'} dimensions")
    given = (math.prod(known),)
    return made.append(Rearrange(call.name, (value,), call.layer, known, None, given))


BUILDERS: Final[dict[str, Builder]] = {
    "Dense": _dense,
    "LayerNormalization": _norm(LayerNorm, "gamma"),
    "RMSNormalization": _norm(RMSNorm, "scale", "gamma"),
    "BatchNormalization": _norm(BatchNorm, "gamma"),
    "SyncBatchNormalization": _norm(BatchNorm, "gamma"),
    "GroupNormalization": _norm(GroupNorm, "gamma"),
    "Activation": _activation,
    "ReLU": _relu,
    "LeakyReLU": _leaky_relu,
    "ThresholdedReLU": _relu,
    "PReLU": _prelu,
    "ELU": _elu,
    "Softmax": _softmax,
    "Concatenate": _concatenate,
    "Add": _combine(Add),
    "Multiply": _combine(Multiply),
    "Average": _average,
    "Subtract": _subtract,
    **{f"Operation {kind}": _operation(kind) for kind in ("Add", "Subtract", "Multiply", "Divide")},
    "Rescaling": _rescaling,
    "Normalization": _normalization,
    "Flatten": _flatten,
    "LSTM": lstm,
}
