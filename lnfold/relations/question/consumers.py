"""What reads a norm in the end, and so what could take its gamma and beta over.

For gamma·z + beta the way leads through activations and concatenations to

    kernels           (gamma·z + beta)·W' = z·(gamma·W') + beta·W'      E07, E09, E31
    kernels behind a positively homogeneous activation f
                      f(gamma·z + beta) = gamma·f(z + beta/gamma), gamma > 0      E04
    kernels that all positions share, of a norm whose gamma differs from one to the next
    an activation that is not homogeneous, or the world outside
    something that no rule was proved for
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from lnfold.network.operations.activations import FUNCTIONS
from lnfold.network.records.layers import (
    LSTM,
    Activation,
    Add,
    Clip,
    Concat,
    Dense,
    Layer,
    Network,
    Norm,
    Opaque,
    OtherNorm,
    PRelu,
)
from lnfold.network.records.norms import UnrunNorm


class Behind(Enum):
    """What reads a norm, the one that lets the least through first."""

    UNREAD = "nothing that is known"
    UNCERTAIN = "an activation that is not known"
    UNRUN = "an operation that is not run"
    SUMMED = "a sum with other values"
    READ = "a layer without a kernel"
    DELIVERED = "the world outside"
    NONLINEAR = "an activation that is not homogeneous"
    CLIPPED = "an activation that is affine between its bounds"
    SHARED = "a kernel that all positions share"
    ATTENTION = "the kernels of queries, keys and values"
    HOMOGENEOUS = "kernels behind a positively homogeneous activation"
    KERNELS = "kernels"

    @property
    def open(self) -> bool:
        """Whether no rule was proved for it."""
        return self in _OPEN


_OPEN: Final = (Behind.UNREAD, Behind.UNCERTAIN, Behind.UNRUN, Behind.SUMMED, Behind.READ)
_ATTENTION: Final = frozenset(["MultiHeadAttention", "GroupedQueryAttention"])
_CLIPPED: Final = frozenset(["relu6", "hard_sigmoid"])


@dataclass(frozen=True, slots=True)
class Readers:
    """Who reads a norm in the end.

    Attributes:
        behind: the reader that lets the least through.
        into: the scopes of the dense layers and LSTMs whose kernels multiply the value.
        activation: the name of one that stands in between.
        blocker: the name of the layer that decided.
    """

    behind: Behind
    into: tuple[str, ...] = ()
    activation: str | None = None
    blocker: str | None = None


def readers_of(network: Network, norm: Norm) -> Readers:
    """Who reads a norm, through activations and concatenations."""
    if not network.wiring.known:
        return Readers(Behind.UNREAD)
    walk = _Walk(network, norm)
    found = list(walk.ends())
    least = min(found, key=lambda end: _ORDER.index(end[0]))
    behind, blocker = least
    if behind is Behind.KERNELS and walk.activation is not None:
        behind = Behind.HOMOGENEOUS
    return Readers(behind, tuple(walk.into), walk.activation, blocker)


_ORDER: Final = tuple(Behind)
_End = tuple[Behind, str | None]


@dataclass(slots=True)
class _Walk:
    """A walk from a norm to all that reads it."""

    network: Network
    norm: Norm
    into: dict[str, None] = field(default_factory=dict)
    activation: str | None = None

    def ends(self) -> Iterator[_End]:
        """Where each way ends; there is at least one."""
        seen = {self.norm.name}
        pending = [self.norm.name]
        while pending:
            value = pending.pop()
            if value in self.network.outputs:
                yield Behind.DELIVERED, None
            readers = self.network.consumers(value)
            if not readers and value not in self.network.outputs:
                yield Behind.UNREAD, None
            for reader in readers:
                behind = self._passed(reader, value)
                if behind is not None:
                    yield behind, None if behind is Behind.KERNELS else reader.name
                elif reader.name not in seen:
                    seen.add(reader.name)
                    pending.append(reader.name)

    def _passed(self, reader: Layer, value: str) -> Behind | None:
        """None where the way goes on behind a reader, else where it ends."""
        if isinstance(reader, Dense) or (isinstance(reader, LSTM) and _is_read_as_x(reader, value)):
            self.into[reader.scope] = None
            return _at_kernel(self.norm, reader.kernel.shape[0])
        if isinstance(reader, Concat):
            return None
        if isinstance(reader, PRelu):
            self.activation = reader.name
            return None
        if isinstance(reader, Activation):
            return self._activated(reader)
        if isinstance(reader, Clip):
            return Behind.CLIPPED
        if isinstance(reader, Opaque):
            attends = reader.operation in _ATTENTION and not isinstance(self.norm, OtherNorm)
            return Behind.ATTENTION if attends else Behind.UNRUN
        return Behind.SUMMED if isinstance(reader, Add) else Behind.READ

    def _activated(self, reader: Activation) -> Behind | None:
        function = FUNCTIONS.get(str(reader.function.value))
        if function is None:
            return Behind.UNCERTAIN
        if not function.homogeneous:
            return Behind.CLIPPED if function.name in _CLIPPED else Behind.NONLINEAR
        if function.name != "identity":
            self.activation = reader.name
        return None


def _is_read_as_x(layer: LSTM, value: str) -> bool:
    """Whether an LSTM multiplies a value by its kernel, and by nothing else."""
    return layer.input == value and value not in layer.inputs[1:]


def _at_kernel(norm: Norm, rows: int) -> Behind:
    """A kernel takes one gamma a row; of a norm over several axes only where positions agree."""
    vectors = [one.array for one in (norm.gamma, norm.beta) if one is not None]
    if not isinstance(norm, UnrunNorm) or all(one.size == rows for one in vectors):
        return Behind.KERNELS
    if not isinstance(norm, OtherNorm) or any(one.size % rows for one in vectors):
        return Behind.READ
    by_position = [one.reshape(-1, rows) for one in vectors]
    alike = all(bool((one == one[:1]).all()) for one in by_position)
    return Behind.KERNELS if alike else Behind.SHARED
