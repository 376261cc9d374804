"""`lnfold explain`: the full account of a network, a layer or a unit, in plain words."""

from __future__ import annotations

from typing import Any

import click

from lnfold.checkpoint import open_checkpoint
from lnfold.cli.box import box_options
from lnfold.cli.echo import echo
from lnfold.cli.facts import fact_options, settings
from lnfold.cli.progress import progress
from lnfold.cli.terminal_width import terminal_width
from lnfold.recovery.names.roles import role_of
from lnfold.recovery.recover import recover
from lnfold.report.account.record import NetworkReport, Question, Report, build_report


@click.command(
    epilog="""\b
Examples:
  lnfold explain run/actor.ckpt-500
  lnfold explain run/ --network actor --layer dense_1
  lnfold explain run/ --network actor --layer dense --unit 7 --box -1 1"""
)
@click.argument("path", metavar="CHECKPOINT")
@click.option("--network", metavar="NAME", help="Explain this network only.")
@click.option("--layer", metavar="SCOPE", help="Explain this layer only.")
@click.option("--unit", type=click.IntRange(min=0), metavar="N", help="Explain this unit of it.")
@click.option("--inputs", metavar="FILE", help="Inputs to measure on, .npy or .npz.")
@box_options
@fact_options
def command(
    path: str,
    network: str | None,
    layer: str | None,
    unit: int | None,
    inputs: str | None,
    box: tuple[float, float] | None,
    box_file: str | None,
    **facts: Any,
) -> int:
    """What the network in CHECKPOINT does with bias, gamma and beta, in plain words with its own
    numbers: what is exact, what is proved, what was measured and what is assumed.

    Without --network, every network that is no copy of another.
    """
    from lnfold.relations.question.copies import copy_differences
    from lnfold.report.account.full import BoxOption, with_detail
    from lnfold.report.words.explanation import explain
    from lnfold.report.words.section import WIDTH, as_text

    with open_checkpoint(path) as checkpoint:
        recovery = recover(checkpoint, settings(**facts, network=network))
        report = build_report(checkpoint, recovery, Question(network, inputs))
        copies = copy_differences(recovery.networks)
        chosen = Report(checkpoint, recovery, tuple(_originals(report, network)), report.notes)
        with progress("corners of the box") as watch:
            full = with_detail(chosen, BoxOption(box, box_file), watch)
        width = min(WIDTH, terminal_width())
        texts = [as_text(explain(one, copies, layer, unit), width) for one in full.networks]
    if not texts:
        texts = ["No dense layer was found, so there is no network to explain.\n"]
    echo("\n\n".join(texts), nl=False)
    return 0


def _originals(report: Report, network: str | None) -> list[NetworkReport]:
    """The networks to explain: the one asked for, else those that are no copies, if any."""
    originals = [one for one in report.networks if not role_of(one.network.name).copy]
    return list(report.networks) if network is not None or not originals else originals
