"""A stock-form fold as a Keras file: a copy of the ``.h5`` or ``.keras``, with other weights.

The file is copied and the changed arrays are overwritten in place, in their own shape and
dtype; the model's config and everything else stay what they were.
"""

from __future__ import annotations

import shutil
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from copy import copy
from typing import IO, Final

from lnfold.checkpoint import Checkpoint
from lnfold.checkpoint.bytes.positioned_file import PositionedFile
from lnfold.checkpoint.bytes.window import stream_of
from lnfold.checkpoint.bytes.zip_archive import ZipArchive
from lnfold.export.certificates import certificate_text
from lnfold.export.tf_checkpoint import refuse_existing
from lnfold.export.values import new_values
from lnfold.files.whole_file import whole_file
from lnfold.folding.proof.certificate import Folded, NotFolded
from lnfold.network.records.layers import Array

FORMATS: Final = ("Keras .h5", "Keras .weights.h5", "Keras .h5, weights only", "Keras .keras")
_WEIGHTS: Final = "model.weights.h5"


def write_folded_keras(
    checkpoint: Checkpoint,
    folded: Sequence[Folded],
    path: str,
    *,
    overwrite: bool = False,
    unfolded: Sequence[NotFolded] = (),
) -> list[str]:
    """Writes a Keras file like the one that was read to ``path``, its certificate beside it.

    Args:
        checkpoint: of one of FORMATS.
        unfolded: the networks that the certificate names besides.

    Returns:
        The files written.

    Raises:
        OutputError: an output is there, is an input, or cannot be written.
    """
    certificate = path + ".certificate.json"
    refuse_existing([path, certificate], overwrite)
    values = {checkpoint[name].key: array for name, array in new_values(checkpoint, folded).items()}
    (source,) = checkpoint.files
    with whole_file(certificate, certifies=True) as file:
        file.write(certificate_text(checkpoint, folded, unfolded).encode("utf-8"))
        with whole_file(path) as target:
            if checkpoint.format == "Keras .keras":
                _copy_archive(source, target, values)
            else:
                _copy_weights(stream_of(source), target, values)
    return [path, certificate]


def _copy_archive(source: str, target: IO[bytes], values: Mapping[str, Array]) -> None:
    """The zip with its members in order, the weights changed."""
    archive = ZipArchive(PositionedFile(source))
    archive.bound_together()
    with zipfile.ZipFile(target, "w") as folded:
        for name, member in archive.members.items():
            # what is written into the member changes its record
            with folded.open(copy(member), "w") as written:
                if name == _WEIGHTS:
                    _copy_weights(archive.open_member(name), written, values)
                else:
                    written.writelines(archive.chunks(name))


def _copy_weights(original: IO[bytes], target: IO[bytes], values: Mapping[str, Array]) -> None:
    """An HDF5 file with other values in some of its arrays."""
    import h5py

    with tempfile.TemporaryFile() as changed:
        shutil.copyfileobj(original, changed)
        with h5py.File(changed, "r+") as weights:
            for key, array in values.items():
                weights[key][...] = array
        changed.seek(0)
        shutil.copyfileobj(changed, target)
