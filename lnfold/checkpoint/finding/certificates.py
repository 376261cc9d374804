"""The fold that a certificate of lnfold's is of: the files beside it."""

from __future__ import annotations

import os

from lnfold.checkpoint.finding.location import has_index
from lnfold.errors import CheckpointNotFoundError

_ENDING = ".certificate.json"
_IN_FOLDER = "certificate.json"
_FILES = (".npz", "")  # of the files of arrays the ending is left out, of Keras' it is not


def is_certificate(start: bytes) -> bool:
    """Whether a text that begins so is a certificate."""
    return start.lstrip().startswith(b"{") and b'"float64_error"' in start and b'"limits"' in start


def certified(path: str) -> str:
    """The path of what a certificate was written beside.

    Raises:
        CheckpointNotFoundError: it is not there any more.
    """
    folder, name = os.path.split(path)
    if name == _IN_FOLDER and os.path.isfile(os.path.join(folder, "saved_model.pb")):
        return folder or "."
    stem = path.removesuffix(_ENDING)
    if stem != path:
        if has_index(stem):
            return stem
        for ending in _FILES:
            if os.path.isfile(stem + ending):
                return stem + ending
    raise CheckpointNotFoundError(
        "this is the certificate of a fold that is not beside it",
        file=path,
        remedy="Give the fold itself, or put the two into one folder under their own names.",
    )
