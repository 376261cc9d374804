"""The exact symmetries of a dense layer and its norm: changes that no output notices.

For r = d + 1 rows of kernel and bias (d without a bias), n units and a next layer of m units:

    MEAN       r        LayerNorm: a constant added to all units of a row, or of the bias
    SCALE      1        kernel and bias times a common factor, as epsilon → 0
    GAIN       n        through relu and the like, and relu6 where it cannot clip: gamma_i and
                        beta_i times c, the next kernel's row i over c
    TRADE      n − r(r+1)/2 − r   where positive: column i of the centred kernel times c_i, gamma_i
                        over c_i, with Σ c_i·T_i = 0 and Σ c_i²·T_i·T_iᵀ as before, so that mean
                        and s(x) do not notice. The last r is LayerNorm's. Any activation.
                        With it to spare, epsilon can be made up for, and SCALE is exact.
    SHIFT      n        without an activation: beta into the next bias
    SUM        m        without an activation, LayerNorm: the units sum to 0
    ROTATION   of n − 1 dimensions, n for RMSNorm, without an activation: T times a rotation that
                        the next kernel takes back
    ALWAYS_ON  1        a unit proved always on: its beta into the next bias
    DEAD       1 + m    a unit proved dead: gamma or beta, and its outgoing weights

m counts one less where a LayerNorm takes the mean of the next layer's units out anyway.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np

from lnfold.network.operations.activations import FUNCTIONS
from lnfold.network.records.layers import (
    Activation,
    BatchNorm,
    Dense,
    LayerNorm,
    Network,
    Norm,
    RMSNorm,
)
from lnfold.network.records.pairs import Context, Pair
from lnfold.relations.ranges.homogeneous import vector
from lnfold.relations.ranges.units import Units, Verdict


class Symmetry(Enum):
    """A way to change parameters that the function does not notice."""

    MEAN = "a constant added to all units of a kernel's row or of the bias"
    SCALE = "kernel and bias of a layer times a common factor"
    GAIN = "gamma and beta of a unit times a factor, its outgoing weights divided by it"
    TRADE = "gammas traded against the lengths of kernel columns, mean and s(x) kept"
    SHIFT = "beta moved into the next bias, where no activation stands in between"
    SUM = "outgoing weights moved along 1/gamma, because the normalised units sum to 0"
    ROTATION = "normalised units rotated into each other, and back by the next kernel"
    STORED = "BatchNorm's gamma and beta, which the dense layer can take over"
    ALWAYS_ON = "beta of a unit that is always on, moved into the next bias"
    DEAD = "gamma, beta and outgoing weights of a unit that never fires"

    @property
    def sentence(self) -> str:
        return self.value


@dataclass(frozen=True, slots=True)
class Freedom:
    """How many dimensions a symmetry of one pair leaves free.

    ``exact`` is False where that is so as epsilon → 0 only.
    """

    scope: str
    symmetry: Symmetry
    dimensions: int
    exact: bool = True


@dataclass(slots=True)
class _Found:
    """Symmetries being collected; ``complete`` where nothing else is left to count."""

    scope: str
    freedoms: list[Freedom]
    complete: bool = True

    def add(self, symmetry: Symmetry, dimensions: int, *, exact: bool = True) -> None:
        if dimensions > 0:
            self.freedoms.append(Freedom(self.scope, symmetry, dimensions, exact))


def symmetries(network: Network, pair: Pair, units: Units | None) -> tuple[list[Freedom], bool]:
    """The symmetries of one pair, and whether these are all.

    Args:
        units: what is proved of the units, if anything is.
    """
    found = _Found(pair.scope, [])
    norm, dense = pair.norm, pair.dense
    if dense is None or pair.context is not Context.DENSE:
        return [], False
    if isinstance(norm, BatchNorm):
        vectors = [one for one in (norm.gamma, norm.beta if dense.bias else None) if one]
        found.add(Symmetry.STORED, sum(one.array.size for one in vectors))
        return found.freedoms, dense.bias is not None
    if not isinstance(norm, LayerNorm | RMSNorm):
        return [], False
    rows = dense.kernel.shape[0] + (dense.bias is not None)
    if isinstance(norm, LayerNorm):
        found.add(Symmetry.MEAN, rows)
    readers = network.consumers(norm.name)
    if len(readers) != 1 or norm.name in network.outputs:
        found.complete = False
    elif isinstance(readers[0], Dense):
        _linear(found, network, pair, readers[0], rows)
    elif isinstance(readers[0], Activation):
        _activated(found, network, pair, readers[0], rows, units)
    else:
        found.complete = False
    if not any(one.symmetry is Symmetry.SCALE for one in found.freedoms):
        found.add(Symmetry.SCALE, 1, exact=False)
    return found.freedoms, found.complete


def _activated(
    found: _Found, network: Network, pair: Pair, reader: Activation, rows: int, units: Units | None
) -> None:
    """A norm whose units go through an activation each."""
    norm, dense = pair.norm, pair.dense
    assert dense is not None
    statistics = rows * (rows + 1) // 2 + rows * isinstance(norm, LayerNorm)
    spare = dense.units - statistics if norm.gamma is not None else -1
    found.add(Symmetry.TRADE, spare)
    found.add(Symmetry.SCALE, 1, exact=spare >= 0 and dense.bias is not None)
    name = reader.function.value
    if name is None or FUNCTIONS[name].rowwise:
        found.complete = False
        return
    if norm.gamma is not None and not norm.gamma.array.all():
        # a unit that is constant trades its outgoing weights for the next bias
        found.complete = False
    # leaky relu, abs and relu6 are not tested for more than is counted
    if name != "relu" and (FUNCTIONS[name].homogeneous or name == "relu6"):
        found.complete = False
    factors = _factors_passing(name, norm, dense.units)
    if not factors:
        return
    following = network.consumers(reader.name)
    after = following[0] if len(following) == 1 else None
    if not isinstance(after, Dense):
        found.complete = False
        return
    if norm.gamma is not None:
        found.add(Symmetry.GAIN, factors)
    if name != "relu" or units is None:
        return
    outgoing = after.units - _mean_subtracted(network, after)
    on, dead = units.count(Verdict.ALWAYS_ON), units.count(Verdict.DEAD)
    if after.bias is not None and norm.beta is not None:
        found.add(Symmetry.ALWAYS_ON, on)
    found.add(Symmetry.DEAD, dead * ((norm.beta is not None) + outgoing))
    # several such units can be rotated into each other, and one loosens what TRADE has to keep
    if on + dead > 1 or (on + dead and spare + rows > 0):
        found.complete = False


def _factors_passing(name: str, norm: Norm, units: int) -> int:
    """Through how many units of an activation a positive factor passes.

    Through those of relu6 whose clip can never act: |z| ≤ √(n − 1), √n for RMSNorm.
    """
    if FUNCTIONS[name].homogeneous:
        return units
    if name != "relu6":
        return 0
    highest = np.sqrt(max(units - isinstance(norm, LayerNorm), 0))
    top = np.abs(vector(norm.gamma, units, 1.0)) * highest + vector(norm.beta, units, 0.0)
    return int((top < 6).sum())


def _linear(found: _Found, network: Network, pair: Pair, reader: Dense, rows: int) -> None:
    """A norm that a dense layer reads directly."""
    norm, dense = pair.norm, pair.dense
    assert dense is not None
    if norm.gamma is not None:
        found.add(Symmetry.GAIN, dense.units)
    if norm.beta is not None and reader.bias is not None:
        found.add(Symmetry.SHIFT, dense.units)
    centred = isinstance(norm, LayerNorm)
    if centred and (norm.gamma is None or np.all(norm.gamma.array != 0)):
        found.add(Symmetry.SUM, reader.units - _mean_subtracted(network, reader))
    space = dense.units - centred
    unseen = max(space - rows, 0)
    found.add(Symmetry.ROTATION, space * (space - 1) // 2 - unseen * (unseen - 1) // 2)
    # with few inputs the next kernel is seen through a bottleneck, which frees more of it
    found.complete = rows > space


def _mean_subtracted(network: Network, dense: Dense) -> int:
    """1 where a LayerNorm takes the mean of a dense layer's units out anyway."""
    readers = network.consumers(dense.name)
    return int(len(readers) == 1 and isinstance(readers[0], LayerNorm))
