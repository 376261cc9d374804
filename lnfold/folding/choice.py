"""What is asked for, and the rules that it comes to."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from lnfold.errors import UsageError
from lnfold.folding.editing.steps import Applied, Form, Rule, Setting
from lnfold.folding.editing.storing import storage_of
from lnfold.folding.proof.cost import multiplications
from lnfold.folding.sequences import CANDIDATES, SEQUENCES, Rules
from lnfold.network.records.layers import Network


@dataclass(frozen=True, slots=True)
class Choice:
    """What is asked for.

    Attributes:
        form: what the folded network may look like.
        only, skip: names of rules; without ``only`` all that the form has.
        frozen: variables that must keep their values in stock form.
        assume: whether a network is folded that rests on what is assumed.
    """

    form: Form = Form.STOCK
    only: Collection[str] = ()
    skip: Collection[str] = ()
    frozen: frozenset[str] = frozenset()
    assume: bool = False

    @staticmethod
    def of(form: str) -> Choice:
        """All rules of the form of that name; UsageError where there is none."""
        names = [one.value for one in Form]
        if form not in names:
            raise UsageError(
                f"no form is called '{form}'", remedy=f"There are: {', '.join(names)}."
            )
        return Choice(Form(form))

    def takes(self, rule: Rule) -> bool:
        return (not self.only or rule.name in self.only) and rule.name not in self.skip


def sequence(network: Network, choice: Choice) -> tuple[Form, Rules]:
    """The rules of a form; for ``auto`` those after which the fewest multiplications remain."""
    if choice.form is not Form.AUTO:
        return choice.form, SEQUENCES[choice.form]
    setting = Setting(False, storage_of(network, False))
    costs = [
        multiplications(_unmeasured(network, rules, setting, choice)) for _, rules in CANDIDATES
    ]
    return CANDIDATES[costs.index(min(costs))]


def _unmeasured(network: Network, rules: Rules, setting: Setting, choice: Choice) -> Network:
    """What the rules make of a network, to count what it costs."""
    before = None
    while before is not network:
        before = network
        for rule in rules:
            if not choice.takes(rule):
                continue
            for name in [layer.name for layer in network.layers]:
                layer = network.producer(name)
                outcome = None if layer is None else rule.apply(network, layer, setting)
                if isinstance(outcome, Applied):
                    network = outcome.network
    return network
