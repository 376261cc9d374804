"""The manifest of an ``.npz`` that lnfold wrote: JSON that says what each array of it is.

It is an array ``manifest`` of bytes, UTF-8. `lnfold schema manifest` describes it in full, the
formula of every kind of layer included.
"""

from __future__ import annotations

import json

from lnfold.checkpoint.bytes.zip_archive import ZipArchive
from lnfold.checkpoint.numpy_files.npy_header import NpyHeader, member_of
from lnfold.errors import DamagedError, InputError, NotACheckpointError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

MANIFEST = "manifest"
FORMAT = "lnfold folded networks"
SCHEMA_VERSION = 2
ARCHIVE = "lnfold .npz"  # what a Checkpoint of it has as its format
_LARGEST = 64 << 20


def manifest_in(archive: ZipArchive) -> dict[str, Any]:
    """The manifest of an archive; what it says under ``networks`` is not looked into.

    Raises:
        NotACheckpointError: there is none, or it is another program's.
        DamagedError: it is no JSON, or of another version.
    """
    path = archive.file.path
    try:
        raw = archive.read(member_of(MANIFEST), _LARGEST)
        header = NpyHeader(raw)
    except (KeyError, ValueError) as error:
        raise _no_manifest(path) from error
    if header.dtype != "uint8":
        raise _no_manifest(path)
    try:
        manifest = json.loads(raw[header.data_start :].decode("utf-8"))
    except (ValueError, RecursionError) as error:
        if FORMAT.encode() not in raw:
            raise _no_manifest(path) from error
        raise DamagedError(f"the manifest is no JSON ({error})", file=path) from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise _no_manifest(path)
    if manifest.get("schema_version") not in (1, SCHEMA_VERSION) or "networks" not in manifest:
        raise DamagedError(
            f"the manifest has version {manifest.get('schema_version')!r:.60}, this lnfold reads "
            f"{SCHEMA_VERSION}",
            file=path,
        )
    return manifest


def names_by_manifest(archive: ZipArchive) -> dict[str, str] | None:
    """Key of an array → what the checkpoint called it that it comes from, or its layer's scope
    and role; None for an archive that lnfold did not write.

    Nothing is raised for one that is damaged: whoever reads the networks is told.
    """
    if member_of(MANIFEST) not in archive.members:
        return None
    try:
        return dict(_named(manifest_in(archive)["networks"]))
    except NotACheckpointError:
        return None
    except (InputError, RecursionError):
        return {}


def _named(value: object, scope: str = "", role: str = "") -> Iterator[tuple[str, str]]:
    """What a manifest calls arrays, wherever in it: ``{"array": key, "variables": [name]}``."""
    if isinstance(value, list):
        for one in value:
            yield from _named(one, scope, role)
    if not isinstance(value, dict):
        return
    key, variables = value.get("array"), value.get("variables")
    if isinstance(key, str) and isinstance(variables, list):
        alone = variables[0] if len(variables) == 1 else None
        own = f"{scope}/{role}" if scope else key
        yield key, alone if alone and isinstance(alone, str) else own
    inner = value.get("scope")
    for field, one in value.items():
        yield from _named(one, inner if isinstance(inner, str) else scope, field)


def _no_manifest(path: str) -> NotACheckpointError:
    return NotACheckpointError("this archive holds no manifest of folded networks", file=path)
