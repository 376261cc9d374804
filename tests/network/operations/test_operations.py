"""Every operation of the table computes what TensorFlow computes, and knows its shape."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest

from lnfold.network.operations.operation import Operands
from lnfold.network.operations.table import OPERATIONS
from tests.network.operations.cases import CASES

# what needs a variable, a reference or a feed is the identity or a Gather, which are tried
OF_VARIABLES = {"ReadVariableOp", "RefIdentity", "ResourceGather"}
TRIED = sorted(OPERATIONS.keys() - OF_VARIABLES)
CALLS = 24  # of each
# a sum of few terms in another order, and functions to a few ulps
CLOSE = {"rtol": 2e-5, "atol": 2e-6}


def drawn(name: str, seed: int) -> tuple[list[np.ndarray], dict[str, Any]]:
    """The arrays and the given attributes of a call."""
    row = OPERATIONS[name]
    random = np.random.default_rng([seed, *name.encode()])
    arrays, given = CASES[row.family](name, random)
    return [np.asarray(one) for one in arrays], given


def computed(name: str, arrays: list[np.ndarray], given: dict[str, Any]) -> tuple[np.ndarray, ...]:
    row = OPERATIONS[name]
    with np.errstate(all="ignore"):
        found = row.compute({**row.attributes, **given}, *arrays)
    return found if isinstance(found, tuple) else (found,)


def by_tensorflow(tensorflow: Any, name: str, arrays: list[np.ndarray], given: dict[str, Any]):
    """What TensorFlow's own operation answers."""
    from tensorflow.python.framework import op_def_registry

    definition = op_def_registry.get(name)
    call = getattr(tensorflow.raw_ops, name)
    takes = list(inspect.signature(call).parameters)  # some are called otherwise in Python
    operands, left = {}, list(arrays)
    for number, argument in enumerate(definition.input_arg):
        rest = len(definition.input_arg) - number - 1
        called = argument.name if argument.name in takes else takes[number]
        if argument.number_attr:
            many = len(left) - rest
            operands[called], left = left[:many], left[many:]
        else:
            operands[called] = left.pop(0)
    attributes = {}
    for key, value in given.items():
        numbered = key in ("DstT", "output_type", "out_type")
        value = tensorflow.as_dtype(value) if numbered else value
        attributes[key] = list(value) if isinstance(value, tuple) else value
    more = {
        "CheckNumerics": {"message": ""},
        "EnsureShape": {"shape": [None] * arrays[0].ndim},
        "BatchMatMulV3": {"Tout": tensorflow.float32},
    }
    attributes.update(more.get(name, {}))
    if "squeeze_dims" in attributes:
        attributes["axis"] = attributes.pop("squeeze_dims")
    found = call(**operands, **attributes)
    return tuple(one.numpy() for one in (found if isinstance(found, list | tuple) else [found]))


@pytest.mark.parametrize("name", TRIED)
def test_an_operation_computes_what_tensorflow_computes(tensorflow: Any, name: str):
    """Values, types and shapes, for random shapes, broadcasts, axes and attributes."""
    errors = tensorflow.errors
    refused = (errors.InvalidArgumentError, errors.UnimplementedError, errors.NotFoundError)
    compared = 0
    for seed in range(CALLS):
        arrays, given = drawn(name, seed)
        try:
            wanted = by_tensorflow(tensorflow, name, arrays, given)
        except refused:
            continue  # a call that TensorFlow does not take
        found = computed(name, arrays, given)
        assert len(found) == len(wanted)
        for ours, theirs in zip(found, wanted, strict=True):
            assert ours.shape == theirs.shape, (seed, given)
            assert ours.dtype == theirs.dtype, (seed, given)
            np.testing.assert_allclose(ours, theirs, **CLOSE, err_msg=f"{seed} {given}")
        compared += 1
    assert compared >= CALLS // 4


@pytest.mark.parametrize("name", TRIED)
def test_an_operation_knows_its_shape(name: str):
    """Where all lengths are known, the result's; where some are open, nothing else than it."""
    row = OPERATIONS[name]
    told = 0
    for seed in range(CALLS):
        arrays, given = drawn(name, seed)
        attributes = {**row.attributes, **given}
        try:
            found = computed(name, arrays, given)
        except (ValueError, IndexError):
            continue
        integers = [
            tuple(one.ravel().tolist()) if one.dtype.kind in "iu" and one.size < 64 else None
            for one in arrays
        ]
        shapes = [one.shape for one in arrays]
        assert row.shape(Operands(attributes, shapes, integers)) == tuple(
            one.shape for one in found
        ), (seed, given)
        random = np.random.default_rng(seed)
        opened = [tuple(None if random.random() < 0.3 else n for n in shape) for shape in shapes]
        for guess, one in zip(
            row.shape(Operands(attributes, opened, integers)), found, strict=True
        ):
            if guess is not None:
                assert len(guess) == one.ndim, (seed, given)
                assert all(a in (None, b) for a, b in zip(guess, one.shape, strict=True)), seed
        told += 1
    assert told >= CALLS // 4


def test_every_operation_is_tried():
    """No row is left out but those that need a variable, and every name has one row."""
    assert len(TRIED) > 110
    assert OPERATIONS.keys() >= OF_VARIABLES


@pytest.mark.parametrize(
    ("x", "exact"),
    [
        (-3.0, 1.9999779095030014),
        (0.5, 0.4795001221869535),
        (5.0, 1.5374597944280349e-12),
        (10.0, 2.0884875837625446e-45),
        (26.0, 5.663192408856143e-296),
    ],
)
def test_erfc_keeps_its_digits_where_erf_is_one(x: float, exact: float):
    """Values of DLMF 7.2.2 to 16 digits; 1 − erf(x) has none left from x = 6 on."""
    for dtype in (np.float64, np.float32):
        found = OPERATIONS["Erfc"].compute({}, np.asarray([x], dtype))
        assert found.dtype == dtype
        assert found[0] == pytest.approx(np.asarray(exact, dtype), rel=1e-15, abs=0)
