"""In which order a layer's parts follow each other."""

from __future__ import annotations

from enum import Enum


class Order(Enum):
    """How a dense layer, its normalisation and its activation follow each other."""

    DENSE_NORM_ACT = "dense-norm-act"
    DENSE_ACT_NORM = "dense-act-norm"
    NORM_DENSE = "norm-dense"
