"""What the tests of reading share."""

from __future__ import annotations

import pytest

from lnfold.checkpoint.bytes import positioned_file


@pytest.fixture(autouse=True)
def impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Damaged files of these tests were all written just now; nobody will replace them."""
    monkeypatch.setattr(positioned_file, "PATIENCE_SECONDS", 0.0)


@pytest.fixture
def patience(impatience: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """As users have it."""
    monkeypatch.setattr(positioned_file, "PATIENCE_SECONDS", 0.3)
