"""The same checkpoints through tf.train.load_checkpoint: names, shapes, types and every bit.

Only sound files are shown to TensorFlow.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from lnfold.checkpoint import open_checkpoint
from lnfold.checkpoint.verify import verify
from lnfold.checkpoint.write import write_checkpoint

NUMBERS = ["float32", "float64", "float16", "bfloat16", "int8", "int16", "int32", "int64", "uint8"]
NUMBERS += ["uint16", "uint32", "uint64", "bool", "complex64", "complex128", "float8_e5m2"]
NUMBERS += ["float8_e4m3fn", "int4", "uint4"]
SHAPES: list[tuple[int, ...]] = [(), (1,), (5,), (2, 3), (0,), (0, 3), (3, 0, 2), (1,) * 8]


def save(tf: ModuleType, prefix: Path, tensors: dict[str, Any], slices: Sequence[str] = ()) -> str:
    """A bundle written by TensorFlow's own SaveV2."""
    tf.raw_ops.SaveV2(
        prefix=str(prefix),
        tensor_names=list(tensors),
        shape_and_slices=list(slices) or [""] * len(tensors),
        tensors=list(tensors.values()),
    )
    return str(prefix)


def compare(tf: ModuleType, path: str | Path, pattern: str = "") -> int:
    """Everything that TensorFlow reads, against what we read; how many variables that were.

    Args:
        pattern: what TensorFlow wants behind the prefix of V1 shards.
    """
    with open_checkpoint(path) as checkpoint:
        reader = tf.train.load_checkpoint(checkpoint.path + pattern)
        shapes = reader.get_variable_to_shape_map()
        types = reader.get_variable_to_dtype_map()
        assert {variable.key for variable in checkpoint.values()} == set(shapes)
        for variable in checkpoint.values():
            assert list(variable.shape) == shapes[variable.key]
            assert variable.dtype == types[variable.key].name
            found, wanted = variable.read(), reader.get_tensor(variable.key)
            if variable.dtype == "string":
                wanted = np.array(wanted, object)
                assert found.tolist() == wanted.tolist()
            else:
                wanted = np.asarray(wanted)
                assert found.shape == wanted.shape
                assert found.tobytes() == wanted.tobytes()
        return len(checkpoint)


def test_every_type_and_shape(tensorflow: ModuleType, tmp_path: Path):
    """All types of numbers in all shapes, between strings that move them to odd offsets."""
    tf = tensorflow
    rng = np.random.default_rng(0)
    tensors: dict[str, Any] = {}
    for dtype in NUMBERS:
        for shape in SHAPES:
            values = tf.constant(rng.integers(0, 7, shape).astype(np.float32))
            wide = tf.cast(values, tf.int8 if "int4" in dtype else tf.float32)
            name = f"{dtype}/{len(tensors)}"
            tensors[name] = tf.cast(wide, dtype)
            tensors[f"text/{len(tensors)}"] = tf.constant(["", "x" * len(shape), "ä"])
    found = compare(tf, save(tf, tmp_path / "x", tensors))

    assert found == 2 * len(NUMBERS) * len(SHAPES)
    assert verify(tmp_path / "x").passed


def test_quantised_types(tensorflow: ModuleType, tmp_path: Path):
    """They are the plain integers of their width."""
    tf = tensorflow
    tensors = {
        name: tf.bitcast(tf.constant([0, 1, 2, 3], plain), getattr(tf, name))
        for name, plain in [("qint8", "int8"), ("quint8", "uint8"), ("qint32", "int32")]
    }
    save(tf, tmp_path / "x", tensors)

    for name in tensors:
        assert open_checkpoint(tmp_path / "x")[name].read().tolist() == [0, 1, 2, 3]
        assert open_checkpoint(tmp_path / "x")[name].dtype == name


def test_irregular_slices(tensorflow: ModuleType, tmp_path: Path):
    """A matrix saved as tiles of different sizes, numbers that need one and two bytes."""
    tf = tensorflow
    whole = np.arange(90 * 130, dtype=np.float32).reshape(90, 130)
    tiles = [(0, 70, 0, 130), (70, 20, 0, 100), (70, 20, 100, 30)]
    prefix = save(
        tf,
        tmp_path / "x",
        {f"m{n}": tf.constant(whole[a : a + b, c : c + d]) for n, (a, b, c, d) in enumerate(tiles)},
    )
    # SaveV2 wants one name for all tiles, which a dict cannot hold.
    tf.raw_ops.SaveV2(
        prefix=prefix,
        tensor_names=["m"] * 3,
        shape_and_slices=[f"90 130 {a},{b}:{c},{d}" for a, b, c, d in tiles],
        tensors=[tf.constant(whole[a : a + b, c : c + d]) for a, b, c, d in tiles],
    )

    assert compare(tf, prefix) == 1
    assert open_checkpoint(prefix)["m"].read().tolist() == whole.tolist()


def test_many_variables(tensorflow: ModuleType, tmp_path: Path):
    """So many names that the index has several blocks: none is lost."""
    tf = tensorflow
    zero = tf.constant([1.0])
    names = {f"scope_{n // 100}/layer_{n % 100}/kernel": zero for n in range(20_000)}

    assert len(open_checkpoint(save(tf, tmp_path / "x", names))) == 20_000


def test_names_of_every_kind(tensorflow: ModuleType, tmp_path: Path):
    """Long names, UTF-8, control characters, paths."""
    tf = tensorflow
    names = ["x" * 16_000, "ä/中", "a\nb", "\x1b[1mbold", "../up", "/abs", "a\x00b", "w:0", " "]

    assert compare(tf, save(tf, tmp_path / "x", {name: tf.constant(1.0) for name in names})) == 9


def test_long_strings(tensorflow: ModuleType, tmp_path: Path):
    """Lengths of one to four bytes."""
    tf = tensorflow
    texts = [b"a" * length for length in (0, 1, 127, 128, 16_383, 16_384, 3_000_000)]

    assert compare(tf, save(tf, tmp_path / "x", {"t": tf.constant(texts)})) == 1
    assert verify(tmp_path / "x").passed


def test_variants_are_verified(tensorflow: ModuleType, tmp_path: Path):
    """A list of tensors cannot be read as an array, but its bytes have checksums."""
    tf = tensorflow
    variant = tf.raw_ops.TensorListReserve(
        element_shape=tf.constant([2]), num_elements=3, element_dtype=tf.float32
    )
    variant = tf.raw_ops.TensorListSetItem(input_handle=variant, index=1, item=tf.ones([2]))
    prefix = save(tf, tmp_path / "x", {"a": tf.constant(1.0), "list": variant})
    checkpoint = open_checkpoint(prefix)

    assert checkpoint["list"].dtype == "variant"
    assert verify(prefix).passed
    path = Path(f"{prefix}.data-00000-of-00001")
    raw = bytearray(path.read_bytes())
    raw[-6] ^= 1
    path.write_bytes(raw)
    assert set(verify(prefix).damaged) == {"list"}


def test_shards_of_limited_size(tensorflow: ModuleType, tmp_path: Path):
    """TensorFlow 2 cuts single tensors into slices to keep shards small."""
    tf = tensorflow
    policy = getattr(tf.train.experimental, "MaxShardSizePolicy", None)
    if policy is None:
        pytest.skip("this TensorFlow has no limit for the size of shards")
    rng = np.random.default_rng(0)
    root = tf.train.Checkpoint(
        a=tf.Variable(rng.standard_normal((50, 40))),
        b=tf.Variable(rng.standard_normal(999), dtype=tf.float32),
        step=tf.Variable(3),
    )
    options = tf.train.CheckpointOptions(experimental_sharding_callback=policy(4096))
    root.write(str(tmp_path / "x"), options=options)

    assert len(list(tmp_path.glob("x.data-*"))) > 3
    assert compare(tf, tmp_path / "x") >= 4
    assert verify(tmp_path / "x").passed


def test_objects_and_their_slots(tensorflow: ModuleType, tmp_path: Path):
    """A model with its optimizer under Keras 3: weights by their layers, moments by theirs."""
    tf = tensorflow
    keras = pytest.importorskip("keras", exc_type=ImportError)
    model = keras.Sequential(
        [
            keras.layers.Input((3,)),
            keras.layers.Dense(4, name="dense"),
            keras.layers.LayerNormalization(name="norm"),
        ],
        name="actor",
    )
    model.compile("adam", "mse")
    model.fit(np.ones((4, 3)), np.ones((4, 4)), verbose=0)
    tf.train.Checkpoint(model=model, optimizer=model.optimizer).save(str(tmp_path / "x"))
    checkpoint = open_checkpoint(tmp_path)
    weights = {variable.path: np.asarray(variable) for variable in model.weights}

    assert checkpoint.format == "TF 2 object checkpoint"
    assert compare(tf, tmp_path) > 10
    for name, value in weights.items():
        assert checkpoint[name].read().tolist() == value.tolist()
    assert {"save_counter", "adam/iteration", "adam/learning_rate"} < set(checkpoint)
    graph = checkpoint.object_graph
    assert graph is not None
    key = checkpoint["actor/dense/kernel"].key
    (kernel,) = (
        number
        for number, node in enumerate(graph.nodes)
        if any(one.key == key for one in node.attributes)
    )
    assert any(kernel in node.children.values() for node in graph.nodes)


def test_an_exported_model(tensorflow: ModuleType, tmp_path: Path):
    """Keras 3's export stores every variable twice; the second ones are known as such."""
    keras = pytest.importorskip("keras", exc_type=ImportError)
    layers = [keras.layers.Input((3,)), keras.layers.Dense(4, name="dense")]
    model = keras.Sequential(layers, name="net")
    model.export(str(tmp_path / "m"), verbose=False)
    checkpoint = open_checkpoint(tmp_path / "m")

    assert checkpoint.format == "SavedModel"
    assert compare(tensorflow, tmp_path / "m") == 5
    assert checkpoint["net/dense/kernel"].read().tolist() == np.asarray(model.weights[0]).tolist()
    assert set(checkpoint.doubles.values()) == {"net/dense/kernel", "net/dense/bias"}
    assert checkpoint.graph_file == str(tmp_path / "m" / "saved_model.pb")


def test_real_checkpoints(tensorflow: ModuleType, real: Path):
    """Every public checkpoint of the shared folder, bit for bit."""
    seen = 0
    for index in sorted(real.rglob("*.index")):
        seen += compare(tensorflow, index)

    assert seen > 700


def test_genuine_tf1_files(tensorflow: ModuleType):
    """The fixtures that TensorFlow 2 still reads: it refuses V1 partitions and some types."""
    fixtures = Path(__file__).parent / "fixtures"
    for folder in ("dtypes", "partitioned", "sharded", "partitioned_sharded"):
        assert compare(tensorflow, fixtures / folder) > 0
    assert compare(tensorflow, fixtures / "v1_sharded", "-?????-of-00003") == 6


@pytest.mark.parametrize("name", ["question_actor", "bert_tiny", "many_dtypes", "policy_tanh"])
def test_what_we_write_is_what_tensorflow_wrote(real: Path, tmp_path: Path, name: str):
    """A copy of a checkpoint in one shard is the same, byte for byte, index and data."""
    with open_checkpoint(real / name) as checkpoint:
        variables = sorted(checkpoint.values(), key=lambda v: v.storage.position(v))
        write_checkpoint(tmp_path / "copy", [(v.key, v) for v in variables])
        for ours, theirs in zip(
            ("copy.index", "copy.data-00000-of-00001"), checkpoint.files, strict=True
        ):
            assert (tmp_path / ours).read_bytes() == Path(theirs).read_bytes()


def test_tensorflow_reads_what_we_write(tensorflow: ModuleType, tmp_path: Path):
    """Arrays of every type, text, empty ones, in any order, and enough for several blocks."""
    tf = tensorflow
    rng = np.random.default_rng(0)
    import ml_dtypes

    arrays: dict[str, np.ndarray] = {
        "z/first": np.arange(6, dtype=np.float32).reshape(2, 3).T,
        "big_endian": np.arange(3, dtype=">f8"),
        "brain": np.ones(3, ml_dtypes.bfloat16),
        "half": np.array([0.5], np.float16),
        "flag": np.array(True),
        "complex": np.array([1 + 2j]),
        "text": np.array([b"", b"a" * 300], object),
        "words": np.array(["x", "ä"]),
        "empty": np.zeros((0, 4), np.int8),
        "ä": np.array(7, np.int64),
    }
    arrays |= {f"many/w{n}": rng.standard_normal(2).astype(np.float32) for n in range(9000)}
    files = write_checkpoint(tmp_path / "x", arrays.items())
    reader = tf.train.load_checkpoint(str(tmp_path / "x"))

    assert sorted(Path(file).name for file in files) == [
        "checkpoint",
        "x.data-00000-of-00001",
        "x.index",
    ]
    assert tf.train.latest_checkpoint(str(tmp_path)) == str(tmp_path / "x")
    assert set(reader.get_variable_to_shape_map()) == set(arrays)
    for name, array in arrays.items():
        found = np.asarray(reader.get_tensor(name))
        if name in ("text", "words"):
            text = array if array.dtype == object else np.char.encode(array, "utf-8")
            assert found.tolist() == text.tolist()
        else:
            assert found.tobytes() == array.astype(array.dtype.newbyteorder("=")).tobytes()
    assert compare(tf, tmp_path / "x") == len(arrays)
