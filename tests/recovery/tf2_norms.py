"""More normalisations as chains of TensorFlow 2 operations, and what must not be taken for one."""

from __future__ import annotations

from typing import Any

from tests.recovery.tf2_chains import UNITS, WIDTH, Make, affine, chain, dense


def centred(tf: Any, h: Any, axes: list[int], epsilon: float = 1e-5) -> Any:
    mean, variance = tf.nn.moments(h, axes, keepdims=True)
    return (h - mean) * tf.math.rsqrt(variance + epsilon)


# ── layer norms ─────────────────────────────────────────────────────────────────────────────


@chain("dense", "layer_norm", epsilon=1e-5)
def without_gamma(tf: Any, make: Make, x: Any) -> Any:
    return centred(tf, dense(tf, make, x), [-1]) + make("norm/beta", (UNITS,))


@chain("dense", "layer_norm", epsilon=1e-5)
def without_beta(tf: Any, make: Make, x: Any) -> Any:
    return centred(tf, dense(tf, make, x), [1]) * make("norm/gamma", (UNITS,))


@chain("dense", "layer_norm", epsilon=1e-5)
def without_parameters(tf: Any, make: Make, x: Any) -> Any:
    return centred(tf, dense(tf, make, x), [-1])


@chain("dense", "layer_norm", "activation", epsilon=1e-12)
def keras_2_clipped_root(tf: Any, make: Make, x: Any) -> Any:
    h = dense(tf, make, x)
    mean = tf.reduce_mean(h, -1, keepdims=True)
    variance = tf.reduce_mean(tf.square(h - mean), -1, keepdims=True)
    root = tf.sqrt(tf.clip_by_value(variance + 1e-12, 0.0, float("inf")))
    gamma, beta = affine(make)
    return tf.nn.relu(gamma * (h - mean) / root + beta)


@chain("dense", "layer_norm", epsilon=1e-6)
def negative_power(tf: Any, make: Make, x: Any) -> Any:
    h = dense(tf, make, x)
    mean, variance = tf.nn.moments(h, [-1], keepdims=True)
    gamma, beta = affine(make)
    return (h - mean) * (variance + 1e-6) ** -0.5 * gamma + beta


@chain("dense", "layer_norm", "dense", epsilon=1e-5, shape=(None, 3, WIDTH))
def over_the_units_of_a_sequence(tf: Any, make: Make, x: Any) -> Any:
    h = tf.tensordot(x, make("hidden/kernel", (WIDTH, UNITS)), 1)
    gamma, beta = affine(make)
    y = centred(tf, h, [2]) * gamma + beta
    return tf.tensordot(y, make("second/kernel", (UNITS, 2)), 1)


@chain("layer_norm", "dense", epsilon=1e-5)
def on_the_input(tf: Any, make: Make, x: Any) -> Any:
    gamma, beta = make("norm/gamma", (WIDTH,)), make("norm/beta", (WIDTH,))
    return dense(tf, make, centred(tf, x, [-1]) * gamma + beta)


@chain("dense", "layer_norm", epsilon=1e-3)
def bfloat16_inside(tf: Any, make: Make, x: Any) -> Any:
    h = tf.cast(dense(tf, make, x), tf.bfloat16)
    h = tf.cast(h, tf.float32)
    gamma, beta = affine(make)
    return centred(tf, h, [-1], 1e-3) * gamma + beta


# ── rms norms ───────────────────────────────────────────────────────────────────────────────


def mean_square(tf: Any, h: Any) -> Any:
    return tf.reduce_mean(tf.square(h), -1, keepdims=True)


@chain("dense", "rms_norm", epsilon=1e-6)
def rms_by_root_and_quotient(tf: Any, make: Make, x: Any) -> Any:
    h = dense(tf, make, x)
    return make("norm/scale", (UNITS,)) * (h / tf.sqrt(mean_square(tf, h) + 1e-6))


@chain("dense", "rms_norm", epsilon=1e-5)
def rms_with_gamma_about_one(tf: Any, make: Make, x: Any) -> Any:
    h = dense(tf, make, x)
    return h * tf.math.rsqrt(mean_square(tf, h) + 1e-5) * (1.0 + make("norm/scale", (UNITS,)))


@chain("dense", "rms_norm", epsilon=1e-6)
def rms_without_gamma(tf: Any, make: Make, x: Any) -> Any:
    h = dense(tf, make, x)
    return h * (mean_square(tf, h) + 1e-6) ** -0.5


@chain("dense", "rms_norm", epsilon=1e-6)
def rms_by_a_product(tf: Any, make: Make, x: Any) -> Any:
    h = dense(tf, make, x)
    inverse = tf.math.rsqrt(tf.reduce_mean(h * h, -1, keepdims=True) + 1e-6)
    return h * (inverse * make("norm/scale", (UNITS,))) + make("norm/offset", (UNITS,))


# ── batch norms ─────────────────────────────────────────────────────────────────────────────


@chain("dense", "batch_norm", epsilon=1e-3, shape=(None, 2, 2, WIDTH))
def fused_batch_norm_of_images(tf: Any, make: Make, x: Any) -> Any:
    h = tf.nn.conv2d(x, make("conv/kernel", (1, 1, WIDTH, UNITS)), 1, "SAME")
    gamma, beta = affine(make)
    mean, variance = make("norm/moving_mean", (UNITS,)), make("norm/moving_variance", (UNITS,))
    return tf.compat.v1.nn.fused_batch_norm(
        h, gamma, beta, mean, variance, epsilon=1e-3, is_training=False
    )[0]


@chain("dense", "batch_norm", epsilon=1e-3)
def batch_norm_by_hand(tf: Any, make: Make, x: Any) -> Any:
    h = dense(tf, make, x)
    mean, variance = make("norm/moving_mean", (UNITS,)), make("norm/moving_variance", (UNITS,))
    gamma, beta = affine(make)
    return (h - mean) / tf.sqrt(variance + 1e-3) * gamma + beta


# ── what is no norm of a row's units ────────────────────────────────────────────────────────


@chain("dense", refused="whole batch")
def statistics_of_the_batch(tf: Any, make: Make, x: Any) -> Any:
    h = dense(tf, make, x)
    mean, variance = tf.nn.moments(h, [0], keepdims=True)
    gamma, beta = affine(make)
    return tf.nn.batch_normalization(h, mean, variance, beta, gamma, 1e-3)


@chain("dense", refused="Mean")
def centred_over_the_batch(tf: Any, make: Make, x: Any) -> Any:
    h = dense(tf, make, x)
    return dense(tf, make, h - tf.reduce_mean(h, 0, keepdims=True), "second")


@chain("dense", refused="instance norm", shape=(None, 3, 4, WIDTH))
def instance_norm(tf: Any, make: Make, x: Any) -> Any:
    h = tf.nn.conv2d(x, make("conv/kernel", (1, 1, WIDTH, UNITS)), 1, "SAME")
    gamma, beta = affine(make)
    return centred(tf, h, [1, 2]) * gamma + beta


@chain("dense", refused="more than the units of a row", shape=(None, 3, WIDTH))
def norm_over_two_axes(tf: Any, make: Make, x: Any) -> Any:
    h = tf.tensordot(x, make("hidden/kernel", (WIDTH, UNITS)), 1)
    gamma, beta = make("norm/gamma", (3, UNITS)), make("norm/beta", (3, UNITS))
    return centred(tf, h, [1, 2]) * gamma + beta


@chain("dense", refused="group norm", shape=(None, 3, 4, WIDTH))
def group_norm_of_images(tf: Any, make: Make, x: Any) -> Any:
    h = tf.nn.conv2d(x, make("conv/kernel", (1, 1, WIDTH, UNITS)), 1, "SAME")
    grouped = centred(tf, tf.reshape(h, [-1, 3, 4, 2, UNITS // 2]), [1, 2, 4])
    gamma, beta = affine(make)
    return tf.reshape(grouped, [-1, 3, 4, UNITS]) * gamma + beta


@chain("dense", refused="Mean")
def variance_without_the_mean_of_the_row(tf: Any, make: Make, x: Any) -> Any:
    """A norm that subtracts half the mean is none, however close it looks."""
    h = dense(tf, make, x)
    mean, variance = tf.nn.moments(h, [-1], keepdims=True)
    return (h - 0.5 * mean) * tf.math.rsqrt(variance + 1e-5) * make("norm/gamma", (UNITS,))


# ── ends ────────────────────────────────────────────────────────────────────────────────────


@chain("dense", "slice", "slice", "activation", "affine", "activation", "concat")
def mean_and_deviation(tf: Any, make: Make, x: Any) -> Any:
    mean, deviation = tf.split(dense(tf, make, x), 2, axis=-1)
    return tf.concat([tf.tanh(mean), tf.exp(0.5 * deviation)], -1)


@chain("dense", "activation", "affine", "clip")
def squashed_scaled_and_clipped(tf: Any, make: Make, x: Any) -> Any:
    y = 2.0 * tf.sigmoid(dense(tf, make, x)) - 1.0
    return tf.minimum(tf.maximum(y, -0.9), 0.9)


@chain("dense", "activation", "dense")
def conditional_on_a_constant(tf: Any, make: Make, x: Any) -> Any:
    h = tf.nn.elu(dense(tf, make, x))
    training = tf.constant(False)
    h = tf.cond(training, lambda: tf.nn.dropout(h, 0.5), lambda: tf.identity(h))
    return dense(tf, make, h, "second")


@chain("dense", refused="RandomUniform")
def dropout_that_is_on(tf: Any, make: Make, x: Any) -> Any:
    return dense(tf, make, tf.nn.dropout(dense(tf, make, x), 0.5), "second")
