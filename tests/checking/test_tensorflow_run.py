"""What TensorFlow is let run from a file: pure mathematics of bounded size, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from lnfold.checking import tensorflow_run
from lnfold.checking.tensorflow_run import run_tensorflow
from lnfold.checkpoint import open_checkpoint
from lnfold.errors import GraphError, LnfoldError, UnsupportedError
from lnfold.network.records.layers import Network
from lnfold.recovery.recover import recover

INPUTS = np.linspace(-1, 1, 20, dtype=np.float32).reshape(5, 4)
Step = Callable[[ModuleType, Any, Path], Any]


def graph_of(tensorflow: ModuleType, step: Step, folder: Path) -> Any:
    """A graph x → matmul → bias → step → tanh, and where its variables are saved."""
    v1 = tensorflow.compat.v1
    graph = v1.Graph()
    with graph.as_default():
        x = v1.placeholder(tensorflow.float32, [None, 4], name="x")
        with v1.variable_scope("net"):
            kernel = v1.get_variable("dense/kernel", [4, 3], use_resource=False)
            bias = v1.get_variable("dense/bias", [3], use_resource=False)
        hidden = tensorflow.identity(v1.nn.bias_add(v1.matmul(x, kernel), bias), name="hidden")
        tensorflow.tanh(step(tensorflow, hidden, folder), name="out")
        v1.train.Saver()
    return graph


@pytest.fixture(scope="module")
def honest(tensorflow: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The prefix of a checkpoint whose graph holds nothing between hidden and out."""
    folder = tmp_path_factory.mktemp("honest")
    v1 = tensorflow.compat.v1
    graph = graph_of(tensorflow, lambda _, hidden, __: hidden, folder)
    with graph.as_default(), v1.Session() as session:
        session.run(v1.global_variables_initializer())
        v1.train.Saver().save(session, str(folder / "model.ckpt"))
    return folder / "model.ckpt"


def network_of(prefix: Path) -> Network:
    with open_checkpoint(prefix) as checkpoint:
        (network,) = recover(checkpoint).networks
    return network


def run(prefix: Path, network: Network, meta: Any, folder: Path) -> dict[str, np.ndarray]:
    """The network run by TensorFlow with another ``.meta`` in the place of its own."""
    for file in prefix.parent.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    (folder / "model.ckpt.meta").write_bytes(meta if isinstance(meta, bytes) else encoded(meta))
    with open_checkpoint(folder / "model.ckpt") as checkpoint:
        return run_tensorflow(checkpoint, network, {network.inputs[0].name: INPUTS})


def encoded(graph: Any) -> bytes:
    from tensorflow.compat.v1.train import export_meta_graph

    with graph.as_default():
        return bytes(export_meta_graph(clear_devices=True).SerializeToString())


def number(tensorflow: ModuleType, value: Any) -> Any:
    """Any tensor as a number, by pure operations alone: its rank."""
    # tensorflow.shape answers at once where it can
    size = tensorflow.raw_ops.Shape(input=value)
    return tensorflow.cast(tensorflow.reduce_sum(size), tensorflow.float32)


def touch(folder: Path) -> None:
    (folder / "effect").write_bytes(b"done")


def python(tf: ModuleType, hidden: Any, folder: Path) -> Any:
    def effect(value: np.ndarray) -> np.ndarray:
        touch(folder)
        return value

    return tf.ensure_shape(tf.compat.v1.py_func(effect, [hidden], tf.float32), [None, 3])


def eager_python(tf: ModuleType, hidden: Any, folder: Path) -> Any:
    def effect(value: Any) -> Any:
        touch(folder)
        return value

    return tf.ensure_shape(tf.py_function(effect, [hidden], tf.float32), [None, 3])


def read(tf: ModuleType, hidden: Any, folder: Path) -> Any:
    return hidden + number(tf, tf.io.read_file("/etc/hostname"))


def matching(tf: ModuleType, hidden: Any, folder: Path) -> Any:
    return hidden + number(tf, tf.io.matching_files("/etc/*"))


def write_in_a_function(tf: ModuleType, hidden: Any, folder: Path) -> Any:
    @tf.function
    def writing(value: Any) -> Any:
        tf.io.write_file(str(folder / "effect"), "done")
        return value * 2

    return writing(hidden)


def write_in_a_branch(tf: ModuleType, hidden: Any, folder: Path) -> Any:
    @tf.function
    def branching(value: Any) -> Any:
        def effect() -> Any:
            tf.io.write_file(str(folder / "effect"), "done")
            return value * 2

        return tf.cond(tf.reduce_sum(value) > -1e9, effect, lambda: value)

    return branching(hidden)


def write_in_a_loop(tf: ModuleType, hidden: Any, folder: Path) -> Any:
    @tf.function
    def looping(value: Any) -> Any:
        def body(step: Any, held: Any) -> Any:
            tf.io.write_file(str(folder / "effect"), "done")
            return step + 1, held * 2

        return tf.while_loop(lambda step, _: step < 2, body, [0, value])[1]

    return looping(hidden)


def a_loop_of_the_graph(tf: ModuleType, hidden: Any, folder: Path) -> Any:
    v1 = tf.compat.v1
    before = v1.control_flow_v2_enabled()
    v1.disable_control_flow_v2()
    try:
        return v1.while_loop(
            lambda step, _: step < 2, lambda step, at: (step + 1, at), [0, hidden]
        )[1]
    finally:
        if before:
            v1.enable_control_flow_v2()


def table(tf: ModuleType, hidden: Any, folder: Path) -> Any:
    (folder / "words").write_text("a\nb\n")
    source = tf.lookup.TextFileInitializer(
        str(folder / "words"), tf.string, tf.lookup.TextFileIndex.WHOLE_LINE,
        tf.int64, tf.lookup.TextFileIndex.LINE_NUMBER,
    )  # fmt: skip
    return hidden + number(tf, tf.lookup.StaticHashTable(source, -1).lookup(tf.constant(["a"])))


def iterator(tf: ModuleType, hidden: Any, folder: Path) -> Any:
    data = tf.data.Dataset.from_tensors(np.ones(3, np.float32))
    return hidden + tf.compat.v1.data.make_one_shot_iterator(data).get_next()


def printed(tf: ModuleType, hidden: Any, folder: Path) -> Any:
    return tf.compat.v1.Print(hidden, [hidden])


def random(tf: ModuleType, hidden: Any, folder: Path) -> Any:
    return hidden + tf.compat.v1.random_uniform([3])


def queue(tf: ModuleType, hidden: Any, folder: Path) -> Any:
    held = tf.queue.FIFOQueue(1, [tf.float32], [[3]])
    return hidden + held.dequeue()


STEPS = [
    *(python, eager_python, read, matching, write_in_a_function, write_in_a_branch),
    *(write_in_a_loop, a_loop_of_the_graph, table, iterator, printed, random, queue),
]


@pytest.fixture
def never_handed(tensorflow: ModuleType, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The operations that TensorFlow was handed, filled as the test goes on."""
    seen: list[str] = []
    v1 = tensorflow.compat.v1
    original = v1.import_graph_def

    def watched(definition: Any, *arguments: Any, **options: Any) -> Any:
        seen.extend(node.op for node in definition.node)
        return original(definition, *arguments, **options)

    monkeypatch.setattr(v1, "import_graph_def", watched)
    return seen


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.__name__)
def test_nothing_impure_reaches_tensorflow(
    tensorflow: ModuleType, honest: Path, tmp_path: Path, never_handed: list[str], step: Step
):
    """Python, files, tables, queues, randomness, calls, branches and loops: refused by name,
    before anything is imported, and without their effect."""
    graph = graph_of(tensorflow, step, tmp_path)
    with pytest.raises(UnsupportedError, match="does not let TensorFlow run"):
        run(honest, network_of(honest), graph, tmp_path)

    assert never_handed == []
    assert not (tmp_path / "effect").exists()


@pytest.mark.parametrize("op", ["EvilCustomOp", "LoadLibrary", "PartitionedCall", "WriteFile", ""])
def test_operations_that_nobody_knows_do_not_reach_tensorflow(
    tensorflow: ModuleType, honest: Path, tmp_path: Path, never_handed: list[str], op: str
):
    """The list says what may run, so that a name which is not on it is refused, whatever it is."""
    meta = tensorflow.compat.v1.MetaGraphDef()
    meta.ParseFromString(encoded(graph_of(tensorflow, lambda _, hidden, __: hidden, tmp_path)))
    next(node for node in meta.graph_def.node if node.name == "hidden").op = op
    with pytest.raises((UnsupportedError, GraphError)):
        run(honest, network_of(honest), meta.SerializeToString(), tmp_path)

    assert never_handed == []


def test_a_second_graph_in_the_file_adds_nothing(
    tensorflow: ModuleType, honest: Path, tmp_path: Path, never_handed: list[str]
):
    """Protobuf merges what a file holds twice, so what is handed over is looked at once more."""
    clean = encoded(graph_of(tensorflow, lambda _, hidden, __: hidden, tmp_path))
    evil = tensorflow.compat.v1.MetaGraphDef()
    evil.graph_def.node.add(name="hidden", op="ReadFile")
    network = network_of(honest)
    handed = 0
    for meta in (evil.SerializeToString() + clean, clean + evil.SerializeToString()):
        try:
            run(honest, network, meta, tmp_path)
        except LnfoldError:
            continue
        handed += 1

    assert "ReadFile" not in never_handed
    assert handed <= 1


def huge_constant(tf: ModuleType, hidden: Any, folder: Path) -> Any:
    return hidden + tf.reduce_sum(tf.zeros([1]))  # its shape is changed below


def huge_fill(tf: ModuleType, hidden: Any, folder: Path) -> Any:
    return hidden + tf.reduce_sum(tf.fill([1 << 20, 1 << 20], tf.reduce_sum(hidden)))


def huge_range(tf: ModuleType, hidden: Any, folder: Path) -> Any:
    return hidden + tf.cast(tf.reduce_sum(tf.range(tf.shape(hidden)[0], 1 << 30)), tf.float32)


def huge_tile(tf: ModuleType, hidden: Any, folder: Path) -> Any:
    return hidden + tf.reduce_sum(tf.tile(hidden, [1 << 20, 1 << 10]))


def huge_one_hot(tf: ModuleType, hidden: Any, folder: Path) -> Any:
    return hidden + tf.reduce_sum(tf.one_hot(tf.cast(hidden, tf.int32), 1 << 30))


def huge_pad(tf: ModuleType, hidden: Any, folder: Path) -> Any:
    return hidden + tf.reduce_sum(tf.pad(hidden, [[1 << 20, 0], [1 << 12, 0]]))


def doubled(tf: ModuleType, hidden: Any, folder: Path) -> Any:
    held = hidden
    for _ in range(40):
        held = tf.concat([held, held], 1)
    return hidden + tf.reduce_sum(held)


def squared(tf: ModuleType, hidden: Any, folder: Path) -> Any:
    row = tf.tile(hidden[:1], [1, 1 << 16])
    return hidden + tf.reduce_sum(row * tf.transpose(row))


@pytest.mark.parametrize(
    "step",
    [huge_fill, huge_range, huge_tile, huge_one_hot, huge_pad, doubled, squared],
    ids=lambda step: step.__name__,
)
def test_no_array_fills_the_memory(
    tensorflow: ModuleType, honest: Path, tmp_path: Path, step: Step
):
    """Whatever makes it: the sizes are known before anything runs."""
    with pytest.raises(UnsupportedError, match="more numbers than lnfold lets TensorFlow make"):
        run(honest, network_of(honest), graph_of(tensorflow, step, tmp_path), tmp_path)


def test_a_constant_of_one_number_and_a_huge_shape_is_refused(
    tensorflow: ModuleType, honest: Path, tmp_path: Path
):
    """A shape costs ten bytes in the file; what reads it is never imported."""
    meta = tensorflow.compat.v1.MetaGraphDef()
    meta.ParseFromString(encoded(graph_of(tensorflow, huge_constant, tmp_path)))
    constant = next(
        node
        for node in meta.graph_def.node
        if node.op == "Const" and node.attr["value"].tensor.float_val
        and node.attr["value"].tensor.tensor_shape.dim
    )  # fmt: skip
    constant.attr["value"].tensor.tensor_shape.dim[0].size = 1 << 40
    with pytest.raises(UnsupportedError, match="more numbers than lnfold lets TensorFlow make"):
        run(honest, network_of(honest), meta.SerializeToString(), tmp_path)


def test_what_tensorflow_does_not_run_is_an_error_of_the_graph(
    tensorflow: ModuleType, honest: Path, tmp_path: Path
):
    """A check of TensorFlow's own that fails, types that clash: no exception of TensorFlow's."""
    network = network_of(honest)
    checked = graph_of(
        tensorflow,
        lambda tf, hidden, _: tf.debugging.check_numerics(hidden / 0.0, "seen"),
        tmp_path,
    )
    with pytest.raises(GraphError, match="seen"):
        run(honest, network, checked, tmp_path)
    meta = tensorflow.compat.v1.MetaGraphDef()
    meta.ParseFromString(encoded(graph_of(tensorflow, lambda _, hidden, __: hidden, tmp_path)))
    next(node for node in meta.graph_def.node if node.name == "hidden").attr["T"].type = 3
    with pytest.raises(GraphError, match="TensorFlow does not run it"):
        run(honest, network, meta.SerializeToString(), tmp_path)


def test_the_honest_graph_runs_whatever_device_and_hints_it_names(
    tensorflow: ModuleType, honest: Path, tmp_path: Path
):
    """A device of another machine and a neighbour that is left out change nothing."""
    meta = tensorflow.compat.v1.MetaGraphDef()
    meta.ParseFromString(Path(f"{honest}.meta").read_bytes())
    for node in meta.graph_def.node:
        if node.name == "hidden":
            node.device = "/job:worker/task:7/device:GPU:3"
            node.attr["_class"].list.s.append(b"loc:@nowhere")
            node.input.append("^net/dense/bias/Assign")
    (found,) = run(honest, network_of(honest), meta.SerializeToString(), tmp_path).values()
    with open_checkpoint(honest) as checkpoint:
        kernel, bias = (checkpoint[f"net/dense/{one}"].read() for one in ("kernel", "bias"))

    np.testing.assert_allclose(found, np.tanh(INPUTS @ kernel + bias), rtol=1e-5)


def test_every_operation_on_the_list_is_pure_in_tensorflows_own_words(tensorflow: ModuleType):
    """TensorFlow marks what has state or an effect; placeholders are fed."""
    from tensorflow.python.framework import op_def_registry

    checked = 0
    for op in tensorflow_run._PURE:
        definition = op_def_registry.get(op)
        assert definition is not None, op
        # a check that fails is an effect in TensorFlow's words
        assert not definition.is_stateful or op == "CheckNumerics", op
        kinds = {one.type for one in (*definition.input_arg, *definition.output_arg)}
        assert not kinds & {
            tensorflow.resource.as_datatype_enum,
            tensorflow.variant.as_datatype_enum,
        }
        assert not any(one.type == "func" for one in definition.attr), op
        checked += 1

    assert checked > 70
