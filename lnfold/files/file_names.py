"""Which files make up one checkpoint, told by their names alone."""

from __future__ import annotations

import os

# The file in which TensorFlow's Saver keeps which checkpoint of a folder is the newest.
STATE_FILE = "checkpoint"
# Files of a SavedModel, which stand for their folder; its other parts lie in folders of their own.
KERAS_METADATA = "keras_metadata.pb"
SAVED_MODEL_FILES = ("saved_model.pb", "saved_model.pbtxt", KERAS_METADATA, "fingerprint.pb")
_SAVED_MODEL_FOLDERS = ("variables", "assets", "assets.extra")


def stem(path: str) -> str:
    """The prefix that one of its files, or a path completed by a shell, belongs to."""
    for ending in (".index", ".meta"):
        if path.endswith(ending):
            return path.removesuffix(ending)
    head, data, tail = path.rpartition(".data-")
    if data and _is_shard_of(tail):
        return head
    head, dash, tail = path[:-15], path[-15:-14], path[-14:]
    if dash == "-" and _is_shard_of(tail.replace("?????", "00000", 1)):
        return head
    return path.rstrip(".") if os.path.basename(path).strip(".") else path


def is_named_as_a_part(path: str) -> bool:
    """Whether it is called as the files of a checkpoint are, whose prefix it does not tell alone:
    an index, a graph, a shard or a state file."""
    return os.path.basename(path) == STATE_FILE or stem(path) != path.rstrip(".")


def saved_model_around(path: str) -> str | None:
    """The folder of the SavedModel that ``path``, there or not, would be a part of, if any."""
    folder, name = os.path.split(path)
    if name in SAVED_MODEL_FILES and _is_saved_model(folder):
        return folder
    while folder != os.path.dirname(folder):
        folder, name = os.path.split(folder)
        if name in _SAVED_MODEL_FOLDERS and _is_saved_model(folder):
            return folder
    return None


def _is_saved_model(folder: str) -> bool:
    return any(os.path.isfile(os.path.join(folder, name)) for name in SAVED_MODEL_FILES[:2])


def _is_shard_of(tail: str) -> bool:
    shard, of, count = tail.partition("-of-")
    return bool(of) and all(len(part) >= 5 and part.isdecimal() for part in (shard, count))
