"""The folders are the way that data flows: imports only point to the left, and go in no circle."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

from tests.conftest import ROOT

# Rooms in the order of the flow. A module that stands in a folder beside its rooms, such as
# ``recovery/recover.py``, comes after all of them.
ROOMS = [
    "errors",
    "text",
    "files",
    "checkpoint/bytes",
    "checkpoint/variables",
    "checkpoint/bundle",
    "checkpoint/v1",
    "checkpoint/hdf5",
    "checkpoint/keras",
    "checkpoint/finding",
    "checkpoint/numpy_files",
    "checkpoint",
    "network/facts",
    "network/records",
    "network/operations",
    "network/running",
    "network/rounding",
    "network/manifest",
    "network",
    "recovery/names",
    "recovery/graph",
    "recovery/patterns",
    "recovery/wiring",
    "recovery/keras",
    "recovery/examples",
    "recovery",
    "relations/ranges",
    "relations/question",
    "relations/sensitivity",
    "relations/freedom",
    "relations",
    "checking",
    "folding/editing",
    "folding/proof",
    "folding/rules",
    "folding",
    "report/account",
    "report/words",
    "report/terminal",
    "report/json",
    "report/page",
    "export",
    "cli",
]
LONGEST = 300  # lines; a module that needs more is two ideas
MOST = 20  # files a room; more are two rooms
PACKAGE = ROOT / "lnfold"
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in PACKAGE.rglob("*.py")
}


def imported(path: Path) -> set[str]:
    """The modules of lnfold that one imports, wherever in it: in functions and for types, too."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found.update(one.name for one in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            members = {f"{node.module}.{one.name}" for one in node.names}
            found.update(members & MODULES.keys() or {str(node.module)})
    return found & MODULES.keys()


IMPORTS = {module: imported(path) for module, path in MODULES.items()}


def room(module: str) -> str | None:
    """The room that a module stands in; none for the package's own two files."""
    place = module.removeprefix("lnfold.").replace(".", "/")
    names = [one for one in ROOMS if place == one or place.startswith(f"{one}/")]
    return max(names, key=len, default=None)


def test_imports_only_point_to_the_left():
    """No module knows of what comes after it on a checkpoint's way through the program."""
    checked = 0
    for module, targets in IMPORTS.items():
        here = room(module)
        if here is None:
            continue
        for target in targets:
            there = room(target)
            assert there is not None, (module, target)
            assert ROOMS.index(there) <= ROOMS.index(here), (module, target)
            checked += 1
    assert checked > 1000


def test_no_imports_go_in_a_circle():
    """Taking away what imports nothing that is left, again and again, leaves no module."""
    left = dict(IMPORTS)
    while True:
        free = [module for module, targets in left.items() if not targets & left.keys()]
        if not free:
            break
        for module in free:
            del left[module]
    assert left == {}


def test_every_folder_is_a_room():
    """A new folder has to find its place, and a room that is gone leaves the list."""
    folders = {
        path.parent.relative_to(PACKAGE).as_posix() for path in PACKAGE.glob("**/__init__.py")
    }
    assert folders - {"."} | {"errors", "report"} == {*ROOMS, "report"}


def test_no_room_is_too_full():
    """Neither of the package's rooms nor of the tests' holds more than 20 modules."""
    for top in (PACKAGE, ROOT / "tests"):
        modules = [path for path in top.rglob("*.py") if path.name != "__init__.py"]
        counted = Counter(path.parent for path in modules if "fixtures" not in path.parts)
        assert {folder: count for folder, count in counted.items() if count > MOST} == {}
        assert len(counted) > 15


def test_no_module_is_longer_than_one_idea():
    """300 lines are the limit."""
    lengths = {path: len(path.read_text("utf-8").splitlines()) for path in MODULES.values()}
    assert {path for path, length in lengths.items() if length > LONGEST} == set()


def test_nothing_heavy_is_imported_at_the_top_of_a_module():
    """Frameworks and plotting are imported inside the function that needs them."""
    heavy = {"tensorflow", "h5py", "onnx", "matplotlib", "pandas", "scipy"}
    for path in MODULES.values():
        for node in ast.parse(path.read_text("utf-8")).body:
            names = [one.name for one in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not {name.split(".")[0] for name in names} & heavy, path
