"""`lnfold check`: run a checkpoint's networks and say whether something else agrees."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

import click
import numpy as np

from lnfold.checking.compare import Comparison
from lnfold.cli.facts import fact_options, settings
from lnfold.cli.printing import leave_stdout_to
from lnfold.errors import UnknownNameError, UsageError
from lnfold.figures import printable
from lnfold.folding.runnable_part import not_run, runnable_part
from lnfold.network.layers import Array, Network
from lnfold.network.settings import Settings
from lnfold.network.settled import assumed_facts, expect_settled

Part = tuple[Network, tuple[str, ...]]  # what is run of a network, and the operations it leaves out


@click.command(
    epilog="""\b
Examples:
  lnfold check run/actor.ckpt-500
  lnfold check run/actor.ckpt-500 actor.npz
  lnfold check run/ folded/ --inputs observations.npy
  lnfold check run/ --against tensorflow
  lnfold check run/ --save results.npz && lnfold check other/ results.npz"""
)
@click.argument("left", metavar="A")
@click.argument("right", metavar="[B]", required=False)
@click.option("--inputs", metavar="FILE", help="Inputs to run on, .npy or .npz; else drawn.")
@click.option(
    "--against",
    type=click.Choice(["float64", "tensorflow", "expected"]),
    help="What A is compared with where no B is given; expected: the outputs beside --inputs.  "
    "[default: float64]",
)
@click.option("--network", metavar="NAME", help="Compare this network only.")
@click.option("--save", metavar="FILE", help="Keep inputs and outputs, to be judged again.")
@click.option("--json", "json_wanted", is_flag=True, help="JSON instead of text.")
@fact_options
def command(
    left: str,
    right: str | None,
    inputs: str | None,
    against: str | None,
    network: str | None,
    save: str | None,
    json_wanted: bool,
    **facts: Any,
) -> int:
    """Runs the networks of A and compares their outputs with those of B: another checkpoint, a
    folded network, or an .npz of expected arrays. Without B, with float64 or TensorFlow.

    What is allowed rests on the rounding noise of A, measured by summing in other orders. The
    exit code is 1 where a difference is larger.
    """
    from lnfold.checking.observations import drawn, given
    from lnfold.checkpoint.array_file import read_arrays
    from lnfold.network.rounding import measure_rounding

    leave_stdout_to(save)
    if right is not None and against is not None:
        raise UsageError("--against is for A alone; B is what A is compared with")
    if against == "expected":
        if inputs is None:
            raise UsageError(
                "--against expected needs the file that holds the outputs",
                remedy="Give --inputs FILE.npz with inputs and outputs.",
            )
        right = inputs
    facts_given = settings(**facts, network=network)
    networks = _networks(left, facts_given, network)
    assumed = {one.name: assumed_facts(one) for one, _ in networks if one.assumed}
    inputs = inputs or _inputs_within(right, networks)
    arrays = None if inputs is None else read_arrays(inputs, "inputs")
    compared: dict[str, Comparison] = {}
    kept: dict[str, Array] = {}
    for one, _ in networks:
        observed = drawn(one) if arrays is None else given(one, arrays, inputs or "")
        if observed.told:
            click.echo(f"{one.name}: inputs told by name or width: {observed.told}", err=True)
        rounding = measure_rounding(one, observed.inputs)
        other = _other(one, observed.inputs, left, right, against, facts_given, rounding.double)
        from lnfold.checking.compare import compare

        compared[one.name] = compare(rounding.single, other, rounding.tolerance)
        kept.update({**observed.inputs, **rounding.single})
    if save is not None:
        _save(save, kept)
    left_out = {one.name: operations for one, operations in networks}
    _report(compared, left_out, assumed, json_wanted)
    return 0 if all(one.passed for one in compared.values()) else 1


def _inputs_within(right: str | None, networks: list[Part]) -> str | None:
    """B itself, where it holds the inputs beside the outputs, as saved results do."""
    from lnfold.checking.observations import holds_inputs
    from lnfold.checkpoint.array_file import read_arrays
    from lnfold.export.archive import is_archive

    if right is None or not right.endswith(".npz") or is_archive(right):
        return None
    held = read_arrays(right, "outputs")
    if not all(holds_inputs(network, held) for network, _ in networks):
        return None
    return right


def _networks(path: str, facts: Settings, name: str | None) -> list[Part]:
    """What can be run of the networks of a checkpoint or of a folded archive."""
    from lnfold.export.archive import is_archive, read_archive

    if is_archive(path):
        found = read_archive(path)
    else:
        from lnfold.checkpoint import open_checkpoint
        from lnfold.network.recover import recover

        with open_checkpoint(path) as checkpoint:
            recovery = recover(checkpoint, facts)
        found = recovery.networks if name is None else (recovery.named(name),)
    parts = [(runnable_part(one), not_run(one)) for one in found if name in (None, one.name)]
    chosen = [(part, left_out) for part, left_out in parts if part is not None]
    if not chosen:
        names = ", ".join(one.name for one in found) or "none"
        raise UnknownNameError(
            f"{path} holds no network that can be run" + (f" called '{name}'" if name else ""),
            remedy=f"There are: {names}.",
        )
    if not facts.assume:
        expect_settled([part for part, _ in chosen], "checked")
    return chosen


def _other(
    network: Network,
    inputs: Mapping[str, Array],
    left: str,
    right: str | None,
    against: str | None,
    facts: Settings,
    double: Mapping[str, Array],
) -> Mapping[str, Array]:
    """The outputs to compare with."""
    from lnfold.checkpoint.array_file import read_arrays
    from lnfold.export.archive import is_archive
    from lnfold.network.run import run

    if right is not None:
        if right.endswith((".npz", ".npy")) and not is_archive(right):
            return read_arrays(right, "outputs")
        ((other, _),) = _networks(right, facts, network.name)
        return run(other, inputs)
    if against == "tensorflow":
        from lnfold.checking.tensorflow_run import run_tensorflow
        from lnfold.checkpoint import open_checkpoint

        with open_checkpoint(left) as checkpoint:
            return run_tensorflow(checkpoint, network, inputs)
    return double


def _save(path: str, arrays: dict[str, Array]) -> None:
    from lnfold.whole_file import whole_file

    with whole_file(path) as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]


def _report(
    compared: Mapping[str, Comparison],
    left_out: Mapping[str, Sequence[str]],
    assumed: Mapping[str, str],
    json_wanted: bool,
) -> None:
    from lnfold.export.comparisons import comparison_lines, comparison_record
    from lnfold.json_text import json_text

    if json_wanted:
        record = {
            name: {
                **comparison_record(one),
                "not_run": list(left_out[name]),
                "assumed": assumed.get(name, ""),
            }
            for name, one in compared.items()
        }
        click.echo(json_text({"schema_version": 1, "networks": record}), nl=False)
        return
    for name, one in compared.items():
        if name in assumed:
            click.echo(f"assumed: {printable(assumed[name])}")
        for line in comparison_lines(name, one):
            click.echo(line, file=sys.stdout)
        if left_out[name]:
            drawn = ", ".join(printable(operation) for operation in left_out[name])
            click.echo(f"  compared around what is not run, its values drawn: {drawn}")
