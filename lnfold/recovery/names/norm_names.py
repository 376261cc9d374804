"""What kind of normalisation the names in a group betray, where no graph says it.

Most kinds call their parameters gamma and beta, so the scope has to tell them apart: LayerNorm
and GroupNorm of Sonnet 2 leave the very same names. What cannot be told is not guessed.
"""

from __future__ import annotations

import re
from typing import Final

from lnfold.network.records.norms import (
    BatchNorm,
    GroupNorm,
    InstanceNorm,
    LayerNorm,
    Norm,
    OtherNorm,
    RMSNorm,
)
from lnfold.recovery.names.scopes import Group, VariableRole

_SCOPES: Final[tuple[tuple[type[Norm], re.Pattern[str]], ...]] = (
    (BatchNorm, re.compile(r"batch_?norm|(^|_)bn(_?\d+)?$", re.IGNORECASE)),
    (GroupNorm, re.compile(r"group_?norm|(^|_)gn(_?\d+)?$", re.IGNORECASE)),
    (InstanceNorm, re.compile(r"instance_?norm|(^|_)in(_?\d+)?$", re.IGNORECASE)),
    (RMSNorm, re.compile(r"rms_?norm", re.IGNORECASE)),
    (LayerNorm, re.compile(r"layer_?norm|(^|_)ln(_?(\d+|f|pre|post|all|c))?$", re.IGNORECASE)),
)
_LEAVES: Final = re.compile(r"(layer_norm_(scale|bias)|ln_(gamma|beta))$")


def norm_kind(group: Group, stated: bool = False) -> type[Norm]:
    """The kind of a group's normalisation; OtherNorm where its names do not tell.

    Args:
        stated: whether it is known to be a norm of dense layers; where its scope names no kind,
            its variables tell one then: a lone scale is RMSNorm's, all else LayerNorm's.
    """
    gamma = group.members.get(VariableRole.GAMMA, "")
    beta = group.members.get(VariableRole.BETA)
    statistics = {VariableRole.MOVING_MEAN, VariableRole.MOVING_VARIANCE}
    if statistics <= group.members.keys():
        return BatchNorm
    scope = group.scope.rpartition("/")[2]
    named = next((kind for kind, pattern in _SCOPES if pattern.search(scope)), None)
    if named is BatchNorm:
        return OtherNorm  # its moving averages are missing or kept elsewhere
    if gamma.endswith("/scale") and beta is None and named in (LayerNorm, RMSNorm):
        return RMSNorm  # T5 calls its RMS norm layer_norm/scale
    if named is not None:
        return named
    if _LEAVES.search(gamma or beta or ""):
        return LayerNorm
    if stated:
        return RMSNorm if gamma.endswith("/scale") and beta is None else LayerNorm
    return OtherNorm
