"""What becomes of a layer's bias, gamma and beta: gone, stays, or open; by rules with a proof.

A vector is *gone* where others take it over exactly or where it does nothing, and *stays* where
nothing can take it over. What no rule covers is *open* and counts neither as yes nor as no: one
vector is enough where at most one is left, and more are needed where at least two stay.

``readers`` says who could take gamma and beta over. What the norm reads says what becomes of
the bias b of z = (y − mean)/s:

    a dense layer     LayerNorm subtracts b's mean, the rest of b stays       E02, E14
    an activation     the bias in front of it stays
    a sum             the biases of the dense layers that are summed stay
    (InstanceNorm     subtracts a bias straight before it whole: it is the same at every place;
     GroupNorm        may do so, where a group is one unit)
    an input          there is no bias
    anything else     open

BatchNorm with stored statistics is affine: the layer before takes it all, where that is a dense
layer or a convolution that nothing else reads (E11). Elsewhere only an activation keeps its shift
and the bias apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

import numpy as np

from lnfold.network.operations.activations import FUNCTIONS
from lnfold.network.records.layers import (
    Activation,
    Add,
    Affine,
    BatchNorm,
    Clip,
    Dense,
    GroupNorm,
    InstanceNorm,
    Layer,
    LayerNorm,
    Network,
    Norm,
    Opaque,
    OtherNorm,
    PRelu,
)
from lnfold.network.records.norms import UnrunNorm
from lnfold.network.records.pairs import Pair
from lnfold.relations.question.consumers import Behind, readers_of

Array = np.ndarray

# convolutions as TensorFlow and Keras call them: linear, with a kernel for each channel they write
CONVOLUTIONS: Final = frozenset(
    f"{kind}{dimensions}D{transposed}"
    for kind in ("Conv", "DepthwiseConv", "SeparableConv")
    for dimensions in (1, 2, 3)
    for transposed in ("", "Transpose")
) | {"DepthwiseConv2dNative", "Conv2DBackpropInput", "Conv3DBackpropInputV2"}


class Fate(Enum):
    """What becomes of one vector."""

    GONE = "others take it over exactly, or it does nothing"
    STAYS = "nothing can take it over"
    OPEN = "no rule says"


@dataclass(frozen=True, slots=True)
class Fates:
    """The fates of the three vectors of one norm; ``behind`` is what reads it."""

    bias: Fate
    gamma: Fate
    beta: Fate
    behind: Behind

    @property
    def one_vector(self) -> bool | None:
        """Whether one vector is enough; None where no rule says."""
        three = (self.bias, self.gamma, self.beta)
        if three.count(Fate.STAYS) > 1:
            return False
        return True if three.count(Fate.GONE) > 1 else None


def fates(network: Network, pair: Pair, values: Mapping[str, Array] | None = None) -> Fates:
    """The fates of the bias, gamma and beta of a pair.

    Args:
        values: float64 values of all layers, which may show that a beta makes no difference.
    """
    norm, behind = pair.norm, readers_of(network, pair.norm).behind
    if _kind_is_open(norm):
        return Fates(Fate.OPEN, Fate.OPEN, Fate.OPEN, behind)
    if _is_constant(pair):  # E20: z is 0 for every input, and beta is all that is delivered
        return Fates(Fate.GONE, Fate.GONE, Fate.STAYS, behind)
    if isinstance(norm, BatchNorm) and layer_before(network, norm) is not None:
        return Fates(Fate.STAYS, Fate.GONE, Fate.GONE, behind)
    gamma, beta = _by_reader(behind, _factor(norm), _shift(norm))
    if behind is Behind.HOMOGENEOUS:
        if isinstance(norm, BatchNorm) or not _sign_is_taken(network, norm):
            gamma = Fate.OPEN  # its factor could go on, but lnfold has no rule that takes it there
        if beta is Fate.STAYS and not _bends(norm, values):
            beta = Fate.OPEN
    return Fates(_bias(network, norm), gamma, beta, behind)


def _sign_is_taken(network: Network, norm: Norm) -> bool:
    """Whether gamma has no sign, or a dense layer in front takes it: −z is z of −W, −b (E05)."""
    gamma = norm.gamma
    positive = gamma is None or bool((gamma.array >= 0).all())
    return positive or isinstance(_before(network, norm), Dense)


def _bends(norm: Norm, values: Mapping[str, Array] | None) -> bool:
    """Whether a unit with a beta may be of either sign, and so a relu see it.

    On one side of 0 a relu is linear, and beta goes on into the next bias or does nothing; and a
    unit whose gamma is 0 is constant. Of n units |z| is sqrt(n) at most.
    """
    if norm.beta is None or isinstance(norm, BatchNorm | UnrunNorm):
        return True
    beta = norm.beta.array.ravel().astype(np.float64)
    gamma = np.ones(beta.size) if norm.gamma is None else norm.gamma.array.ravel()
    bending = (beta != 0) & (np.abs(beta) < np.abs(gamma) * np.sqrt(beta.size))
    if values is not None:
        delivered = values[norm.name]
        bending &= (delivered > 0).any(axis=0) & (delivered < 0).any(axis=0)
    return bool(bending.any())


def _before(network: Network, norm: Norm) -> Layer | None:
    """What stands in front of a norm, behind activations that change nothing; None for an input."""
    before = network.producer(norm.input)
    while isinstance(before, Activation) and before.function.value == "identity":
        before = network.producer(before.input)
    return before


def layer_before(network: Network, norm: BatchNorm) -> Layer | None:
    """The dense layer or convolution that a BatchNorm's factor and shift can go into, if any."""
    before = network.producer(norm.input)
    while _is_affine(before) and before is not None and _is_read_once(network, before):
        before = network.producer(before.input)
    linear = isinstance(before, Dense) or (
        isinstance(before, Opaque) and before.operation in CONVOLUTIONS
    )
    return before if linear and before is not None and _is_read_once(network, before) else None


def _is_affine(layer: Layer | None) -> bool:
    identity = isinstance(layer, Activation) and layer.function.value == "identity"
    return identity or isinstance(layer, Affine)


def _is_read_once(network: Network, layer: Layer) -> bool:
    alone = len(network.consumers(layer.name)) == 1 and layer.name not in network.outputs
    return alone and network.wiring.known


def _kind_is_open(norm: Norm) -> bool:
    """Whether its statistics are not known, or are those of the batch."""
    return isinstance(norm, OtherNorm) and (not norm.over_units or 0 in norm.axes)


def _is_constant(pair: Pair) -> bool:
    """Whether it delivers beta alone: gamma is 0, or the units that a LayerNorm reads are alike."""
    gamma = pair.norm.gamma
    if gamma is not None and not gamma.array.any():
        return True
    if not (isinstance(pair.norm, LayerNorm) and pair.dense and pair.norm.epsilon.value):
        return False
    if pair.norm.input != pair.dense.name:
        return False
    kernel, bias = pair.dense.kernel.array, pair.dense.bias
    alike = bool((kernel == kernel[:, :1]).all())
    return alike and (bias is None or bool((bias.array == bias.array.flat[0]).all()))


def _bias(network: Network, norm: Norm) -> Fate:
    """The fate of the bias in front of a norm."""
    if not network.wiring.known:
        return Fate.OPEN
    before = _before(network, norm)
    if before is None:
        return Fate.GONE
    if isinstance(norm, BatchNorm) and not _is_known_activation(before):
        return Fate.OPEN  # nothing but sums keeps the bias and the shift apart: they may be one
    if isinstance(before, Dense):
        return _straight(norm, _of_dense(before, centred=isinstance(norm, LayerNorm)))
    if _is_known_activation(before):
        inner = network.producer(before.input)
        return _of_dense(inner) if isinstance(inner, Dense) else Fate.OPEN
    if isinstance(before, Add):
        summed = [network.producer(name) for name in before.inputs]
        found = [_straight(norm, _of_dense(one)) for one in summed if isinstance(one, Dense)]
        # one bias that stays is enough; without one, what else is summed may hold some
        return Fate.STAYS if Fate.STAYS in found else Fate.OPEN
    return Fate.OPEN


def _straight(norm: Norm, bias: Fate) -> Fate:
    """The fate of a bias that nothing bends before a norm: at every place it is the same."""
    if isinstance(norm, InstanceNorm):
        return Fate.GONE
    return _opened(bias) if isinstance(norm, GroupNorm) else bias


def _is_known_activation(layer: Layer) -> bool:
    known = isinstance(layer, Activation) and layer.function.value in FUNCTIONS
    return known or isinstance(layer, PRelu | Clip)


def _of_dense(dense: Dense, *, centred: bool = False) -> Fate:
    if dense.bias is None:
        return Fate.GONE
    bias = dense.bias.array.ravel()
    # LayerNorm subtracts what all units have in common
    differs = bias != bias[0] if centred else bias != 0
    return Fate.STAYS if bool(differs.any()) else Fate.GONE


def _by_reader(behind: Behind, gamma: Fate, beta: Fate) -> tuple[Fate, Fate]:
    """The fates of gamma and beta, by who could take them over."""
    if behind in (Behind.KERNELS, Behind.ATTENTION):
        return Fate.GONE, Fate.GONE
    if behind is Behind.HOMOGENEOUS:
        return Fate.GONE, beta
    if behind.open:
        return _opened(gamma), _opened(beta)
    # between its bounds a clip is affine, and then gamma could pass
    return (_opened(gamma) if behind is Behind.CLIPPED else gamma), beta


def _opened(fate: Fate) -> Fate:
    return Fate.GONE if fate is Fate.GONE else Fate.OPEN


def _factor(norm: Norm) -> Fate:
    """What nobody takes over of gamma; with stored statistics, of gamma/sqrt(variance + ε)."""
    if isinstance(norm, BatchNorm):
        return Fate.OPEN  # it may still go back through an activation
    if norm.gamma is None:
        return Fate.GONE
    sizes = np.abs(norm.gamma.array.ravel().astype(np.float64))
    if bool((sizes == 1).all()):
        return Fate.GONE
    # one number for all units is no vector, but not nothing either
    return Fate.STAYS if bool((sizes != sizes[0]).any()) else Fate.OPEN


def _shift(norm: Norm) -> Fate:
    """What nobody takes over of beta; with stored statistics, of beta − mean·factor."""
    if isinstance(norm, BatchNorm) and norm.moving_mean.array.any():
        return Fate.STAYS
    beta = norm.beta
    return Fate.STAYS if beta is not None and bool(beta.array.any()) else Fate.GONE
