"""A stock-form fold as a TensorFlow checkpoint, for the program that wrote the original.

The variables of the folded networks get their new values; every other variable, optimizer
slots included, is carried over bit for bit. Beside it: the graph (.meta) as it was, the state
file where the folder has no other checkpoint, and the certificate. A SavedModel is copied as a
folder, with other variables.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from typing import Final

from lnfold.checkpoint import Checkpoint, Variable
from lnfold.checkpoint.bytes.window import stream_of
from lnfold.checkpoint.write import write_checkpoint
from lnfold.errors import OutputError, UsageError
from lnfold.export.certificates import certificate_text
from lnfold.export.copied_folder import copy_folder
from lnfold.export.values import new_values
from lnfold.files.whole_file import whole_file, whole_folder
from lnfold.folding.proof.certificate import Folded, NotFolded
from lnfold.network.records.layers import Array

CERTIFICATE = ".certificate.json"
_VARIABLES: Final = "variables"


def write_folded_checkpoint(
    checkpoint: Checkpoint,
    folded: Sequence[Folded],
    prefix: str,
    *,
    overwrite: bool = False,
    networks_only: bool = False,
    newest: bool | None = None,
    unfolded: Sequence[NotFolded] = (),
) -> list[str]:
    """Writes stock-form folds of ``checkpoint`` to the prefix ``prefix``.

    Args:
        overwrite: whether outputs that are there may be replaced; inputs never are.
        networks_only: leave out what the folded networks do not read.
        newest: see :func:`lnfold.checkpoint.write.write_checkpoint`.
        unfolded: the networks that the certificate names besides.

    Returns:
        The files written.

    Raises:
        OutputError: an output is there, is an input, or cannot be written.
    """
    _expect_name(prefix, checkpoint)
    meta = checkpoint.graph_file
    copies_meta = meta is not None and meta.endswith(".meta")
    certificate = prefix + CERTIFICATE
    beside = [certificate, *([prefix + ".meta"] if copies_meta else [])]
    refuse_existing(beside, overwrite)
    with ExitStack() as stack:
        # complete before the checkpoint is, renamed after it
        file = stack.enter_context(whole_file(certificate, certifies=True))
        file.write(certificate_text(checkpoint, folded, unfolded).encode("utf-8"))
        if copies_meta and meta is not None:
            target = stack.enter_context(whole_file(prefix + ".meta", of_checkpoint=True))
            shutil.copyfileobj(stream_of(meta), target)
        items = list(_items(checkpoint, folded, networks_only))
        written = write_checkpoint(prefix, items, overwrite=overwrite, newest=newest)
    return [*written, *beside]


def write_folded_saved_model(
    checkpoint: Checkpoint,
    folded: Sequence[Folded],
    folder: str,
    *,
    unfolded: Sequence[NotFolded] = (),
) -> list[str]:
    """Writes a SavedModel like the one that was read, with the folded variables.

    The folder must not exist: a folder cannot be replaced whole. Files are copied, and a link
    or a pipe among them is refused.

    Raises:
        OutputError: something is there already, or it cannot be written.
        UsageError: the checkpoint is no SavedModel.
    """
    if checkpoint.format != "SavedModel" or checkpoint.graph_file is None:
        raise UsageError("the input is no SavedModel", file=checkpoint.path)
    source = os.path.dirname(checkpoint.graph_file)
    folder = os.path.normpath(folder)
    parent = os.path.dirname(os.path.abspath(folder))
    if os.path.commonpath([os.path.realpath(parent), real := os.path.realpath(source)]) == real:
        raise OutputError("lies inside the input", file=folder, remedy="Choose another place.")
    with whole_folder(folder) as copy:
        copy_folder(source, copy, leave_out=_VARIABLES)
        os.mkdir(os.path.join(copy, _VARIABLES))
        prefix = os.path.join(copy, _VARIABLES, "variables")
        write_checkpoint(prefix, list(_items(checkpoint, folded, False)), newest=False)
        with whole_file(os.path.join(copy, "certificate.json")) as file:
            file.write(certificate_text(checkpoint, folded, unfolded).encode("utf-8"))
    return [folder]


def _expect_name(prefix: str, checkpoint: Checkpoint) -> None:
    """OutputError for a folder: a prefix is the beginning of file names in one."""
    if os.path.basename(prefix) and not os.path.isdir(prefix):
        return
    example = os.path.join(prefix, os.path.basename(os.path.normpath(checkpoint.path)))
    raise OutputError(
        "is a folder, where the files of a checkpoint need a name",
        file=prefix,
        remedy=f"Give --output {example}.",
    )


def refuse_existing(paths: Iterable[str], overwrite: bool) -> None:
    """OutputError for the first output that is there already, unless it may be replaced."""
    for path in paths:
        if os.path.lexists(path) and not overwrite:
            raise OutputError(
                "exists already", file=path, remedy="Choose another name, or give --force."
            )


def _items(
    checkpoint: Checkpoint, folded: Sequence[Folded], networks_only: bool
) -> Iterator[tuple[str, Array | Variable]]:
    values = new_values(checkpoint, folded)
    wanted = {name for one in folded for name in one.original.variables()}
    for name, variable in checkpoint.items():
        if networks_only and name not in wanted:
            continue
        yield variable.key, values.get(name, variable)
