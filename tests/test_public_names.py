"""The public surface: complete, sorted, importable."""

from __future__ import annotations

import lnfold


def test_every_public_name_is_there():
    """__all__ is sorted and every name in it resolves to something documented."""
    assert lnfold.__all__ == sorted(lnfold.__all__)
    assert set(lnfold.__all__) == set(lnfold._HOMES)
    for name in lnfold.__all__:
        assert getattr(lnfold, name).__doc__


def test_the_version_is_the_packages():
    """`lnfold --version` and the distribution say the same."""
    from importlib.metadata import version

    assert lnfold.__version__ == version("lnfold")
