"""TensorFlow's and onnxruntime's programs of a network, where they are installed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from lnfold.network.records.layers import (
    Activation,
    Add,
    Affine,
    BatchNorm,
    Centre,
    Clip,
    Concat,
    Dense,
    Layer,
    LayerNorm,
    Multiply,
    Network,
    PRelu,
    RMSNorm,
    Slice,
    Standardize,
)

Array = np.ndarray
Outputs = dict[str, Array]


def tensorflow_program(tf: Any, network: Network, inputs: Mapping[str, Array]) -> Outputs | None:
    """What TensorFlow's operations compute, one by one, or None where a layer has none here."""
    dtype = tf.as_dtype(network.precision)
    values = {name: tf.cast(tf.constant(array), dtype) for name, array in inputs.items()}

    def of(parameter: Any, absent: float = 1.0) -> Any:
        array = np.float32(absent) if parameter is None else np.asarray(parameter.array, np.float32)
        return tf.cast(tf.constant(array), dtype)

    for layer in network.layers:
        rule = _TENSORFLOW.get(type(layer))
        if rule is None:
            return None
        values[layer.name] = rule(tf, layer, of, *(values[name] for name in layer.inputs))
    return {name: tf.cast(values[name], tf.float64).numpy() for name in network.outputs}


def _tf_dense(tf: Any, layer: Dense, of: Callable[..., Any], x: Any) -> Any:
    y = tf.matmul(x, of(layer.kernel))
    return y if layer.bias is None else tf.nn.bias_add(y, of(layer.bias))


def _tf_norm(tf: Any, layer: Any, of: Callable[..., Any], x: Any) -> Any:
    if isinstance(layer, BatchNorm):
        mean, variance = of(layer.moving_mean), of(layer.moving_variance)
    elif isinstance(layer, LayerNorm):
        mean, variance = tf.nn.moments(x, [-1], keepdims=True)
    else:
        mean, variance = None, tf.reduce_mean(tf.square(x), -1, keepdims=True)
    beta = None if layer.beta is None else of(layer.beta)
    gamma = None if layer.gamma is None else of(layer.gamma)
    epsilon = tf.cast(layer.epsilon.value, x.dtype)
    if mean is None:
        y = x * tf.math.rsqrt(variance + epsilon) * of(layer.gamma)
        return y if beta is None else y + beta
    return tf.nn.batch_normalization(x, mean, variance, beta, gamma, epsilon)


def _tf_activation(tf: Any, layer: Activation, of: Callable[..., Any], x: Any) -> Any:
    name = str(layer.function.value)
    alpha = 0.2 if layer.alpha is None else layer.alpha
    special: dict[str, Callable[[], Any]] = {
        "identity": lambda: x,
        "leaky_relu": lambda: tf.nn.leaky_relu(x, alpha),
        "swish": lambda: x * tf.sigmoid(x),
        "abs": lambda: tf.abs(x),
        "exp": lambda: tf.exp(x),
        "gelu": lambda: tf.nn.gelu(x, approximate=False),
        "gelu_tanh": lambda: tf.nn.gelu(x, approximate=True),
        "mish": lambda: x * tf.tanh(tf.nn.softplus(x)),
        "hard_sigmoid": lambda: tf.nn.relu6(x + 3) / 6,
        "hard_swish": lambda: x * tf.nn.relu6(x + 3) / 6,
    }
    return special[name]() if name in special else getattr(tf.nn, name)(x)


def _tf_clip(tf: Any, layer: Clip, of: Callable[..., Any], x: Any) -> Any:
    y = x if layer.low is None else tf.maximum(x, of(layer.low))
    return y if layer.high is None else tf.minimum(y, of(layer.high))


_TENSORFLOW: dict[type[Layer], Callable[..., Any]] = {
    Dense: _tf_dense,
    LayerNorm: _tf_norm,
    RMSNorm: _tf_norm,
    BatchNorm: _tf_norm,
    Activation: _tf_activation,
    PRelu: lambda tf, layer, of, x: tf.nn.relu(x) - of(layer.slopes) * tf.nn.relu(-x),
    Concat: lambda tf, layer, of, *parts: tf.concat(parts, -1),
    Add: lambda tf, layer, of, *parts: tf.add_n(parts),
    Multiply: lambda tf, layer, of, x, y: x * y,
    Slice: lambda tf, layer, of, x: x[:, layer.start : layer.stop],
    Centre: lambda tf, layer, of, x: x - tf.reduce_mean(x, -1, keepdims=True),
    Standardize: lambda tf, layer, of, x: (x - of(layer.mean)) / of(layer.deviation),
    Affine: lambda tf, layer, of, x: x * of(layer.scale) + of(layer.shift, 0.0),
    Clip: _tf_clip,
}


def onnx_program(
    onnx: Any, runtime: Any, network: Network, inputs: Mapping[str, Array]
) -> Outputs | None:
    """What onnxruntime computes in float32 with all its fusions, or None likewise."""
    graph = _Onnx(onnx)
    for layer in network.layers:
        if not graph.add(layer):
            return None
    helper, single = onnx.helper, onnx.TensorProto.FLOAT
    made = helper.make_graph(
        graph.nodes,
        "network",
        [
            helper.make_tensor_value_info(one.name, single, ["rows", one.width])
            for one in network.inputs
        ],
        [helper.make_tensor_value_info(name, single, ["rows", None]) for name in network.outputs],
        graph.constants,
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    options = runtime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    session = runtime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    found = session.run(list(network.outputs), {k: v.astype(np.float32) for k, v in inputs.items()})
    return dict(zip(network.outputs, found, strict=True))


class _Onnx:
    """The nodes of a network, in ONNX's operations."""

    def __init__(self, onnx: Any) -> None:
        self._onnx = onnx
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def constant(self, array: Any, dtype: type = np.float32) -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(self._onnx.numpy_helper.from_array(np.array(array, dtype), name))
        return name

    def node(self, operation: str, inputs: list[str], out: str, **attributes: Any) -> None:
        self.nodes.append(self._onnx.helper.make_node(operation, inputs, [out], **attributes))

    def add(self, layer: Layer) -> bool:
        """Whether the layer could be written down."""
        x, y = layer.inputs[0], layer.name
        if isinstance(layer, Dense):
            through = y if layer.bias is None else y + "/product"
            self.node("MatMul", [x, self.constant(layer.kernel.array)], through)
            if layer.bias is not None:
                self.node("Add", [through, self.constant(layer.bias.array.reshape(-1))], y)
        elif isinstance(layer, LayerNorm | BatchNorm):
            of = layer.beta or layer.gamma
            if of is None or layer.epsilon.value is None:
                return False
            units = of.array.size
            gamma = np.ones(units) if layer.gamma is None else layer.gamma.array
            beta = np.zeros(units) if layer.beta is None else layer.beta.array
            read = [x, self.constant(gamma), self.constant(beta)]
            epsilon = float(layer.epsilon.value)
            if isinstance(layer, LayerNorm):
                self.node("LayerNormalization", read, y, axis=-1, epsilon=epsilon)
            else:
                read += [self.constant(layer.moving_mean.array)]
                read += [self.constant(layer.moving_variance.array)]
                self.node("BatchNormalization", read, y, epsilon=epsilon)
        elif isinstance(layer, Activation):
            return self._activation(layer)
        elif isinstance(layer, Add | Multiply):
            self.node("Add" if isinstance(layer, Add) else "Mul", list(layer.inputs), y)
        elif isinstance(layer, Concat):
            self.node("Concat", list(layer.inputs), y, axis=1)
        elif isinstance(layer, Slice):
            ends = [self.constant([one], np.int64) for one in (layer.start, layer.stop, 1)]
            self.node("Slice", [x, *ends], y)
        elif isinstance(layer, PRelu):
            self.node("PRelu", [x, self.constant(layer.slopes.array.reshape(-1))], y)
        elif isinstance(layer, Clip):
            low = -np.inf if layer.low is None else layer.low.array
            high = np.inf if layer.high is None else layer.high.array
            self.node("Max", [x, self.constant(low)], y + "/low")
            self.node("Min", [y + "/low", self.constant(high)], y)
        else:
            return False
        return True

    def _activation(self, layer: Activation) -> bool:
        x, y, name = layer.inputs[0], layer.name, str(layer.function.value)
        alpha = 0.2 if layer.alpha is None else layer.alpha
        plain = {
            "identity": "Identity",
            "relu": "Relu",
            "abs": "Abs",
            "elu": "Elu",
            "selu": "Selu",
            "tanh": "Tanh",
            "sigmoid": "Sigmoid",
            "softplus": "Softplus",
            "softsign": "Softsign",
            "gelu": "Gelu",
            "mish": "Mish",
            "hard_swish": "HardSwish",
            "exp": "Exp",
            "softmax": "Softmax",
            "log_softmax": "LogSoftmax",
        }
        if name in plain:
            self.node(plain[name], [x], y)
        elif name == "leaky_relu":
            self.node("LeakyRelu", [x], y, alpha=alpha)
        elif name == "hard_sigmoid":
            self.node("HardSigmoid", [x], y, alpha=1 / 6, beta=0.5)
        elif name == "gelu_tanh":
            self.node("Gelu", [x], y, approximate="tanh")
        elif name == "swish":
            self.node("Sigmoid", [x], y + "/gate")
            self.node("Mul", [x, y + "/gate"], y)
        else:
            return False
        return True
