"""The normalisations: what each computes from the units y of a row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeVar

from lnfold.network.facts.evidence import Fact
from lnfold.network.records.layer import Layer, Parameter, expect_units

_LARGEST_EPSILON: Final = 3.4028234e38  # of float32, which graphs and networks compute in


def is_epsilon(value: float) -> bool:
    """Whether a norm can have this epsilon: no number below 0, no NaN, nothing infinite."""
    return 0 <= value <= _LARGEST_EPSILON


@dataclass(frozen=True, slots=True, eq=False)
class Norm(Layer):
    """What the normalisations share: gamma and beta [units], either may be None; epsilon."""

    gamma: Parameter | None
    beta: Parameter | None
    epsilon: Fact[float]

    def __post_init__(self) -> None:
        if self.gamma is not None and self.beta is not None:
            expect_units(self.beta, self.gamma.array.size, self.gamma)


@dataclass(frozen=True, slots=True, eq=False)
class LayerNorm(Norm):
    """gamma·(y − mean(y)) / sqrt(variance(y) + epsilon) + beta, statistics over the units.

    Ba, Kiros and Hinton, Layer Normalization, arXiv:1607.06450, equation 4.
    """

    kind = "layer_norm"


@dataclass(frozen=True, slots=True, eq=False)
class RMSNorm(Norm):
    """gamma·y / sqrt(mean(y²) + epsilon) + beta. Zhang and Sennrich, arXiv:1910.07467."""

    kind = "rms_norm"


@dataclass(frozen=True, slots=True, eq=False)
class BatchNorm(Norm):
    """gamma·(y − mean) / sqrt(variance + epsilon) + beta with stored statistics [units].

    At inference only. Ioffe and Szegedy, Batch Normalization, arXiv:1502.03167, algorithm 2.
    """

    kind = "batch_norm"
    moving_mean: Parameter
    moving_variance: Parameter


@dataclass(frozen=True, slots=True, eq=False)
class UnrunNorm(Norm):
    """A norm that is recognised, so that it is not mistaken for another, but not run.

    Its gamma and beta need not have one number for each unit of a row.
    """

    @property
    def reason(self) -> str:
        """Why it is not run."""
        article = "an" if self.kind.startswith("i") else "a"
        return f"{article} {self.kind.replace('_', ' ')}, which lnfold recognises but does not run"

    def output_width(self, widths: list[int]) -> int:
        return widths[0]


@dataclass(frozen=True, slots=True, eq=False)
class GroupNorm(UnrunNorm):
    """As LayerNorm, with a mean and a variance for each of several groups of units.

    Wu and He, Group Normalization, arXiv:1803.08494. Its names are those of a LayerNorm.
    """

    kind = "group_norm"


@dataclass(frozen=True, slots=True, eq=False)
class InstanceNorm(UnrunNorm):
    """As LayerNorm, with the statistics of each channel over the places of an image.

    Ulyanov, Vedaldi and Lempitsky, Instance Normalization, arXiv:1607.08022.
    """

    kind = "instance_norm"


@dataclass(frozen=True, slots=True, eq=False)
class OtherNorm(UnrunNorm):
    """A normalisation over more than the units of one row, or of a kind that nothing tells.

    Attributes:
        axes: the axes of the value that its statistics run over; 0 is the batch. None are
            known where names alone were read.
        rank: how many axes the value has, the batch among them; 0 where nothing says it.
    """

    kind = "other_norm"
    axes: tuple[int, ...] = ()
    rank: int = 0

    @property
    def over_units(self) -> bool:
        """Whether its statistics, and so gamma and beta, are known to run over the units last."""
        return bool(self.axes) and self.axes[-1] == self.rank - 1 == max(self.axes)

    @property
    def reason(self) -> str:
        axes = ", ".join(map(str, self.axes))
        if not axes:
            return "a normalisation of which names do not tell the kind"
        if 0 in self.axes:
            return f"a norm over axes {axes} (begin_norm_axis=0): a row depends on the whole batch"
        return f"a norm over axes {axes}, more than the units of a row"


AnyNorm = TypeVar("AnyNorm", bound=Norm)
