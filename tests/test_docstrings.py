"""Every example in a docstring is true."""

from __future__ import annotations

import doctest
import importlib

import pytest

import lnfold
from tests.conftest import ROOT

PROMPT = ">>> "
WITH_EXAMPLES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted((ROOT / "lnfold").rglob("*.py"))
    if PROMPT in path.read_text("utf-8")
}


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_every_example_prints_what_it_says(name: str, monkeypatch: pytest.MonkeyPatch):
    """Run from the project's folder; none is overlooked for standing where doctest sees none."""
    monkeypatch.chdir(ROOT)
    module = importlib.import_module(name)
    failed, tried = doctest.testmod(module, optionflags=doctest.ELLIPSIS)

    assert failed == 0
    assert tried == WITH_EXAMPLES[name].read_text("utf-8").count(PROMPT)


@pytest.mark.parametrize(
    "name", ["open_checkpoint", "run", "compiled", "check", "fold", "fold_checkpoint"]
)
def test_the_names_to_begin_with_have_an_example(name: str):
    """In their own docstrings, where `help` shows it."""
    assert PROMPT in str(getattr(lnfold, name).__doc__)


def test_there_are_examples():
    """The list above is not empty for having looked in the wrong place."""
    assert len(WITH_EXAMPLES) >= 8
