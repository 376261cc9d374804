"""Checkpoints that are written whole, and never over what was read."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from lnfold.checkpoint import open_checkpoint
from lnfold.checkpoint.verify import verify
from lnfold.checkpoint.write import write_checkpoint
from lnfold.errors import OutputError, UnsupportedError
from tests.checkpoint import crafting

TYPES = [np.float32, np.float64, np.float16, np.int8, np.int32, np.int64, np.uint16, np.bool_]
some_array = st.sampled_from(TYPES).flatmap(
    lambda dtype: arrays.arrays(
        dtype, arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)
    )
)
some_text = st.lists(st.binary(max_size=200), max_size=4).map(
    lambda t: np.array([*t, None], object)[:-1]
)
names = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(names, some_array | some_text, max_size=8))
def test_what_is_written_comes_back(
    tmp_path_factory: pytest.TempPathFactory, items: dict[str, np.ndarray]
):
    """Any names and arrays, in any order."""
    folder = tmp_path_factory.mktemp("x")
    write_checkpoint(folder / "x", items.items())
    checkpoint = open_checkpoint(folder)

    assert {variable.key for variable in checkpoint.values()} == set(items)
    for key, array in items.items():
        found = checkpoint.by_key(key).read()
        assert found.shape == array.shape
        assert found.tolist() == array.tolist() or np.isnan(array).any()
        assert array.dtype == object or found.tobytes() == array.tobytes()
    assert verify(folder).passed


def test_copies_keep_their_types(tmp_path: Path):
    """Quantised types, slices and variants of another checkpoint, as they were."""
    entries = {
        "q": crafting.entry_message(11, [2], b"\x01\xff"),
        "b": crafting.entry_message(crafting.BFLOAT16, [1], b"\x80\x3f", 2),
    }
    source = open_checkpoint(crafting.bundle(tmp_path / "x", entries, b"\x01\xff\x80\x3f"))
    write_checkpoint(tmp_path / "y", [(v.key, v) for v in source.values()], newest=False)
    copy = open_checkpoint(tmp_path / "y")

    assert copy["q"].dtype == "qint8"
    assert copy["q"].read().tolist() == [1, -1]
    assert copy["b"].dtype == "bfloat16"
    parts = open_checkpoint(Path(__file__).parents[1] / "fixtures" / "partitioned")
    write_checkpoint(tmp_path / "z", [(v.key, v) for v in parts.values()], newest=False)
    whole = open_checkpoint(tmp_path / "z")
    assert all(whole[name].read().tolist() == v.read().tolist() for name, v in parts.items())


def test_nothing_is_replaced_unasked(tmp_path: Path):
    """A checkpoint that is there stays, unless that was allowed; one that is read, always."""
    old = write_checkpoint(tmp_path / "x", [("a", np.ones(2))])
    before = [Path(path).read_bytes() for path in old]
    with pytest.raises(OutputError, match="already there"):
        write_checkpoint(tmp_path / "x", [("a", np.zeros(2))])
    write_checkpoint(tmp_path / "x", [("a", np.ones(2))], overwrite=True)
    assert [Path(path).read_bytes() for path in old] == before

    open_checkpoint(tmp_path / "x").close()
    with pytest.raises(OutputError, match="is an input"):
        write_checkpoint(tmp_path / "x", [("a", np.zeros(2))], overwrite=True)
    assert [Path(path).read_bytes() for path in old] == before
    for path in old:
        os.remove(path)
    write_checkpoint(tmp_path / "x", [("a", np.zeros(2))])
    assert open_checkpoint(tmp_path)["a"].read().tolist() == [0, 0]


def test_an_error_leaves_nothing_behind(tmp_path: Path):
    """An array that TensorFlow has no type for, after others were written."""
    with pytest.raises(UnsupportedError, match="no type for an array of datetime64"):
        write_checkpoint(tmp_path / "x", [("a", np.ones(2)), ("b", np.zeros(1, "M8[s]"))])

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("key", ["", "\0slice", "a"])
def test_keys_that_cannot_be(tmp_path: Path, key: str):
    """The header's key, those of slices, and one that is taken."""
    with pytest.raises(ValueError, match="cannot be a key"):
        write_checkpoint(tmp_path / "x", [("a", np.ones(1)), (key, np.ones(1))])


def test_a_folder_that_is_not_there(tmp_path: Path):
    """It is made, and stays only if something is written into it."""
    with pytest.raises(ValueError, match="cannot be a key"):
        write_checkpoint(tmp_path / "missing" / "folder" / "x", [("", np.ones(1))])
    assert list(tmp_path.iterdir()) == []
    write_checkpoint(tmp_path / "missing" / "folder" / "x", [("a", np.ones(1))])

    assert open_checkpoint(tmp_path / "missing" / "folder")["a"].read().tolist() == [1]
