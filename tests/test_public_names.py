"""The public surface: complete, sorted, importable, told in one line each, and typed."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import lnfold
from lnfold.errors import IncompleteNetworkError, UnknownNameError, UsageError
from tests.conftest import ROOT


def test_every_public_name_is_there():
    """__all__ is sorted and every name in it resolves to something documented."""
    assert lnfold.__all__ == sorted(lnfold.__all__)
    assert list(lnfold._HOMES) == lnfold.__all__
    assert dir(lnfold) == sorted([*lnfold.__all__, "__version__"])
    for name in lnfold.__all__:
        assert getattr(lnfold, name).__doc__


def test_help_tells_every_public_name_in_one_line():
    """The package's docstring has a line for each, and for nothing else."""
    assert lnfold.__doc__ is not None
    told = re.findall(r"^    (\w+)  +\S.*$", lnfold.__doc__, re.M)
    assert sorted(told) == lnfold.__all__


def test_the_version_is_the_packages():
    """`lnfold --version` and the distribution say the same."""
    from importlib.metadata import version

    assert lnfold.__version__ == version("lnfold")


def test_every_record_that_a_user_holds_says_in_one_line_what_it_is(samples):
    """Its class, its name and its size, never its arrays."""
    with lnfold.open_checkpoint(samples / "cartpole_actor") as checkpoint:
        recovery = lnfold.recover(checkpoint)
        report = lnfold.build_report(checkpoint, recovery)
        actor = recovery.named("actor")
        folded = lnfold.fold(actor, "carry")
        kernel = checkpoint["actor/dense/kernel"]
        path = checkpoint.path

    shown = {
        repr(checkpoint): f"Checkpoint({path!r}, TensorBundle V2, 33 variables)",
        repr(kernel): "Variable('actor/dense/kernel', float32, (5, 64))",
        repr(recovery): "Recovery('actor', 0 variables unused, 0 notes)",
        repr(actor): "Network('actor', (None, 5) → (None, 1), 8 layers)",
        repr(report): f"Report({path!r}, 'actor': No)",
        repr(report.networks[0]): "NetworkReport('actor': No; agrees)",
        repr(folded): "Folded('actor', carry form, 5 steps, 1 refused)",
        repr(lnfold.check(actor)): "Comparison(agrees, NumPy float32 against float64: "
        "1024 of 1024 numbers agree)",
    }
    assert list(shown) == list(shown.values())
    for one in (*actor.layers, *folded.certificates, report.networks[0].observations):
        assert len(repr(one)) < 600
        assert "array" not in repr(one)


def test_a_variable_is_an_array_to_numpy(samples):
    """Its values, in any type; to_dict holds them all, rows says what they are."""
    with lnfold.open_checkpoint(samples / "cartpole_actor") as checkpoint:
        variable = checkpoint["actor/dense/kernel"]
        values = variable.read()
        np.testing.assert_array_equal(np.asarray(variable), values)
        assert np.asarray(variable, np.float64).dtype == np.float64
        assert np.array(variable).flags.writeable
        every, rows = checkpoint.to_dict(), checkpoint.rows()
        np.testing.assert_array_equal(every["actor/dense/kernel"], values)
        assert [one["name"] for one in rows] == list(every) == list(checkpoint)
        assert [one["shape"] for one in rows] == [array.shape for array in every.values()]


def test_a_wrong_name_is_a_key_error_that_tells_near_ones(samples):
    """By its ending, or by its letters; get and in take it as every mapping does."""
    with lnfold.open_checkpoint(samples / "cartpole_actor") as checkpoint:
        for wrong, near in (("dense/bias", "actor/dense/bias"), ("actor/dence/bias", "dense/bias")):
            with pytest.raises(KeyError, match=near) as caught:
                checkpoint[wrong]
            assert isinstance(caught.value, UnknownNameError)
            assert checkpoint.get(wrong) is None
            assert wrong not in checkpoint


def test_check_judges_networks_and_outputs(samples):
    """A fold and its own run agree, changed outputs differ, and what cannot be judged says why."""
    with lnfold.open_checkpoint(samples / "cartpole_actor") as checkpoint:
        actor = lnfold.recover(checkpoint).named("actor")
    inputs = np.random.default_rng(0).normal(size=(64, 5)).astype(np.float32)
    outputs = lnfold.run(actor, inputs)[actor.outputs[0]]

    assert lnfold.check(actor, lnfold.fold(actor, "side-channel").network).passed
    assert lnfold.check(actor, lnfold.fold(actor).network, inputs).passed
    assert lnfold.check(actor, outputs, inputs).passed
    assert lnfold.check(actor, {actor.outputs[0]: outputs}, {"obs0": inputs}).passed
    assert lnfold.check(actor, outputs + 0.1, inputs).verdict.value == "differs"
    with pytest.raises(UsageError, match="inputs"):
        lnfold.check(actor, outputs)
    with pytest.raises(UsageError, match="no form is called 'smaller'"):
        lnfold.fold(actor, "smaller")


def test_what_is_assumed_is_not_checked_unless_asked(samples, tmp_path):
    """As on the command line: the arrays without their graph do not say the wiring."""
    with lnfold.open_checkpoint(samples / "cartpole_actor") as checkpoint:
        np.savez(tmp_path / "actor.npz", **checkpoint.to_dict())
    with lnfold.open_checkpoint(tmp_path / "actor.npz") as checkpoint:
        network = lnfold.recover(checkpoint).named("actor")

    assert network.assumed
    with pytest.raises(IncompleteNetworkError, match="assumed"):
        lnfold.check(network)
    assert lnfold.check(network, assume=True).passed


SCRIPT = """
import numpy as np

import lnfold

with lnfold.open_checkpoint("run/model.ckpt-500") as checkpoint:
    kernel: np.ndarray = np.asarray(checkpoint["actor/dense/kernel"])
    variable: lnfold.Variable = checkpoint["actor/dense/kernel"]
    shapes: dict[str, tuple[int, ...]] = {name: one.shape for name, one in checkpoint.items()}
    arrays: dict[str, np.ndarray] = checkpoint.to_dict()
    recovery: lnfold.Recovery = lnfold.recover(checkpoint, lnfold.Settings(epsilon=1e-5))
    report: lnfold.Report = lnfold.build_report(checkpoint, recovery, lnfold.Question("actor"))
actor: lnfold.Network = recovery.named("actor")
outputs: dict[str, np.ndarray] = lnfold.run(actor, kernel)
act = lnfold.compiled(actor)
action: np.ndarray = act(kernel)[actor.outputs[0]]
folded: lnfold.Folded = lnfold.fold(actor, "carry")
steps: list[str] = [one.formula for one in folded.certificates]
found: lnfold.Comparison = lnfold.check(actor, folded.network, kernel)
agrees: bool = found.passed
sentence: str = report.networks[0].answer.sentence
text: str = lnfold.as_json(report)
try:
    lnfold.open_checkpoint("nowhere")
except (lnfold.InputError, lnfold.UsageError) as error:
    remedy: str | None = error.remedy
"""


(EXAMPLE,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.S)


@pytest.mark.parametrize(
    ("code", "complaint"),
    [(SCRIPT, ""), (EXAMPLE, ""), (SCRIPT + "wrong: int = lnfold.fold(actor)\n", "Folded")],
    ids=["script", "readme", "wrong"],
)
def test_a_users_script_passes_mypy_strict(tmp_path: Path, code: str, complaint: str):
    """From outside, where py.typed is all that mypy goes by; and a wrong type is noticed."""
    pytest.importorskip("mypy")
    script = tmp_path / "script.py"
    script.write_text(code, "utf-8")
    command = [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent"]
    command += ["--config-file=", f"--cache-dir={tmp_path}", str(script)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=500)

    assert done.stderr == ""
    assert complaint in done.stdout
    assert done.returncode == bool(complaint), done.stdout


def test_what_an_error_class_promises_is_what_it_is():
    """Whoever knows lnfold not at all may catch the name that is wrong as a KeyError."""
    assert issubclass(UnknownNameError, KeyError)
    assert str(UnknownNameError("no such name", remedy="Look.")) == "no such name. Look."
