"""`lnfold check`: run a checkpoint's networks and say whether something else agrees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import click

from lnfold.cli.echo import echo
from lnfold.cli.facts import fact_options, settings
from lnfold.cli.printing import leave_stdout_to
from lnfold.cli.terminal_width import terminal_width
from lnfold.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lnfold.checking.checks import Checking
    from lnfold.checking.comparison import Comparison
    from lnfold.cli.sides import Pairs, Part, Side
    from lnfold.network.facts.settings import Settings
    from lnfold.network.records.layers import Array


@click.command(
    epilog="""\b
Examples:
  lnfold check run/actor.ckpt-500
  lnfold check run/actor.ckpt-500 actor.npz
  lnfold check run/ folded/ --inputs observations.npy
  lnfold check run/ other/ --network actor=network
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
@click.option(
    "--network",
    "names",
    multiple=True,
    metavar="NAME[=NAME]",
    help="Compare this network only; A's name=B's where they differ.  Repeatable.",
)
@click.option(
    "--around",
    is_flag=True,
    help="Be content with what is run, where operations are left out of a network.",
)
@click.option("--save", metavar="FILE", help="Keep inputs and outputs, to be judged again.")
@click.option("--json", "json_wanted", is_flag=True, help="JSON instead of text.")
@fact_options
def command(
    left: str,
    right: str | None,
    inputs: str | None,
    against: str | None,
    names: Sequence[str],
    around: bool,
    save: str | None,
    json_wanted: bool,
    **facts: Any,
) -> int:
    """Runs the networks of A and compares their outputs with those of B: another checkpoint, a
    folded network, or an .npz of expected arrays. Without B, with float64 or TensorFlow.

    Every number is judged by its own rounding. There are three verdicts: it agrees, exit code 0;
    it differs by more than any rounding explains, 1; and nobody can tell, 4: rounding could
    hide a difference, a number is not finite, or operations that are not run may be others.
    """
    from lnfold.checkpoint.numpy_files.array_file import read_arrays
    from lnfold.cli.sides import read_side, sides_named
    from lnfold.network.records.settled import assumed_facts, expect_settled

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
    ours, theirs = sides_named(names)
    check = _Check(left, right, against, settings(**facts, network=theirs), save is not None)
    facts_given = settings(**facts, network=ours)
    pairs = check.pairs(read_side(left, facts_given, values=check.compares_networks), names)
    chosen = [one.network for pair in pairs.pairs for one in pair]
    if not facts["assume"]:
        expect_settled(chosen, "checked")
    assumed = {one.name: assumed_facts(one) for one in chosen if one.assumed}
    inputs = inputs or check.inputs_within([one for one, _ in pairs.pairs])
    arrays = None if inputs is None else read_arrays(inputs, "inputs")
    for one, other in pairs.pairs:
        check.take(one, other, arrays, inputs or "")
    if save is not None:
        _save(save, check.kept)
    _report(check.compared, pairs, assumed, json_wanted)
    return _exit_code(check, pairs, around)


def _exit_code(check: _Check, pairs: Pairs, around: bool) -> int:
    from lnfold.checking.comparison import overall
    from lnfold.checking.verdict import Verdict
    from lnfold.cli.verdicts import EXIT_CODE_OF

    verdict = overall(check.compared.values())
    # a part is not the whole, unless what is left out is known to be the same on both sides
    partly = any(one.around for one in check.compared.values()) and not check.compares_networks
    if verdict is Verdict.AGREES and (pairs.only_left or (partly and not around)):
        verdict = Verdict.CANNOT_TELL
    return EXIT_CODE_OF[verdict]


@dataclass(slots=True)
class _Check:
    """What A is compared with, and what has come of it so far."""

    left: str
    right: str | None
    against: str | None
    facts: Settings
    saves: bool = False
    compared: dict[str, Comparison] = field(default_factory=dict)
    kept: dict[str, Array] = field(default_factory=dict)

    @property
    def compares_networks(self) -> bool:
        """Whether B is another checkpoint or archive."""
        from lnfold.checkpoint.numpy_files.array_file import holds_array
        from lnfold.checkpoint.numpy_files.manifest import MANIFEST

        right = self.right
        if right is None or not right.endswith((".npz", ".npy")):
            return right is not None
        return holds_array(right, MANIFEST)

    def pairs(self, ours: Side, names: Sequence[str]) -> Pairs:
        """The networks of A that were asked for, each with the one of B that it stands against."""
        from lnfold.cli.sides import Pairs, paired, read_side

        if self.compares_networks:
            assert self.right is not None
            return paired(ours, read_side(self.right, self.facts, values=True), names)
        chosen = [ours.named(name) for name in names] or self._meant(ours)
        if not chosen and ours.unrun:
            raise ours.cannot_run(next(iter(ours.unrun)))
        if not chosen:
            raise UsageError(f"{self.left} holds no network")
        return Pairs(tuple((one, one) for one in chosen))

    def _meant(self, ours: Side) -> list[Part]:
        """All that run; where outputs go by their names, one of those that call them alike."""
        from lnfold.recovery.names.averages import other_versions

        if self.right is None and not self.saves:
            return list(ours.parts)
        others = other_versions([one.network.name for one in ours.parts])
        for name, own in others.items():
            said = f"{name} is not compared, since its outputs are called like those of {own}"
            echo(f"{said}: --network {name} takes it", err=True)
        return [one for one in ours.parts if one.network.name not in others]

    def inputs_within(self, parts: Sequence[Part]) -> str | None:
        """B itself, where it holds the inputs beside the outputs, as saved results do."""
        from lnfold.checking.observations import holds_inputs
        from lnfold.checkpoint.numpy_files.array_file import read_arrays

        if self.right is None or not self.right.endswith(".npz") or self.compares_networks:
            return None
        held = read_arrays(self.right, "outputs")
        if not all(holds_inputs(one.network, held) for one in parts):
            return None
        return self.right

    def take(self, one: Part, other: Part, arrays: Mapping[str, Array] | None, path: str) -> None:
        """Runs a network and compares it."""
        from lnfold.checking.checks import Checking
        from lnfold.checking.observations import drawn, given

        network = one.network
        observed = drawn(network) if arrays is None else given(network, arrays, path)
        if observed.told:
            echo(f"{network.name}: inputs told by name or width: {observed.told}", err=True)
        checking = Checking.of(network, observed)
        found = self._compared(checking, one, other)
        self.compared[network.name] = replace(found, around=one.around)
        self._keep({**observed.inputs, **checking.outputs}, network.name)

    def _keep(self, arrays: Mapping[str, Array], network: str) -> None:
        """Notes what may be saved; UsageError where one name stands for two arrays."""
        import numpy as np

        for name, array in arrays.items() if self.saves else ():
            if not np.array_equal(self.kept.setdefault(name, array), array, equal_nan=True):
                raise UsageError(
                    f"--save: network {network} has other values of '{name}' than one before it, "
                    "and a file keeps one array of a name",
                    remedy=f"Save each into a file of its own, this one with --network {network}.",
                )

    def _compared(self, checking: Checking, one: Part, other: Part) -> Comparison:
        from lnfold.checking.comparison import Against
        from lnfold.checking.left_out import unlike
        from lnfold.checkpoint.numpy_files.array_file import read_arrays

        if self.compares_networks:
            from lnfold.checking.check import called_alike

            compared = checking.with_network(*called_alike(other.network, one.network))
            return replace(compared, unlike=unlike(one.left_out, other.left_out))
        if self.right is not None:
            return checking.with_outputs(read_arrays(self.right, "outputs"), Against.EXPECTED)
        if self.against == "tensorflow":
            from lnfold.checking.tensorflow_run import run_tensorflow
            from lnfold.checkpoint import open_checkpoint

            with open_checkpoint(self.left) as checkpoint:
                outputs = run_tensorflow(checkpoint, one.network, checking.observations.inputs)
            return checking.with_outputs(outputs, Against.TENSORFLOW)
        return checking.with_float64()


def _save(path: str, arrays: dict[str, Array]) -> None:
    import numpy as np

    from lnfold.files.whole_file import whole_file

    with whole_file(path) as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]


def _report(
    compared: Mapping[str, Comparison],
    pairs: Pairs,
    assumed: Mapping[str, str],
    json_wanted: bool,
) -> None:
    from lnfold.export.comparisons import comparison_record, comparison_text, unpaired_text
    from lnfold.text.json import json_text
    from lnfold.text.number_format import printable

    alone = {"only_in_a": list(pairs.only_left), "only_in_b": list(pairs.only_right)}
    if json_wanted:
        record = {
            name: {**comparison_record(one), "assumed": assumed.get(name, "")}
            for name, one in compared.items()
        }
        echo(json_text({"schema_version": 1, "networks": record, **alone}), nl=False)
        return
    width = terminal_width()
    for facts in dict.fromkeys(assumed.values()):
        echo(f"assumed: {printable(facts)}")
    for name, one in compared.items():
        echo(comparison_text(name, one, width))
    for line in unpaired_text(pairs.only_left, pairs.only_right, width):
        echo(line)
