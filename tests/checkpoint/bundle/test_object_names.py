"""What the variables of a TF 2 checkpoint are called."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from lnfold.checkpoint import open_checkpoint
from lnfold.checkpoint.variables.object_names import object_names, object_path, unique_names

END = "/.ATTRIBUTES/VARIABLE_VALUE"
words = st.text("ab./S_\0", min_size=1, max_size=6)


def escaped(name: str) -> str:
    """A local name as TensorFlow writes it into a key."""
    return name.replace(".", "..").replace("/", ".S")


@given(st.lists(st.text("abS./_é", min_size=1, max_size=6), min_size=1, max_size=4))
def test_paths_are_unescaped(path: list[str]):
    """A key gives back the local names that it was made of."""
    key = "/".join(escaped(name) for name in path) + END

    assert object_path(key) == "/".join(path)


def names(full: dict[str, str], **contents: object) -> dict[str, str]:
    """Key without its ending → name, for full names by key without its ending."""
    found, _ = object_names(
        [key + END for key in full],
        {key + END: name for key, name in full.items()},
        {key + END: contents.get(key.replace("/", "_"), key) for key in full},
    )
    return {key.removesuffix(END): name for key, name in found.items()}


def test_full_names_are_preferred():
    """Under Keras 3 only they have the layers' names."""
    assert names({"optimizer/_trainable_variables/0": "actor/dense/kernel"}) == {
        "optimizer/_trainable_variables/0": "actor/dense/kernel"
    }


def test_shared_full_names_give_way_to_paths():
    """Two variables of one name are told apart by where they are."""
    assert names({"a/kernel": "dense/kernel", "b/kernel": "dense/kernel", "c/w": ""}) == {
        "a/kernel": "a/kernel",
        "b/kernel": "b/kernel",
        "c/w": "c/w",
    }


def test_a_scope_of_several_objects_gives_way_to_paths():
    """Keras 3 calls the layers of a subclassed model all by the model's name."""
    assert names({"out/_kernel": "sub/kernel", "norm/gamma": "sub/gamma"}) == {
        "out/_kernel": "out/_kernel",
        "norm/gamma": "norm/gamma",
    }


def test_lists_do_not_split_a_scope():
    """Trained variables may be in the optimizer's list and moving averages in the layer."""
    full = {
        "optimizer/_trainable_variables/2": "net/bn/gamma",
        "model/_operations/1/moving_mean": "net/bn/moving_mean",
    }

    assert names(full) == full


def test_doubles_are_found():
    """Keras 3's export stores everything twice; the list that the function is bound to counts."""
    full = {
        "_all_variables/0": "net/kernel",
        "_all_variables/1": "net/bias",
        "variables/0": "net/bias",
        "variables/1": "net/kernel",
    }
    found, doubles = object_names(
        [key + END for key in full],
        {key + END: name for key, name in full.items()},
        {key + END: name for key, name in full.items()},
    )

    assert found["variables/1" + END] == "net/kernel"
    assert found["_all_variables/0" + END] == "_all_variables/0"
    assert doubles == {
        "_all_variables/0" + END: "variables/1" + END,
        "_all_variables/1" + END: "variables/0" + END,
    }


def test_equal_names_with_other_values_are_no_doubles():
    """Two models with the same names in two lists are two models, though one bias is equal."""
    full = {"a/0": "net/kernel", "a/1": "net/bias", "b/0": "net/kernel", "b/1": "net/bias"}

    assert names(full, a_1="zeros", b_1="zeros") == {key: key for key in full}


@given(st.dictionaries(words, words, max_size=12))
def test_names_are_unique_whatever_the_keys(full: dict[str, str]):
    """No two variables share a name, and none is lost."""
    found = names(full)

    assert set(found) == set(full)
    assert len(set(found.values())) == len(found)


@given(st.lists(st.lists(st.sampled_from("abcd"), max_size=3), max_size=8))
def test_unique_names_takes_the_first_that_is_free(choices: list[list[str]]):
    """Every key ends up with one of its names, the last of which is its own."""
    wanted = {str(n): [*some, f"key {n}"] for n, some in enumerate(choices)}
    found = unique_names(wanted)

    assert all(found[key] in names for key, names in wanted.items())
    assert len(set(found.values())) == len(found)


def test_real_object_checkpoints(real: Path):
    """Sonnet 2, tensorforce and Keras 2: full names where they are there."""
    sonnet = open_checkpoint(real / "sonnet2" / "layer_norm_1_1x3_2")
    assert {"layer_norm/scale", "layer_norm/offset", "save_counter"} < set(sonnet)
    assert sonnet["layer_norm/scale"].key == "module/scale" + END

    dtln = open_checkpoint(real / "dtln_savedmodel")
    assert dtln["instant_layer_normalization_1/gamma"].shape == (256,)
    assert dtln["lstm/lstm_cell/kernel"].key == "variables/2" + END
    # Four layers call both their states lstm/Variable.
    assert sum("states" in name for name in dtln) == 8
    assert '"class_name": "Model"' in (dtln.keras_config or "")

    graph = open_checkpoint(real / "many_dtypes").object_graph
    assert graph is not None
    slots = graph.slots()
    assert set(name for _, name in slots.values()) == {"m", "v"}
    key = "agent/baseline/value/linear/bias" + END
    (bias,) = (
        number
        for number, node in enumerate(graph.nodes)
        if any(one.key == key for one in node.attributes)
    )
    assert sorted(name for original, name in slots.values() if original == bias) == ["m", "v"]
    assert graph.paths()[bias] == ("agent", "baseline", "value", "linear", "bias")


def test_what_an_object_holds_goes_by_its_scope():
    """Two averages of one full name are told apart below the scope of the norm that has them."""
    closing = "/.ATTRIBUTES/VARIABLE_VALUE"
    full = {
        f"module/scale{closing}": "batch_norm/scale",
        f"module/moving_mean/average{closing}": "batch_norm/ema/average",
        f"module/moving_variance/average{closing}": "batch_norm/ema/average",
        f"other/average{closing}": "",
    }
    names, _ = object_names(list(full), full, dict.fromkeys(full, 0))
    assert [names[key] for key in full] == [
        "batch_norm/scale",
        "batch_norm/moving_mean/average",
        "batch_norm/moving_variance/average",
        "other/average",
    ]
