"""The activation functions that TensorFlow networks use, in NumPy.

Each works on an array of float32 or float64 of any shape and keeps its dtype. Formulas are
those of tf.nn; ``homogeneous`` marks f(c·x) = c·f(x) for every c > 0, the property that lets
a positive gamma pass through.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

Array = np.ndarray

SELU_SCALE: Final = 1.0507009873554804934193349852946  # Klambauer et al., arXiv:1706.02515
SELU_ALPHA: Final = 1.6732632423543772848170429916717


@dataclass(frozen=True, slots=True)
class Function:
    """An activation: what it computes and what folding may rely on."""

    name: str
    apply: Callable[[Array, float], Array]
    homogeneous: bool = False
    rowwise: bool = False  # a softmax mixes the units of a row
    alpha: float = 1.0  # where nothing says it: TensorFlow's default


def _elu(x: Array) -> Array:
    return np.asarray(np.where(x > 0, x, np.expm1(np.minimum(x, 0))))


def _sigmoid(x: Array) -> Array:
    # exp of a number that is never positive: no overflow on either side
    decayed = np.exp(-np.abs(x))
    return np.asarray(np.where(x >= 0, 1, decayed) / (1 + decayed))


def _softmax(x: Array) -> Array:
    powers = np.exp(x - x.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def _log_softmax(x: Array) -> Array:
    shifted = x - x.max(axis=-1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True)))


def _hard_sigmoid(x: Array) -> Array:
    # Keras 3; Keras 2 computed clip(x/5 + 1/2, 0, 1)
    return np.asarray(np.minimum(np.maximum(x + 3, 0), 6) / 6)


def _softplus(x: Array) -> Array:
    return np.asarray(np.logaddexp(x, x.dtype.type(0)))


def erf(x: Array) -> Array:
    """The error function."""
    return _of_each(math.erf, x)


def erfc(x: Array) -> Array:
    """1 − erf(x), with all its digits where that difference has none: erfc(10) is 2.1e-45."""
    return _of_each(math.erfc, x)


def _of_each(function: Callable[[float], float], x: Array) -> Array:
    # NumPy has neither; the standard library's are exact to an ulp, in float64
    flat = np.fromiter(map(function, x.ravel().tolist()), dtype=np.float64, count=x.size)
    return flat.reshape(x.shape).astype(x.dtype)


def _gelu(x: Array) -> Array:
    return np.asarray(x * (1 + erf(x * x.dtype.type(math.sqrt(0.5)))) / 2)


def _gelu_tanh(x: Array) -> Array:
    root = x.dtype.type(math.sqrt(2 / math.pi))
    cubic = x.dtype.type(0.044715)
    return np.asarray(x * (1 + np.tanh(root * (x + cubic * x * x * x))) / 2)


FUNCTIONS: Final[dict[str, Function]] = {
    function.name: function
    for function in (
        Function("identity", lambda x, _: x, homogeneous=True),
        Function("relu", lambda x, _: np.maximum(x, 0), homogeneous=True),
        Function(
            "leaky_relu",
            lambda x, alpha: np.where(x > 0, x, x * x.dtype.type(alpha)),
            homogeneous=True,
            alpha=0.2,
        ),
        Function("abs", lambda x, _: np.abs(x), homogeneous=True),
        Function("relu6", lambda x, _: np.minimum(np.maximum(x, 0), 6)),
        Function("elu", lambda x, _: _elu(x)),
        Function(
            "selu",
            lambda x, _: (
                x.dtype.type(SELU_SCALE)
                * np.where(x > 0, x, x.dtype.type(SELU_ALPHA) * np.expm1(np.minimum(x, 0)))
            ),
        ),
        Function("tanh", lambda x, _: np.tanh(x)),
        Function("sigmoid", lambda x, _: _sigmoid(x)),
        Function("softplus", lambda x, _: _softplus(x)),
        Function("softsign", lambda x, _: x / (1 + np.abs(x))),
        Function("swish", lambda x, alpha: x * _sigmoid(x * x.dtype.type(alpha))),
        Function("gelu", lambda x, _: _gelu(x)),
        Function("gelu_tanh", lambda x, _: _gelu_tanh(x)),
        Function("mish", lambda x, _: x * np.tanh(_softplus(x))),
        Function("hard_sigmoid", lambda x, _: _hard_sigmoid(x)),
        Function("hard_swish", lambda x, _: x * _hard_sigmoid(x)),
        Function("exp", lambda x, _: np.exp(x)),
        Function("softmax", lambda x, _: _softmax(x), rowwise=True),
        Function("log_softmax", lambda x, _: _log_softmax(x), rowwise=True),
    )
}
