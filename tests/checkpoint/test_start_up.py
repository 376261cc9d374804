"""Listing is fast by not doing: what must not be imported for it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

FIXTURES = Path(__file__).parent / "fixtures"
NEVER = {"numpy", "rich", "click", "dataclasses", "typing", "inspect", "h5py", "tensorflow"}
NEVER |= {"google.protobuf", "zipfile", "threading", "logging", "hashlib"}


def imported_by(code: str) -> set[str]:
    """The modules of a fresh process after some code."""
    code += "\nimport sys; print('\\n'.join(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-S", "-c", "import sys; sys.path[:0] = " + repr(sys.path) + "\n" + code],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return set(done.stdout.split())


def test_listing_imports_next_to_nothing():
    """Opening a checkpoint and looking at every variable needs no library but the checksum's."""
    loaded = imported_by(
        "from lnfold.checkpoint import open_checkpoint\n"
        f"with open_checkpoint({str(FIXTURES / 'sharded')!r}) as checkpoint:\n"
        "    assert [(v.name, v.shape, v.dtype, v.nbytes) for v in checkpoint.values()]"
    )

    assert "google_crc32c" in loaded
    assert not loaded & NEVER


def test_verifying_needs_no_numpy():
    """Checksums are computed over bytes."""
    loaded = imported_by(
        "from lnfold.checkpoint.verify import verify\n"
        f"assert verify({str(FIXTURES / 'sharded')!r}).passed"
    )

    assert "numpy" not in loaded


def test_this_test_would_notice_numpy():
    """Reading a value does import it."""
    loaded = imported_by(
        "from lnfold.checkpoint import open_checkpoint\n"
        f"open_checkpoint({str(FIXTURES / 'sharded')!r})['tower_0/kernel'].read()"
    )

    assert "numpy" in loaded
    assert not loaded & {"h5py", "tensorflow", "google.protobuf"}
