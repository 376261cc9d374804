"""Examples of inputs and outputs settle what names leave open.

A wrong order or activation moves the outputs by about 1, a wrong epsilon by far more than
rounding unless it is negligible. So every candidate (order × epsilon × activation × activation
of each output) answers a few rows, the close ones answer all that are compared, and one is
accepted only if it alone reproduces them at rounding level. Epsilons that cannot be told apart
count as one candidate, the likeliest.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from lnfold.errors import UsageError
from lnfold.network.candidates import (
    EPSILONS,
    Answers,
    Candidate,
    head_choices,
    hidden_choices,
    opened,
)
from lnfold.network.conventions import Order
from lnfold.network.example_arrays import matched, output_matches, rows_of
from lnfold.network.layers import Array, Gap, Network, Norm
from lnfold.network.rounding import largest_difference, measure_rounding
from lnfold.network.run import run
from lnfold.network.settings import Examples, Settings, is_meant

Build = Callable[[Settings], tuple[Network, ...]]

_FEW: Final = 8  # rows that every candidate answers
_COMPARED: Final = 64  # rows that a close candidate answers
_MOST: Final = 512  # rows that the accepted candidate answers
_CLOSE: Final = 1e-2  # of the outputs' scale: far more than rounding, far less than a wrong fact
_HOPELESS: Final = 1000  # tolerances of the best candidate: no other's own can be as large
_SHOWN: Final = 3  # candidates named in an error


@dataclass(frozen=True, slots=True)
class Trial:
    """A candidate and how far it is from the examples; a tolerance of 0 was not measured."""

    candidate: Candidate
    outputs: Mapping[str, Array]
    error: float
    tolerance: float = 0.0

    @property
    def fits(self) -> bool:
        return self.error <= self.tolerance

    def __str__(self) -> str:
        allowed = f" of an allowed {self.tolerance:.1e}" if self.tolerance else ""
        return f"{self.candidate}: off by {self.error:.1e}{allowed}"


def settled(build: Build, settings: Settings, notes: list[str]) -> tuple[Network, ...]:
    """The networks, the one that the examples are of settled by them.

    Args:
        build: the networks from names, under the settings given.
        settings: what the user says, examples included; facts it gives are not varied.
        notes: takes up what else came close.

    Raises:
        UsageError: no candidate reproduces the examples, or several do.
    """
    examples = settings.examples
    assert examples is not None
    plain = build(replace(settings, examples=None))
    reasons: dict[str, str] = {}
    trials = sorted(
        _trials(build, plain, settings, examples, reasons), key=lambda trial: trial.error
    )
    trials = _judged(trials, settings, examples)
    fitting = [trial for trial in trials if trial.fits]
    if not fitting:
        raise _refused(trials, reasons, examples)
    _expect_one_kind(fitting, examples)
    best = min(fitting, key=lambda trial: _unlikelihood(trial.candidate, plain))
    found = _complete(best, examples, settings)
    error, tolerance = _compared(found, best, examples, _MOST)
    best = replace(best, error=error, tolerance=tolerance)
    if not best.fits:
        raise _refused([best], reasons, examples)
    _note(best, fitting, trials, examples, notes)
    return tuple(found if one.name == found.name else one for one in plain)


def _trials(
    build: Build,
    plain: Sequence[Network],
    settings: Settings,
    examples: Examples,
    reasons: dict[str, str],
) -> Iterator[Trial]:
    """Every candidate of every network, compared on a few rows; why others are not tried."""
    seen: set[object] = set()
    for order in [settings.order] if settings.order else Order:
        for network in build(opened(settings, order)):
            if not is_meant(network.name, settings):
                continue
            structure = (network.name, *((one.name, one.inputs) for one in network.layers))
            if structure in seen:
                continue  # without a norm, all orders are one
            seen.add(structure)
            reason = _untried(network, examples)
            if reason:
                reasons.setdefault(network.name, reason)
                continue
            normed = any(isinstance(layer, Norm) for layer in network.layers)
            assumed = _assumed_epsilon(plain, network.name)
            yield from _of_network(network, order if normed else None, settings, examples, assumed)


def _untried(network: Network, examples: Examples) -> str:
    """Why a network cannot be tried; empty where it can."""
    if not network.complete:
        return network.gaps[0].what
    if matched(network, examples) is None:
        takes = ", ".join(f"{one.name} [{one.width}]" for one in network.inputs)
        return f"it takes {takes}"
    if not output_matches(network, examples):
        widths = network.widths()
        return "it delivers " + ", ".join(f"{one} [{widths[one]}]" for one in network.outputs)
    return ""


def _assumed_epsilon(networks: Sequence[Network], name: str) -> float | None:
    for network in networks:
        for layer in network.layers:
            if network.name == name and isinstance(layer, Norm):
                return layer.epsilon.value
    return None


def _of_network(
    network: Network,
    order: Order | None,
    settings: Settings,
    examples: Examples,
    assumed: float | None,
) -> Iterator[Trial]:
    inputs = matched(network, examples)
    assert inputs is not None  # or it would not be tried
    answers = Answers(network, rows_of(inputs, _FEW))
    for expected in output_matches(network, examples):
        few = rows_of(expected, _FEW)
        for hidden in hidden_choices(answers, settings, assumed):
            # outputs share nothing but what is hidden, so each is judged alone
            by_output = [
                [
                    (head, largest_difference({output: answers(output, {**hidden, **head})}, few))
                    for head in head_choices(answers, output, settings)
                ]
                for output in expected
            ]
            for chosen in itertools.product(*by_output):
                choice = {key: one for head, _ in chosen for key, one in head.items()}
                error = max(error for _, error in chosen)
                yield Trial(Candidate(network, order, {**hidden, **choice}), expected, error)


def _judged(trials: list[Trial], settings: Settings, examples: Examples) -> list[Trial]:
    """The trials with the close ones compared on more rows, by tolerances of their own."""
    judged = []
    best = 0.0
    for trial in trials:
        scale = max(float(np.abs(one).max(initial=0)) for one in trial.outputs.values())
        if trial.error > _CLOSE * max(1.0, scale):
            judged.append(trial)
            continue
        network = _complete(trial, examples, settings)
        error, tolerance = _compared(network, trial, examples, _COMPARED, best)
        best = best or tolerance
        judged.append(replace(trial, error=error, tolerance=tolerance))
    return sorted(judged, key=lambda trial: trial.error)


def _compared(
    network: Network, trial: Trial, examples: Examples, most: int, best: float = 0.0
) -> tuple[float, float]:
    """How far a network is from the examples, and how far rounding may take it."""
    network = replace(network, gaps=())  # an output without examples is not compared
    inputs = matched(network, examples)
    assert inputs is not None
    inputs = rows_of(inputs, most)
    expected = _renamed(trial, network, rows_of(trial.outputs, most))
    error = largest_difference(expected, run(network, inputs))
    if best and error > _HOPELESS * best:
        return error, best
    return error, measure_rounding(network, inputs).tolerance


def _renamed(trial: Trial, network: Network, arrays: Mapping[str, Array]) -> dict[str, Array]:
    """Arrays by the outputs of the completed network, which may lack identities."""
    names = dict(zip(trial.candidate.network.outputs, network.outputs, strict=True))
    return {names[name]: array for name, array in arrays.items()}


def _complete(trial: Trial, examples: Examples, settings: Settings) -> Network:
    """The candidate's network, with a gap for every output that the examples do not hold."""
    network = trial.candidate.complete_network(examples.where, settings)
    missing = [one for one in trial.candidate.network.outputs if one not in trial.outputs]
    gaps = tuple(
        Gap(f"the examples hold no output '{one}', so its activation is not known")
        for one in missing
    )
    return replace(network, gaps=(*network.gaps, *gaps))


def _expect_one_kind(fitting: Sequence[Trial], examples: Examples) -> None:
    """UsageError where the fitting candidates of the best one's network differ in more than
    epsilon, or where it is not known which output is which."""
    name = fitting[0].candidate.network.name
    same = [trial for trial in fitting if trial.candidate.network.name == name]
    kinds = {(trial.candidate.kind, tuple(trial.outputs)): trial for trial in same}
    if len(kinds) > 1:
        listed = "; ".join(map(str, list(kinds.values())[:_SHOWN]))
        raise UsageError(
            f"several candidates reproduce the examples of {examples.where}: {listed}",
            remedy="Give more rows, or --order and --activation.",
        )


def _unlikelihood(candidate: Candidate, plain: Sequence[Network]) -> tuple[int, int]:
    """The first network, then the epsilon that its library takes, then the usual ones."""
    names = [network.name for network in plain]
    epsilon = candidate.epsilon
    if epsilon is None or epsilon == _assumed_epsilon(plain, candidate.network.name):
        rank = -1
    else:
        rank = EPSILONS.index(epsilon) if epsilon in EPSILONS else len(EPSILONS)
    return names.index(candidate.network.name), rank


def _refused(trials: Sequence[Trial], reasons: Mapping[str, str], examples: Examples) -> UsageError:
    if trials:
        closest = "; ".join(map(str, trials[:_SHOWN]))
        return UsageError(
            f"no candidate reproduces the examples of {examples.where}; the closest: {closest}"
        )
    given = ", ".join(f"{name} {list(one.shape)}" for name, one in examples.inputs.items())
    said = "; ".join(f"{name}: {reason}" for name, reason in list(reasons.items())[:_SHOWN])
    return UsageError(
        f"no network can be tried on the examples of {examples.where} ({given}). "
        + (said or "There is none."),
        remedy="Name the arrays as the network does, inputs by their names and outputs/NAME.",
    )


def _note(
    best: Trial,
    fitting: Sequence[Trial],
    trials: Sequence[Trial],
    examples: Examples,
    notes: list[str],
) -> None:
    network = best.candidate.network.name
    notes.append(f"{network} was settled by the examples of {examples.where}: {best}")
    same = [trial for trial in fitting if trial.candidate.network.name == network]
    found = {trial.candidate.epsilon for trial in same} - {None}
    if len(found) > 1:
        listed = ", ".join(sorted(f"{one:g}" for one in found))
        notes.append(f"the examples do not tell these epsilons apart: {listed}")
    others = [trial for trial in fitting if trial.candidate.network.name != network]
    if others:
        names = ", ".join(dict.fromkeys(trial.candidate.network.name for trial in others))
        notes.append(f"the same outputs are those of: {names}")
    failing = [trial for trial in trials if not trial.fits][:1]
    notes.extend(f"the next candidate: {trial}" for trial in failing)
