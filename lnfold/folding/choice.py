"""What is asked of a fold: its form, and which of the rules."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from lnfold.errors import UsageError
from lnfold.folding.editing.steps import Form, Rule


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
