"""The text file ``checkpoint`` that TensorFlow's Saver keeps in a folder.

    model_checkpoint_path: "model.ckpt-1000"
    all_model_checkpoint_paths: "model.ckpt-900"
    all_model_checkpoint_paths: "model.ckpt-1000"

It is protobuf's text format; only lines with a text value matter here. Relative paths count
from the folder of the file.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

from lnfold.checkpoint.bytes.positioned_file import PositionedFile

_LARGEST = 16 << 20
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "\\": "\\", '"': '"', "'": "'"}


def read_state(path: str) -> tuple[str | None, list[str]]:
    """The newest checkpoint, if the file names one, and all that it names, as they stand there.

    Raises:
        NotACheckpointError: it is no file; InputError: it cannot be read.
    """
    file = PositionedFile(path)
    content = file.read(0, min(file.size, _LARGEST))
    file.close()
    newest = None
    all_of_them = []
    for line in content.decode("utf-8", "surrogateescape").splitlines():
        key, colon, value = line.partition(":")
        quoted = value.strip()
        if not colon or len(quoted) < 2 or quoted[0] not in "\"'" or quoted[-1] != quoted[0]:
            continue
        path = _unescape(quoted[1:-1])
        if "\0" in path:
            # No system has such a name.
            continue
        if key.strip() == "model_checkpoint_path":
            newest = path
        elif key.strip() == "all_model_checkpoint_paths":
            all_of_them.append(path)
    return newest, all_of_them


def state_of(prefix: str, earlier: Iterable[str] = ()) -> str:
    """The contents of a state file that names a checkpoint in its own folder as the newest.

    Args:
        earlier: the others that the file named before; they stay, as TensorFlow's Saver does it.
    """
    name = os.path.basename(prefix)
    every = [one for one in dict.fromkeys(earlier) if one not in (name, prefix)] + [name]
    lines = [f'model_checkpoint_path: "{_escape(name)}"']
    lines += [f'all_model_checkpoint_paths: "{_escape(one)}"' for one in every]
    return "\n".join([*lines, ""])


def _escape(name: str) -> str:
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return escaped.replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t")


def _unescape(literal: str) -> str:
    """A quoted string of protobuf's text format: C escapes, bytes of UTF-8 in octal."""
    raw = bytearray()
    position = 0
    while position < len(literal):
        character = literal[position]
        position += 1
        if character != "\\" or position == len(literal):
            raw += character.encode("utf-8", "surrogateescape")
            continue
        character = literal[position]
        if character in "01234567":
            digits = ""
            while position < len(literal) and len(digits) < 3 and literal[position] in "01234567":
                digits += literal[position]
                position += 1
            raw.append(int(digits, 8) & 0xFF)
            continue
        position += 1
        raw += _ESCAPES.get(character, character).encode("utf-8", "surrogateescape")
    return raw.decode("utf-8", "surrogateescape")
