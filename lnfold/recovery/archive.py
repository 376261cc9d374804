"""The networks of an ``.npz`` that lnfold wrote, with the evidence that they had."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lnfold.checkpoint import Checkpoint
from lnfold.checkpoint.numpy_files.manifest import MANIFEST, manifest_in, names_by_manifest
from lnfold.network.facts.settings import Settings, is_meant
from lnfold.network.manifest.reader import networks_of
from lnfold.recovery.names.contradictions import check_against_evidence
from lnfold.recovery.names.scopes import variable_roles
from lnfold.recovery.record import Recovery


def recover_archive(checkpoint: Checkpoint, settings: Settings) -> Recovery:
    """The networks as they were written; their numbers have the names that the variables had.

    Raises:
        NotACheckpointError: it is another program's ``.npz``.
        DamagedError: its manifest contradicts itself or its arrays.
        UsageError: an option contradicts what was read when it was written.
    """
    (archive,) = checkpoint.container.archives()
    archive.bound_together()
    manifest = manifest_in(archive)
    arrays = {one.key: one for one in checkpoint.values()}
    networks = networks_of(manifest["networks"], arrays, checkpoint.path)
    for network in networks:
        if is_meant(network.name, settings):
            check_against_evidence(network, settings)
    named = names_by_manifest(archive) or {}
    strangers = (one.name for one in checkpoint.values() if one.key not in {MANIFEST, *named})
    roles = variable_roles(checkpoint.values())
    return Recovery(networks, roles, tuple(_notes(manifest)), tuple(strangers))


def _notes(manifest: dict[str, Any]) -> Iterator[str]:
    """What was folded in which form, as the manifest says it."""
    source = manifest.get("source")
    path = source.get("path") if isinstance(source, dict) else None
    for one in manifest["networks"]:
        form = one.get("form", "its own")
        of = "an approximation of" if form == "frozen-deviation" else "of"
        yield f"network {one['name']} is {of} {path}, written in {form} form"
