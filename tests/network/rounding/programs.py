"""Other programs of a network: sums in other orders, norms in other spellings."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from lnfold.network.records.layers import BatchNorm, Dense, Layer, LayerNorm, Network, RMSNorm
from lnfold.network.running.run import step_of

Array = np.ndarray
Sum = Callable[[Array], Array]  # over the last axis


def sequential(terms: Array) -> Array:
    """One after the other."""
    return np.cumsum(terms, axis=-1, dtype=terms.dtype)[..., -1]


def backwards(terms: Array) -> Array:
    """The last one first."""
    return sequential(terms[..., ::-1])


def pairwise(terms: Array) -> Array:
    """In halves, and the halves in halves."""
    if terms.shape[-1] == 1:
        return terms[..., 0]
    middle = terms.shape[-1] // 2
    return pairwise(terms[..., :middle]) + pairwise(terms[..., middle:])


def shuffled(terms: Array) -> Array:
    """In an order that depends on nothing but their number."""
    return sequential(
        terms[..., np.random.default_rng(terms.shape[-1]).permutation(terms.shape[-1])]
    )


SUMS: tuple[Sum, ...] = (sequential, backwards, pairwise, shuffled)
SPELLINGS = ("two passes", "one pass", "x·inv")


def program(
    network: Network,
    inputs: Mapping[str, Array],
    dtype: type,
    total: Sum = sequential,
    spelling: str = "two passes",
    summed_in: type | None = None,
) -> dict[str, Array]:
    """The outputs of a network as one more program computes them.

    Args:
        summed_in: the type of products and partial sums; np.float32, which libraries take for
            half precision, or None for ``dtype`` itself.
    """
    wide = summed_in or dtype
    values = {name: array.astype(dtype) for name, array in inputs.items()}
    with np.errstate(all="ignore"):
        for layer in network.layers:
            read = [values[name] for name in layer.inputs]
            out = _other(layer, read[0], dtype, wide, total, spelling)
            values[layer.name] = np.asarray(
                step_of(layer, dtype)(*read) if out is None else out, dtype
            )
    return {name: values[name] for name in network.outputs}


def _other(
    layer: Layer, x: Array, dtype: type, wide: type, total: Sum, spelling: str
) -> Array | None:
    """What is computed otherwise than ``run`` does: products, norms."""
    if isinstance(layer, Dense):
        kernel = layer.kernel.array.astype(dtype).T
        y = total(x[:, None, :].astype(wide) * kernel.astype(wide)).astype(dtype)
        return y if layer.bias is None else y + layer.bias.array.astype(dtype)
    if not isinstance(layer, LayerNorm | RMSNorm | BatchNorm):
        return None
    gamma = dtype(1) if layer.gamma is None else layer.gamma.array.astype(dtype)
    beta = dtype(0) if layer.beta is None else layer.beta.array.astype(dtype)
    epsilon, units = dtype(layer.epsilon.value), wide(x.shape[1])

    def mean_of(terms: Array) -> Array:
        return np.asarray((total(terms) / units)[:, None], dtype)

    if isinstance(layer, BatchNorm):
        mean, variance = (
            one.array.astype(dtype) for one in (layer.moving_mean, layer.moving_variance)
        )
    elif isinstance(layer, RMSNorm):
        mean, variance = np.zeros((len(x), 1), dtype), mean_of(np.square(x.astype(wide)))
    else:
        mean = mean_of(x.astype(wide))
        if spelling == "one pass":
            variance = np.maximum(mean_of(np.square(x.astype(wide))) - mean * mean, dtype(0))
        else:
            variance = mean_of(np.square((x - mean).astype(wide)))
    inverse = dtype(1) / np.sqrt(variance + epsilon)
    if spelling == "x·inv":
        inverse = inverse * gamma
        return x * inverse + (beta - mean * inverse)
    return (x - mean) * inverse * gamma + beta
