"""`lnfold graph`: a network as a diagram in text."""

from __future__ import annotations

from typing import Any

import click

from lnfold.checkpoint import open_checkpoint
from lnfold.cli.echo import echo
from lnfold.cli.facts import fact_options, settings
from lnfold.errors import UnknownNameError
from lnfold.recovery.recover import recover
from lnfold.report.words.diagram import Format, diagram


@click.command(
    epilog="""\b
Examples:
  lnfold graph run/actor.ckpt-500 > actor.mmd
  lnfold graph run/ --network critic --format dot | dot -Tsvg > critic.svg"""
)
@click.argument("path", metavar="CHECKPOINT")
@click.option("--network", metavar="NAME", help="Which network; by default the first.")
@click.option(
    "--format",
    "form",
    type=click.Choice([form.value for form in Format]),
    default=Format.MERMAID.value,
    show_default=True,
    help="Mermaid for README pages, DOT for Graphviz.",
)
@fact_options
def command(path: str, network: str | None, form: str, **facts: Any) -> None:
    """Print a network of CHECKPOINT as the text of a diagram: a box for every layer, a question
    mark behind what is assumed."""
    with open_checkpoint(path) as checkpoint:
        recovery = recover(checkpoint, settings(**facts, network=network))
        if not recovery.networks:
            raise UnknownNameError("the checkpoint holds no network", file=checkpoint.path)
        chosen = recovery.networks[0] if network is None else recovery.named(network)
        echo(diagram(chosen, Format(form)), nl=False)
