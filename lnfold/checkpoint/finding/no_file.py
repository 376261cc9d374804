"""What stands in the place of a file and is none: it is said, never passed over in silence."""

from __future__ import annotations

import os

from lnfold.files.file_names import KERAS_METADATA


def no_file(path: str, unread: str) -> tuple[str, ...]:
    """A note where a folder, a pipe, a device or a link to nowhere stands at ``path``.

    Args:
        unread: what was not read for that reason, as "no graph".
    """
    if os.path.isfile(path) or not os.path.lexists(path):
        return ()
    if os.path.isdir(path):
        what = "a folder"
    else:
        what = "a pipe, a socket or a device" if os.path.exists(path) else "a link to nowhere"
    return (f"{path} is {what}, so {unread} was read from it",)


def no_file_in_saved_model(folder: str) -> tuple[str, ...]:
    """The same for the graph and the Keras config of the SavedModel in ``folder``."""
    graph, text = (os.path.join(folder, f"saved_model.{one}") for one in ("pb", "pbtxt"))
    notes = no_file(graph, "no graph")
    if not os.path.lexists(graph):
        notes = (f"{text} is a graph written as text, so no graph was read from it",)
    return notes + no_file(os.path.join(folder, KERAS_METADATA), "no Keras config")
