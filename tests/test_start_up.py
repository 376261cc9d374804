"""Fast by not doing: what a command must not import, and what errors must not cost."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = ["tensorflow", "h5py", "onnx", "onnxruntime", "pandas", "scipy", "matplotlib", "jax",
         "torch", "google.protobuf", "keras", "safetensors"]  # fmt: skip


def modules_after(*arguments: str) -> set[str]:
    """The modules that a command has imported when it is done, in a process of its own."""
    code = (
        "import json, sys\n"
        "from lnfold.cli import run_command_line\n"
        f"run_command_line({list(arguments)!r})\n"
        "print(json.dumps(sorted(sys.modules)), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    return set(json.loads(done.stderr.splitlines()[-1]))


def test_inspect_imports_nothing_heavy(samples):
    """A whole report as JSON needs NumPy and click, not rich, and no framework."""
    loaded = modules_after("inspect", str(samples / "cartpole_actor"), "--json")

    assert "numpy" in loaded
    assert not loaded & {*HEAVY, "rich"}


def test_inspecting_for_a_terminal_adds_rich_alone(samples):
    """What is printed for people is laid out by rich."""
    loaded = modules_after("inspect", str(samples / "cartpole_actor"))

    assert "rich" in loaded
    assert not loaded & set(HEAVY)


@pytest.mark.parametrize("arguments", [["--version"], ["-h"]])
def test_help_imports_no_numpy(arguments):
    """Asking what there is costs no more than click."""
    assert "numpy" not in modules_after(*arguments)


def test_this_test_would_notice_tensorflow():
    """The list of modules is real: importing json is seen, so importing TensorFlow would be."""
    assert "json" in modules_after("--version")
