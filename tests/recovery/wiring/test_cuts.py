"""A network that goes on behind what can be read is never taken for the whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from lnfold.checkpoint import open_checkpoint
from lnfold.network.records.layers import Network, Opaque
from lnfold.network.running.run import run
from lnfold.recovery.recover import recover
from tests.conftest import Outcome
from tests.recovery import proto

Command = Callable[..., Outcome]


@pytest.fixture
def v1(tensorflow: ModuleType) -> Iterator[Any]:
    module = tensorflow.compat.v1
    with module.Graph().as_default():
        module.set_random_seed(5)
        yield module


def dense(v1: Any, value: Any, units: int, scope: str) -> Any:
    with v1.variable_scope(scope):
        kernel = v1.get_variable("kernel", [value.shape[-1], units])
        bias = v1.get_variable("bias", [units], initializer=v1.random_normal_initializer())
        return v1.nn.bias_add(v1.matmul(value, kernel), bias)


def same_shape(v1: Any, value: Any, made: Any) -> Any:
    made.set_shape(value.shape)
    return made


def python(v1: Any, value: Any) -> Any:
    return same_shape(v1, value, v1.py_func(lambda x: 2 * x, [value], v1.float32))


def numpy(v1: Any, value: Any) -> Any:
    return same_shape(v1, value, v1.numpy_function(lambda x: 2 * x, [value], v1.float32))


def mathematics(v1: Any, value: Any) -> Any:
    return v1.sin(value)


UNREAD = {"PyFunc": python, "numpy_function": numpy, "Sin": mathematics}


def read(tensorflow: Any, v1: Any, folder: Path, path: str = "model.ckpt") -> list[Network]:
    prefix = str(folder / path)
    with v1.Session() as session:
        session.run(v1.global_variables_initializer())
        v1.train.Saver().save(session, prefix)
    with open_checkpoint(prefix) as checkpoint:
        return list(recover(checkpoint).networks)


@pytest.mark.parametrize("place", ["middle", "before the last tanh", "outside its scope"])
@pytest.mark.parametrize("operation", UNREAD)
def test_an_operation_that_is_not_run_is_part_of_the_network(
    tensorflow: ModuleType, v1: Any, tmp_path: Path, operation: str, place: str
):
    """In the middle and at the end: it is a gap that names it, with what stands behind it."""
    between = UNREAD[operation]
    inputs = v1.placeholder(v1.float32, [None, 3], "observation")
    with v1.variable_scope("policy"):
        hidden = v1.nn.relu(dense(v1, inputs, 8, "fc"))
        if place == "middle":
            hidden = between(v1, hidden)
        output = dense(v1, hidden, 2, "out")
        if place == "before the last tanh":
            output = between(v1, output)
        action = v1.tanh(output, name="action")
    if place == "outside its scope":
        action = v1.tanh(between(v1, action) if operation != "Sin" else action, name="action")
    targets = v1.placeholder(v1.float32, [None, 2], "targets")
    v1.reduce_mean(v1.square(action - targets), name="loss")

    (network,) = read(tensorflow, v1, tmp_path)

    if (operation, place) == ("Sin", "outside its scope"):
        assert network.complete
        assert network.outputs == ("policy/action",)
        return
    assert not network.complete
    (opaque,) = (one for one in network.layers if isinstance(one, Opaque))
    assert any(opaque.name in gap.what for gap in network.gaps)
    if place != "outside its scope":
        assert network.outputs == ("policy/action",)
    assert network.outputs[0] != "policy/out/BiasAdd"


def test_printing_hands_a_value_on(tensorflow: ModuleType, v1: Any, tmp_path: Path):
    """tf.Print is an Identity that talks: the network behind it is whole, and judged whole."""
    inputs = v1.placeholder(v1.float32, [None, 3], "observation")
    hidden = v1.nn.relu(v1.Print(dense(v1, inputs, 8, "policy/fc"), [inputs], "hidden"))
    action = v1.tanh(v1.Print(dense(v1, hidden, 2, "policy/out"), []), name="policy/action")
    rows = np.random.default_rng(0).standard_normal((9, 3)).astype(np.float32)
    prefix = str(tmp_path / "model.ckpt")
    with v1.Session() as session:
        session.run(v1.global_variables_initializer())
        v1.train.Saver().save(session, prefix)
        expected = session.run(action, {inputs: rows})
    with open_checkpoint(prefix) as checkpoint:
        (network,) = recover(checkpoint).networks

    assert network.complete
    assert network.outputs == ("policy/action",)
    (found,) = run(network, rows).values()
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("known", [True, False], ids=["in the library", "nowhere"])
@pytest.mark.parametrize("last", [True, False], ids=["last", "middle"])
def test_a_call_is_read_through_or_a_gap(tmp_path: Path, known: bool, last: bool):
    """A function is replaced by its body; one that the graph does not hold is not passed over."""
    doubled = proto.function(
        "doubled",
        ["x"],
        {"y": "sum:z:0"},
        proto.node("sum", "AddV2", "x", "x", T=proto.integer(6, proto.FLOAT)),
    )
    network = planted(tmp_path, "call", last, functions=(doubled,) if known else ())

    assert network.complete == known
    if known:
        assert network.outputs == ("net/action",)


def test_a_residual_sum_behind_the_last_dense_layer_is_its_end(
    tensorflow: ModuleType, v1: Any, tmp_path: Path
):
    """x + f(x), with an activation behind it and without."""
    inputs = v1.placeholder(v1.float32, [None, 3], "observation")
    for name in ("plain", "squashed"):
        with v1.variable_scope(name):
            hidden = v1.nn.relu(dense(v1, inputs, 4, "fc"))
            total = v1.add(hidden, dense(v1, hidden, 4, "out"), name="total")
            if name == "squashed":
                v1.tanh(total, name="action")

    plain, squashed = read(tensorflow, v1, tmp_path)

    assert plain.outputs == ("plain/total",)
    assert squashed.outputs == ("squashed/action",)
    assert plain.complete
    assert squashed.complete


@pytest.mark.parametrize("last", [True, False], ids=["last", "middle"])
@pytest.mark.parametrize("name", ["MyFlashRelu", "Custom>Fused", "EncapsulatedSubgraph"])
def test_an_operation_of_an_unknown_name_is_a_gap(tmp_path: Path, name: str, last: bool):
    """A custom operation may compute anything."""
    network = planted(tmp_path, name, last)

    assert not network.complete
    assert any(name in gap.what for gap in network.gaps)
    assert network.outputs == ("net/action",)


def planted(folder: Path, op: str, last: bool, functions: tuple[bytes, ...] = ()) -> Network:
    """A network of two dense layers with an operation in the middle or before its last tanh."""
    from tests.recovery.made import recovered

    def between(name: str, value: str) -> bytes:
        if op == "call":
            return proto.call(name, "doubled", value)
        return proto.node(name, op, value)

    float_type = proto.integer(6, proto.FLOAT)
    first, second = ("net/relu", "net/odd") if last else ("net/odd", "net/two/product")
    graph = [
        proto.placeholder("x", (None, 3)),
        proto.variable("net/one/kernel", (3, 4)),
        proto.node("net/one/product", "MatMul", "x", "net/one/kernel", T=float_type),
        proto.node("net/relu", "Relu", "net/one/product", T=float_type),
        proto.variable("net/two/kernel", (4, 2)),
        proto.node("net/two/product", "MatMul", first, "net/two/kernel", T=float_type),
        between("net/odd", "net/two/product" if last else "net/relu"),
        proto.node("net/action", "Tanh", second, T=float_type),
    ]
    arrays = {
        "net/one/kernel": np.ones((3, 4), np.float32),
        "net/two/kernel": np.ones((4, 2), np.float32),
    }
    (network,) = recovered(folder, arrays, *graph, functions=functions).networks
    return network


def test_what_trains_chooses_and_samples_is_no_part_of_the_network(
    tensorflow: ModuleType, v1: Any, tmp_path: Path
):
    """Losses, metrics, summaries, arg max, noise and environments that are fed what was chosen."""
    inputs = v1.placeholder(v1.float32, [None, 3], "observation")
    labels = v1.placeholder(v1.int32, [None], "labels")
    with v1.variable_scope("policy"):
        hidden = v1.nn.relu(dense(v1, inputs, 8, "fc"))
        logits = dense(v1, hidden, 4, "out")
    chosen = v1.argmax(logits, 1)
    v1.py_func(lambda action: np.float32(0), [chosen], v1.float32)
    v1.py_func(lambda values: None, [logits], [])
    sampled = v1.argmax(logits - v1.log(-v1.log(v1.random_uniform(v1.shape(logits)))), 1)
    v1.py_func(lambda action: np.float32(0), [sampled], v1.float32)
    v1.py_func(lambda values, right: np.float32(0), [logits, labels], v1.float32)
    v1.summary.histogram("logits", logits)
    v1.summary.scalar("norm", v1.reduce_mean(v1.square(logits)))
    v1.reduce_mean(v1.cast(v1.equal(chosen, v1.cast(labels, v1.int64)), v1.float32))
    losses = v1.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)
    loss = v1.reduce_mean(losses) + 0.1 * v1.reduce_mean(v1.sin(logits))
    v1.train.AdamOptimizer().minimize(loss)

    (network,) = read(tensorflow, v1, tmp_path)

    assert network.complete
    assert network.outputs == ("policy/out/BiasAdd",)
    assert "ArgMax 'ArgMax'" in network.behind  # and it is said what stands there
    assert not any("sub" in one or "Adam" in one for one in network.behind)


def masked(v1: Any, logits: Any) -> Any:
    mask = v1.placeholder(v1.float32, [None, 2], "mask")
    return same_shape(v1, logits, v1.py_func(lambda x, y: x * y, [logits, mask], v1.float32))


def second_of_two(v1: Any, logits: Any) -> Any:
    pair = v1.py_func(lambda x: (x, 2 * x), [logits], [v1.float32, v1.float32])
    return same_shape(v1, logits, pair[1])


def looped(v1: Any, logits: Any) -> Any:
    rounds = (lambda i, y: i < 3), (lambda i, y: (i + 1, y * y))
    return v1.while_loop(*rounds, [v1.constant(0), logits])[1]


@pytest.mark.parametrize("between", [masked, second_of_two, looped])
@pytest.mark.parametrize("old_loops", [True, False])
def test_what_stands_between_may_have_several_inputs_outputs_and_rounds(
    tensorflow: ModuleType, v1: Any, tmp_path: Path, between: Any, old_loops: bool
):
    """A mask of its own, the second of two results, a loop of TF 1 or TF 2."""
    switch = v1.disable_control_flow_v2 if old_loops else v1.enable_control_flow_v2
    switch()
    try:
        inputs = v1.placeholder(v1.float32, [None, 3], "observation")
        with v1.variable_scope("policy"):
            v1.tanh(between(v1, dense(v1, inputs, 2, "out")), name="action")
        (network,) = read(tensorflow, v1, tmp_path)
    finally:
        v1.enable_control_flow_v2()

    assert network.outputs == ("policy/action",)
    assert not network.complete


def test_what_is_computed_from_the_output_alone_is_said(
    tensorflow: ModuleType, v1: Any, tmp_path: Path, lnfold: Command
):
    """It may be the output that the user means, and nothing in the graph tells."""
    inputs = v1.placeholder(v1.float32, [None, 3], "observation")
    v1.cumsum(dense(v1, inputs, 2, "policy/out"), 1, name="policy/steps")
    read(tensorflow, v1, tmp_path)

    outcome = lnfold("inspect", tmp_path / "model.ckpt")

    assert "behind its outputs, not run: Cumsum 'policy/steps'" in outcome.out


@pytest.mark.parametrize("mixed", ["mask", "noise"])
def test_an_activation_of_an_output_and_something_else_is_said(
    tensorflow: ModuleType, v1: Any, tmp_path: Path, lnfold: Command, mixed: str
):
    """A mask that is fed or noise that is drawn is no part of the network, what follows may be."""
    inputs = v1.placeholder(v1.float32, [None, 3], "observation")
    logits = dense(v1, inputs, 2, "policy/out")
    if mixed == "mask":
        v1.nn.softmax(logits + v1.placeholder(v1.float32, [None, 2], "mask"), name="chosen")
    else:
        v1.tanh(logits + v1.random_normal(v1.shape(logits)), name="chosen")
    read(tensorflow, v1, tmp_path)

    outcome = lnfold("inspect", tmp_path / "model.ckpt")

    assert "behind its outputs, not run:" in outcome.out
    assert "'chosen', of other values, too" in " ".join(outcome.out.split())


def test_the_check_by_tensorflow_refuses_what_is_cut(
    tensorflow: ModuleType, v1: Any, tmp_path: Path, lnfold: Command
):
    """It agreed, on the network without its end."""
    inputs = v1.placeholder(v1.float32, [None, 3], "observation")
    v1.tanh(python(v1, dense(v1, inputs, 2, "policy/out")), name="policy/action")
    read(tensorflow, v1, tmp_path)

    outcome = lnfold("inspect", tmp_path / "model.ckpt", "--against", "tensorflow")

    assert "PyFunc" in outcome.out
    assert "against TensorFlow" not in outcome.out
    assert "✓" not in outcome.out
