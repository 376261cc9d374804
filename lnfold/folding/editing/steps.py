"""What a folding rule answers for one layer: a step applied, a refusal with its reason, nothing.

A rule is a pure function of a network, one of its layers and a setting. It
answers ``Applied`` with the new network, ``Refused`` where the layer is of the rule's kind but
a precondition fails, and None where the rule has nothing to do there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

import numpy as np

from lnfold.network.records.layers import Layer, Network


class Form(Enum):
    """What the folded network may look like; ``sentence`` is what the reader is told."""

    STOCK = "stock"
    RMS = "rms"
    CARRY = "carry"
    SIDE_CHANNEL = "side-channel"
    AUTO = "auto"

    @property
    def sentence(self) -> str:
        return _FORM_SENTENCES[self]


_FORM_SENTENCES = {
    Form.STOCK: "the same variables, shapes and graph; every gamma is −1, 0 or 1",
    Form.RMS: "no mean is subtracted any more: every LayerNorm in front is an RMSNorm",
    Form.CARRY: "deviations are carried along; one division at the very end",
    Form.SIDE_CHANNEL: "deviations come from a triangle on the layer's inputs",
    Form.AUTO: "whichever of the forms takes the fewest multiplications",
}


class Reason(Enum):
    """Why a step was not taken, bound to the sentence that says so."""

    NOT_DENSE = "what stands in front is not a dense layer, so the mean cannot be taken out of it"
    READ_ELSEWHERE = "the value in front of the norm is read by something else as well"
    DELIVERED = "the network delivers the value itself"
    NEVER_READ = "nothing reads the value"
    ACTIVATED = "the activation in between is not positively homogeneous"
    SHIFTED = "an activation stands in between"
    RESIDUAL = "a residual sum reads the value itself"
    CONCATENATED = "the slopes behind the concatenation belong to other units as well"
    READ = "a layer that has no kernel for it reads the value"
    CLIP_FIXED = "relu6 would need its clip moved per unit, and the graph's is fixed"
    NO_BIAS = "the next layer has no bias, and the graph has no place for one"
    SHARED = "the variable is read elsewhere too, where the same step is not taken"
    COMPUTED = "the values do not stand in one variable that could be written"
    BROADCAST = "one number stands for all units"
    PRECISION = "the storage cannot hold the results without losing digits"
    NOT_FINITE = "a parameter is NaN or infinite, or a variance is negative"
    NOT_POSITIVE = "a deviation is not positive"
    NOT_RELU = "the activation is no relu"
    KEEPS_GAMMA = "the norm still has a gamma"
    UNEVEN = "the units have factors or shifts of their own"
    MEAN_BETWEEN = "the mean is subtracted only after the first division"
    COSTLIER = "it would take more multiplications"
    UNPROVEN = "the weights do not prove it"
    ROUNDING = "rounding would grow past the limit"
    OVERFLOW = "the stored type cannot hold the result, which becomes infinite"
    NOISY = "the original is not sure enough in float64 to prove it; its own noise there is"
    UNTOLD = "whether the outputs stay the same cannot be told"
    NOT_RUN = "it would hold, but the network cannot be run to prove it"
    SKIPPED = "the options left the rule out"

    @property
    def sentence(self) -> str:
        return self.value


@dataclass(frozen=True, slots=True)
class Setting:
    """What a rule must know besides the network.

    Attributes:
        stock: whether variables, shapes and graph must stay what they are.
        storage: the dtype that the results are rounded to in the end.
    """

    stock: bool
    storage: np.dtype


@dataclass(frozen=True, slots=True, eq=False)
class Applied:
    """A step taken.

    Attributes:
        network: the network after it, changed parameters in float64.
        preconditions: what was measured to see that the identity holds here, with its name.
        read: the variables whose values decided the new ones.
    """

    network: Network
    preconditions: tuple[tuple[str, float], ...]
    read: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Refused:
    """A step not taken.

    Attributes:
        reason: why not.
        by: the layer or variable that stands in the way.
        measured: the number that was too large, where one was measured.
    """

    reason: Reason
    by: str = ""
    measured: float | None = None

    @property
    def sentence(self) -> str:
        place = f" ({self.by})" if self.by else ""
        number = "" if self.measured is None else f": {self.measured:.3g}"
        return f"{self.reason.sentence}{place}{number}"


Outcome = Applied | Refused | None


@dataclass(frozen=True, slots=True)
class Rule:
    """A folding rule and the identity that it rests on.

    Attributes:
        name: what options call it.
        identity: the numbers of its identities, E01 …
        formula: what is equal to what.
        apply: does it for one layer.
    """

    name: str
    identity: str
    formula: str
    apply: Callable[[Network, Layer, Setting], Outcome]
