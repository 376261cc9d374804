"""What no rounding explains is never taken for rounding, over networks of every kind."""

from __future__ import annotations

from collections import Counter

import numpy as np

from lnfold.checking.checks import Checking
from lnfold.checking.comparison import Against
from lnfold.checking.observations import Observations
from lnfold.checking.verdict import Verdict
from lnfold.network.operations.float_types import float_type
from lnfold.network.running.run import run
from tests.network.rounding.networks import wild
from tests.network.rounding.planted import planted

NETWORKS = 300


@np.errstate(all="ignore")
def test_a_change_of_eight_allowances_never_agrees_and_of_eight_proved_bounds_differs() -> None:
    """A parameter is changed until an output moves so far; then a program of it is checked.

    Most of the networks agree with themselves, so that the check could have been wrong.
    """
    seen: Counter[str] = Counter()  # of networks that agree with themselves
    for seed in range(NETWORKS):
        network, inputs = wild(seed)
        checking = Checking.of(network, Observations(inputs, ""))
        exact, allowed = checking.rounding.double, checking.allowed
        verdicts = {"itself": checking.with_float64().verdict}
        for figure, bounds in (("estimate", allowed.estimate), ("proved", allowed.proved)):
            changed = planted(seed, network, inputs, exact, bounds)
            if changed is not None:
                found = run(changed, inputs, float_type(network.precision).type)
                verdicts[figure] = checking.with_outputs(found, Against.EXPECTED).verdict
        assert verdicts.get("estimate") is not Verdict.AGREES, seed
        assert verdicts.get("proved", Verdict.DIFFERS) is Verdict.DIFFERS, seed
        if verdicts["itself"] is Verdict.AGREES:
            seen.update(verdicts.keys())

    assert min(seen["itself"], seen["estimate"], seen["proved"]) >= 150


@np.errstate(all="ignore")
def test_another_network_that_is_eight_allowances_off_never_agrees() -> None:
    """Both are run in float64 then, and each adds an allowance of its own."""
    seen: Counter[Verdict] = Counter()
    for seed in range(NETWORKS, NETWORKS + 60):
        network, inputs = wild(seed)
        checking = Checking.of(network, Observations(inputs, ""))
        exact, allowed = checking.rounding.double, checking.allowed
        changed = planted(seed, network, inputs, exact, allowed.estimate)
        if changed is not None and checking.with_network(network).passed:
            seen[checking.with_network(changed).verdict] += 1

    assert seen[Verdict.AGREES] == 0
    assert seen[Verdict.DIFFERS] >= 20
