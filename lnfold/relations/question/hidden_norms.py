"""Whether an operation that is not run could be a part of a normalisation that nobody recognised.

A normalisation divides by a root of something measured. So it takes a root, or it is one operation
of its own, or a function, loop or layer of which nothing more than the name is known. What is on
the list below is none of that.
"""

from __future__ import annotations

import re
from typing import Final

from lnfold.network.records.layers import Layer, Opaque
from lnfold.relations.question.fates import CONVOLUTIONS

# fmt: off
_ROOTLESS: Final = CONVOLUTIONS | {
    "Abs", "Add", "AddN", "AddV2", "All", "Angle", "Any", "ArgMax", "ArgMin", "Attention",
    "AvgPool", "BatchMatMul", "BatchMatMulV2", "BatchMatMulV3", "BatchToSpaceND", "BiasAdd",
    "BroadcastArgs", "BroadcastTo", "Cast", "Ceil", "CheckNumerics", "Complex", "ComplexAbs",
    "Concat", "ConcatV2", "Cos", "Cumsum", "DepthToSpace", "Div", "Einsum", "Elu",
    "Embedding", "Equal", "Erf", "Exp", "ExpandDims", "Fill", "Flatten", "Floor", "FloorDiv",
    "FloorMod", "Gather", "GatherNd", "GatherV2", "Greater", "GreaterEqual",
    "GroupedQueryAttention", "Identity", "Imag", "IRFFT", "LeakyRelu", "Less", "LessEqual",
    "Log", "Log1p", "LogicalAnd", "LogicalNot", "LogicalOr", "LogSoftmax", "MatMul",
    "MatrixBandPart", "Max", "Maximum", "MaxPool", "Min", "Minimum", "Mul",
    "MultiHeadAttention", "Neg", "NotEqual", "OneHot", "OnesLike", "Pack", "Pad", "PadV2",
    "Permute", "Prod", "Range", "Rank", "Real", "RealDiv", "Relu", "Relu6", "Repeat",
    "Reshape", "ReverseV2", "RFFT", "Round", "Select", "SelectV2", "Selu", "Shape", "Sigmoid",
    "Sign", "Sin", "Size", "Slice", "Softmax", "Softplus", "Softsign", "SpaceToBatchND",
    "SpaceToDepth", "Split", "SplitV", "Squeeze", "StridedSlice", "Sub", "Sum", "Tanh",
    "Tile", "TopKV2", "Transpose", "Unpack", "Where", "ZerosLike",
}
# fmt: on
_ROOTLESS_KERAS: Final = re.compile(
    r"((Global)?(Average|Max)Pooling|ZeroPadding|Cropping|UpSampling)[123]D|(Spatial)?Dropout.*"
)


def may_hide_norm(layer: Layer) -> bool:
    """Whether a layer is not run and may be a part of a normalisation."""
    if not isinstance(layer, Opaque):
        return False
    # "Conv2D with relu": an activation takes no root either
    operation = layer.operation.partition(" with ")[0]
    return operation not in _ROOTLESS and not _ROOTLESS_KERAS.fullmatch(operation)
