"""Why the norms of a network that cannot be run do not fold: the reason for each, by rule."""

from __future__ import annotations

from lnfold.folding.dry_run import setting_of
from lnfold.folding.editing.steps import Applied, Form, Reason, Refused
from lnfold.folding.proof.certificate import NotFolded, Refusal
from lnfold.folding.sequences import SEQUENCES
from lnfold.network.records.layers import Network, Norm
from lnfold.network.records.settled import rests_on


def survey(network: Network, form: Form = Form.STOCK) -> NotFolded:
    """A refusal for every norm of an incomplete network and every rule that would apply to it.

    A step whose preconditions hold is refused too: without a run, or on what is assumed, nothing
    would prove it.
    """
    why = network.gaps[0].what if network.gaps else f"{rests_on(network)}"
    setting = setting_of(network, form)
    rules = SEQUENCES[Form.RMS if form is Form.AUTO else form]
    refusals = []
    for layer in network.layers:
        if not isinstance(layer, Norm):
            continue
        for rule in rules:
            outcome = rule.apply(network, layer, setting)
            if isinstance(outcome, Applied):
                outcome = Refused(Reason.NOT_RUN, why)
            if outcome is not None:
                refusals.append(Refusal.of(rule, layer.name, outcome))
    return NotFolded(network.name, why, tuple(refusals))
