"""Outputs are whole or not there at all."""

from __future__ import annotations

import os

import pytest

from lnfold.errors import OutputError
from lnfold.whole_file import whole_file


def test_nothing_is_left_after_an_error(tmp_path):
    """An error in the middle leaves an earlier file as it was and no other beside it."""
    target = tmp_path / "out"
    target.write_text("earlier")

    def interrupted() -> None:
        with whole_file(target) as file:
            file.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()

    assert target.read_text() == "earlier"
    assert os.listdir(tmp_path) == ["out"]


def test_an_input_is_refused_under_any_name(tmp_path):
    """A link to the input is the input."""
    source = tmp_path / "in"
    source.write_text("kept")
    (tmp_path / "link").symlink_to(source)
    with (
        pytest.raises(OutputError, match="is an input"),
        whole_file(tmp_path / "link", inputs=[source]),
    ):
        pass

    assert source.read_text() == "kept"


def test_a_folder_and_a_missing_folder_are_named(tmp_path):
    """Both are errors about the output, before anything is written."""
    for path in (tmp_path, tmp_path / "missing" / "out"):
        with pytest.raises(OutputError, match=str(tmp_path)), whole_file(path):
            pass


def test_the_users_umask_counts(tmp_path):
    """An output is as readable as any file that the user makes."""
    before = os.umask(0o027)
    try:
        with whole_file(tmp_path / "out") as file:
            file.write(b"x")
    finally:
        os.umask(before)

    assert (tmp_path / "out").stat().st_mode & 0o777 == 0o640
