"""Folded networks of any form as one ``.npz``: arrays, and a manifest that says what they are.

The archive holds an array ``manifest``, JSON as bytes, beside the arrays it names. It is read
back to the same networks, without unpickling anything.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Sequence
from typing import Any

import numpy as np

from lnfold.checkpoint import Checkpoint
from lnfold.checkpoint.numpy_files.array_file import holds_array, read_arrays
from lnfold.errors import DamagedError, NotACheckpointError
from lnfold.export.certificates import certificate_text, source_record
from lnfold.export.manifest import network_record
from lnfold.export.manifest_reader import networks_of
from lnfold.export.tf_checkpoint import refuse_existing
from lnfold.files.whole_file import whole_file
from lnfold.folding.proof.certificate import Folded, NotFolded
from lnfold.network.records.layers import Array, Network
from lnfold.text.json import json_text

MANIFEST = "manifest"
FORMAT = "lnfold folded networks"
SCHEMA_VERSION = 1
_LARGEST_MANIFEST = 64 << 20


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


def read_archive(path: str) -> tuple[Network, ...]:
    """The networks of an archive that ``write_archive`` wrote.

    Raises:
        UsageError: it cannot be read as arrays.
        NotACheckpointError: it is another ``.npz``.
        DamagedError: its manifest contradicts its arrays.
    """
    arrays = read_arrays(path, MANIFEST)
    manifest = _manifest(arrays, path)
    return networks_of(manifest["networks"], arrays, path)


def is_archive(path: str) -> bool:
    """Whether ``path`` is an ``.npz`` with a manifest of folded networks."""
    return holds_array(path, MANIFEST)


def _manifest(arrays: dict[str, Array], path: str) -> dict[str, Any]:
    stored = arrays.get(MANIFEST)
    if stored is None or stored.dtype != np.uint8 or stored.nbytes > _LARGEST_MANIFEST:
        raise NotACheckpointError("this archive holds no manifest of folded networks", file=path)
    try:
        manifest = json.loads(stored.tobytes().decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise DamagedError(f"the manifest is no JSON ({error})", file=path) from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise NotACheckpointError("this archive holds no manifest of folded networks", file=path)
    if manifest.get("schema_version") != SCHEMA_VERSION or "networks" not in manifest:
        raise DamagedError(
            f"the manifest has version {manifest.get('schema_version')!r:.60}, this lnfold reads "
            f"{SCHEMA_VERSION}",
            file=path,
        )
    return manifest


def _as_bytes(text: str) -> Array:
    return np.frombuffer(text.encode("utf-8"), np.uint8)


def _write_arrays(file: Any, arrays: dict[str, Array]) -> None:
    """An ``.npz`` without time stamps, so that equal networks give equal files."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            member = zipfile.ZipInfo(f"{name}.npy", (1980, 1, 1, 0, 0, 0))
            with archive.open(member, "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, np.asanyarray(array), allow_pickle=False)
