"""The records a network consists of: frozen, arrays read-only, shapes checked.

An absent parameter is None, never a vector of zeros. The records stand in ``layer``,
``kinds``, ``norms`` and ``network``; this module is where the rest of lnfold takes them from.
"""

from __future__ import annotations

from lnfold.network.records.kinds import (
    Activation,
    Add,
    Affine,
    Centre,
    Clip,
    Concat,
    Dense,
    Multiply,
    Opaque,
    PRelu,
    Slice,
    Standardize,
)
from lnfold.network.records.layer import Array, Layer, Parameter, Shape
from lnfold.network.records.layouts import Rearrange
from lnfold.network.records.network import Gap, Input, Network
from lnfold.network.records.norms import (
    AnyNorm,
    BatchNorm,
    GroupNorm,
    InstanceNorm,
    LayerNorm,
    Norm,
    OtherNorm,
    RMSNorm,
)
from lnfold.network.records.recurrent import LSTM

__all__ = [
    "LSTM",
    "Activation",
    "Add",
    "Affine",
    "AnyNorm",
    "Array",
    "BatchNorm",
    "Centre",
    "Clip",
    "Concat",
    "Dense",
    "Gap",
    "GroupNorm",
    "Input",
    "InstanceNorm",
    "Layer",
    "LayerNorm",
    "Multiply",
    "Network",
    "Norm",
    "Opaque",
    "OtherNorm",
    "PRelu",
    "Parameter",
    "RMSNorm",
    "Rearrange",
    "Shape",
    "Slice",
    "Standardize",
]
