"""The report as one record, and how it is made: every later form is a view of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lnfold.checking.checks import Checking
from lnfold.checking.comparison import Against, Comparison, overall
from lnfold.checking.observations import Observations, drawn, given, row_count
from lnfold.checking.verdict import Verdict
from lnfold.checkpoint.numpy_files.array_file import read_arrays
from lnfold.checkpoint.variables.checkpoint import Checkpoint
from lnfold.errors import UsageError
from lnfold.network.records.layers import BatchNorm, Network
from lnfold.network.records.settled import expect_complete, expect_settled
from lnfold.network.running.run import run_rows
from lnfold.recovery.names.roles import role_of
from lnfold.recovery.recover import Recovery
from lnfold.relations.question.answer import Answer, answer
from lnfold.relations.question.one_vector import Candidate, candidates_for, rows_needed
from lnfold.relations.question.relate import Relation, relate

if TYPE_CHECKING:  # the full account costs imports that the short report does without
    from lnfold.relations.detail import Detail

Array = np.ndarray


@dataclass(frozen=True, slots=True, eq=False)
class NetworkReport:
    """What there is to say about one network.

    Attributes:
        observations: the inputs it was run on; None where it cannot be run.
        relations: one for each normalisation.
        checks: the re-run against float64 and whatever else was asked.
        detail: the full account, where it was asked for (``lnfold.report.account.full``).
    """

    network: Network
    observations: Observations | None
    relations: tuple[Relation, ...]
    answer: Answer
    checks: tuple[Comparison, ...]
    detail: Detail | None = None

    def __repr__(self) -> str:
        checks = ", ".join(one.verdict.value for one in self.checks) or "not run"
        return f"NetworkReport({self.network.name!r}: {self.answer.word}; {checks})"


@dataclass(frozen=True, slots=True, eq=False)
class Report:
    """What there is to say about one checkpoint."""

    checkpoint: Checkpoint
    recovery: Recovery
    networks: tuple[NetworkReport, ...]
    notes: tuple[str, ...]
    asked: tuple[Against, ...] = ()

    def __repr__(self) -> str:
        answers = ", ".join(f"{one.network.name!r}: {one.answer.word}" for one in self.networks)
        return f"Report({self.checkpoint.path!r}, {answers or 'no network'})"

    @property
    def verdict(self) -> Verdict:
        """The verdict on all checks that were made; that on those asked for where some were.

        A network that is not asked about may be one of which nobody can tell.
        """
        checks = [check for one in self.networks for check in one.checks]
        if any(check.differing for check in checks):
            return Verdict.DIFFERS
        made = [check for check in checks if check.against in self.asked]
        return overall(made) if self.asked else Verdict.AGREES

    @property
    def parameters(self) -> int:
        """How many numbers the parameters hold, slots and counters apart."""
        roles = self.recovery.roles
        return sum(one.size for one in self.checkpoint.values() if roles[one.name].is_parameter)


@dataclass(frozen=True, slots=True)
class Question:
    """What a report is asked to cover.

    Attributes:
        network: the name of the one network to report on; None for all.
        inputs, expected: files of arrays, see ``checkpoint.numpy_files.array_file``.
        against_tensorflow: whether to run the graph by TensorFlow too.
        assume: whether that may be done for a network that rests on what is assumed.
    """

    network: str | None = None
    inputs: str | None = None
    expected: str | None = None
    against_tensorflow: bool = False
    assume: bool = False

    @property
    def asked(self) -> tuple[Against, ...]:
        """The comparisons that are asked for."""
        found = [Against.EXPECTED] if self.expected is not None else []
        return (*found, Against.TENSORFLOW) if self.against_tensorflow else tuple(found)


@np.errstate(all="ignore")  # what is not finite is said of the values, not warned of
def build_report(
    checkpoint: Checkpoint, recovery: Recovery, question: Question | None = None
) -> Report:
    """Runs, relates and checks the networks of a checkpoint.

    Raises:
        UsageError: no such network, or arrays that do not fit it.
        IncompleteNetworkError: a check was asked of a network that cannot be run.
    """
    question = question or Question()
    networks = recovery.networks
    if question.network is not None:
        networks = (recovery.named(question.network),)
    notes = [*checkpoint.notes, *recovery.notes, *_nonfinite_notes(networks)]
    target: Network | None = None
    arrays: dict[str, Array] = {}
    if question.inputs is not None or question.expected is not None:
        arrays = _given_arrays(question)
        target = _network_for(networks, arrays)
        if len(networks) > 1:
            notes.append(
                f"the arrays given were taken as those of network {target.name}; "
                "--network chooses another"
            )
    reports = tuple(
        _network_report(checkpoint, network, question, arrays if network is target else None)
        for network in networks
    )
    notes.extend(_too_few_rows(reports))
    return Report(checkpoint, recovery, reports, tuple(notes), question.asked)


def split_copies(
    networks: tuple[NetworkReport, ...],
) -> tuple[list[NetworkReport], list[NetworkReport]]:
    """The networks to show in full, and the copies of them that one line each is enough for."""
    originals = [one for one in networks if not role_of(one.network.name).copy]
    if not originals:
        return list(networks), []
    return originals, [one for one in networks if role_of(one.network.name).copy]


def _network_report(
    checkpoint: Checkpoint,
    network: Network,
    question: Question,
    arrays: Mapping[str, Array] | None,
) -> NetworkReport:
    if not network.complete:
        if arrays is not None or (question.against_tensorflow and question.network is not None):
            expect_complete(network, "checked")
        relations = relate(network, None)
        return NetworkReport(network, None, relations, answer(network, relations, None), ())
    if arrays is None:
        observations = drawn(network)
    else:
        observations = given(network, arrays, question.inputs or question.expected or "")
    values = run_rows(network, observations.inputs, np.float64, trace=True)
    relations = relate(network, values)
    checking = Checking.of(network, observations)
    checks = [checking.with_float64()]
    if arrays is not None and question.expected is not None:
        checks.append(checking.with_outputs(arrays, Against.EXPECTED))
    if question.against_tensorflow:
        if not question.assume:
            expect_settled([network], "checked")
        from lnfold.checking.tensorflow_run import run_tensorflow

        outputs = run_tensorflow(checkpoint, network, observations.inputs)
        checks.append(checking.with_outputs(outputs, Against.TENSORFLOW))
    return NetworkReport(
        network, observations, relations, answer(network, relations, values), tuple(checks)
    )


def _given_arrays(question: Question) -> dict[str, Array]:
    """Inputs and outputs in one mapping: the same file may serve both."""
    arrays: dict[str, Array] = {}
    if question.inputs is not None:
        arrays.update(read_arrays(question.inputs, "inputs"))
    if question.expected is not None:
        expected = read_arrays(question.expected, "outputs")
        if question.inputs is not None:
            inputs = set(arrays)
            expected = {name: one for name, one in expected.items() if name not in inputs}
        arrays.update(expected)
    return arrays


def _network_for(networks: tuple[Network, ...], arrays: Mapping[str, Array]) -> Network:
    """The first original network whose inputs the arrays are."""
    if len(networks) == 1:
        return networks[0]
    names = set(arrays) - {"outputs"}
    originals = sorted(networks, key=lambda network: bool(role_of(network.name).copy))
    for network in originals:
        inputs = {one.name for one in network.inputs}
        if inputs == names - set(network.outputs):
            return network
    for network in originals:
        alone = network.inputs[0] if len(network.inputs) == 1 else None
        if alone and "inputs" in arrays and arrays["inputs"].shape[-1:] == (alone.width,):
            return network
    raise UsageError(
        f"the arrays given ({', '.join(sorted(arrays)) or 'none'}) are the inputs of no network",
        remedy="Choose one with --network: "
        + "; ".join(
            f"{network.name} takes " + ", ".join(f"{i.name} [{i.axes}]" for i in network.inputs)
            for network in originals
        ),
    )


def _too_few_rows(reports: tuple[NetworkReport, ...]) -> list[str]:
    """A note for every network whose inputs are too few for a fit; it says how many it takes."""
    notes = []
    for one in reports:
        rows = 0
        if one.observations is not None and one.network.inputs:
            first = one.network.inputs[0]
            rows = row_count(one.observations.inputs[first.name], first)
        fitted = (
            rows_needed(relation.pair)
            for relation in one.relations
            if Candidate.BEST_AFFINE_FIT in candidates_for(relation.pair)
        )
        needed = max(fitted, default=0)
        if 0 < rows < needed:
            given = "1 row of inputs is" if rows == 1 else f"{rows} rows of inputs are"
            notes.append(
                f"{given} too few for the best affine fit of every layer of "
                f"{one.network.name}: that takes {needed}"
            )
    return notes


def _nonfinite_notes(networks: tuple[Network, ...]) -> list[str]:
    """A note for every parameter that holds NaN or infinity, or makes it: a negative variance."""
    notes: dict[str, None] = {}
    for network in networks:
        for layer in network.layers:
            for _, parameter in layer.parameters():
                array = parameter.array
                finite = int(np.isfinite(array).sum()) if parameter.variables else array.size
                if finite < array.size:
                    bad = array.size - finite
                    notes[f"{parameter.name} holds {bad} NaN or infinite of {array.size}"] = None
            if isinstance(layer, BatchNorm):
                variance = layer.moving_variance
                below = int((variance.array + (layer.epsilon.value or 0.0) < 0).sum())
                if below:
                    notes[
                        f"{variance.name} is negative for {below} of {variance.array.size} units, "
                        "whose square root is NaN"
                    ] = None
    return list(notes)
