"""The Keras config that a SavedModel of Keras 2 carries.

    keras_metadata.pb (TF 2.5 … 2.15)    1 repeated SavedObject {2 node_id · 3 node_path
                                         4 identifier · 5 metadata, JSON}
    saved_model.pb (TF 2.0 … 2.4)        2 MetaGraphDef { 7 SavedObjectGraph { 1 repeated
                                         SavedObject { 4 user_object {1 identifier · 3 metadata}}}}

The root object is the model. Later writers leave the config out.
"""

from __future__ import annotations

import os

from lnfold.checkpoint.bytes.positioned_file import PositionedFile
from lnfold.checkpoint.bytes.wire import INT, LENGTH, SPAN, TEXT, WireError, fields, message
from lnfold.files.file_names import KERAS_METADATA

_METADATA = {1: ("objects", [{2: ("node", INT), 3: ("path", TEXT), 5: ("metadata", TEXT)}])}
_USER_OBJECT = {4: ("user_object", {1: ("identifier", TEXT), 3: ("metadata", TEXT)})}
_META_GRAPH = {7: ("objects", SPAN)}
_LARGEST = 1 << 30


def config_in_saved_model(folder: str) -> str | None:
    """The model as JSON text, None if the SavedModel in ``folder`` does not hold it.

    Raises:
        DamagedError: a file of the SavedModel contradicts itself.
    """
    for name, find in ((KERAS_METADATA, _in_metadata), ("saved_model.pb", _in_saved_model)):
        path = os.path.join(folder, name)
        if not os.path.isfile(path):
            continue
        file = PositionedFile(path)
        if file.size > _LARGEST:
            raise file.damaged(f"it has {file.size} bytes, more than a protobuf can")
        try:
            found = find(file.read(0, file.size))
        except WireError as error:
            raise file.damaged(f"it is no {name}: {error}", offset=error.offset) from error
        if found:
            return found
    return None


def _in_metadata(content: bytes) -> str | None:
    for saved in message(content, _METADATA)["objects"]:
        if saved["path"] == "root":
            return _with_config(saved["metadata"])
    return None


def _in_saved_model(content: bytes) -> str | None:
    for number, kind, meta_graph in fields(content):
        if number != 2 or kind != LENGTH:
            continue
        graph = message(content, _META_GRAPH, *meta_graph)["objects"]
        if graph is None:
            continue
        for inner, inner_kind, node in fields(content, *graph):
            if inner == 1 and inner_kind == LENGTH:
                # Object 0 comes first: the root.
                user_object = message(content, _USER_OBJECT, *node)["user_object"]
                return _with_config(user_object["metadata"]) if user_object else None
    return None


def _with_config(metadata: str) -> str | None:
    return metadata if '"config"' in metadata else None
