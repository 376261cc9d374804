"""A fold without its proof: the rules of a form, applied in turn, and nothing run.

What ``fold`` does is this with every step measured. Alone it says which form takes the fewest
multiplications, and what a fold will do (``promise``).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from lnfold.folding.choice import Choice
from lnfold.folding.editing.runnable_part import runnable_part
from lnfold.folding.editing.steps import Applied, Form, Reason, Refused, Rule, Setting
from lnfold.folding.editing.storing import storage_of, unstorable
from lnfold.folding.proof.certificate import Refusal
from lnfold.folding.proof.cost import multiplications
from lnfold.folding.sequences import CANDIDATES, SEQUENCES, Rules
from lnfold.network.records.layers import Network


@dataclass(slots=True)
class DryRun:
    """A network on its way through the rules.

    Attributes:
        original: as it was recovered.
        exact: as it is so far, with changed parameters in float64.
        setting, choice: what the rules are told, and which of them are taken.
        refusals: what the last round of rules refused.
        steps: how many steps were taken.
    """

    original: Network
    exact: Network
    setting: Setting
    choice: Choice
    refusals: list[Refusal] = field(default_factory=list)
    steps: int = 0

    def take_all(self, rules: Rules) -> None:
        """Applies all rules in turn, until none finds anything more to do.

        One rule may make room for an earlier one: without its BatchNorm a dense layer may read
        the observation normaliser.
        """
        before = -1
        while before < self.steps:
            before = self.steps
            self.refusals.clear()  # what the last round says holds for the network that is left
            for rule in rules:
                self.take(rule)

    def take(self, rule: Rule) -> None:
        """Applies a rule to every layer in turn."""
        for name in [layer.name for layer in self.exact.layers]:
            layer = self.exact.producer(name)
            outcome = None if layer is None else rule.apply(self.exact, layer, self.setting)
            if isinstance(outcome, Applied):
                outcome = self.accept(rule, name, outcome)
            if isinstance(outcome, Refused):
                self.refusals.append(Refusal.of(rule, name, outcome))

    def accept(self, rule: Rule, layer: str, applied: Applied) -> Refused | None:
        """Keeps a step, or says why not."""
        if not self.choice.takes(rule):
            return Refused(Reason.SKIPPED)
        refused = None
        if self.setting.stock:
            refused = unstorable(self.exact, applied.network, self.choice.frozen)
        refused = refused or self.judge(rule, layer, applied)
        if refused is None:
            self.exact = applied.network
            self.steps += 1
        return refused

    def judge(self, rule: Rule, layer: str, applied: Applied) -> Refused | None:
        """Whatever else keeps a step from being taken: here nothing does."""
        del rule, layer, applied
        return None


def setting_of(network: Network, form: Form) -> Setting:
    """What the rules of a form are told of a network."""
    stock = form is Form.STOCK
    return Setting(stock, storage_of(network, stock))


def sequence(network: Network, choice: Choice) -> tuple[Form, Rules]:
    """The rules of a form; for ``auto`` those after which the fewest multiplications remain."""
    if choice.form is not Form.AUTO:
        return choice.form, SEQUENCES[choice.form]
    costs = []
    for form, rules in CANDIDATES:
        dry = DryRun(network, network, setting_of(network, form), choice)
        dry.take_all(rules)
        costs.append(multiplications(dry.exact))
    return CANDIDATES[costs.index(min(costs))]


def foldable(networks: Iterable[Network], assume: bool) -> tuple[Network, ...]:
    """Those that can be run, or a part of them, and that rest on nothing that is assumed.

    Args:
        assume: whether they may.
    """
    return tuple(
        one for one in networks if runnable_part(one) is not None and (assume or not one.assumed)
    )
