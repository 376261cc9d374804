"""Chains of TensorFlow 2 operations that lay values out otherwise, and dense layers among them."""

from __future__ import annotations

from typing import Any

from tests.recovery.tf2_chains import CHAINS, UNITS, WIDTH, Make, chain, dense

__all__ = ["CHAINS"]  # those of tf2_chains, and these

HEADS, SIZE = 2, 3  # of UNITS


def layer_norm(tf: Any, make: Make, x: Any, units: int) -> Any:
    mean, variance = tf.nn.moments(x, [-1], keepdims=True)
    gamma, beta = make("norm/gamma", (units,)), make("norm/beta", (units,))
    return (x - mean) * tf.math.rsqrt(variance + 1e-5) * gamma + beta


# ── reshapes ────────────────────────────────────────────────────────────────────────────────


@chain("dense", "rearrange", "activation", "rearrange", "dense")
def softmax_of_each_part(tf: Any, make: Make, x: Any) -> Any:
    parts = tf.reshape(dense(tf, make, x), [-1, HEADS, SIZE])
    return dense(tf, make, tf.reshape(tf.nn.softmax(parts), [-1, UNITS]), "second")


@chain("dense", "rearrange", "layer_norm", "rearrange", "dense", epsilon=1e-5)
def layer_norm_of_each_head(tf: Any, make: Make, x: Any) -> Any:
    h = tf.reshape(dense(tf, make, x), [tf.shape(x)[0], HEADS, SIZE])
    joined = tf.reshape(layer_norm(tf, make, h, SIZE), [tf.shape(x)[0], UNITS])
    return dense(tf, make, joined, "second")


@chain("dense", "rearrange", "dense", shape=(None, 4, WIDTH))
def flattened_between(tf: Any, make: Make, x: Any) -> Any:
    kernel = make("hidden/kernel", (WIDTH, UNITS))
    h = tf.nn.bias_add(tf.tensordot(x, kernel, 1), make("hidden/bias", (UNITS,)))
    return dense(tf, make, tf.reshape(h, [-1, 4 * UNITS]), "second")


@chain("rearrange", "dense", "rearrange", "dense", shape=(None, 4, WIDTH))
def mixed_along_both_axes(tf: Any, make: Make, x: Any) -> Any:
    mixed = tf.tensordot(tf.transpose(x, [0, 2, 1]), make("mix/kernel", (4, 4)), 1)
    return tf.tensordot(tf.transpose(mixed, [0, 2, 1]), make("hidden/kernel", (WIDTH, 3)), 1)


@chain("dense", "dense", shape=(None, 1, WIDTH))
def squeezed_and_expanded(tf: Any, make: Make, x: Any) -> Any:
    h = dense(tf, make, tf.squeeze(x, 1))
    return tf.squeeze(dense(tf, make, tf.squeeze(tf.expand_dims(h, 1), 1), "second"))


@chain("dense", "rearrange", "activation", "rearrange", "dense")
def one_unit_a_row(tf: Any, make: Make, x: Any) -> Any:
    column = tf.nn.tanh(tf.expand_dims(dense(tf, make, x), -1))
    return dense(tf, make, tf.squeeze(column, -1), "second")


@chain("dense", refused="Reshape", shape=(4, WIDTH))
def reshape_that_joins_the_batch(tf: Any, make: Make, x: Any) -> Any:
    return dense(tf, make, tf.reshape(dense(tf, make, x), [2, 2 * UNITS]), "second")


@chain("dense", refused="Transpose", shape=(WIDTH, WIDTH))
def transpose_that_mixes_the_batch(tf: Any, make: Make, x: Any) -> Any:
    return dense(tf, make, tf.transpose(dense(tf, make, x)), "second", 3)


# ── dense layers by other names ─────────────────────────────────────────────────────────────


@chain("dense", shape=(None, 3, 4, WIDTH))
def convolution_of_one_place(tf: Any, make: Make, x: Any) -> Any:
    y = tf.nn.conv2d(x, make("conv/kernel", (1, 1, WIDTH, UNITS)), 1, "SAME")
    return tf.nn.bias_add(y, make("conv/bias", (UNITS,)))


@chain("dense", "activation", "dense", shape=(None, 3, WIDTH))
def convolution_in_one_dimension(tf: Any, make: Make, x: Any) -> Any:
    y = tf.nn.conv1d(x, make("conv/kernel", (1, WIDTH, UNITS)), 1, "VALID")
    y = tf.nn.relu(y + make("conv/bias", (UNITS,)))
    padded = tf.pad(y, [[0, 0], [0, 0], [0, 0]])
    return tf.nn.conv1d(padded, make("second/kernel", (1, UNITS, 2)), 1, "VALID")


@chain(refused="Conv2D", shape=(None, 3, 3, WIDTH))
def convolution_of_several_places(tf: Any, make: Make, x: Any) -> Any:
    y = tf.nn.conv2d(x, make("conv/kernel", (2, 2, WIDTH, UNITS)), 1, "VALID")
    return dense(tf, make, tf.reshape(y, [-1, 4 * UNITS]))


@chain(refused="Conv2D", shape=(None, 4, 4, WIDTH))
def convolution_that_leaves_places_out(tf: Any, make: Make, x: Any) -> Any:
    y = tf.nn.conv2d(x, make("conv/kernel", (1, 1, WIDTH, UNITS)), 2, "VALID")
    return dense(tf, make, tf.reshape(y, [-1, 4 * UNITS]))


@chain("dense", "rearrange", "activation", shape=(None, 4, WIDTH))
def einsum_to_several_heads(tf: Any, make: Make, x: Any) -> Any:
    kernel, bias = make("query/kernel", (WIDTH, HEADS, SIZE)), make("query/bias", (HEADS, SIZE))
    return tf.nn.softmax(tf.einsum("abc,cde->abde", x, kernel) + bias)


@chain("dense", "rearrange", "layer_norm", "rearrange", "dense", epsilon=1e-5, shape=(None, 4, 5))
def einsum_to_normed_heads_and_back(tf: Any, make: Make, x: Any) -> Any:
    kernel = make("query/kernel", (5, HEADS, SIZE))
    heads = layer_norm(tf, make, tf.einsum("abc,cde->abde", x, kernel), SIZE)
    out = tf.einsum("abcd,cde->abe", heads, make("out/kernel", (HEADS, SIZE, 5)))
    return out + make("out/bias", (5,))


@chain("dense", "activation", "dense", shape=(None, 4, WIDTH))
def einsum_with_dots(tf: Any, make: Make, x: Any) -> Any:
    h = tf.einsum("...x,xy->...y", x, make("hidden/kernel", (WIDTH, UNITS)))
    h = tf.nn.tanh(h + make("hidden/bias", (UNITS,)))
    return tf.einsum("abc,dc->abd", h, make("second/kernel", (3, UNITS)))


@chain(refused="Einsum", shape=(None, 4, WIDTH))
def einsum_over_the_time(tf: Any, make: Make, x: Any) -> Any:
    return dense(tf, make, tf.einsum("abc,bd->adc", x, make("mix/kernel", (4, 3)))[:, 0])


@chain(refused="Einsum", shape=(None, 4, WIDTH))
def einsum_with_a_kernel_for_each_place(tf: Any, make: Make, x: Any) -> Any:
    return tf.einsum("abc,bcd->abd", x, make("each/kernel", (4, WIDTH, 3))) @ make("k", (3, 2))


@chain("dense", refused="BatchMatMul", shape=(None, 4, WIDTH))
def attention(tf: Any, make: Make, x: Any) -> Any:
    heads = [
        tf.einsum("abc,cde->abde", x, make(f"{name}/kernel", (WIDTH, HEADS, SIZE)))
        for name in ("query", "key", "value")
    ]
    q, k, v = (tf.transpose(one, [0, 2, 1, 3]) for one in heads)
    weights = tf.nn.softmax(tf.matmul(q, k, transpose_b=True))
    mixed = tf.transpose(tf.matmul(weights, v), [0, 2, 1, 3])
    return tf.einsum("abcd,cde->abe", mixed, make("out/kernel", (HEADS, SIZE, 5)))
