"""What the variables of a bundle are called: by their keys, or through the graph of objects."""

from __future__ import annotations

from lnfold.checkpoint.bytes.wire import WireError
from lnfold.checkpoint.variables.object_names import (
    OBJECT_GRAPH_KEY,
    full_names,
    object_names,
    unique_names,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from lnfold.checkpoint.bundle.tensor_bundle import TensorBundle


class BundleNames:
    """What is known about the names of a bundle.

    Attributes:
        of: key → name, unique; a key that is not in it is a name.
        are_objects: whether the bundle was saved from a graph of objects (TF 2).
        doubles: name → name of the variable that holds the same values.
        notes: what the graph of objects says that the index does not keep.
    """

    __slots__ = ("are_objects", "doubles", "notes", "of")

    def __init__(
        self,
        of: dict[str, str],
        are_objects: bool = False,
        doubles: dict[str, str] | None = None,
        notes: Iterable[str] = (),
    ) -> None:
        self.of = of
        self.are_objects = are_objects
        self.doubles = doubles or {}
        self.notes = tuple(notes)


def bundle_names(bundle: TensorBundle) -> BundleNames:
    """Name the variables of ``bundle``.

    Raises:
        DamagedError: its graph of objects contradicts itself.
    """
    entries = bundle.index.entries
    if OBJECT_GRAPH_KEY not in entries:
        if not any(key.endswith(":0") for key in entries):
            return BundleNames({})
        return BundleNames(unique_names({key: [key.removesuffix(":0"), key] for key in entries}))
    try:
        full_name_of = dict(full_names(bundle.object_graph_bytes()))
    except WireError as error:
        raise bundle.index.file.damaged(
            f"the graph of objects is damaged: {error}", variable=OBJECT_GRAPH_KEY
        ) from error
    # The checksum is part of an entry, so entries equal but for their place hold equal values.
    content = {key: (*entry[:3], *entry[5:]) for key, entry in entries.items()}
    names, doubles = object_names(entries, full_name_of, content)
    named_doubles = {names[key]: names[first] for key, first in doubles.items()}
    return BundleNames(
        names, True, named_doubles, _what_is_missing(entries, full_name_of, len(doubles))
    )


def _what_is_missing(
    entries: Iterable[str], full_name_of: dict[str, str], doubles: int
) -> Iterable[str]:
    missing = [key for key in full_name_of if key not in entries]
    if missing:
        yield (
            f"the save is incomplete: its objects have {len(missing)} values that it does not "
            f"hold, the first is {missing[0]}"
        )
    if doubles:
        yield f"{doubles} variables are stored twice"
    parts = {part for key in entries for part in key.split("/")}
    if "_kernel" in parts and not parts & {"_operations", "_trainable_variables"}:
        yield (
            "the model is a Keras 3 class of its own: tf.train.Checkpoint leaves out the layers "
            "that such a class keeps in lists or dicts, and nothing in the checkpoint shows it"
        )
