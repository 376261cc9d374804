"""A fold as text: for every network what was done, what was not and why, and the proof."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from lnfold.folding.editing.steps import Reason
from lnfold.folding.proof.certificate import (
    FLOAT64_LIMIT,
    ROUNDING_LIMIT,
    Certificate,
    Folded,
    NotFolded,
    Refusal,
)
from lnfold.network.records.settled import assumed_facts
from lnfold.text.number_format import figure, printable
from lnfold.text.wrapping import wrapped

WIDTH = 80


def summary(folded: Sequence[Folded]) -> str:
    """The certificates of folded networks, as lines of text."""
    return wrapped((line for one in folded for line in (*_network(one), "")), WIDTH)


def not_folded_summary(one: NotFolded) -> str:
    """What is said of a network that could not be folded at all."""
    first = f"{printable(one.name)}   not folded: {printable(one.why)}"
    return wrapped([first, *_refused(one.refusals), ""], WIDTH)


def _network(folded: Folded) -> Iterator[str]:
    if folded.original.assumed:
        yield f"assumed: {printable(assumed_facts(folded.original))}"
    yield f"{printable(folded.original.name)}   {folded.form.value} form: {folded.form.sentence}"
    for step in folded.certificates:
        yield from _applied(step)
    if not folded.certificates:
        yield "  nothing to fold: all is folded already, or no rule applies"
    yield from _refused(folded.refusals)
    for left in folded.left:
        yield (
            f"  numbers  {printable(left.scope)}: {left.before} → {left.after} "
            f"(bias {left.bias}, gamma {left.gamma}, beta {left.beta})"
        )
    before, after = folded.multiplications
    yield f"  multiplications for one observation: {before} → {after}"
    if folded.certificates:
        yield (
            f"  float64: off by {figure(folded.float64_error)} of the output's scale, "
            f"allowed {figure(FLOAT64_LIMIT)}"
        )
        yield (
            f"  rounding: {figure(folded.rounding_ratio)} times the original's, "
            f"allowed {ROUNDING_LIMIT:g}"
        )
    yield f"  measured on {folded.origin}"


def _applied(step: Certificate) -> Iterator[str]:
    yield f"  ✓ {step.rule} ({step.identity}) at {printable(step.layer)}"
    yield f"      {step.formula}"
    measured = ", ".join(f"{what} {_counted(value)}" for what, value in step.preconditions)
    yield f"      {measured}"
    if step.changed:
        yield f"      changes {', '.join(printable(name) for name in step.changed)}"
    yield f"      float64 {figure(step.float64_error)}, rounding {figure(step.rounding_ratio)}×"


def _counted(value: float) -> str:
    """A count as such, a measured number with its digits that matter."""
    return f"{value:.0f}" if value.is_integer() and abs(value) < 1e6 else figure(value)


def _refused(refusals: Iterable[Refusal]) -> Iterator[str]:
    for one in refusals:
        if one.reason is not Reason.SKIPPED:
            yield f"  – {one.rule} ({one.identity}) at {printable(one.layer)}"
            yield f"      {printable(one.sentence)}"
