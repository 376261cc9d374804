"""Folded networks of any form as one ``.npz``: arrays, and a manifest that says what they are.

The archive holds an array ``manifest``, JSON as bytes, beside the arrays it names. It is read
back to the same networks, without unpickling anything.
"""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from typing import Any

import numpy as np

from lnfold.checkpoint import Checkpoint
from lnfold.checkpoint.numpy_files.manifest import FORMAT, MANIFEST, SCHEMA_VERSION
from lnfold.export.certificates import certificate_text, source_record
from lnfold.export.tf_checkpoint import refuse_existing
from lnfold.files.whole_file import whole_file
from lnfold.folding.proof.certificate import Folded, NotFolded
from lnfold.network.manifest.record import network_record
from lnfold.network.records.layers import Array, Network
from lnfold.text.json import json_text


def write_archive(
    checkpoint: Checkpoint,
    folded: Sequence[Folded],
    path: str,
    *,
    overwrite: bool = False,
    unfolded: Sequence[NotFolded] = (),
) -> list[str]:
    """Writes folded networks to ``path``, and their certificate beside it.

    Args:
        unfolded: the networks that the certificate names besides.

    Returns:
        The files written.

    Raises:
        OutputError: an output is there, is an input, or cannot be written.
    """
    certificate = path.removesuffix(".npz") + ".certificate.json"
    refuse_existing([path, certificate], overwrite)
    entries = [
        (
            {
                "form": one.form.value,
                "identities": sorted({step.identity for step in one.certificates}),
            },
            one.network,
        )
        for one in folded
    ]
    with whole_file(certificate, certifies=True) as file:
        file.write(certificate_text(checkpoint, folded, unfolded).encode("utf-8"))
        # the certificate is renamed after the archive that it speaks of
        write_networks(checkpoint, entries, path, overwrite=overwrite)
    return [path, certificate]


def write_networks(
    checkpoint: Checkpoint,
    entries: Sequence[tuple[dict[str, Any], Network]],
    path: str,
    *,
    overwrite: bool = False,
) -> None:
    """Writes networks, each with what the manifest shall say of it besides, to ``path``.

    Raises:
        OutputError: the output is there, is an input, or cannot be written.
    """
    refuse_existing([path], overwrite)
    arrays: dict[str, Array] = {}
    manifest = {
        "format": FORMAT,
        "schema_version": SCHEMA_VERSION,
        "source": source_record(checkpoint),
        "networks": [
            {**said, **network_record(network, f"network{number}/", arrays)}
            for number, (said, network) in enumerate(entries)
        ],
    }
    with whole_file(path) as file:
        _write_arrays(file, {MANIFEST: _as_bytes(json_text(manifest)), **arrays})


def _as_bytes(text: str) -> Array:
    return np.frombuffer(text.encode("utf-8"), np.uint8)


def _write_arrays(file: Any, arrays: dict[str, Array]) -> None:
    """An ``.npz`` without time stamps, so that equal networks give equal files."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            member = zipfile.ZipInfo(f"{name}.npy", (1980, 1, 1, 0, 0, 0))
            with archive.open(member, "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, np.asanyarray(array), allow_pickle=False)
