"""Examples of inputs and outputs settle what names leave open.

A wrong order or activation moves the outputs by about 1, a wrong epsilon by far more than
rounding unless it is negligible. So every candidate (order × epsilon × activation × activation
of each output) answers a few rows, the close ones answer all that are compared, and one is
accepted only if it alone reproduces them at rounding level. Epsilons that cannot be told apart
count as one candidate, the likeliest.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from lnfold.errors import UsageError
from lnfold.network.facts.settings import Examples, Settings
from lnfold.network.records.layers import Array, Gap, Network
from lnfold.network.running.differences import difference, largest_difference
from lnfold.network.running.run import run_rows
from lnfold.recovery.examples.candidates import (
    EPSILONS,
    Candidate,
)
from lnfold.recovery.examples.example_arrays import matched, rows_of
from lnfold.recovery.examples.trials import Trial, assumed_epsilon, trials_of
from lnfold.recovery.graph.fingerprint import fingerprint
from lnfold.recovery.names.chains import Names

_COMPARED: Final = 64  # rows that a close candidate answers
_MOST: Final = 512  # rows that the accepted candidate answers
_CLOSE: Final = 1e-2  # of the outputs' scale: far more than rounding, far less than a wrong fact
_HOPELESS: Final = 1000  # times what rounding does to the best candidate: no other's is as large
_WIDEST: Final = 0.01  # of an output's size: rounding above it would hide another candidate
_SHOWN: Final = 3  # candidates named in an error


def settled(names: Names, settings: Settings, notes: list[str]) -> tuple[Network, ...]:
    """The networks, the one that the examples are of settled by them.

    Args:
        names: what is known of the layers without examples.
        settings: what the user says, examples included; facts it gives are not varied.
        notes: takes up what else came close.

    Raises:
        UsageError: no candidate reproduces the examples, or several do, or not all were tried.
    """
    examples = settings.examples
    assert examples is not None
    plain = names.networks(replace(settings, examples=None))
    reasons: dict[str, str] = {}
    unfinished: set[str] = set()
    trials = sorted(
        trials_of(names, plain, settings, examples, reasons, unfinished),
        key=lambda trial: trial.error,
    )
    trials = _judged(trials, settings, examples)
    fitting = [trial for trial in trials if trial.fits]
    if not fitting:
        raise _refused(trials, reasons, examples, unfinished)
    _expect_one_kind(fitting, examples, settings)
    order = [*(network.name for network in plain), *names.families]
    best = min(fitting, key=lambda trial: _unlikelihood(trial.candidate, plain, order))
    found = _complete(best, examples, settings)
    if found.name in unfinished:
        raise UsageError(
            f"{best.candidate} reproduces the examples of {examples.where}, but not all of the "
            f"arrangements in which the layers of {found.name} fit were tried",
            remedy="Give --epsilon and --activation, so that all can be, or --layers.",
        )
    error, share, _ = _compared(found, best, examples, _MOST)
    best = replace(best, error=error, share=share)
    if not best.fits:
        raise _refused([best], reasons, examples, unfinished)
    _note(best, fitting, trials, examples, notes)
    if any(one.name == found.name for one in plain):
        return tuple(found if one.name == found.name else one for one in plain)
    read = set(found.variables())
    return (found, *(one for one in plain if read.isdisjoint(one.variables())))


def _judged(trials: list[Trial], settings: Settings, examples: Examples) -> list[Trial]:
    """The trials with the close ones compared on more rows, each number by its own rounding."""
    judged = []
    least = 0.0
    for trial in trials:
        scale = max(float(np.abs(one).max(initial=0)) for one in trial.outputs.values())
        if trial.error > _CLOSE * max(1.0, scale):
            judged.append(trial)
            continue
        network = _complete(trial, examples, settings)
        error, share, rounding = _compared(network, trial, examples, _COMPARED, least)
        least = least or rounding
        judged.append(replace(trial, error=error, share=share))
    return sorted(judged, key=lambda trial: trial.error)


def _compared(
    network: Network, trial: Trial, examples: Examples, most: int, least: float = 0.0
) -> tuple[float, float, float]:
    """How far a network is from the examples, in units of its rounding too, and that rounding.

    Args:
        least: what rounding does to a better candidate; 0 where there is none.

    Returns:
        the largest difference, the largest share of what rounding does to the same number, and
        the most that it does to any.
    """
    network = replace(network, gaps=())  # an output without examples is not compared
    inputs = matched(network, examples)
    assert inputs is not None
    inputs = rows_of(inputs, most)
    expected = _renamed(trial, network, rows_of(trial.outputs, most))
    error = largest_difference(expected, run_rows(network, inputs))
    if least and error > _HOPELESS * least:
        return error, math.inf, least
    # not every trial gets here, and start-up is free of what bounds rounding
    from lnfold.network.rounding.measured import measure_rounding

    rounding = measure_rounding(network, inputs)
    shares, most_rounding = [0.0], 0.0
    for name, one in expected.items():
        widest = _WIDEST * float(np.abs(one).max(initial=0.0))
        allowed = np.fmin(rounding.estimate[name], widest)
        off = difference(one, rounding.double[name])
        with np.errstate(divide="ignore"):
            share = np.divide(off, allowed, out=np.zeros_like(off), where=off > 0)
        shares.append(float(np.nan_to_num(share, nan=np.inf).max(initial=0.0)))
        most_rounding = max(most_rounding, float(allowed.max(initial=0.0)))
    return error, max(shares), most_rounding


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


def _expect_one_kind(fitting: Sequence[Trial], examples: Examples, settings: Settings) -> None:
    """UsageError where the fitting candidates of the best one's network compute otherwise in
    more than epsilon, or where it is not known which output is which."""
    name = fitting[0].candidate.network.name
    same = [trial for trial in fitting if trial.candidate.network.name == name]
    kinds = {}
    for trial in same:
        outputs = trial.candidate.network.outputs
        which = tuple(outputs.index(name) for name in trial.outputs)
        kinds[_computed(_complete(trial, examples, settings)), which] = trial
    if len(kinds) > 1:
        listed = "; ".join(map(str, list(kinds.values())[:_SHOWN]))
        raise UsageError(
            f"several candidates reproduce the examples of {examples.where}: {listed}",
            remedy="Give more rows, or --layers.",
        )


def _computed(network: Network) -> str:
    """What a network computes, epsilon apart: equal for two descriptions of the same layers."""
    told = {one.name: f"input {one.name}" for one in network.inputs}
    for layer in network.layers:
        facts = {name: fact.value for name, fact in layer.facts() if name != "epsilon"}
        read = [told[one] for one in layer.inputs]
        if layer.kind == "activation" and facts.get("function") == "identity":
            told[layer.name] = read[0]
        else:
            said = (layer.kind, *layer.variables(), *sorted(map(repr, facts.items())))
            constants = (one.array.tobytes() for _, one in layer.parameters() if not one.variables)
            told[layer.name] = fingerprint(*said, *constants, *read)
    return fingerprint(*(told[one] for one in network.outputs))


def _unlikelihood(
    candidate: Candidate, plain: Sequence[Network], names: Sequence[str]
) -> tuple[int, int]:
    """The first network, then the epsilon that its library takes, then the usual ones."""
    epsilon = candidate.epsilon
    if epsilon is None or epsilon == assumed_epsilon(plain, candidate.network.name):
        rank = -1
    else:
        rank = EPSILONS.index(epsilon) if epsilon in EPSILONS else len(EPSILONS)
    return names.index(candidate.network.name), rank


def _refused(
    trials: Sequence[Trial],
    reasons: Mapping[str, str],
    examples: Examples,
    unfinished: Collection[str],
) -> UsageError:
    if trials:
        closest = "; ".join(map(str, trials[:_SHOWN]))
        left = ", ".join(sorted(unfinished))
        return UsageError(
            f"no candidate reproduces the examples of {examples.where}; the closest: {closest}",
            remedy=f"Not all arrangements of {left} were tried: give --layers." if left else None,
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
