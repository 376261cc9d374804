"""Archives that lnfold wrote, read as they are read back."""

from __future__ import annotations

from lnfold.checkpoint import open_checkpoint
from lnfold.network.facts.settings import Settings
from lnfold.network.records.layers import Network
from lnfold.recovery.archive import recover_archive


def read_archive(path: str) -> tuple[Network, ...]:
    """The networks of the archive at ``path``; refused where it is none."""
    with open_checkpoint(path) as checkpoint:
        return recover_archive(checkpoint, Settings()).networks
