"""The steps of a fold as a section of the page: what was done, with its proof, and what was not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from lnfold.errors import CannotTellError
from lnfold.folding.editing.steps import Reason
from lnfold.folding.fold import fold_together
from lnfold.folding.proof.certificate import (
    FLOAT64_LIMIT,
    ROUNDING_LIMIT,
    Certificate,
    Folded,
    FoldingLimitError,
    Refusal,
)
from lnfold.network.records.layers import Network
from lnfold.network.records.settled import assumed_facts, rests_on, settled_by
from lnfold.report.account.record import Report, split_copies
from lnfold.report.page.elements import Markup, Number, breaking, joined, table, tag
from lnfold.text.number_format import figure, printable


def folding_parts(report: Report) -> list[Markup]:
    """What `lnfold fold` would do: a section for each network that the page shows in full."""
    complete = [one.network for one in report.networks if one.network.complete]
    whole = [one for one in complete if not one.assumed]
    shown = {one.network.name for one in split_copies(report.networks)[0]}
    try:
        folded = fold_together(whole)
    except (FoldingLimitError, CannotTellError) as error:
        return [tag("section", tag("h2", "Folding"), tag("p", str(error), class_="warn"))]
    left = [one for one in complete if one.assumed and one.name in shown]
    return [fold_part(one) for one in folded if one.original.name in shown] + [
        tag("section", tag("h2", "Folding ", tag("code", one.name)), _not_folded(one))
        for one in left
    ]


def _not_folded(network: Network) -> Markup:
    why = f"Not folded: {rests_on(network)}. {settled_by([network], 'folded')}"
    return tag("p", printable(why), class_="warn")


def fold_part(folded: Folded) -> Markup:
    """The section of one folded network."""
    return tag("section", joined(_parts(folded)))


def _parts(folded: Folded) -> Iterator[Markup]:
    yield tag("h2", "Folding ", tag("code", folded.original.name))
    if folded.original.assumed:
        yield tag("p", f"assumed: {assumed_facts(folded.original)}", class_="warn")
    yield tag("p", f"{folded.form.value} form: {folded.form.sentence}.")
    if folded.certificates:
        yield _steps(folded.certificates)
        yield tag("p", _proof(folded))
    else:
        yield tag("p", "Nothing to fold: all is folded already, or no rule applies.")
    refusals = [one for one in folded.refusals if one.reason is not Reason.SKIPPED]
    if refusals:
        yield _refused(refusals)
    if folded.left:
        yield _left(folded)


def _steps(certificates: Iterable[Certificate]) -> Markup:
    return table(
        "Steps applied, each an exact identity, with what was measured before and after it",
        ["rule and layer", "identity", "changes", "float64 error", "rounding ratio"],
        [
            [
                joined(
                    [
                        tag("div", f"{step.rule} ({step.identity})"),
                        tag("code", breaking(step.layer)),
                    ]
                ),
                joined(
                    [
                        tag("div", step.formula),
                        *(
                            tag("div", f"{what}: {figure(value)}", class_="muted")
                            for what, value in step.preconditions
                        ),
                    ]
                ),
                joined(tag("div", breaking(name)) for name in step.changed),
                Number(step.float64_error),
                Number(step.rounding_ratio),
            ]
            for step in certificates
        ],
    )


def _proof(folded: Folded) -> str:
    before, after = folded.multiplications
    return (
        f"In float64 the folded network is off by {figure(folded.float64_error)} of the output's "
        f"scale, {figure(FLOAT64_LIMIT)} is allowed. Its rounding is "
        f"{figure(folded.rounding_ratio)} times the original's, {ROUNDING_LIMIT:g} times is "
        f"allowed. Multiplications for one observation: {before:,} before, {after:,} after. "
        f"Measured on {folded.origin}."
    )


def _refused(refusals: Iterable[Refusal]) -> Markup:
    return table(
        "Steps not applied",
        ["rule", "layer", "why"],
        [[f"{one.rule} ({one.identity})", breaking(one.layer), one.sentence] for one in refusals],
    )


def _left(folded: Folded) -> Markup:
    return table(
        "Numbers of bias, gamma and beta that are left",
        ["layer", "before", "after", "bias", "gamma", "beta"],
        [
            [
                breaking(left.scope),
                Number(left.before),
                Number(left.after),
                Number(left.bias),
                Number(left.gamma),
                Number(left.beta),
            ]
            for left in folded.left
        ],
    )
