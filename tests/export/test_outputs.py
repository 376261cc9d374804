"""Outputs: whole or not at all, never over an input, read back to the same networks."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

from lnfold.checkpoint import Checkpoint, open_checkpoint
from lnfold.checkpoint.finding.state_file import read_state
from lnfold.cli.schema import schema_of
from lnfold.errors import DamagedError, NotACheckpointError, OutputError
from lnfold.export import tf_checkpoint
from lnfold.export.archive import write_archive, write_networks
from lnfold.export.certificates import certificate_text
from lnfold.export.tf_checkpoint import write_folded_checkpoint
from lnfold.export.values import new_values
from lnfold.folding.editing.steps import Form
from lnfold.folding.editing.unwritable import unwritable
from lnfold.folding.fold import Choice, fold, fold_together
from lnfold.folding.proof.certificate import Folded
from lnfold.network.facts.evidence import Fact, Source
from lnfold.network.records.layers import Gap, Opaque, RMSNorm
from lnfold.network.running.run import run
from lnfold.recovery.recover import recover
from tests.export.archives import read_archive
from tests.folding.build import Builder
from tests.folding.test_recurrent import lstm

OUTPUTS = ["checkpoint", "out.certificate.json", "out.data-00000-of-00001", "out.index", "out.meta"]


@pytest.fixture
def checkpoint(samples: Path) -> Checkpoint:
    return open_checkpoint(samples / "cartpole_actor")


def folded(checkpoint: Checkpoint, form: Form = Form.STOCK) -> tuple[Folded, ...]:
    return fold_together(recover(checkpoint).networks, Choice(form))


@pytest.mark.parametrize("form", list(Form))
def test_an_archive_gives_back_the_same_networks(
    checkpoint: Checkpoint, tmp_path: Path, form: Form
) -> None:
    """Every form, bit for bit the same outputs, with the variables its numbers came from."""
    folds = folded(checkpoint, form)
    path = str(tmp_path / "actor.npz")
    written = write_archive(checkpoint, folds, path)

    assert sorted(map(os.path.basename, written)) == ["actor.certificate.json", "actor.npz"]
    assert open_checkpoint(path).format == "lnfold .npz"
    (network,) = read_archive(path)
    rows = np.random.default_rng(0).standard_normal((50, 5)).astype(np.float32)
    expected = run(folds[0].network, rows)
    assert (
        run(network, rows)[network.outputs[0]].tobytes() == expected[network.outputs[0]].tobytes()
    )
    assert network.variables() == folds[0].network.variables()
    assert fold(network, Choice(Form.STOCK if form is Form.STOCK else Form.RMS)).certificates == ()


def test_equal_networks_give_equal_files(checkpoint: Checkpoint, tmp_path: Path) -> None:
    """No time stamp, no order of hashing."""
    for name in ("one.npz", "two.npz"):
        write_archive(checkpoint, folded(checkpoint, Form.RMS), str(tmp_path / name))

    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()


def test_a_foreign_or_damaged_archive_is_named(checkpoint: Checkpoint, tmp_path: Path) -> None:
    """Another .npz, a manifest that names a missing array, and none of it is unpickled."""
    foreign = tmp_path / "foreign.npz"
    np.savez(foreign, a=np.zeros(3))
    with pytest.raises(NotACheckpointError, match="no manifest"):
        read_archive(str(foreign))

    path = tmp_path / "actor.npz"
    write_archive(checkpoint, folded(checkpoint, Form.RMS), str(path))
    with np.load(path) as arrays:
        kept = {name: arrays[name] for name in arrays.files if "layer0" not in name}
    np.savez(path, **kept)
    with pytest.raises(DamagedError, match="layer0"):
        read_archive(str(path))


def test_the_certificate_follows_its_schema(checkpoint: Checkpoint) -> None:
    """For every form, with steps, refusals and counts in it."""
    schema = json.loads(schema_of("certificate"))
    for form in Form:
        record = json.loads(certificate_text(checkpoint, folded(checkpoint, form)))
        jsonschema.validate(record, schema)
        (network,) = record["networks"]
        assert network["applied"]
        assert network["float64_error"] <= record["limits"]["float64_error"]
        assert [one["before"] for one in network["numbers"]] == [192, 192]


def test_an_existing_output_needs_permission(checkpoint: Checkpoint, tmp_path: Path) -> None:
    """Nothing is touched without it; with it the new one stands there whole."""
    prefix = str(tmp_path / "out")
    write_folded_checkpoint(checkpoint, folded(checkpoint), prefix)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    with pytest.raises(OutputError, match="already"):
        write_folded_checkpoint(checkpoint, folded(checkpoint), prefix)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    write_folded_checkpoint(checkpoint, folded(checkpoint), prefix, overwrite=True)
    assert sorted(os.listdir(tmp_path)) == OUTPUTS


def test_an_input_is_never_replaced(samples: Path, tmp_path: Path) -> None:
    """Not even with permission, nor under another name of the same file."""
    copy = tmp_path / "run"
    shutil.copytree(samples / "cartpole_actor", copy)
    before = {path.name: path.read_bytes() for path in copy.iterdir()}
    (tmp_path / "link").symlink_to(copy)
    with open_checkpoint(copy) as checkpoint:
        for folder in (copy, tmp_path / "link"):
            prefix = str(folder / "actor.ckpt-12000")
            with pytest.raises(OutputError, match="is an input"):
                write_folded_checkpoint(checkpoint, folded(checkpoint), prefix, overwrite=True)

    assert {path.name: path.read_bytes() for path in copy.iterdir()} == before


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_an_interrupted_write_leaves_nothing(
    checkpoint: Checkpoint,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: BaseException,
) -> None:
    """A full disk or Ctrl-C in the middle: the folder is as it was."""

    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(tf_checkpoint, "write_checkpoint", fail)
    with pytest.raises((OutputError, KeyboardInterrupt)):
        write_folded_checkpoint(checkpoint, folded(checkpoint), str(tmp_path / "out"))

    assert os.listdir(tmp_path) == []


_SLOW_WRITER = """
import sys, time
from lnfold.checkpoint import open_checkpoint
from lnfold.export import tf_checkpoint
from lnfold.folding.fold import fold_together
from lnfold.network.facts.evidence import Fact, Source
from lnfold.network.records.layers import Gap, Opaque, RMSNorm
from lnfold.recovery.recover import recover
checkpoint = open_checkpoint(sys.argv[1])
folded = fold_together(recover(checkpoint).networks)
def items(*arguments):
    for item in real(*arguments):
        print("writing", flush=True)
        yield item
        time.sleep(0.5)
real, tf_checkpoint._items = tf_checkpoint._items, items
tf_checkpoint.list = lambda found: found
tf_checkpoint.write_folded_checkpoint(checkpoint, folded, sys.argv[2])
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs a signal that nobody can catch")
def test_a_killed_process_leaves_no_output(samples: Path, tmp_path: Path) -> None:
    """Killed between two variables: no file of the output's name is there."""
    command = [sys.executable, "-c", _SLOW_WRITER, str(samples / "cartpole_actor")]
    process = subprocess.Popen(
        [*command, str(tmp_path / "out")], stdout=subprocess.PIPE, cwd=samples.parent
    )
    assert process.stdout is not None
    assert process.stdout.readline().strip() == b"writing"
    time.sleep(0.1)
    process.kill()
    process.wait()
    process.stdout.close()

    assert [name for name in os.listdir(tmp_path) if not name.startswith(".")] == []


def test_only_the_networks_variables_on_request(checkpoint: Checkpoint, tmp_path: Path) -> None:
    """Optimizer slots and counters stay behind."""
    prefix = str(tmp_path / "out")
    write_folded_checkpoint(checkpoint, folded(checkpoint), prefix, networks_only=True)
    (network,) = recover(checkpoint).networks

    with open_checkpoint(prefix) as written:
        assert set(written) == set(network.variables()) < set(checkpoint)


def test_what_is_computed_from_a_variable_is_not_written_back(checkpoint: Checkpoint) -> None:
    """A parameter that is not its variable's values, or of two variables, keeps both."""
    (network,) = recover(checkpoint).networks
    dense = network.layers[0]
    kernel = dense.kernel  # type: ignore[attr-defined]
    halved = replace(dense, kernel=replace(kernel, array=kernel.array / 2))  # type: ignore[call-arg]
    changed = replace(network, layers=(halved, *network.layers[1:]))

    assert unwritable(checkpoint, [network]) == frozenset()
    assert unwritable(checkpoint, [changed]) == {kernel.name}
    frozen = Choice(frozen=unwritable(checkpoint, [changed]))
    assert kernel.name not in new_values(checkpoint, [fold(network, frozen)])


def test_other_forms_are_no_checkpoint(checkpoint: Checkpoint) -> None:
    """Only the stock form has a value for every variable."""
    with pytest.raises(ValueError, match="rms form"):
        new_values(checkpoint, folded(checkpoint, Form.RMS))


def test_the_state_file_keeps_the_checkpoints_it_named(
    checkpoint: Checkpoint, tmp_path: Path
) -> None:
    """Saved beside others, and again in the place of one: each is named once, the newest last."""
    (tmp_path / "checkpoint").write_text(
        'model_checkpoint_path: "run-2"\n'
        'all_model_checkpoint_paths: "run-1"\n'
        'all_model_checkpoint_paths: "a \\"quoted\\" \\\\ name"\n'
        'all_model_checkpoint_paths: "run-2"\n'
    )
    folds = folded(checkpoint)
    for name in ("folded", "run-1", "folded"):
        path = str(tmp_path / name)
        write_folded_checkpoint(checkpoint, folds, path, overwrite=True, newest=True)

    newest, every = read_state(str(tmp_path / "checkpoint"))
    assert newest == "folded"
    assert every == ['a "quoted" \\ name', "run-2", "run-1", "folded"]


def test_tensorflow_finds_all_of_them(
    tensorflow: Any, checkpoint: Checkpoint, tmp_path: Path
) -> None:
    """tf.train.latest_checkpoint and get_checkpoint_state read the same from that file."""
    folds = folded(checkpoint)
    for name in ("one-1", "two-2", "three-3"):
        write_folded_checkpoint(checkpoint, folds, str(tmp_path / name), newest=True)
    state = tensorflow.train.get_checkpoint_state(str(tmp_path))

    assert tensorflow.train.latest_checkpoint(str(tmp_path)) == str(tmp_path / "three-3")
    names = [os.path.basename(one) for one in state.all_model_checkpoint_paths]
    assert names == ["one-1", "two-2", "three-3"]


def test_every_kind_of_layer_comes_back_from_an_archive(
    checkpoint: Checkpoint, tmp_path: Path
) -> None:
    """prelu, LSTM and an operation that is not run as well, with what is missing for it."""
    build = Builder()
    h = build.prelu(build.dense(build.input(5), 8))
    build.add(Opaque("fft", (lstm(build, h, 4),), "fft", "RFFT", ("window",), 3), 3)
    build.clip(build.norm(build.dense("fft", 6), kind=RMSNorm), -1, 1)
    wiring: Fact[str] = Fact("built", Source.GRAPH)
    gap = Gap("RFFT is no operation that lnfold runs", "Choose another end.")
    network = replace(build.network(), wiring=wiring, gaps=(gap,))
    path = str(tmp_path / "networks.npz")
    write_networks(checkpoint, [({}, network)], path)
    (found,) = read_archive(path)

    assert found.gaps == network.gaps
    assert [type(one) for one in found.layers] == [type(one) for one in network.layers]
    assert [one.variables() for one in found.layers] == [one.variables() for one in network.layers]
