"""The folders are the way that data flows: imports only point to the left."""

from __future__ import annotations

import ast
from pathlib import Path

from tests.conftest import ROOT

ORDER = ["checkpoint", "network", "relations", "checking", "folding", "report", "export", "cli"]
ANYWHERE = {
    "errors",
    "figures",
    "csv_text",
    "json_text",
    "file_names",
    "files_read",
    "standard_streams",
    "whole_file",
}
LONGEST = 300  # lines; a module that needs more is two ideas


def imported_folders(path: Path) -> set[str]:
    """The parts of lnfold that a module imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("lnfold."):
            found.add(str(node.module).split(".")[1])
    return found


def test_imports_only_point_to_the_left():
    """No module knows of what comes after it on a checkpoint's way through the program."""
    checked = 0
    for place, folder in enumerate(ORDER):
        for path in (ROOT / "lnfold" / folder).rglob("*.py"):
            allowed = {*ORDER[: place + 1], *ANYWHERE}
            assert imported_folders(path) <= allowed, path
            checked += 1
    assert checked > 150


def test_every_folder_is_part_of_the_order():
    """A new folder has to find its place."""
    folders = {path.parent.name for path in (ROOT / "lnfold").glob("*/__init__.py")}

    assert folders == set(ORDER)


def test_no_module_is_longer_than_one_idea():
    """300 lines are the limit."""
    lengths = {
        path: len(path.read_text("utf-8").splitlines()) for path in (ROOT / "lnfold").rglob("*.py")
    }
    assert {path for path, length in lengths.items() if length > LONGEST} == set()


def test_nothing_heavy_is_imported_at_the_top_of_a_module():
    """Frameworks and plotting are imported inside the function that needs them."""
    heavy = {"tensorflow", "h5py", "onnx", "matplotlib", "pandas", "scipy"}
    for path in (ROOT / "lnfold").rglob("*.py"):
        for node in ast.parse(path.read_text("utf-8")).body:
            names = [one.name for one in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not {name.split(".")[0] for name in names} & heavy, path
