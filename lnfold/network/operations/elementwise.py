"""Operations on each number by itself; operands are broadcast."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from lnfold.network.operations.activations import FUNCTIONS, erf, erfc
from lnfold.network.operations.operation import (
    DTYPES,
    Array,
    Attributes,
    Family,
    Operands,
    Operation,
    Shapes,
    broadcast,
)


def _same(operands: Operands) -> Shapes:
    return (operands.first,)


def _together(operands: Operands) -> Shapes:
    return (broadcast(*operands.shapes),)


def _one(names: str, function: Callable[[Array], Any], **attributes: Any) -> Operation:
    """A row of one operand, whose type it keeps."""

    def compute(attributes: Attributes, x: Array) -> Array:
        return np.asarray(function(x))

    return Operation(tuple(names.split()), Family.ELEMENTWISE, compute, _same, attributes)


def _two(names: str, function: Callable[[Array, Array], Any]) -> Operation:
    def compute(attributes: Attributes, x: Array, y: Array) -> Array:
        return np.asarray(function(x, y))

    return Operation(tuple(names.split()), Family.ELEMENTWISE, compute, _together, operands=2)


def _activation(names: str, function: str) -> Operation:
    row = FUNCTIONS[function]
    return _one(names, lambda x: row.apply(x, row.alpha))


def _leaky(attributes: Attributes, x: Array) -> Array:
    return np.asarray(FUNCTIONS["leaky_relu"].apply(x, attributes["alpha"]))


def _divided(x: Array, y: Array) -> Array:
    """TensorFlow's division of integers drops the fraction."""
    if x.dtype.kind in "iu":
        return np.asarray(np.trunc(np.true_divide(x, y))).astype(x.dtype)
    return np.asarray(x / y)


def _no_nan(function: Callable[[Array, Array], Any]) -> Callable[[Array, Array], Array]:
    """A function that is 0 where its second operand is."""
    return lambda x, y: np.where(y == 0, x.dtype.type(0), function(x, y))


def _cast(attributes: Attributes, x: Array) -> Array:
    number = attributes["DstT"]
    if number not in DTYPES:
        raise TypeError(f"a cast to DataType {number}")
    return x.astype(DTYPES[number])


def _bias_add(attributes: Attributes, x: Array, bias: Array) -> Array:
    if attributes["data_format"] == "NCHW":
        bias = bias.reshape(-1, *[1] * (x.ndim - 2))
    return np.asarray(x + bias)


def _add_n(attributes: Attributes, first: Array, *rest: Array) -> Array:
    return np.asarray(sum(rest, first))


def _clip(attributes: Attributes, x: Array, low: Array, high: Array) -> Array:
    return np.asarray(np.minimum(np.maximum(x, low), high))


def _zero_first(function: Callable[[Array], Any]) -> Callable[[Array, Array], Array]:
    """x·function(y), 0 where x is."""
    return lambda x, y: np.where(x == 0, x.dtype.type(0), x * function(y))


ELEMENTWISE: Final = (
    _one("Abs", np.abs),
    _one("Neg", np.negative),
    _one("Square", np.square),
    _one("Sqrt", np.sqrt),
    _one("Rsqrt", lambda x: 1 / np.sqrt(x)),
    _one("Reciprocal Inv", lambda x: 1 / x),
    _one("Exp", np.exp),
    _one("Expm1", np.expm1),
    _one("Log", np.log),
    _one("Log1p", np.log1p),
    _one("Sign", np.sign),
    _one("Floor", np.floor),
    _one("Ceil", np.ceil),
    _one("Round Rint", np.rint),  # half to even, as TensorFlow does
    _one("Sin", np.sin),
    _one("Cos", np.cos),
    _one("Tan", np.tan),
    _one("Asin", np.arcsin),
    _one("Acos", np.arccos),
    _one("Atan", np.arctan),
    _one("Sinh", np.sinh),
    _one("Cosh", np.cosh),
    _one("Asinh", np.arcsinh),
    _one("Acosh", np.arccosh),
    _one("Atanh", np.arctanh),
    _one("Erf", erf),
    _one("Erfc", erfc),
    _activation("Tanh", "tanh"),
    _activation("Sigmoid", "sigmoid"),
    _activation("Softplus", "softplus"),
    _activation("Softsign", "softsign"),
    _activation("Relu", "relu"),
    _activation("Relu6", "relu6"),
    _activation("Elu", "elu"),
    _activation("Selu", "selu"),
    _activation("Softmax", "softmax"),
    _activation("LogSoftmax", "log_softmax"),
    Operation(("LeakyRelu",), Family.ELEMENTWISE, _leaky, _same, {"alpha": 0.2}),
    _one(
        "Identity Snapshot StopGradient PreventGradient CheckNumerics EnsureShape "
        "ReadVariableOp RefIdentity",
        lambda x: x,
    ),
    _one("ZerosLike", np.zeros_like),
    _one("OnesLike", np.ones_like),
    Operation(("Cast",), Family.ELEMENTWISE, _cast, _same, {"DstT": 1}),
    _two("Add AddV2", np.add),
    _two("Sub", np.subtract),
    _two("Mul", np.multiply),
    _two("RealDiv Div", _divided),
    _two("DivNoNan", _no_nan(np.divide)),
    _two("MulNoNan", _no_nan(np.multiply)),
    _two("FloorDiv", np.floor_divide),
    _two("FloorMod", np.mod),
    _two("Mod TruncateMod", np.fmod),
    _two("Pow", np.power),
    _two("Maximum", np.maximum),
    _two("Minimum", np.minimum),
    _two("SquaredDifference", lambda x, y: np.square(x - y)),
    _two("Atan2", np.arctan2),
    _two("Xdivy", _zero_first(lambda y: 1 / y)),
    _two("Xlogy", _zero_first(np.log)),
    Operation(
        ("BiasAdd", "BiasAddV1"), Family.ELEMENTWISE, _bias_add, _same, {"data_format": "NHWC"}, 2
    ),
    Operation(("AddN",), Family.ELEMENTWISE, _add_n, _together, operands=None),
    Operation(("ClipByValue",), Family.ELEMENTWISE, _clip, _same, operands=3),
)
