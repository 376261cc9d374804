"""What is known of a fold: every step with its proof, every refusal with its reason."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from lnfold.errors import LnfoldError
from lnfold.folding.editing.steps import Form, Reason, Refused, Rule
from lnfold.folding.proof.numbers_left import NumbersLeft
from lnfold.network.records.layers import Network
from lnfold.text.number_format import figure

FLOAT64_LIMIT: Final = 1e-12  # of an output's scale: far above float64 noise, far below float32's
ROUNDING_LIMIT: Final = 4.0  # orders of summation alone differ by 2.3 over 200 random networks


class FoldingLimitError(LnfoldError):
    """A folded network differs from the original by more than a certificate allows."""

    exit_code = 1


@dataclass(frozen=True, slots=True)
class Certificate:
    """A step that was taken.

    Attributes:
        rule, identity, formula: what was done and why it is exact.
        layer: where.
        preconditions: what was measured to see that the identity holds, with its name.
        read, changed: variables whose values were used, and those whose values are new.
        float64_error: the largest difference of the whole network, after this step and all
            before it, to the original, both in float64, relative to the output's scale.
        rounding_ratio: the rounding error after this step over the original's own.
    """

    rule: str
    identity: str
    formula: str
    layer: str
    preconditions: tuple[tuple[str, float], ...]
    read: tuple[str, ...]
    changed: tuple[str, ...]
    float64_error: float
    rounding_ratio: float

    def __repr__(self) -> str:
        return f"Certificate({self.rule!r} at {self.layer!r}, off by {figure(self.float64_error)})"


@dataclass(frozen=True, slots=True)
class Refusal:
    """A step that was not taken: which, where, why, and what stands in the way."""

    rule: str
    identity: str
    layer: str
    reason: Reason
    by: str
    measured: float | None
    sentence: str

    @staticmethod
    def of(rule: Rule, layer: str, refused: Refused) -> Refusal:
        return Refusal(
            rule.name,
            rule.identity,
            layer,
            refused.reason,
            refused.by,
            refused.measured,
            refused.sentence,
        )


@dataclass(frozen=True, slots=True)
class NotFolded:
    """A network that was not folded at all: which, why, and the reason for every norm."""

    name: str
    why: str
    refusals: tuple[Refusal, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Folded:
    """A folded network and its proof.

    Attributes:
        original: the network as it was recovered.
        network: the folded one, rounded once to what is stored.
        exact: the folded one in float64, before that.
        form: the form it has; for ``auto`` the one that was chosen.
        certificates, refusals: the steps taken, in order, and those not taken.
        float64_error: largest |exact − original| in float64, relative to the output's scale.
        rounding_ratio: largest rounding error of ``network`` over the original's, both
            against the original in float64, each the worst of four orders of summation.
        multiplications: for one observation, before and after.
        left: how many of the norms' numbers are left, by layer.
        origin: where the inputs of all this came from, a sentence.
    """

    original: Network
    network: Network
    exact: Network
    form: Form
    certificates: tuple[Certificate, ...]
    refusals: tuple[Refusal, ...]
    float64_error: float
    rounding_ratio: float
    multiplications: tuple[int, int]
    left: tuple[NumbersLeft, ...]
    origin: str

    def __repr__(self) -> str:
        steps = f"{len(self.certificates)} steps, {len(self.refusals)} refused"
        return f"Folded({self.original.name!r}, {self.form.value} form, {steps})"

    @property
    def changed(self) -> bool:
        return bool(self.certificates)
