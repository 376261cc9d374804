"""What contributors and hosts read: it names what is there, and asks for what is needed."""

from __future__ import annotations

import re

import pytest

from tests.conftest import ROOT

HUB = ROOT / ".github"
PROJECT = (ROOT / "pyproject.toml").read_text("utf-8")


def test_every_path_that_contributors_are_sent_to_is_there():
    """Files and folders that stand in backquotes, and the documents that are linked."""
    found = 0
    for document in sorted(HUB.glob("*.md")):
        text = document.read_text("utf-8")
        named = re.findall(r"(?<![\w/])(?:lnfold|tests|sample_checkpoints|\.ci)/[\w/.]*\w/?", text)
        linked = re.findall(r"\]\((?!https?:)([^)#]+)\)", text)
        for path in [*(ROOT / one for one in named), *(HUB / one for one in linked)]:
            assert path.exists(), (document.name, str(path))
            found += 1
    assert found > 30


@pytest.mark.parametrize("topic", ["layer", "operation", "convention", "format", "command"])
def test_contributing_says_how_to_add_each(topic: str):
    """Each with at least one module of the package that it touches."""
    text = (HUB / "CONTRIBUTING.md").read_text("utf-8")
    (paragraph,) = re.findall(rf"^\*\*… an? [^*]*{topic}.*?(?=^\*\*…|^## )", text, re.M | re.S)
    assert re.search(r"`lnfold/\w[\w/]*(\.py)?", paragraph)


def test_hosted_tests_run_every_python_that_is_promised_on_three_systems():
    """From the oldest that pyproject allows to 3.14."""
    text = (HUB / "workflows" / "tests.yml").read_text("utf-8")
    (oldest,) = re.findall(r'requires-python = ">=3\.(\d+)"', PROJECT)
    pythons = [f'"3.{minor}"' for minor in range(int(oldest), 15)]
    assert f"python: [{', '.join(pythons)}]" in text
    assert "system: [ubuntu-latest, macos-latest, windows-latest]" in text


@pytest.mark.parametrize("form", sorted((HUB / "ISSUE_TEMPLATE").glob("[!c]*.yml")), ids=str)
def test_issue_forms_ask_for_what_settles_most_questions(form):
    """What `lnfold verify` prints, and the .index, which holds no weights."""
    text = form.read_text("utf-8")
    assert "lnfold verify CHECKPOINT" in text
    assert "The .index" in text


def test_coverage_has_a_floor():
    """A run with --cov fails where less is reached."""
    (floor,) = re.findall(r"^fail_under = (\d+)$", PROJECT, re.M)
    assert int(floor) >= 80
