"""Chains of TensorFlow 2 operations: every spelling of a layer, as functions of a tf.Module.

Each chain is built from its own variables and becomes one signature of one SavedModel, so
that saving is paid for once. ``CHAINS`` maps a name to the function and to the facts that its
construction makes true: the kinds of the layers in order, and the epsilon of its norm.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

WIDTH, UNITS = 5, 6
Make = Callable[..., Any]


@dataclass(frozen=True)
class Chain:
    """How to build it, and what it truly is."""

    build: Callable[[Any, Make, Any], Any]
    kinds: tuple[str, ...]
    epsilon: float | None = None
    function: str | None = None
    refused: str = ""
    shape: tuple[int | None, ...] = (None, WIDTH)


CHAINS: dict[str, Chain] = {}


def chain(*kinds: str, **facts: Any) -> Callable[[Any], Any]:
    """Register build(tf, make, x); ``make(role, shape)`` creates a variable."""

    def register(build: Any) -> Any:
        CHAINS[build.__name__] = Chain(build, kinds, **facts)
        return build

    return register


def dense(tf: Any, make: Make, x: Any, name: str = "hidden", units: int = UNITS) -> Any:
    kernel = make(f"{name}/kernel", (x.shape[-1], units))
    return tf.nn.bias_add(tf.matmul(x, kernel), make(f"{name}/bias", (units,)))


def affine(make: Make, name: str = "norm") -> tuple[Any, Any]:
    return make(f"{name}/gamma", (UNITS,)), make(f"{name}/beta", (UNITS,))


# ── layer norms ─────────────────────────────────────────────────────────────────────────────


@chain("dense", "layer_norm", epsilon=1e-5)
def moments_and_batch_normalization(tf: Any, make: Make, x: Any) -> Any:
    h = dense(tf, make, x)
    mean, variance = tf.nn.moments(h, [-1], keepdims=True)
    gamma, beta = affine(make)
    return tf.nn.batch_normalization(h, mean, variance, beta, gamma, 1e-5)


@chain("dense", "layer_norm", epsilon=1e-3)
def fused_through_batch_norm(tf: Any, make: Make, x: Any) -> Any:
    return fused(tf, make, x, True, True, epsilon=1e-3)


@chain("dense", "layer_norm", epsilon=1e-4)
def fused_with_epsilon_left_out(tf: Any, make: Make, x: Any) -> Any:
    return fused(tf, make, x, True, True, epsilon=1e-4)


@chain("dense", "layer_norm", epsilon=1e-3)
def fused_without_gamma(tf: Any, make: Make, x: Any) -> Any:
    return fused(tf, make, x, False, True, epsilon=1e-3)


@chain("dense", "layer_norm", epsilon=1e-3)
def fused_without_gamma_and_beta(tf: Any, make: Make, x: Any) -> Any:
    return fused(tf, make, x, False, False, epsilon=1e-3)


def fused(tf: Any, make: Make, x: Any, scale: bool, centre: bool, epsilon: float) -> Any:
    """Keras 2.1 to 2.15: the rows are the channels of one image."""
    h = dense(tf, make, x)
    shape = tf.shape(h)
    rows = tf.reshape(h, tf.stack([1, shape[0], UNITS, 1]))
    ones, zeros = tf.fill([shape[0]], 1.0), tf.fill([shape[0]], 0.0)
    normed = tf.raw_ops.FusedBatchNormV3(
        x=rows,
        scale=ones,
        offset=zeros,
        mean=tf.constant([], tf.float32),
        variance=tf.constant([], tf.float32),
        epsilon=epsilon,
        data_format="NCHW",
        is_training=True,
    )[0]
    y = tf.reshape(normed, shape)
    y = y * make("norm/gamma", (UNITS,)) if scale else y
    return y + make("norm/beta", (UNITS,)) if centre else y


@chain("dense", "layer_norm", epsilon=1e-3)
def keras_3_layer_norm(tf: Any, make: Make, x: Any) -> Any:
    h = dense(tf, make, x)
    mean, variance = tf.nn.moments(h, [1], keepdims=True)
    gamma, beta = (tf.reshape(one, [1, UNITS]) for one in affine(make))
    inverse = tf.math.rsqrt(variance + 1e-3) * gamma
    return h * inverse + (-mean * inverse + beta)


@chain("dense", "layer_norm", epsilon=1e-6)
def sub_sqrt_divide(tf: Any, make: Make, x: Any) -> Any:
    h = dense(tf, make, x)
    mean, variance = tf.nn.moments(h, [-1], keepdims=True)
    gamma, beta = affine(make)
    return gamma * ((h - mean) / tf.sqrt(variance + 1e-6)) + beta


@chain("dense", "layer_norm", epsilon=1e-8)
def power_of_a_half(tf: Any, make: Make, x: Any) -> Any:
    h = dense(tf, make, x)
    mean, variance = tf.nn.moments(h, [-1], keepdims=True)
    gamma, beta = affine(make)
    return gamma * ((h - mean) / ((variance + 1e-8) ** 0.5)) + beta


@chain("dense", "layer_norm", epsilon=1e-6)
def mean_of_squares_minus_square_of_mean(tf: Any, make: Make, x: Any) -> Any:
    h = dense(tf, make, x)
    mean = tf.reduce_mean(h, -1, keepdims=True)
    variance = tf.reduce_mean(h * h, -1, keepdims=True) - mean * mean
    gamma, beta = affine(make)
    return (h - mean) * tf.math.rsqrt(variance + 1e-6) * gamma + beta


@chain("dense", "layer_norm", epsilon=1e-5)
def means_expanded_later(tf: Any, make: Make, x: Any) -> Any:
    h = dense(tf, make, x)
    mean = tf.expand_dims(tf.reduce_mean(h, -1), -1)
    variance = tf.expand_dims(tf.reduce_mean(tf.square(h - mean), 1), 1)
    gamma, beta = affine(make)
    return (h - mean) / tf.sqrt(variance + 1e-5) * gamma + beta


@chain("dense", "layer_norm", epsilon=1e-5)
def gamma_about_one(tf: Any, make: Make, x: Any) -> Any:
    h = dense(tf, make, x)
    mean, variance = tf.nn.moments(h, [-1], keepdims=True)
    gamma, beta = affine(make)
    return (h - mean) * tf.math.rsqrt(variance + 1e-5) * (1.0 + gamma) + beta


@chain("dense", "layer_norm", epsilon=1e-3)
def mixed_precision(tf: Any, make: Make, x: Any) -> Any:
    h = tf.cast(dense(tf, make, x), tf.float16)
    wide = tf.cast(h, tf.float32)
    mean, variance = tf.nn.moments(wide, [-1], keepdims=True)
    gamma, beta = affine(make)
    return (wide - mean) * tf.math.rsqrt(variance + 1e-3) * gamma + beta


@chain("dense", "layer_norm", "affine", epsilon=1e-3)
def scaled_afterwards(tf: Any, make: Make, x: Any) -> Any:
    return 2.5 * keras_3_layer_norm(tf, make, x)


# ── other norms ─────────────────────────────────────────────────────────────────────────────


@chain("dense", "rms_norm", epsilon=1e-6)
def rms_norm(tf: Any, make: Make, x: Any) -> Any:
    h = dense(tf, make, x)
    mean_square = tf.reduce_mean(tf.square(h), -1, keepdims=True)
    return h * tf.math.rsqrt(mean_square + 1e-6) * make("norm/scale", (UNITS,))


@chain("dense", "batch_norm", epsilon=1e-3)
def batch_norm(tf: Any, make: Make, x: Any) -> Any:
    return stored(tf, make, x, *affine(make))


@chain("dense", "batch_norm", epsilon=1e-3)
def batch_norm_without_gamma(tf: Any, make: Make, x: Any) -> Any:
    return stored(tf, make, x, None, make("norm/beta", (UNITS,)))


@chain("dense", "batch_norm", epsilon=1e-3)
def batch_norm_without_gamma_and_beta(tf: Any, make: Make, x: Any) -> Any:
    return stored(tf, make, x, None, None)


def stored(tf: Any, make: Make, x: Any, gamma: Any, beta: Any) -> Any:
    h = dense(tf, make, x)
    mean, variance = make("norm/moving_mean", (UNITS,)), make("norm/moving_variance", (UNITS,))
    return tf.nn.batch_normalization(h, mean, variance, beta, gamma, 1e-3)


@chain("dense", "batch_norm", epsilon=2e-3)
def fused_batch_norm(tf: Any, make: Make, x: Any) -> Any:
    h = tf.reshape(dense(tf, make, x), [-1, 1, 1, UNITS])
    gamma, beta = affine(make)
    mean, variance = make("norm/moving_mean", (UNITS,)), make("norm/moving_variance", (UNITS,))
    y = tf.raw_ops.FusedBatchNormV3(
        x=h,
        scale=gamma,
        offset=beta,
        mean=mean,
        variance=variance,
        epsilon=2e-3,
        is_training=False,
    )[0]
    return tf.reshape(y, [-1, UNITS])


@chain("dense", refused="training mode")
def fused_batch_norm_in_training(tf: Any, make: Make, x: Any) -> Any:
    h = tf.reshape(dense(tf, make, x), [-1, 1, 1, UNITS])
    gamma, beta = affine(make)
    empty = tf.constant([], tf.float32)
    y = tf.raw_ops.FusedBatchNormV3(
        x=h, scale=gamma, offset=beta, mean=empty, variance=empty, is_training=True
    )[0]
    return tf.reshape(y, [-1, UNITS])


@chain("dense", refused="begin_norm_axis=0")
def layer_norm_over_the_batch(tf: Any, make: Make, x: Any) -> Any:
    h = dense(tf, make, x)
    mean, variance = tf.nn.moments(h, [0, 1], keepdims=True)
    gamma, beta = affine(make)
    return tf.nn.batch_normalization(h, mean, variance, beta, gamma, 1e-5)


@chain("dense", refused="group norm")
def group_norm(tf: Any, make: Make, x: Any) -> Any:
    h = tf.reshape(dense(tf, make, x), [-1, 2, UNITS // 2])
    mean, variance = tf.nn.moments(h, [-1], keepdims=True)
    normed = tf.reshape((h - mean) * tf.math.rsqrt(variance + 1e-3), [-1, UNITS])
    gamma, beta = affine(make)
    return normed * gamma + beta


@chain("dense", refused="rms_scaling")
def keras_3_rms_scaling(tf: Any, make: Make, x: Any) -> Any:
    h = dense(tf, make, x)
    variance = tf.math.reduce_variance(h, -1, keepdims=True)
    return h * tf.math.rsqrt(variance + 1e-3) * make("norm/gamma", (UNITS,))


@chain("dense", refused="Rsqrt")
def l2_norm(tf: Any, make: Make, x: Any) -> Any:
    return tf.math.l2_normalize(dense(tf, make, x), -1)


# ── dense layers ────────────────────────────────────────────────────────────────────────────


@chain("dense")
def plain_dense(tf: Any, make: Make, x: Any) -> Any:
    return dense(tf, make, x)


@chain("dense")
def dense_by_add(tf: Any, make: Make, x: Any) -> Any:
    return make("hidden/b", (UNITS,)) + tf.matmul(x, make("hidden/w", (WIDTH, UNITS)))


@chain("dense")
def dense_without_bias(tf: Any, make: Make, x: Any) -> Any:
    return tf.matmul(x, make("hidden/kernel", (WIDTH, UNITS)))


@chain("dense")
def dense_transposed(tf: Any, make: Make, x: Any) -> Any:
    return tf.matmul(x, make("hidden/kernel", (UNITS, WIDTH)), transpose_b=True)


@chain("dense")
def dense_by_einsum(tf: Any, make: Make, x: Any) -> Any:
    y = tf.einsum("ab,bc->ac", x, make("hidden/kernel", (WIDTH, UNITS)))
    return y + make("hidden/bias", (UNITS,))


@chain("dense", shape=(None, 3, WIDTH))
def dense_by_tensordot(tf: Any, make: Make, x: Any) -> Any:
    y = tf.tensordot(x, make("hidden/kernel", (WIDTH, UNITS)), [[2], [0]])
    return tf.nn.bias_add(y, make("hidden/bias", (UNITS,)))


@chain("dense", shape=(None, 3, WIDTH))
def dense_by_batch_matmul(tf: Any, make: Make, x: Any) -> Any:
    return tf.matmul(x, make("hidden/kernel", (1, WIDTH, UNITS))) + make("hidden/bias", (UNITS,))


@chain("dense")
def dense_of_one_tap(tf: Any, make: Make, x: Any) -> Any:
    kernel = tf.reshape(make("hidden/w", (1, WIDTH, UNITS)), [-1, UNITS])
    return tf.matmul(tf.reshape(x, [-1, WIDTH]), kernel) + make("hidden/b", (UNITS,))


# ── activations ─────────────────────────────────────────────────────────────────────────────


def activation(name: str, function: str, apply: Callable[[Any, Any], Any]) -> None:
    """A chain of a dense layer and an activation."""

    def build(tf: Any, make: Make, x: Any) -> Any:
        return apply(tf, dense(tf, make, x))

    CHAINS[name] = Chain(build, ("dense", "activation"), function=function)


for _name in ("relu", "relu6", "elu", "selu", "tanh", "sigmoid", "softplus", "softsign", "softmax"):
    activation(f"act_{_name}", _name, lambda tf, h, name=_name: getattr(tf.nn, name)(h))
activation("act_leaky_relu_stripped", "leaky_relu", lambda tf, h: tf.nn.leaky_relu(h, 0.2))
activation("act_leaky_relu", "leaky_relu", lambda tf, h: tf.nn.leaky_relu(h, 0.3))
activation("act_leaky_relu_by_maximum", "leaky_relu", lambda tf, h: tf.maximum(0.1 * h, h))
activation("act_relu_by_maximum", "relu", lambda tf, h: tf.maximum(h, 0.0))
activation("act_swish", "swish", lambda tf, h: tf.nn.silu(h))
activation("act_swish_by_hand", "swish", lambda tf, h: tf.sigmoid(h) * h)
activation("act_quick_gelu", "swish", lambda tf, h: h * tf.sigmoid(1.702 * h))
activation("act_gelu", "gelu", lambda tf, h: tf.nn.gelu(h, approximate=False))
activation("act_gelu_by_erfc", "gelu", lambda tf, h: 0.5 * h * tf.math.erfc(-h * np.sqrt(0.5)))
activation("act_gelu_tanh", "gelu_tanh", lambda tf, h: tf.nn.gelu(h, approximate=True))
activation("act_mish", "mish", lambda tf, h: h * tf.tanh(tf.nn.softplus(h)))
activation("act_log_softmax", "log_softmax", lambda tf, h: tf.nn.log_softmax(h))
activation("act_hard_swish", "hard_swish", lambda tf, h: h * tf.nn.relu6(h + 3.0) / 6.0)


# ── wirings and ends ────────────────────────────────────────────────────────────────────────


@chain("dense", "affine", "activation", "affine")
def head_sigmoid_in_range(tf: Any, make: Make, x: Any) -> Any:
    return tf.sigmoid(2.0 * dense(tf, make, x)) * 4.0 - 2.0


@chain("dense", "clip")
def head_clipped(tf: Any, make: Make, x: Any) -> Any:
    return tf.clip_by_value(dense(tf, make, x), -1.0, 0.5)


@chain("affine", "affine", "dense")
def input_scaled(tf: Any, make: Make, x: Any) -> Any:
    return dense(tf, make, (x - 3.0) / 2.0)


@chain("standardize", "clip", "dense")
def input_standardised(tf: Any, make: Make, x: Any) -> Any:
    mean, deviation = make("obs/mean", (WIDTH,)), make("obs/std", (WIDTH,))
    return dense(tf, make, tf.clip_by_value((x - mean) / deviation, -5.0, 5.0))


@chain("dense", "activation", "dense", "add")
def residual(tf: Any, make: Make, x: Any) -> Any:
    h = dense(tf, make, x)
    return h + dense(tf, make, tf.nn.relu(h), "second")


@chain("dense", "dense", "activation", "multiply")
def gated(tf: Any, make: Make, x: Any) -> Any:
    return dense(tf, make, x) * tf.nn.silu(dense(tf, make, x, "gate"))


@chain("dense", "dense", "concat", "dense")
def concatenated(tf: Any, make: Make, x: Any) -> Any:
    parts = [dense(tf, make, x, "left"), dense(tf, make, x, "right", 3)]
    return dense(tf, make, tf.concat(parts, -1), "joined")


@chain("dense", "dense", "centre", "add")
def dueling(tf: Any, make: Make, x: Any) -> Any:
    value, advantages = dense(tf, make, x, "value", 1), dense(tf, make, x, "advantages", 4)
    return value + (advantages - tf.reduce_mean(advantages, 1, keepdims=True))


@chain("slice", "dense")
def sliced_input(tf: Any, make: Make, x: Any) -> Any:
    return dense(tf, make, x[:, 1:4])


@chain("dense", shape=(None, 2, WIDTH))
def flattened_input(tf: Any, make: Make, x: Any) -> Any:
    return dense(tf, make, tf.reshape(x, [-1, 2 * WIDTH]))


@chain("dense", "activation", "dense")
def dropout_off(tf: Any, make: Make, x: Any) -> Any:
    h = tf.identity(tf.nn.relu(dense(tf, make, x)))
    return dense(tf, make, tf.stop_gradient(h), "second")


@chain("dense", refused="RandomStandardNormal")
def noisy(tf: Any, make: Make, x: Any) -> Any:
    return dense(tf, make, x + tf.random.normal(tf.shape(x)))


@chain("dense", "layer_norm", epsilon=1e-5, refused="Cumsum")
def unknown_behind_a_norm(tf: Any, make: Make, x: Any) -> Any:
    return moments_and_batch_normalization(tf, make, tf.cumsum(x, -1))
