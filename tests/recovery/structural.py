"""Changes to what a graph or a config says, not to its bytes: fields, names, wiring, numbers.

A message of protobuf is held as a list of fields ``[number, wire type, value]``, where a value is
again such a list for the messages that a schema names; a config as what JSON makes of it.
"""

from __future__ import annotations

import copy
import json
import random
import struct
from typing import Any

import numpy as np

from lnfold.checkpoint.bytes.wire import FIXED32, FIXED64, LENGTH, VARINT, fields
from lnfold.network.operations.table import OPERATIONS
from lnfold.recovery.graph.op_names import words
from tests.recovery.proto import varint

Field = list[Any]
Message = list[Field]
Schema = dict[int, Any]

_SHAPE: Schema = {2: {}}
_TENSOR: Schema = {2: _SHAPE}
_LIST: Schema = {7: _SHAPE}
_ATTRIBUTE: Schema = {1: _LIST, 7: _SHAPE, 8: _TENSOR, 10: {}}
_NODE: Schema = {5: {2: _ATTRIBUTE}}
_ARGUMENT: Schema = {}
_FUNCTION: Schema = {1: {2: _ARGUMENT, 3: _ARGUMENT}, 3: _NODE, 4: {}, 7: {2: {5: {2: _ATTRIBUTE}}}}
_GRAPH: Schema = {1: _NODE, 2: {1: _FUNCTION}}
_TENSOR_INFO: Schema = {2: {1: {}}}
_SIGNATURE: Schema = {2: {1: {2: {}}, 2: {2: {}}}}
_OBJECT: Schema = {1: {}, 6: {}, 7: {}, 8: {}, 9: {}}
_OBJECTS: Schema = {1: _OBJECT, 2: {2: {3: {}}}}
META_GRAPH: Schema = {1: {}, 2: _GRAPH, 3: {}, 5: _SIGNATURE, 7: _OBJECTS}
SAVED_MODEL: Schema = {2: META_GRAPH}

# What lnfold does something with: an operation that becomes another one gets to that code.
OPERATIONS = sorted(
    {
        *OPERATIONS,
        *words(
            """
            Const Placeholder PlaceholderWithDefault VariableV2 VarHandleOp ReadVariableOp Identity
        IdentityN Switch Merge Enter Exit NextIteration LoopCond While StatelessWhile If
        StatelessIf PartitionedCall StatefulPartitionedCall NoOp SaveV2 BiasAdd MatMul BatchMatMul
        Relu Relu6 Elu Selu LeakyRelu Softmax Softplus Softsign Erf Tanh Sigmoid Einsum Conv2D
        FusedBatchNormV3 Mean Sum Split SplitV Unpack Gather GatherV2 TensorArrayV3 LoopValue
        TensorListReserve TensorListStack TensorListFromTensor TensorListGetItem
        TensorListSetItem Range ArgMax Cast Pad Tile Shape Squeeze ConcatV2 LogicalAnd Select
            """
        ),
    }
)
NUMBERS = [0, 1, 2, 3, 7, 127, 128, 254, 255, 1 << 20, (1 << 31) - 1, 1 << 31, 1 << 40]
NUMBERS += [(1 << 63) - 1, 1 << 63, (1 << 64) - 2, (1 << 64) - 1]
FLOATS = [0.0, -0.0, -1.0, 1e-45, 3.4e38, float("inf"), float("-inf"), float("nan"), 1e-30]
TEXTS = [":", "a:", ":0", ":x", "x:1", "x:x", "x:-1", "x:²", "x:99999999999999999999", "^x", "^"]
TEXTS += ["/", "//", "a/", "/a", ".", "..", "0", "%", "{}", "x:y:0", "x:y:9", "x:y:z", "", " "]
TEXTS += ["loop body_0/value_0", "save/Const", "gradients/x", "\n", "\0", "n" * 5000, "é"]


def decode(raw: bytes, schema: Schema) -> Message:
    """The fields of a message, those of the messages inside that the schema names included."""
    found: Message = []
    for number, kind, value in fields(raw):
        if kind == LENGTH:
            inside = raw[value[0] : value[1]]
            value = decode(inside, schema[number]) if number in schema else inside
        found.append([number, kind, value])
    return found


def encode(message: Message) -> bytes:
    """The message as bytes."""
    out = bytearray()
    for number, kind, value in message:
        out += varint(number << 3 | kind)
        if kind == LENGTH:
            inside = encode(value) if isinstance(value, list) else bytes(value)
            out += varint(len(inside)) + inside
        elif kind == VARINT:
            out += varint(value)
        else:
            size = 4 if kind == FIXED32 else 8
            out += (value & ((1 << 8 * size) - 1)).to_bytes(size, "little")
    return bytes(out)


class GraphChanges:
    """Random changes to one decoded MetaGraphDef or SavedModel, which stays as it is."""

    def __init__(self, raw: bytes, schema: Schema) -> None:
        self._message = decode(raw, schema)
        self._schema = schema

    def changed(self, rng: random.Random) -> bytes:
        """The message after one to five changes."""
        message = copy.deepcopy(self._message)
        places = list(_messages(message, self._schema))
        nodes = [one for one, schema in places if schema is _NODE]
        for _ in range(rng.choice((1, 1, 1, 2, 3, 5))):
            if nodes and rng.random() < 0.5:
                _change_node(rng, rng.choice(nodes), nodes)
            else:
                # kinds of messages alike, however many there are of each
                kinds = {id(schema): schema for _, schema in places}
                chosen = kinds[rng.choice(sorted(kinds, key=list(kinds).index))]
                alike = [one for one, schema in places if schema is chosen]
                _change_message(rng, rng.choice(alike), alike)
        return encode(message)


def _messages(message: Message, schema: Schema) -> Any:
    yield message, schema
    for number, _, value in message:
        if isinstance(value, list):
            yield from _messages(value, schema[number])


def _change_node(rng: random.Random, node: Message, nodes: list[Message]) -> None:
    """Another operation, other inputs, another name."""
    some = [field for one in rng.sample(nodes, min(len(nodes), 9)) for field in one]
    names = [value for number, _, value in some if number == 1]
    inputs = [field for field in node if field[0] == 3]
    own = next((value for number, _, value in node if number == 1), b"")
    choice = rng.randrange(9)
    if choice == 0:
        for field in node:
            if field[0] == 2:
                field[2] = rng.choice(OPERATIONS).encode()
    elif choice == 1 and inputs:
        node.remove(rng.choice(inputs))
    elif choice == 2 and inputs:
        rng.choice(inputs)[2] = own
    elif choice == 3 and inputs and names:
        rng.choice(inputs)[2] = rng.choice(names)
    elif choice == 4 and inputs:
        end = rng.choice([b":1", b":x", b":7", b":-1", b":output:0", b":", b":99999999999999"])
        field = rng.choice(inputs)
        field[2] = bytes(field[2]).partition(b":")[0] + end
    elif choice == 5 and names:
        for _ in range(rng.choice((1, 1, 2, 40))):
            node.append([3, LENGTH, rng.choice([*names, own])])
    elif choice == 6 and len(inputs) > 1:
        left, right = rng.sample(inputs, 2)
        left[2], right[2] = right[2], left[2]
    elif choice == 7 and names:
        for field in node:
            if field[0] == 1:
                field[2] = rng.choice([*names, *(one.encode() for one in TEXTS)])
    else:
        attributes = [field[2] for field in node if field[0] == 5 and isinstance(field[2], list)]
        lent = [field for field in some if field[0] == 5]
        if attributes and rng.random() < 0.7:
            values = [field[2] for field in rng.choice(attributes) if isinstance(field[2], list)]
            if values:
                _change_message(rng, rng.choice(values), values)
        elif lent:
            node.append(copy.deepcopy(rng.choice(lent)))


def _change_message(rng: random.Random, message: Message, alike: list[Message]) -> None:
    """A field more, a field less, another value, another's value, another type."""
    other = rng.choice(alike)
    if not message:
        message.extend(copy.deepcopy(other))
        return
    place = rng.randrange(len(message))
    field = message[place]
    choice = rng.randrange(8)
    if choice == 0:
        del message[place]
    elif choice == 1:
        message.insert(rng.randrange(len(message) + 1), copy.deepcopy(field))
    elif choice == 2 and other:
        message[place] = copy.deepcopy(rng.choice(other))
    elif choice == 3 and other:
        message.insert(place, copy.deepcopy(rng.choice(other)))
    elif choice == 4:
        field[1], field[2] = rng.choice(
            [
                (VARINT, rng.choice(NUMBERS)),
                (FIXED32, 7),
                (FIXED64, 7),
                (LENGTH, b""),
                (LENGTH, b"x"),
            ]
        )
    elif choice == 5:
        field[0] = rng.choice([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 16])
    else:
        field[2] = _other_value(rng, field)


def _other_value(rng: random.Random, field: Field) -> Any:
    _, kind, value = field
    if kind == VARINT:
        return rng.choice(NUMBERS)
    if kind == FIXED32:
        return struct.unpack("<I", struct.pack("<f", rng.choice(FLOATS)))[0]
    if kind == FIXED64:
        return rng.choice(NUMBERS)
    if isinstance(value, list):
        return []
    if rng.random() < 0.4 and len(value) % 4 == 0:
        return struct.pack("<f", rng.choice(FLOATS)) * (len(value) // 4)
    if rng.random() < 0.3:
        return value[: rng.randint(0, len(value))]
    return rng.choice(TEXTS).encode()


# ── configs ───────────────────────────────────────────────────────────────────────────────────

_DEEP: Any = []
for _ in range(60):
    _DEEP = [_DEEP]
VALUES: list[Any] = [None, True, False, 0, 1, -1, 2, 10**400, -(10**30), 1 << 62, 0.5, -0.5]
VALUES += [1e-300, float("nan"), float("inf"), float("-inf"), "", "x", "1", "relu", "x:0", "\n"]
VALUES += [[], {}, [[]], ["x"], [1, 2], [None], {"x": 1}, [None, 4], ["x", 0, 0], ["x", -1, 1e9]]
VALUES += [_DEEP, {"items": [None, 4]}, {"class_name": "x", "config": {}}, {"config": None}]
VALUES += ["Dense", "LSTM", "Sequential", "Functional", "InputLayer", "TFOpLambda", "Softmax"]
VALUES += ["n" * 3000, "\ud800", "é", {"class_name": "__keras_tensor__", "config": {}}]


class ConfigChanges:
    """Random changes to one Keras config, which stays as it is."""

    def __init__(self, text: str) -> None:
        self._config = json.loads(text)

    def changed(self, rng: random.Random) -> str:
        """The config after one to five changes."""
        config = copy.deepcopy(self._config)
        for _ in range(rng.choice((1, 1, 1, 2, 3, 5))):
            places = list(_places(config))
            if places:
                _change_place(rng, *rng.choice(places), places)
        return json.dumps(config)


def _places(tree: Any) -> Any:
    """(container, key) of everything inside."""
    pairs = tree.items() if isinstance(tree, dict) else enumerate(tree)
    for key, value in list(pairs):
        yield tree, key
        if isinstance(value, dict | list) and value is not _DEEP:
            yield from _places(value)


def _change_place(rng: random.Random, tree: Any, key: Any, places: list[Any]) -> None:
    choice = rng.randrange(7)
    if choice == 0:
        del tree[key]
    elif choice == 1:
        tree[key] = [tree[key]]
    elif choice == 2:
        other, its_key = rng.choice(places)
        if isinstance(other, dict) and its_key in other:
            tree[key] = copy.deepcopy(other[its_key])
    elif choice == 3 and isinstance(tree, list):
        tree.insert(rng.randrange(len(tree) + 1), copy.deepcopy(tree[key]))
    elif choice == 4 and isinstance(tree, dict):
        tree[rng.choice(["x", "name", "axis", "epsilon", "units", "activation", "config"])] = (
            copy.deepcopy(rng.choice(VALUES))
        )
    else:
        tree[key] = copy.deepcopy(rng.choice(VALUES))


# ── values ────────────────────────────────────────────────────────────────────────────────────

EXTREMES = [0.0, -1.0, 1e-45, 1e20, 3.4e38, -3.4e38, np.inf, -np.inf, np.nan]


def changed_values(rng: random.Random, array: np.ndarray) -> np.ndarray:
    """The array with extreme numbers in some or all places, of another shape, or of another type.

    Values that overflow in the type become infinite.
    """
    choice = rng.randrange(10)
    if array.dtype.kind != "f" or choice == 0:
        with np.errstate(all="ignore"):
            return array.astype(rng.choice(["f2", "f8", "i4", "S4", "?", "c8"]))
    if choice == 1:
        return rng.choice([array.ravel(), array.T, array.ravel()[:0], array[None], np.float32(3)])
    changed = np.array(array)
    with np.errstate(over="ignore"):
        number = np.asarray(rng.choice(EXTREMES)).astype(array.dtype)
    if choice < 5 or not changed.size:
        changed[...] = number
    else:
        changed.flat[rng.randrange(changed.size) :: rng.choice((1, 3, 1000))] = number
    return changed
